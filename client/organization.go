package client

import (
	"context"
	"net/http"

	"github.com/remuda-dev/remuda"
)

// OrganizationChange is what to change of an organization; nil leaves a member as it is.
type OrganizationChange struct {
	TaskLimit *int    `json:"task_limit,omitempty"`
	VCSName   *string `json:"vcs_name,omitempty"`
}

// ProjectChange is what to change of a project; nil leaves a member as it is.
type ProjectChange struct {
	Visibility  *string `json:"visibility,omitempty"`
	BuildsForks *bool   `json:"builds_forks,omitempty"`
	TaskLimit   *int    `json:"task_limit,omitempty"`
	Weight      *int    `json:"weight,omitempty"`
}

// CreateOrganization makes an organization. Its Name, VCSName and TaskLimit are read.
func (u *User) CreateOrganization(ctx context.Context, o remuda.Organization) (remuda.Organization, error) {
	body := struct {
		Name      string `json:"name"`
		VCSName   string `json:"vcs_name,omitempty"`
		TaskLimit int    `json:"task_limit,omitempty"`
	}{o.Name, o.VCSName, o.TaskLimit}
	return send[remuda.Organization](ctx, u, http.MethodPost, "/organizations", body)
}

// Organizations lists those that the caller may see.
func (u *User) Organizations(ctx context.Context, q PageQuery) (remuda.Page[remuda.Organization], error) {
	return read[remuda.Page[remuda.Organization]](ctx, u, "/organizations", q.values())
}

// Organization shows one.
func (u *User) Organization(ctx context.Context, name string) (remuda.Organization, error) {
	return read[remuda.Organization](ctx, u, path("organizations", name), nil)
}

// ChangeOrganization changes one.
func (u *User) ChangeOrganization(ctx context.Context, name string, c OrganizationChange) (remuda.Organization, error) {
	return send[remuda.Organization](ctx, u, http.MethodPatch, path("organizations", name), c)
}

// DeleteOrganization deletes one that has nothing left.
func (u *User) DeleteOrganization(ctx context.Context, name string) error {
	return u.remove(ctx, path("organizations", name), nil)
}

// ClaimNamespace gives an organization its one namespace.
func (u *User) ClaimNamespace(ctx context.Context, organization, name string) (remuda.Namespace, error) {
	body := map[string]string{"name": name, "organization": organization}
	return send[remuda.Namespace](ctx, u, http.MethodPost, "/namespaces", body)
}

// SuggestNamespace is the name that an organization would best claim.
func (u *User) SuggestNamespace(ctx context.Context, organization string) (string, error) {
	answer, err := read[struct {
		Name string `json:"name"`
	}](ctx, u, path("organizations", organization, "suggested-namespace"), nil)
	return answer.Name, err
}

// Namespaces lists those that the caller may see.
func (u *User) Namespaces(ctx context.Context, q PageQuery) (remuda.Page[remuda.Namespace], error) {
	return read[remuda.Page[remuda.Namespace]](ctx, u, "/namespaces", q.values())
}

// Namespace shows one.
func (u *User) Namespace(ctx context.Context, name string) (remuda.Namespace, error) {
	return read[remuda.Namespace](ctx, u, path("namespaces", name), nil)
}

// TransferNamespace gives a namespace to another organization; for administrators of the instance.
func (u *User) TransferNamespace(ctx context.Context, name, toOrganization string) (remuda.Namespace, error) {
	body := map[string]string{"organization": toOrganization}
	return send[remuda.Namespace](ctx, u, http.MethodPost, path("namespaces", name, "transfer"), body)
}

// RenameNamespace gives a namespace another name; for administrators of the instance.
func (u *User) RenameNamespace(ctx context.Context, name, newName string) (remuda.Namespace, error) {
	body := map[string]string{"name": newName}
	return send[remuda.Namespace](ctx, u, http.MethodPost, path("namespaces", name, "rename"), body)
}

// DeleteNamespace deletes one that has no resource classes.
func (u *User) DeleteNamespace(ctx context.Context, name string) error {
	return u.remove(ctx, path("namespaces", name), nil)
}

// CreateProject makes a project in the organization that it names.
func (u *User) CreateProject(ctx context.Context, p remuda.Project) (remuda.Project, error) {
	body := struct {
		Name        string `json:"name"`
		Visibility  string `json:"visibility,omitempty"`
		BuildsForks bool   `json:"builds_forks,omitempty"`
		TaskLimit   int    `json:"task_limit,omitempty"`
		Weight      int    `json:"weight,omitempty"`
	}{p.Name, p.Visibility, p.BuildsForks, p.TaskLimit, p.Weight}
	return send[remuda.Project](ctx, u, http.MethodPost, path("organizations", p.Organization, "projects"), body)
}

// Projects lists an organization's.
func (u *User) Projects(ctx context.Context, organization string, q PageQuery) (remuda.Page[remuda.Project], error) {
	return read[remuda.Page[remuda.Project]](ctx, u, path("organizations", organization, "projects"), q.values())
}

// Project shows one.
func (u *User) Project(ctx context.Context, organization, name string) (remuda.Project, error) {
	return read[remuda.Project](ctx, u, path("organizations", organization, "projects", name), nil)
}

// ChangeProject changes one.
func (u *User) ChangeProject(ctx context.Context, organization, name string, c ProjectChange) (remuda.Project, error) {
	return send[remuda.Project](ctx, u, http.MethodPatch, path("organizations", organization, "projects", name), c)
}

// DeleteProject deletes one that has no tasks which have not ended.
func (u *User) DeleteProject(ctx context.Context, organization, name string) error {
	return u.remove(ctx, path("organizations", organization, "projects", name), nil)
}
