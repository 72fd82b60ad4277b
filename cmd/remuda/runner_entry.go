package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

func (p *program) runnerEntries() *cobra.Command {
	return group(page{
		use: "runner-entry", short: "Runner entries: resource classes that another system's runners serve",
		long:    "A runner entry is a resource class that another system's runners serve, such as meshStack's: they do not register, but claim in its name. Its id is the UUID that they are set up with.",
		example: "remuda runner-entry create 'OpenTofu' --org acme --public-key pool.pem\nremuda runner-entry list",
	}, p.runnerEntryList(), p.runnerEntryShow(), p.runnerEntryCreate(), p.runnerEntryChange(), p.runnerEntryDelete())
}

func runnerEntryColumns() []column[remuda.BlockRunnerEntry] {
	return []column[remuda.BlockRunnerEntry]{
		{name: "id", cell: func(e remuda.BlockRunnerEntry) string { return e.ID }},
		{name: "name", cell: func(e remuda.BlockRunnerEntry) string { return e.DisplayName }},
		{name: "class", cell: func(e remuda.BlockRunnerEntry) string { return e.ResourceClass }},
		{name: "organization", cell: func(e remuda.BlockRunnerEntry) string { return e.Organization }},
		{name: "carries out", cell: func(e remuda.BlockRunnerEntry) string { return e.Implementation }},
		{name: "for", cell: usersOfEntry},
		{name: "secrets", cell: secretsOfEntry},
		{name: "seen", cell: func(e remuda.BlockRunnerEntry) string {
			if e.LastSeenAt == nil {
				return "never"
			}
			return ago(*e.LastSeenAt)
		}},
	}
}

func usersOfEntry(e remuda.BlockRunnerEntry) string {
	if e.Restricted {
		return "its owner"
	}
	return "all"
}

func secretsOfEntry(e remuda.BlockRunnerEntry) string {
	if e.PublicKey == "" {
		return "no key"
	}
	return "sealed to its key"
}

func (p *program) runnerEntryList() *cobra.Command {
	var f *format
	var organization string
	c := p.call(page{use: "list", aliases: []string{"ls"}, short: "List runner entries", example: "remuda runner-entry list"},
		cobra.NoArgs, func(ctx context.Context, u *client.User, _ []string) error {
			all, err := client.All(ctx, func(ctx context.Context, q client.PageQuery) (remuda.Page[remuda.BlockRunnerEntry], error) {
				return u.RunnerEntries(ctx, organization, q)
			})
			if err != nil {
				return err
			}
			return list(p, *f, all, runnerEntryColumns(), "There is no runner entry; make one with 'remuda runner-entry create NAME'.")
		})
	p.organizationFlag(c, &organization)
	f = p.output(c)
	return c
}

func (p *program) runnerEntryShow() *cobra.Command {
	var f *format
	c := p.call(page{use: "show NAME", short: "Show one runner entry", example: "remuda runner-entry show OpenTofu"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			id, err := resolve(ctx, "runner-entry", args[0], runnerEntriesOf(u))
			if err != nil {
				return err
			}
			e, err := u.RunnerEntry(ctx, id)
			if err != nil {
				return err
			}
			return show(p, *f, e, runnerEntryColumns())
		})
	f = p.output(c)
	return p.completing(c, namesOf(runnerEntriesOf))
}

// entryFlags are what a person says of a runner entry.
type entryFlags struct {
	implementation, keyFile string
	shared                  bool
}

func (p *program) entryFlags(c *cobra.Command) *entryFlags {
	given := &entryFlags{}
	c.Flags().StringVar(&given.implementation, "implementation", "TERRAFORM", "what its runners carry out: TERRAFORM, GITHUB_WORKFLOW, GITLAB_PIPELINE, AZURE_DEVOPS_PIPELINE, MANUAL or ALL")
	_ = c.RegisterFlagCompletionFunc("implementation", cobra.FixedCompletions(
		[]string{"TERRAFORM", "GITHUB_WORKFLOW", "GITLAB_PIPELINE", "AZURE_DEVOPS_PIPELINE", "MANUAL", "ALL"}, cobra.ShellCompDirectiveNoFileComp))
	c.Flags().StringVar(&given.keyFile, "public-key", "", "file with the RSA public key or certificate, PEM, of its runners: the secrets of runs are sealed to it")
	c.Flags().BoolVar(&given.shared, "shared", false, "every organization may use it, and not its owner alone")
	return given
}

