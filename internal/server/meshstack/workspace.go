package meshstack

import (
	"net/http"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// A workspace is an organization; its name is that of its namespace.

type workspace = object[workspaceMetadata, workspaceSpec, none]

type workspaceMetadata struct {
	Name      string              `json:"name"`
	CreatedOn string              `json:"createdOn,omitempty"`
	DeletedOn *string             `json:"deletedOn"`
	Tags      map[string][]string `json:"tags"`
}

type workspaceSpec struct {
	DisplayName                  string `json:"displayName"`
	PlatformBuilderAccessEnabled *bool  `json:"platformBuilderAccessEnabled,omitempty"`
}

func workspaceExtra(w workspace) (remuda.Extra, error) {
	extra := remuda.Extra{}
	if err := keep(extra, "displayName", w.Spec.DisplayName); err != nil {
		return nil, err
	}
	if err := keep(extra, "platformBuilderAccessEnabled", w.Spec.PlatformBuilderAccessEnabled); err != nil {
		return nil, err
	}
	return extra, keep(extra, "tags", w.Metadata.Tags)
}

func (c *call) workspace(o remuda.Organization) (workspace, error) {
	extra, err := c.plane().OrganizationExtra(c.ctx, o.Name)
	if err != nil {
		return workspace{}, err
	}
	m := workspaceMetadata{Name: o.Namespace, CreatedOn: at(o.CreatedAt), Tags: kept[map[string][]string](extra, "tags")}
	if m.Name == "" {
		m.Name = o.Name
	}
	if m.Tags == nil {
		m.Tags = map[string][]string{}
	}
	s := workspaceSpec{DisplayName: kept[string](extra, "displayName"), PlatformBuilderAccessEnabled: kept[*bool](extra, "platformBuilderAccessEnabled")}
	if s.DisplayName == "" {
		s.DisplayName = m.Name
	}
	return envelope[workspaceMetadata, workspaceSpec, none](c, m, s, nil), nil
}

// organization is the name of the organization that a workspace is; empty for none.
func (c *call) organization(workspace string) (string, error) {
	if workspace == "" {
		return "", nil
	}
	return c.rules().OrganizationOf(c.ctx, workspace)
}

// namespace is the workspace that an organization is.
func (c *call) namespace(organization string) (string, error) {
	return c.rules().NamespaceOf(c.ctx, organization)
}

func (c *call) workspaceNamed(name string) (answer, error) {
	organization, err := c.organization(name)
	if err != nil {
		return answer{}, err
	}
	found, err := c.plane().Organization(c.ctx, organization)
	if err != nil {
		return answer{}, err
	}
	words, err := c.workspace(found)
	return ok(words), err
}

func showWorkspace(c *call) (answer, error) { return c.workspaceNamed(c.id()) }

func createWorkspace(c *call) (answer, error) {
	var in workspace
	if err := c.body(&in, mostBody); err != nil {
		return answer{}, err
	}
	extra, err := workspaceExtra(in)
	if err != nil {
		return answer{}, err
	}
	if err := c.plane().FoundOrganization(c.ctx, in.Metadata.Name, extra); err != nil {
		return answer{}, err
	}
	a, err := c.workspaceNamed(in.Metadata.Name)
	a.status = http.StatusCreated
	return a, err
}

func changeWorkspace(c *call) (answer, error) {
	var in workspace
	if err := c.body(&in, mostBody); err != nil {
		return answer{}, err
	}
	organization, err := c.organization(c.id())
	if err != nil {
		return answer{}, err
	}
	extra, err := workspaceExtra(in)
	if err != nil {
		return answer{}, err
	}
	if err := c.plane().SetOrganizationExtra(c.ctx, organization, extra); err != nil {
		return answer{}, err
	}
	return c.workspaceNamed(c.id())
}

func deleteWorkspace(c *call) (answer, error) {
	organization, err := c.organization(c.id())
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, c.plane().DissolveOrganization(c.ctx, organization)
}

func listWorkspaces(c *call) (answer, error) {
	found, total, p, err := numbered(c, func(q control.PageQuery) (remuda.Page[remuda.Organization], error) {
		return c.plane().Organizations(c.ctx, q)
	})
	if err != nil {
		return answer{}, err
	}
	items := make([]workspace, 0, len(found))
	for _, o := range found {
		words, err := c.workspace(o)
		if err != nil {
			return answer{}, err
		}
		items = append(items, words)
	}
	return list(c, p, total, items), nil
}

// mostNumbered bounds lists that our own API gives by cursors, and this format by numbers.
const mostNumbered = 10000

// numbered reads a list that goes by cursors as one that goes by numbers. Such lists are short: organizations, projects,
// keys.
func numbered[T any](c *call, read func(control.PageQuery) (remuda.Page[T], error)) (part []T, total int, p page, err error) {
	if p, err = c.paging(); err != nil {
		return nil, 0, p, err
	}
	var all []T
	for q := (control.PageQuery{Limit: 500}); len(all) < mostNumbered; {
		found, err := read(q)
		if err != nil {
			return nil, 0, p, err
		}
		all = append(all, found.Items...)
		if q.Cursor = found.Next; q.Cursor == "" {
			break
		}
	}
	from := min(p.Number*p.Size, len(all))
	return all[from:min(from+p.Size, len(all))], len(all), p, nil
}
