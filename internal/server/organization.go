package server

import (
	"context"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

type organizationInput struct {
	byUser
	Organization string `path:"organization" doc:"The organization's name" example:"acme"`
}

type listOrganizationsInput struct {
	byUser
	Paging
}

func listOrganizations(ctx context.Context, in *listOrganizationsInput) (remuda.Page[remuda.Organization], error) {
	return listed(in.door.Organizations(ctx, in.query()))
}

type newOrganization struct {
	Name      string `json:"name" minLength:"1" maxLength:"64" doc:"Unique; a-z, 0-9 and '-'" example:"acme"`
	VCSName   string `json:"vcs_name,omitempty" maxLength:"200" doc:"Its name on its version control host; suggests the namespace" example:"Acme-Inc"`
	TaskLimit int    `json:"task_limit,omitempty" minimum:"0" doc:"How many of its tasks run at once; 0 for no limit" example:"20"`
}

type createOrganizationInput struct {
	byUser
	Body newOrganization
}

func createOrganization(ctx context.Context, in *createOrganizationInput) (remuda.Organization, error) {
	return in.door.CreateOrganization(ctx, remuda.Organization{
		Name: in.Body.Name, VCSName: in.Body.VCSName, TaskLimit: in.Body.TaskLimit,
	})
}

func showOrganization(ctx context.Context, in *organizationInput) (remuda.Organization, error) {
	return in.door.Organization(ctx, in.Organization)
}

type organizationChange struct {
	TaskLimit *int    `json:"task_limit,omitempty" minimum:"0" doc:"How many of its tasks run at once; 0 for no limit" example:"20"`
	VCSName   *string `json:"vcs_name,omitempty" maxLength:"200" doc:"Its name on its version control host" example:"Acme-Inc"`
}

type changeOrganizationInput struct {
	byUser
	Organization string `path:"organization" doc:"The organization's name" example:"acme"`
	Body         organizationChange
}

func changeOrganization(ctx context.Context, in *changeOrganizationInput) (remuda.Organization, error) {
	return in.door.ChangeOrganization(ctx, in.Organization, control.OrganizationChange(in.Body))
}

func deleteOrganization(ctx context.Context, in *organizationInput) (nothing, error) {
	return nothing{}, in.door.DeleteOrganization(ctx, in.Organization)
}

// suggestedNamespace is a name that the organization could claim.
type suggestedNamespace struct {
	Name string `json:"name" doc:"The organization's name on its version control host, in lower case" example:"acme-inc"`
}

func suggestNamespace(ctx context.Context, in *organizationInput) (suggestedNamespace, error) {
	name, err := in.door.SuggestNamespace(ctx, in.Organization)
	return suggestedNamespace{name}, err
}
