package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

func (p *program) organizations() *cobra.Command {
	return group(page{
		use: "org", aliases: []string{"organization"}, short: "Organizations, which own everything below them",
		example: "remuda org create acme --vcs-name Acme-Inc\nremuda org list",
	}, p.orgList(), p.orgShow(), p.orgCreate(), p.orgUpdate(), p.orgDelete())
}

func organizationColumns() []column[remuda.Organization] {
	return []column[remuda.Organization]{
		{name: "name", cell: func(o remuda.Organization) string { return o.Name }},
		{name: "namespace", cell: func(o remuda.Organization) string { return o.Namespace }},
		{name: "running", cell: func(o remuda.Organization) string { return fmt.Sprint(o.Running) }},
		{name: "limit", cell: func(o remuda.Organization) string { return number(o.TaskLimit, 0) }},
		{name: "vcs name", cell: func(o remuda.Organization) string { return o.VCSName }},
		{name: "created", cell: func(o remuda.Organization) string { return ago(o.CreatedAt) }},
	}
}

func (p *program) orgList() *cobra.Command {
	var f *format
	c := p.call(page{use: "list", aliases: []string{"ls"}, short: "List the organizations that you may see", example: "remuda org list\nremuda org list -o json"},
		cobra.NoArgs, func(ctx context.Context, u *client.User, _ []string) error {
			all, err := client.All(ctx, u.Organizations)
			if err != nil {
				return err
			}
			return list(p, *f, all, organizationColumns(), "There is no organization yet; make one with 'remuda org create NAME'.")
		})
	f = p.output(c)
	return c
}

func (p *program) orgShow() *cobra.Command {
	var f *format
	c := p.call(page{use: "show NAME", short: "Show one organization", example: "remuda org show acme"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			o, err := u.Organization(ctx, args[0])
			if err != nil {
				return err
			}
			return show(p, *f, o, organizationColumns())
		})
	f = p.output(c)
	return p.completing(c, organizationNames)
}

func (p *program) orgCreate() *cobra.Command {
	var f *format
	var o remuda.Organization
	c := p.call(page{
		use: "create NAME", short: "Make an organization", example: "remuda org create acme --vcs-name Acme-Inc --task-limit 20",
		long: "Make an organization. A name has a-z, 0-9 and '-'. Its namespace is claimed with 'remuda namespace create'.",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		o.Name = args[0]
		made, err := u.CreateOrganization(ctx, o)
		if err != nil {
			return err
		}
		return show(p, *f, made, organizationColumns())
	})
	c.Flags().StringVar(&o.VCSName, "vcs-name", "", "its name on its version control host, which suggests the namespace")
	c.Flags().IntVar(&o.TaskLimit, "task-limit", 0, "how many of its tasks run at once; 0 for no limit")
	f = p.output(c)
	return c
}

func (p *program) orgUpdate() *cobra.Command {
	var f *format
	var limit int
	var vcs string
	var c *cobra.Command
	c = p.call(page{use: "update NAME", short: "Change an organization", example: "remuda org update acme --task-limit 50"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			o, err := u.ChangeOrganization(ctx, args[0], client.OrganizationChange{
				TaskLimit: said(c, "task-limit", limit), VCSName: said(c, "vcs-name", vcs),
			})
			if err != nil {
				return err
			}
			return show(p, *f, o, organizationColumns())
		})
	c.Flags().IntVar(&limit, "task-limit", 0, "how many of its tasks run at once; 0 for no limit")
	c.Flags().StringVar(&vcs, "vcs-name", "", "its name on its version control host")
	f = p.output(c)
	return p.completing(c, organizationNames)
}

func (p *program) orgDelete() *cobra.Command {
	c := p.call(page{use: "delete NAME", aliases: []string{"rm"}, short: "Delete an organization that has nothing left", example: "remuda org delete acme"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			return u.DeleteOrganization(ctx, args[0])
		})
	return p.completing(c, organizationNames)
}

// said gives a flag's value when the flag was typed: an update changes nothing else.
func said[T any](c *cobra.Command, flag string, value T) *T {
	if !c.Flags().Changed(flag) {
		return nil
	}
	return &value
}
