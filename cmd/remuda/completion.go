package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// names asks the control plane for what a word may be; the description follows a tab.
type names func(ctx context.Context, u *client.User) ([]cobra.Completion, error)

// completionTime bounds how long a shell waits for a completion.
const completionTime = 2 * time.Second

// completing completes a command's first word by live names.
func (p *program) completing(c *cobra.Command, live names) *cobra.Command {
	c.ValidArgsFunction = func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return p.complete(c, live)
	}
	return c
}

// completingFlag completes a flag's value by live names.
func (p *program) completingFlag(c *cobra.Command, flag string, live names) {
	_ = c.RegisterFlagCompletionFunc(flag, func(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return p.complete(c, live)
	})
}

// complete asks with the connection that flags, environment and context say. A completion that fails says nothing.
func (p *program) complete(c *cobra.Command, live names) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(c.Context(), completionTime)
	defer cancel()
	u, err := p.connection(c).user() // the flags are there already, and are read once more
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	found, err := live(ctx, u)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// named lists what a page has.
func named[T any](page remuda.Page[T], err error, name func(T) (word, about string)) ([]cobra.Completion, error) {
	var found []cobra.Completion
	for _, item := range page.Items {
		word, about := name(item)
		found = append(found, cobra.CompletionWithDesc(word, plain(about)))
	}
	return found, err
}

func organizationNames(ctx context.Context, u *client.User) ([]cobra.Completion, error) {
	page, err := u.Organizations(ctx, client.PageQuery{})
	return named(page, err, func(o remuda.Organization) (string, string) { return o.Name, o.VCSName })
}

func namespaceNames(ctx context.Context, u *client.User) ([]cobra.Completion, error) {
	page, err := u.Namespaces(ctx, client.PageQuery{})
	return named(page, err, func(n remuda.Namespace) (string, string) { return n.Name, "of " + n.Organization })
}

func classNames(ctx context.Context, u *client.User) ([]cobra.Completion, error) {
	page, err := u.ResourceClasses(ctx, client.ResourceClassFilter{}, client.PageQuery{})
	return named(page, err, func(c remuda.ResourceClass) (string, string) { return c.Name, c.Description })
}

func tokenIDs(ctx context.Context, u *client.User) ([]cobra.Completion, error) {
	page, err := u.Tokens(ctx, client.TokenFilter{}, client.PageQuery{})
	return named(page, err, func(t remuda.Token) (string, string) { return t.ID, t.Nickname })
}

func runnerIDs(ctx context.Context, u *client.User) ([]cobra.Completion, error) {
	page, err := u.Runners(ctx, client.RunnerFilter{}, client.PageQuery{})
	return named(page, err, func(r remuda.Runner) (string, string) { return r.ID, r.Name + ", " + string(r.State) })
}

func taskIDs(ctx context.Context, u *client.User) ([]cobra.Completion, error) {
	page, err := u.Tasks(ctx, client.TaskFilter{}, client.PageQuery{Limit: 50})
	return named(page, err, func(t remuda.Task) (string, string) { return t.ID, t.Name + ", " + string(t.State) })
}

// projectNames are those of the organization that --org names, or the token's own.
func projectNames(ctx context.Context, u *client.User) ([]cobra.Completion, error) {
	organization, err := ownOrganization(ctx, u, "")
	if err != nil {
		return nil, err
	}
	page, err := u.Projects(ctx, organization, client.PageQuery{})
	return named(page, err, func(p remuda.Project) (string, string) { return p.Name, "of " + p.Organization })
}

// completion is one word that may come next.
type completion = cobra.Completion

func completed(word, about string) completion { return cobra.CompletionWithDesc(word, plain(about)) }
