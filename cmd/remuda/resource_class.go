package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

func (p *program) resourceClasses() *cobra.Command {
	return group(page{
		use: "resource-class", aliases: []string{"rc", "class"}, short: "Resource classes: what tasks ask for, and the pools that serve it",
		example: "remuda resource-class create acme/linux --description 'Debian 12, 4 cores'\nremuda token create --resource-class acme/linux first-host",
	}, p.classList(), p.classShow(), p.classScaling(), p.classCreate(), p.classUpdate(), p.classDelete())
}

func classColumns() []column[remuda.ResourceClass] {
	return []column[remuda.ResourceClass]{
		{name: "name", cell: func(c remuda.ResourceClass) string { return c.Name }},
		{name: "runners", cell: func(c remuda.ResourceClass) string { return fmt.Sprint(c.Runners) }},
		{name: "queued", cell: func(c remuda.ResourceClass) string { return fmt.Sprint(c.Queued) }},
		{name: "running", cell: func(c remuda.ResourceClass) string { return fmt.Sprint(c.Running) }},
		{name: "limit", cell: func(c remuda.ResourceClass) string { return number(c.TaskLimit, 0) }},
		{name: "access", cell: func(c remuda.ResourceClass) string {
			return strings.Join(append([]string{string(c.Access)}, c.Organizations...), " ")
		}},
		{name: "description", cell: func(c remuda.ResourceClass) string { return c.Description }},
	}
}

// classDetails are the columns of one class alone.
func classDetails() []column[remuda.ResourceClass] {
	return append(classColumns(),
		column[remuda.ResourceClass]{name: "organization", cell: func(c remuda.ResourceClass) string { return c.Organization }},
		column[remuda.ResourceClass]{name: "allows forks", cell: func(c remuda.ResourceClass) string { return yes(c.AllowForks) }},
		column[remuda.ResourceClass]{name: "lost after", cell: func(c remuda.ResourceClass) string { return text(c.LostAfter) }},
		column[remuda.ResourceClass]{name: "created", cell: func(c remuda.ResourceClass) string { return ago(c.CreatedAt) }},
	)
}

func (p *program) classList() *cobra.Command {
	var f *format
	var filter client.ResourceClassFilter
	c := p.call(page{use: "list", aliases: []string{"ls"}, short: "List the resource classes that you may use", example: "remuda resource-class list\nremuda resource-class list --namespace acme -o json"},
		cobra.NoArgs, func(ctx context.Context, u *client.User, _ []string) error {
			all, err := client.All(ctx, func(ctx context.Context, q client.PageQuery) (remuda.Page[remuda.ResourceClass], error) {
				return u.ResourceClasses(ctx, filter, q)
			})
			if err != nil {
				return err
			}
			return list(p, *f, all, classColumns(), "There is no resource class; make one with 'remuda resource-class create NAMESPACE/NAME'.")
		})
	c.Flags().StringVar(&filter.Namespace, "namespace", "", "only those of this namespace")
	p.completingFlag(c, "namespace", namespaceNames)
	c.Flags().StringVar(&filter.Organization, "org", "", "only those that this organization owns")
	p.completingFlag(c, "org", organizationNames)
	f = p.output(c)
	return c
}

func (p *program) classShow() *cobra.Command {
	var f *format
	c := p.call(page{use: "show NAMESPACE/NAME", short: "Show one resource class", example: "remuda resource-class show acme/linux"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			class, err := u.ResourceClass(ctx, args[0])
			if err != nil {
				return err
			}
			return show(p, *f, class, classDetails())
		})
	f = p.output(c)
	return p.completing(c, classNames)
}

