package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

func (p *program) tenants() *cobra.Command {
	return group(page{
		use: "tenant", short: "Tenants: a project's places on platforms, for blocks that belong to one",
		example: "remuda tenant create shop aws.eu --org acme --platform-id 123456789012\nremuda tenant list",
	}, p.tenantList(), p.tenantShow(), p.tenantCreate(), p.tenantDelete())
}

func tenantColumns() []column[remuda.Tenant] {
	return []column[remuda.Tenant]{
		{name: "id", cell: func(t remuda.Tenant) string { return t.ID }},
		{name: "organization", cell: func(t remuda.Tenant) string { return t.Organization }},
		{name: "project", cell: func(t remuda.Tenant) string { return t.Project }},
		{name: "platform", cell: func(t remuda.Tenant) string { return t.Platform }},
		{name: "there", cell: func(t remuda.Tenant) string { return t.PlatformID }},
		{name: "created", cell: func(t remuda.Tenant) string { return ago(t.CreatedAt) }},
	}
}

func (p *program) tenantList() *cobra.Command {
	var f *format
	var organization, project string
	c := p.call(page{use: "list", aliases: []string{"ls"}, short: "List tenants", example: "remuda tenant list --org acme"},
		cobra.NoArgs, func(ctx context.Context, u *client.User, _ []string) error {
			all, err := client.All(ctx, func(ctx context.Context, q client.PageQuery) (remuda.Page[remuda.Tenant], error) {
				return u.Tenants(ctx, organization, project, q)
			})
			if err != nil {
				return err
			}
			return list(p, *f, all, tenantColumns(), "There is no tenant; make one with 'remuda tenant create PROJECT PLATFORM'.")
		})
	p.organizationFlag(c, &organization)
	c.Flags().StringVar(&project, "project", "", "only those of this project")
	f = p.output(c)
	return c
}

func (p *program) tenantShow() *cobra.Command {
	var f *format
	c := p.call(page{use: "show ID", short: "Show one tenant", example: "remuda tenant show 01890a5d-ac96-774b-bcce-b302099a8057"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			id, err := resolve(ctx, "tenant", args[0], tenantsOf(u))
			if err != nil {
				return err
			}
			t, err := u.Tenant(ctx, id)
			if err != nil {
				return err
			}
			return show(p, *f, t, tenantColumns())
		})
	f = p.output(c)
	return p.completing(c, namesOf(tenantsOf))
}

func (p *program) tenantCreate() *cobra.Command {
	var f *format
	var t remuda.Tenant
	c := p.call(page{
		use: "create PROJECT PLATFORM", short: "Make a tenant of a project",
		long:    "Make a tenant of a project: its place on a platform, which is only named here. Blocks whose definitions are for tenants belong to one.",
		example: "remuda tenant create shop aws.eu --org acme --platform-id 123456789012",
	}, cobra.ExactArgs(2), func(ctx context.Context, u *client.User, args []string) error {
		var err error
		if t.Organization, err = ownOrganization(ctx, u, t.Organization); err != nil {
			return err
		}
		t.Project, t.Platform = args[0], args[1]
		made, err := u.CreateTenant(ctx, t)
		if err != nil {
			return err
		}
		return show(p, *f, made, tenantColumns())
	})
	p.organizationFlag(c, &t.Organization)
	c.Flags().StringVar(&t.PlatformID, "platform-id", "", "what the platform calls it, such as the number of an account")
	f = p.output(c)
	return c
}

func (p *program) tenantDelete() *cobra.Command {
	c := p.call(page{
		use: "delete ID", aliases: []string{"rm"}, short: "Delete a tenant that has no blocks", example: "remuda tenant delete 01890a5d-ac96-774b-bcce-b302099a8057",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		id, err := resolve(ctx, "tenant", args[0], tenantsOf(u))
		if err != nil {
			return err
		}
		if err := u.DeleteTenant(ctx, id); err != nil {
			return fmt.Errorf("delete tenant %s: %w", args[0], err)
		}
		return nil
	})
	return p.completing(c, namesOf(tenantsOf))
}

// tenantsOf finds tenants by their project and platform, which are all the name that they have.
func tenantsOf(u *client.User) search {
	return func(ctx context.Context, _ string) ([]candidate, error) {
		page, err := u.Tenants(ctx, "", "", client.PageQuery{Limit: mostSearched})
		return candidates(page, err, func(t remuda.Tenant) candidate {
			return candidate{t.ID, t.Project + "/" + t.Platform, "of " + t.Organization}
		})
	}
}