// into writes down what was said; all that was not stays, where anything is there.
func (g *entryFlags) into(e *remuda.BlockRunnerEntry, said func(string) bool) error {
	if e.ID == "" || said("implementation") {
		e.Implementation = g.implementation
	}
	if e.ID == "" || said("shared") {
		e.Restricted = !g.shared
	}
	if g.keyFile == "" {
		return nil
	}
	key, err := os.ReadFile(g.keyFile)
	if err != nil {
		return failure{exitUsage, fmt.Errorf("read the public key: %w", err)}
	}
	e.PublicKey = string(key)
	return nil
}

func (p *program) runnerEntryCreate() *cobra.Command {
	var f *format
	var given *entryFlags
	var organization string
	c := p.call(page{
		use: "create NAME", short: "Make a resource class that another system's runners serve",
		long: "Make a resource class that another system's runners serve. The class is called after it, and its id is what those runners are set up with. " +
			"They sign in with an API key that has the permission BUILDINGBLOCKRUN_SAVE. " +
			"'openssl genrsa -out pool.key 3072' makes their private key, and 'openssl rsa -in pool.key -pubout -out pool.pem' the public one.",
		example: "remuda runner-entry create OpenTofu --org acme --public-key pool.pem\nremuda token create --org acme --permission BUILDINGBLOCKRUN_SAVE pool",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		owner, err := ownOrganization(ctx, u, organization)
		if err != nil {
			return err
		}
		e := remuda.BlockRunnerEntry{DisplayName: args[0], Organization: owner, SelfHosted: true}
		if err := given.into(&e, func(string) bool { return true }); err != nil {
			return err
		}
		made, err := u.CreateRunnerEntry(ctx, e)
		if err != nil {
			return err
		}
		return show(p, *f, made, runnerEntryColumns())
	})
	p.organizationFlag(c, &organization)
	given = p.entryFlags(c)
	f = p.output(c)
	return c
}

func (p *program) runnerEntryChange() *cobra.Command {
	var f *format
	var given *entryFlags
	var name string
	var c *cobra.Command
	c = p.call(page{
		use: "change NAME", aliases: []string{"update"}, short: "Change a runner entry",
		long:    "Change a runner entry; what is not said stays. Runs that were claimed before have their secrets sealed to the key before.",
		example: "remuda runner-entry change OpenTofu --public-key next.pem",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		id, err := resolve(ctx, "runner-entry", args[0], runnerEntriesOf(u))
		if err != nil {
			return err
		}
		e, err := u.RunnerEntry(ctx, id)
		if err != nil {
			return err
		}
		if name != "" {
			e.DisplayName = name
		}
		if err := given.into(&e, c.Flags().Changed); err != nil {
			return err
		}
		changed, err := u.ChangeRunnerEntry(ctx, id, e)
		if err != nil {
			return err
		}
		return show(p, *f, changed, runnerEntryColumns())
	})
	c.Flags().StringVar(&name, "name", "", "what people call it")
	given = p.entryFlags(c)
	f = p.output(c)
	return p.completing(c, namesOf(runnerEntriesOf))
}

func (p *program) runnerEntryDelete() *cobra.Command {
	c := p.call(page{
		use: "delete NAME", aliases: []string{"rm"}, short: "Delete a runner entry, and its resource class unless a version or a task names it", example: "remuda runner-entry delete OpenTofu",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		id, err := resolve(ctx, "runner-entry", args[0], runnerEntriesOf(u))
		if err != nil {
			return err
		}
		if err := u.DeleteRunnerEntry(ctx, id); err != nil {
			return fmt.Errorf("delete runner entry %s: %w", args[0], err)
		}
		return nil
	})
	return p.completing(c, namesOf(runnerEntriesOf))
}

func runnerEntriesOf(u *client.User) search {
	return func(ctx context.Context, _ string) ([]candidate, error) {
		page, err := u.RunnerEntries(ctx, "", client.PageQuery{Limit: mostSearched})
		return candidates(page, err, func(e remuda.BlockRunnerEntry) candidate { return candidate{e.ID, e.DisplayName, e.ResourceClass} })
	}
}
