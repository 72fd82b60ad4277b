package meshstack

import (
	"net/http"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

type project = object[projectMetadata, projectSpec, none]

type projectMetadata struct {
	Name             string  `json:"name"`
	OwnedByWorkspace string  `json:"ownedByWorkspace"`
	CreatedOn        string  `json:"createdOn,omitempty"`
	DeletedOn        *string `json:"deletedOn"`
}

type projectSpec struct {
	DisplayName             string              `json:"displayName"`
	Tags                    map[string][]string `json:"tags"`
	PaymentMethodIdentifier *string             `json:"paymentMethodIdentifier,omitempty"`
}

func (p projectSpec) extra() (remuda.Extra, error) {
	extra := remuda.Extra{}
	if err := keep(extra, "displayName", p.DisplayName); err != nil {
		return nil, err
	}
	if err := keep(extra, "paymentMethodIdentifier", p.PaymentMethodIdentifier); err != nil {
		return nil, err
	}
	return extra, keep(extra, "tags", p.Tags)
}

func (c *call) project(p remuda.Project) (project, error) {
	extra, err := c.plane().ProjectExtra(c.ctx, p.Organization, p.Name)
	if err != nil {
		return project{}, err
	}
	owner, err := c.namespace(p.Organization)
	if err != nil {
		return project{}, err
	}
	s := projectSpec{
		DisplayName: kept[string](extra, "displayName"), Tags: kept[map[string][]string](extra, "tags"),
		PaymentMethodIdentifier: kept[*string](extra, "paymentMethodIdentifier"),
	}
	if s.DisplayName == "" {
		s.DisplayName = p.Name
	}
	if s.Tags == nil {
		s.Tags = map[string][]string{}
	}
	return envelope[projectMetadata, projectSpec, none](c, projectMetadata{Name: p.Name, OwnedByWorkspace: owner, CreatedOn: at(p.CreatedAt)}, s, nil), nil
}

// named finds a project by <workspace>.<project>.
func (c *call) named() (organization, name string, err error) {
	workspace, name, found := strings.Cut(c.id(), ".")
	if !found {
		return "", "", remuda.Fail(remuda.NotFound, "a project is addressed as <workspace>.<project>")
	}
	organization, err = c.organization(workspace)
	return organization, name, err
}

func (c *call) projectOf(organization, name string, status int) (answer, error) {
	found, err := c.plane().Project(c.ctx, organization, name)
	if err != nil {
		return answer{}, err
	}
	words, err := c.project(found)
	return answer{status, words}, err
}

func showProject(c *call) (answer, error) {
	organization, name, err := c.named()
	if err != nil {
		return answer{}, err
	}
	return c.projectOf(organization, name, http.StatusOK)
}

func createProject(c *call) (answer, error) {
	var in project
	if err := c.body(&in, mostBody); err != nil {
		return answer{}, err
	}
	organization, err := c.organization(in.Metadata.OwnedByWorkspace)
	if err != nil {
		return answer{}, err
	}
	extra, err := in.Spec.extra()
	if err != nil {
		return answer{}, err
	}
	if _, err := c.plane().CreateProject(c.ctx, remuda.Project{Name: in.Metadata.Name, Organization: organization}); err != nil {
		return answer{}, err
	}
	if err := c.plane().SetProjectExtra(c.ctx, organization, in.Metadata.Name, extra); err != nil {
		return answer{}, err
	}
	return c.projectOf(organization, in.Metadata.Name, http.StatusCreated)
}

func changeProject(c *call) (answer, error) {
	var in project
	if err := c.body(&in, mostBody); err != nil {
		return answer{}, err
	}
	organization, name, err := c.named()
	if err != nil {
		return answer{}, err
	}
	extra, err := in.Spec.extra()
	if err != nil {
		return answer{}, err
	}
	if err := c.plane().SetProjectExtra(c.ctx, organization, name, extra); err != nil {
		return answer{}, err
	}
	return c.projectOf(organization, name, http.StatusOK)
}

func deleteProject(c *call) (answer, error) {
	organization, name, err := c.named()
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, c.plane().DeleteProject(c.ctx, organization, name)
}

func listProjects(c *call) (answer, error) {
	organization, err := c.organization(c.query("workspaceIdentifier"))
	if err != nil {
		return answer{}, err
	}
	if organization == "" {
		organization = c.user.Organization
	}
	if organization == "" {
		return answer{}, remuda.Fail(remuda.Invalid, "say whose projects by workspaceIdentifier")
	}
	found, total, p, err := numbered(c, func(q control.PageQuery) (remuda.Page[remuda.Project], error) {
		return c.plane().Projects(c.ctx, organization, q)
	})
	if err != nil {
		return answer{}, err
	}
	items := make([]project, 0, len(found))
	for _, one := range found {
		words, err := c.project(one)
		if err != nil {
			return answer{}, err
		}
		items = append(items, words)
	}
	return list(c, p, total, items), nil
}

type tenant = object[tenantMetadata, tenantSpec, none]

type tenantMetadata struct {
	UUID             string  `json:"uuid,omitempty"`
	OwnedByWorkspace string  `json:"ownedByWorkspace"`
	OwnedByProject   string  `json:"ownedByProject"`
	CreatedOn        string  `json:"createdOn,omitempty"`
	DeletedOn        *string `json:"deletedOn"`
}

type tenantSpec struct {
	PlatformIdentifier string  `json:"platformIdentifier"`
	PlatformTenantID   *string `json:"platformTenantId"`
}

func (c *call) tenant(t remuda.Tenant) (tenant, error) {
	owner, err := c.namespace(t.Organization)
	if err != nil {
		return tenant{}, err
	}
	s := tenantSpec{PlatformIdentifier: t.Platform}
	if t.PlatformID != "" {
		s.PlatformTenantID = &t.PlatformID
	}
	m := tenantMetadata{UUID: t.ID, OwnedByWorkspace: owner, OwnedByProject: t.Project, CreatedOn: at(t.CreatedAt)}
	return envelope[tenantMetadata, tenantSpec, none](c, m, s, nil), nil
}

func showTenant(c *call) (answer, error) {
	found, err := c.blocks().Tenant(c.ctx, c.id())
	if err != nil {
		return answer{}, err
	}
	words, err := c.tenant(found)
	return ok(words), err
}

func createTenant(c *call) (answer, error) {
	var in tenant
	if err := c.body(&in, mostBody); err != nil {
		return answer{}, err
	}
	organization, err := c.organization(in.Metadata.OwnedByWorkspace)
	if err != nil {
		return answer{}, err
	}
	t := remuda.Tenant{Organization: organization, Project: in.Metadata.OwnedByProject, Platform: in.Spec.PlatformIdentifier}
	if in.Spec.PlatformTenantID != nil {
		t.PlatformID = *in.Spec.PlatformTenantID
	}
	if t, err = c.blocks().CreateTenant(c.ctx, t); err != nil {
		return answer{}, err
	}
	words, err := c.tenant(t)
	return created(words), err
}

func deleteTenant(c *call) (answer, error) {
	return answer{status: http.StatusNoContent}, c.blocks().DeleteTenant(c.ctx, c.id())
}

func listTenants(c *call) (answer, error) {
	organization, err := c.organization(c.query("workspaceIdentifier"))
	if err != nil {
		return answer{}, err
	}
	return listed(c, func(s blocks.Span) (blocks.List[remuda.Tenant], error) {
		return c.blocks().Tenants(c.ctx, organization, c.query("projectIdentifier"), s)
	}, c.tenant)
}