func (p *program) classScaling() *cobra.Command {
	var f *format
	c := p.call(page{
		use: "scaling NAMESPACE/NAME", short: "Tell how much there is to do for a class's runners",
		long: "Tell how much there is to do for a class's runners, for whoever starts and stops them. Of the queued tasks, runnable ones wait for a runner alone: " +
			"limits, access and fork policy leave room for them. Idle and capacity count slots of the runners that take tasks.",
		example: "remuda resource-class scaling acme/linux\nremuda resource-class scaling acme/linux -o json",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		scaling, err := u.Scaling(ctx, args[0])
		if err != nil {
			return err
		}
		return show(p, *f, scaling, []column[remuda.Scaling]{
			{name: "class", cell: func(s remuda.Scaling) string { return s.ResourceClass }},
			{name: "queued", cell: func(s remuda.Scaling) string { return fmt.Sprint(s.Queued) }},
			{name: "runnable", cell: func(s remuda.Scaling) string { return fmt.Sprint(s.Runnable) }},
			{name: "running", cell: func(s remuda.Scaling) string { return fmt.Sprint(s.Running) }},
			{name: "oldest", cell: func(s remuda.Scaling) string { return short(time.Duration(s.OldestAge) * time.Second) }},
			{name: "idle", cell: func(s remuda.Scaling) string { return fmt.Sprint(s.Idle) }},
			{name: "capacity", cell: func(s remuda.Scaling) string { return fmt.Sprint(s.Capacity) }},
		})
	})
	f = p.output(c)
	return p.completing(c, classNames)
}

// classFlags are what create and update have in common.
func (p *program) classFlags(c *cobra.Command, into *remuda.ResourceClass) {
	c.Flags().StringVar(&into.Description, "description", "", "what people read who choose a class")
	c.Flags().StringVar((*string)(&into.Access), "access", string(remuda.AccessOwner), "who may use it beside the owner: owner (nobody), some (see --allow-org), all (a hosted class)")
	c.Flags().StringSliceVar(&into.Organizations, "allow-org", nil, "organization that may use it; repeat it for several")
	c.Flags().IntVar(&into.TaskLimit, "task-limit", 0, "how many tasks run on it at once; 0 for no limit")
	c.Flags().BoolVar(&into.AllowForks, "allow-forks", false, "let public projects that build forks use it: their code is anybody's")
	durationFlag(c.Flags(), &into.LostAfter, "lost-after", "how long a runner may be silent before its tasks are lost, such as 10m")
	_ = c.RegisterFlagCompletionFunc("access", cobra.FixedCompletions([]string{"owner", "some", "all"}, cobra.ShellCompDirectiveNoFileComp))
	p.completingFlag(c, "allow-org", organizationNames)
}

func (p *program) classCreate() *cobra.Command {
	var f *format
	var class remuda.ResourceClass
	var c *cobra.Command
	c = p.call(page{
		use: "create NAMESPACE/NAME", short: "Make a resource class",
		long:    "Make a resource class in a namespace of yours. Runners join it with a class token: 'remuda token create'.",
		example: "remuda resource-class create acme/linux --description 'Debian 12, 4 cores'\nremuda resource-class create acme/gpu --access some --allow-org research --task-limit 4",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		class.Name = args[0]
		if len(class.Organizations) > 0 && !c.Flags().Changed("access") {
			class.Access = remuda.AccessSome
		}
		made, err := u.CreateResourceClass(ctx, class)
		if err != nil {
			return err
		}
		return show(p, *f, made, classDetails())
	})
	p.classFlags(c, &class)
	f = p.output(c)
	return c
}

func (p *program) classUpdate() *cobra.Command {
	var f *format
	var to remuda.ResourceClass
	var c *cobra.Command
	c = p.call(page{use: "update NAMESPACE/NAME", short: "Change a resource class", example: "remuda resource-class update acme/linux --task-limit 8"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			class, err := u.ChangeResourceClass(ctx, args[0], client.ResourceClassChange{
				Description: said(c, "description", to.Description), Access: said(c, "access", to.Access),
				Organizations: said(c, "allow-org", to.Organizations), TaskLimit: said(c, "task-limit", to.TaskLimit),
				AllowForks: said(c, "allow-forks", to.AllowForks), LostAfter: said(c, "lost-after", to.LostAfter),
			})
			if err != nil {
				return err
			}
			return show(p, *f, class, classDetails())
		})
	p.classFlags(c, &to)
	f = p.output(c)
	return p.completing(c, classNames)
}

func (p *program) classDelete() *cobra.Command {
	var force bool
	c := p.call(page{
		use: "delete NAMESPACE/NAME", aliases: []string{"rm"}, short: "Delete a resource class",
		long:    "Delete a resource class. It is refused while the class has tokens, unless --force deletes them too, and always while it has tasks that have not ended.",
		example: "remuda resource-class delete acme/linux --force",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		return u.DeleteResourceClass(ctx, args[0], force)
	})
	c.Flags().BoolVar(&force, "force", false, "delete its tokens too")
	return p.completing(c, classNames)
}
