package meshstack

import (
	"cmp"
	"encoding/json"
	"net/http"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

type integration = object[owned, integrationSpec, integrationStatus]

type integrationSpec struct {
	DisplayName string            `json:"displayName"`
	Config      integrationConfig `json:"config"`
}

type integrationConfig struct {
	Type        string             `json:"type"`
	GitHub      *githubConfig      `json:"github,omitempty"`
	GitLab      *gitlabConfig      `json:"gitlab,omitempty"`
	AzureDevOps *azureDevOpsConfig `json:"azuredevops,omitempty"`
}

type githubConfig struct {
	Owner         string  `json:"owner"`
	BaseURL       string  `json:"baseUrl"`
	AppID         string  `json:"appId"`
	AppPrivateKey *secret `json:"appPrivateKey,omitempty"`
	RunnerRef     *ref    `json:"runnerRef,omitempty"`
}

type gitlabConfig struct {
	BaseURL   string `json:"baseUrl"`
	RunnerRef *ref   `json:"runnerRef,omitempty"`
}

type azureDevOpsConfig struct {
	BaseURL             string  `json:"baseUrl"`
	Organization        string  `json:"organization"`
	PersonalAccessToken *secret `json:"personalAccessToken,omitempty"`
	RunnerRef           *ref    `json:"runnerRef,omitempty"`
}

type integrationStatus struct {
	IsBuiltIn                  bool            `json:"isBuiltIn"`
	WorkloadIdentityFederation json.RawMessage `json:"workloadIdentityFederation,omitempty"`
}

// native is the integration in our words, and the id of its pool.
func (s integrationSpec) native() (i remuda.Integration, runner string, err error) {
	i = remuda.Integration{Name: s.DisplayName, Type: s.Config.Type}
	switch {
	case i.Type == "github" && s.Config.GitHub != nil:
		g := s.Config.GitHub
		i.URL, i.Owner, i.AppID, i.Credential = g.BaseURL, g.Owner, g.AppID, g.AppPrivateKey.native()
		return i, uuidOf(g.RunnerRef), nil
	case i.Type == "gitlab" && s.Config.GitLab != nil:
		i.URL = s.Config.GitLab.BaseURL
		return i, uuidOf(s.Config.GitLab.RunnerRef), nil
	case i.Type == "azuredevops" && s.Config.AzureDevOps != nil:
		a := s.Config.AzureDevOps
		i.URL, i.Owner, i.Credential = a.BaseURL, a.Organization, a.PersonalAccessToken.native()
		return i, uuidOf(a.RunnerRef), nil
	}
	return i, "", remuda.Fail(remuda.Invalid, "spec.config has its type, which is github, gitlab or azuredevops, and the member of that name")
}

func (c *call) integration(i remuda.Integration) (integration, error) {
	owner, err := c.namespace(i.Organization)
	if err != nil {
		return integration{}, err
	}
	pool, err := c.runnerRef(i.ResourceClass)
	if err != nil {
		return integration{}, err
	}
	s := integrationSpec{DisplayName: i.Name, Config: integrationConfig{Type: i.Type}}
	switch i.Type {
	case "github":
		s.Config.GitHub = &githubConfig{Owner: i.Owner, BaseURL: i.URL, AppID: i.AppID, AppPrivateKey: hashOf(i.Credential), RunnerRef: pool}
	case "gitlab":
		s.Config.GitLab = &gitlabConfig{BaseURL: i.URL, RunnerRef: pool}
	case "azuredevops":
		s.Config.AzureDevOps = &azureDevOpsConfig{BaseURL: i.URL, Organization: i.Owner, PersonalAccessToken: hashOf(i.Credential), RunnerRef: pool}
	}
	return envelope(c, owned{i.ID, owner, at(i.CreatedAt)}, s, &integrationStatus{}), nil
}

// sentIntegration reads one from a body.
func (c *call) sentIntegration() (i remuda.Integration, err error) {
	var in integration
	if err := c.body(&in, mostBody); err != nil {
		return i, err
	}
	i, pool, err := in.Spec.native()
	if err != nil {
		return i, err
	}
	if i.ResourceClass, err = c.rules().ClassName(c.ctx, pool); err != nil {
		return i, err
	}
	i.Organization, err = c.organization(in.Metadata.OwnedByWorkspace)
	return i, err
}

func (c *call) shownIntegration(i remuda.Integration, status int) (answer, error) {
	words, err := c.integration(i)
	return answer{status, words}, err
}

func showIntegration(c *call) (answer, error) {
	i, err := c.blocks().Integration(c.ctx, c.id())
	if err != nil {
		return answer{}, err
	}
	return c.shownIntegration(i, http.StatusOK)
}

func createIntegration(c *call) (answer, error) {
	i, err := c.sentIntegration()
	if err != nil {
		return answer{}, err
	}
	if i, err = c.blocks().CreateIntegration(c.ctx, i); err != nil {
		return answer{}, err
	}
	return c.shownIntegration(i, http.StatusCreated)
}

func changeIntegration(c *call) (answer, error) {
	i, err := c.sentIntegration()
	if err != nil {
		return answer{}, err
	}
	if i, err = c.blocks().ChangeIntegration(c.ctx, c.id(), i); err != nil {
		return answer{}, err
	}
	return c.shownIntegration(i, http.StatusOK)
}

func deleteIntegration(c *call) (answer, error) {
	return answer{status: http.StatusNoContent}, c.blocks().DeleteIntegration(c.ctx, c.id())
}

func listIntegrations(c *call) (answer, error) {
	organization, err := c.organization(cmp.Or(c.query("ownedByWorkspace"), c.query("workspaceIdentifier")))
	if err != nil {
		return answer{}, err
	}
	return listed(c, func(s blocks.Span) (blocks.List[remuda.Integration], error) {
		return c.blocks().Integrations(c.ctx, organization, s)
	}, c.integration)
}
