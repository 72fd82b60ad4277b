package server

import (
	"context"

	"github.com/remuda-dev/remuda"
)

type listTenantsInput struct {
	byBlockUser
	Organization string `query:"organization" maxLength:"64" doc:"Only those of this organization"`
	Project      string `query:"project" maxLength:"200" doc:"Only those of this project"`
	Paging
}

func listTenants(ctx context.Context, in *listTenantsInput) (remuda.Page[remuda.Tenant], error) {
	return listedBlocks(in.blocks.Tenants(ctx, in.Organization, in.Project, in.span()))
}

type newTenant struct {
	Organization string `json:"organization,omitempty" maxLength:"64" doc:"The caller's own when empty"`
	Project      string `json:"project" minLength:"1" maxLength:"200" doc:"Whose place it is" example:"app"`
	Platform     string `json:"platform" minLength:"1" maxLength:"200" doc:"The platform's full identifier" example:"aws.eu"`
	PlatformID   string `json:"platform_id,omitempty" maxLength:"1000" doc:"What the platform calls it" example:"123456789012"`
}

type createTenantInput struct {
	byBlockUser
	Body newTenant
}

func createTenant(ctx context.Context, in *createTenantInput) (remuda.Tenant, error) {
	t := in.Body
	return in.blocks.CreateTenant(ctx, remuda.Tenant{
		Organization: t.Organization, Project: t.Project, Platform: t.Platform, PlatformID: t.PlatformID,
	})
}

type tenantInput struct {
	byBlockUser
	Tenant string `path:"tenant" doc:"The tenant's id"`
}

func showTenant(ctx context.Context, in *tenantInput) (remuda.Tenant, error) {
	return in.blocks.Tenant(ctx, in.Tenant)
}

func deleteTenant(ctx context.Context, in *tenantInput) (nothing, error) {
	return nothing{}, in.blocks.DeleteTenant(ctx, in.Tenant)
}
