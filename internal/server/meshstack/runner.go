package meshstack

import (
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

// A runner of this format is a pool: a resource class, with an entry that says what nodes of it need.

type runner = object[runnerMetadata, runnerSpec, none]

type runnerMetadata struct {
	UUID             string  `json:"uuid,omitempty"`
	OwnedByWorkspace string  `json:"ownedByWorkspace"`
	CreatedOn        string  `json:"createdOn,omitempty"`
	LastSeen         *string `json:"lastSeen,omitempty"`
}

type runnerSpec struct {
	DisplayName                string          `json:"displayName"`
	PublicKey                  string          `json:"publicKey"`
	ImplementationType         string          `json:"implementationType"`
	Restriction                string          `json:"restriction,omitempty"`
	IsSelfHosted               *bool           `json:"isSelfHosted,omitempty"`
	WorkloadIdentityFederation json.RawMessage `json:"workloadIdentityFederation,omitempty"`
}

// private is what a pool is that its owner alone may use.
const private = "PRIVATE"

func (s runnerSpec) native() (remuda.BlockRunnerEntry, error) {
	e := remuda.BlockRunnerEntry{
		DisplayName: s.DisplayName, PublicKey: s.PublicKey, Implementation: s.ImplementationType, SelfHosted: s.IsSelfHosted == nil || *s.IsSelfHosted,
		Restricted: s.Restriction == "" || s.Restriction == private, Extra: remuda.Extra{},
	}
	if !e.Restricted {
		if err := keep(e.Extra, "restriction", s.Restriction); err != nil {
			return e, err
		}
	}
	return e, keep(e.Extra, "workloadIdentityFederation", s.WorkloadIdentityFederation)
}

func (c *call) runner(e remuda.BlockRunnerEntry) (runner, error) {
	owner, err := c.namespace(e.Organization)
	if err != nil {
		return runner{}, err
	}
	s := runnerSpec{
		DisplayName: e.DisplayName, PublicKey: e.PublicKey, ImplementationType: e.Implementation, Restriction: private,
		IsSelfHosted: &e.SelfHosted, WorkloadIdentityFederation: e.Extra["workloadIdentityFederation"],
	}
	if !e.Restricted {
		s.Restriction = "PUBLIC"
		if said := kept[string](e.Extra, "restriction"); said != "" {
			s.Restriction = said
		}
	}
	m := runnerMetadata{UUID: e.ID, OwnedByWorkspace: owner, CreatedOn: at(e.CreatedAt), LastSeen: when(e.LastSeenAt)}
	return envelope[runnerMetadata, runnerSpec, none](c, m, s, nil), nil
}

// entry reads a runner from a body.
func (c *call) entry() (e remuda.BlockRunnerEntry, err error) {
	var in runner
	if err := c.body(&in, mostBody); err != nil {
		return e, err
	}
	if e, err = in.Spec.native(); err != nil {
		return e, err
	}
	e.Organization, err = c.organization(in.Metadata.OwnedByWorkspace)
	return e, err
}

func (c *call) shownRunner(e remuda.BlockRunnerEntry, status int) (answer, error) {
	words, err := c.runner(e)
	return answer{status, words}, err
}

func showRunner(c *call) (answer, error) {
	e, err := c.blocks().RunnerEntry(c.ctx, c.id())
	if err != nil {
		return answer{}, err
	}
	return c.shownRunner(e, http.StatusOK)
}

func createRunner(c *call) (answer, error) {
	e, err := c.entry()
	if err != nil {
		return answer{}, err
	}
	if e, err = c.blocks().CreateRunnerEntry(c.ctx, e); err != nil {
		return answer{}, err
	}
	return c.shownRunner(e, http.StatusCreated)
}

func changeRunner(c *call) (answer, error) {
	e, err := c.entry()
	if err != nil {
		return answer{}, err
	}
	if e, err = c.blocks().ChangeRunnerEntry(c.ctx, c.id(), e); err != nil {
		return answer{}, err
	}
	return c.shownRunner(e, http.StatusOK)
}

func deleteRunner(c *call) (answer, error) {
	return answer{status: http.StatusNoContent}, c.blocks().DeleteRunnerEntry(c.ctx, c.id())
}

func listRunners(c *call) (answer, error) {
	organization, err := c.organization(cmp.Or(c.query("ownedByWorkspace"), c.query("workspaceIdentifier")))
	if err != nil {
		return answer{}, err
	}
	return listed(c, func(s blocks.Span) (blocks.List[remuda.BlockRunnerEntry], error) {
		return c.blocks().RunnerEntries(c.ctx, organization, s)
	}, c.runner)
}

// runnerRef names the pool of a resource class; nil for none.
func (c *call) runnerRef(class string) (*ref, error) {
	id, err := c.rules().ClassID(c.ctx, class)
	if err != nil || id == "" {
		return nil, err
	}
	return &ref{UUID: id, Kind: "meshBuildingBlockRunner"}, nil
}
