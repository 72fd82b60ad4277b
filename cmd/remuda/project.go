package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

func (p *program) projects() *cobra.Command {
	return group(page{
		use: "project", short: "Projects, by which fairness, limits and fork policy count",
		example: "remuda project list --org acme\nremuda project update app --task-limit 5",
	}, p.projectList(), p.projectShow(), p.projectCreate(), p.projectUpdate(), p.projectDelete())
}

func projectColumns() []column[remuda.Project] {
	return []column[remuda.Project]{
		{name: "name", cell: func(p remuda.Project) string { return p.Name }},
		{name: "organization", cell: func(p remuda.Project) string { return p.Organization }},
		{name: "visibility", cell: func(p remuda.Project) string { return p.Visibility }},
		{name: "builds forks", cell: func(p remuda.Project) string { return yes(p.BuildsForks) }},
		{name: "running", cell: func(p remuda.Project) string { return fmt.Sprint(p.Running) }},
		{name: "limit", cell: func(p remuda.Project) string { return number(p.TaskLimit, 0) }},
		{name: "weight", cell: func(p remuda.Project) string { return fmt.Sprint(p.Weight) }},
		{name: "created", cell: func(p remuda.Project) string { return ago(p.CreatedAt) }},
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (p *program) projectList() *cobra.Command {
	var f *format
	var organization string
	c := p.call(page{use: "list", aliases: []string{"ls"}, short: "List an organization's projects", example: "remuda project list --org acme"},
		cobra.NoArgs, func(ctx context.Context, u *client.User, _ []string) error {
			organization, err := ownOrganization(ctx, u, organization)
			if err != nil {
				return err
			}
			all, err := client.All(ctx, func(ctx context.Context, q client.PageQuery) (remuda.Page[remuda.Project], error) {
				return u.Projects(ctx, organization, q)
			})
			if err != nil {
				return err
			}
			return list(p, *f, all, projectColumns(), "There is no project yet; the first task of one makes it.")
		})
	p.organizationFlag(c, &organization)
	f = p.output(c)
	return c
}

func (p *program) projectShow() *cobra.Command {
	var f *format
	var organization string
	c := p.call(page{use: "show NAME", short: "Show one project", example: "remuda project show app --org acme"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			organization, err := ownOrganization(ctx, u, organization)
			if err != nil {
				return err
			}
			project, err := u.Project(ctx, organization, args[0])
			if err != nil {
				return err
			}
			return show(p, *f, project, projectColumns())
		})
	p.organizationFlag(c, &organization)
	f = p.output(c)
	return p.completing(c, projectNames)
}

// projectFlags are what create and update have in common.
func projectFlags(c *cobra.Command, into *remuda.Project) {
	c.Flags().StringVar(&into.Visibility, "visibility", "private", "private or public")
	c.Flags().BoolVar(&into.BuildsForks, "builds-forks", false, "whether revisions of forks are built; a public project that does gets no self-hosted runner unless its class allows forks")
	c.Flags().IntVar(&into.TaskLimit, "task-limit", 0, "how many of its tasks run at once; 0 for no limit")
	c.Flags().IntVar(&into.Weight, "weight", 1, "its share beside other projects, 1 to 1000")
	_ = c.RegisterFlagCompletionFunc("visibility", cobra.FixedCompletions([]string{"private", "public"}, cobra.ShellCompDirectiveNoFileComp))
}

func (p *program) projectCreate() *cobra.Command {
	var f *format
	var project remuda.Project
	c := p.call(page{use: "create NAME", short: "Make a project", example: "remuda project create app --org acme --task-limit 5"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) (err error) {
			project.Name = args[0]
			if project.Organization, err = ownOrganization(ctx, u, project.Organization); err != nil {
				return err
			}
			made, err := u.CreateProject(ctx, project)
			if err != nil {
				return err
			}
			return show(p, *f, made, projectColumns())
		})
	p.organizationFlag(c, &project.Organization)
	projectFlags(c, &project)
	f = p.output(c)
	return c
}

func (p *program) projectUpdate() *cobra.Command {
	var f *format
	var to remuda.Project
	var c *cobra.Command
	c = p.call(page{use: "update NAME", short: "Change a project", example: "remuda project update app --weight 3"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			organization, err := ownOrganization(ctx, u, to.Organization)
			if err != nil {
				return err
			}
			project, err := u.ChangeProject(ctx, organization, args[0], client.ProjectChange{
				Visibility: said(c, "visibility", to.Visibility), BuildsForks: said(c, "builds-forks", to.BuildsForks),
				TaskLimit: said(c, "task-limit", to.TaskLimit), Weight: said(c, "weight", to.Weight),
			})
			if err != nil {
				return err
			}
			return show(p, *f, project, projectColumns())
		})
	p.organizationFlag(c, &to.Organization)
	projectFlags(c, &to)
	f = p.output(c)
	return p.completing(c, projectNames)
}

func (p *program) projectDelete() *cobra.Command {
	var organization string
	c := p.call(page{use: "delete NAME", aliases: []string{"rm"}, short: "Delete a project whose tasks have all ended", example: "remuda project delete app --org acme"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			organization, err := ownOrganization(ctx, u, organization)
			if err != nil {
				return err
			}
			return u.DeleteProject(ctx, organization, args[0])
		})
	p.organizationFlag(c, &organization)
	return p.completing(c, projectNames)
}
