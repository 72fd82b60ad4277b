package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// runnerVerbs are what one does with runners that run already; 'remuda runner' itself starts one.
func (p *program) runnerVerbs() []*cobra.Command {
	order := func(verb, short, long string, do func(context.Context, *client.User, string) (remuda.Runner, error)) *cobra.Command {
		var f *format
		c := p.call(page{use: verb + " ID", short: short, long: long, example: "remuda runner " + verb + " 01890a5d-ac96-774b-bcce-b302099a8057"},
			cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
				r, err := do(ctx, u, args[0])
				if err != nil {
					return err
				}
				return show(p, *f, r, runnerColumns())
			})
		f = p.output(c)
		return p.completing(c, runnerIDs)
	}
	return []*cobra.Command{
		p.runnerList(), p.runnerShow(),
		order("pause", "Tell a runner to take nothing new until it is resumed", "", func(ctx context.Context, u *client.User, id string) (remuda.Runner, error) {
			return u.PauseRunner(ctx, id, true)
		}),
		order("resume", "Let a runner take tasks again that was paused or is in quarantine",
			"Let a runner take tasks again that was paused or is in quarantine. One in quarantine looks at its machine at once, and stays there if its self-check fails.", func(ctx context.Context, u *client.User, id string) (remuda.Runner, error) {
				return u.PauseRunner(ctx, id, false)
			}),
		order("drain", "Let a runner finish what it has and then end",
			"Let a runner finish what it has and then end. Once this is answered, nothing new is assigned to it.",
			func(ctx context.Context, u *client.User, id string) (remuda.Runner, error) {
				return u.DrainRunner(ctx, id)
			}),
	}
}

func runnerColour(r remuda.Runner) colour {
	switch r.State {
	case remuda.RunnerIdle:
		return good
	case remuda.RunnerBusy:
		return busy
	case remuda.RunnerSilent, remuda.RunnerLost, remuda.RunnerQuarantined:
		return bad
	}
	return odd
}

func runnerColumns() []column[remuda.Runner] {
	return []column[remuda.Runner]{
		{name: "id", cell: func(r remuda.Runner) string { return r.ID }},
		{name: "name", cell: func(r remuda.Runner) string { return r.Name }},
		{name: "state", colour: runnerColour, cell: func(r remuda.Runner) string { return string(r.State) }},
		{name: "busy", cell: func(r remuda.Runner) string { return fmt.Sprintf("%d/%d", r.Busy, r.Slots) }},
		{name: "classes", cell: func(r remuda.Runner) string { return strings.Join(r.ResourceClasses, " ") }},
		{name: "seen", cell: func(r remuda.Runner) string { return ago(r.LastSeenAt) }},
		{name: "version", cell: func(r remuda.Runner) string { return r.Version }},
	}
}

// runnerDetails are the columns of one runner alone.
func runnerDetails() []column[remuda.Runner] {
	return append(runnerColumns(),
		column[remuda.Runner]{name: "reason", cell: func(r remuda.Runner) string { return r.Reason }},
		column[remuda.Runner]{name: "host", cell: func(r remuda.Runner) string {
			return strings.TrimSpace(fmt.Sprintf("%s %s (%s/%s)", r.Hostname, r.IP, r.OS, r.Arch))
		}},
		column[remuda.Runner]{name: "capabilities", cell: func(r remuda.Runner) string { return strings.Join(r.Capabilities, " ") }},
		column[remuda.Runner]{name: "claims", cell: func(r remuda.Runner) string { return strings.Join(r.Claims, " ") }},
		column[remuda.Runner]{name: "registered", cell: func(r remuda.Runner) string { return ago(r.RegisteredAt) }},
		column[remuda.Runner]{name: "last used", cell: func(r remuda.Runner) string { return agoOf(r.LastUsedAt) }},
	)
}

func (p *program) runnerList() *cobra.Command {
	var f *format
	var filter client.RunnerFilter
	c := p.call(page{use: "list", aliases: []string{"ls"}, short: "List runners", example: "remuda runner list\nremuda runner list --resource-class acme/linux --state silent"},
		cobra.NoArgs, func(ctx context.Context, u *client.User, _ []string) error {
			all, err := client.All(ctx, func(ctx context.Context, q client.PageQuery) (remuda.Page[remuda.Runner], error) {
				return u.Runners(ctx, filter, q)
			})
			if err != nil {
				return err
			}
			return list(p, *f, all, runnerColumns(), "There is no runner; start one with 'remuda runner --url … --token-file …'.")
		})
	p.classFlag(c, &filter.ResourceClass, "only those that serve this class")
	c.Flags().StringVar(&filter.Organization, "org", "", "only those that serve a class of this organization")
	p.completingFlag(c, "org", organizationNames)
	c.Flags().StringVar((*string)(&filter.State), "state", "", "only those: idle, busy, draining, paused, quarantined, silent or lost")
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions([]string{"idle", "busy", "draining", "paused", "quarantined", "silent", "lost"}, cobra.ShellCompDirectiveNoFileComp))
	f = p.output(c)
	return c
}

func (p *program) runnerShow() *cobra.Command {
	var f *format
	c := p.call(page{use: "show ID", short: "Show one runner and what it holds", example: "remuda runner show 01890a5d-ac96-774b-bcce-b302099a8057"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			r, err := u.Runner(ctx, args[0])
			if err != nil {
				return err
			}
			return show(p, *f, r, runnerDetails())
		})
	f = p.output(c)
	return p.completing(c, runnerIDs)
}
