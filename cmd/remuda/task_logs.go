package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

func (p *program) taskLogs() *cobra.Command {
	var follow bool
	var step int
	var q client.OutputQuery
	c := p.call(page{
		use: "logs ID", short: "Print a task's output",
		long: "Print a task's output, byte for byte as its steps wrote it. Nothing of ours is mixed in: " +
			"what 'remuda run' shows around it is for people who watch.",
		example: "remuda task logs 01890a5d-ac96-774b-bcce-b302099a8057\nremuda task logs -f --step 2 01890a5d-ac96-774b-bcce-b302099a8057\nremuda task logs --offset 4096 01890a5d-ac96-774b-bcce-b302099a8057",
		exits:   usualExits + ", 130 interrupted",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		if step >= 0 {
			q.Step = &step
		}
		return p.printOutput(ctx, u, args[0], q, follow)
	})
	c.Flags().BoolVarP(&follow, "follow", "f", false, "stay until the task has ended")
	c.Flags().IntVar(&q.Attempt, "attempt", 0, "which attempt, from 1; the last when 0")
	c.Flags().IntVar(&step, "step", -1, "only this step, from 0; all when -1")
	c.Flags().Int64Var(&q.Offset, "offset", 0, "from which byte on")
	return p.completing(c, taskIDs)
}

// printOutput prints a task's output as it is, or as it comes.
func (p *program) printOutput(ctx context.Context, u *client.User, task string, q client.OutputQuery, follow bool) error {
	if follow {
		return u.Follow(ctx, task, q, func(f client.Followed) error {
			switch {
			case f.Output != nil:
				_, err := p.stdout.Write(f.Output.Data)
				return err
			case f.Skipped != nil:
				fmt.Fprintf(p.stderr, "remuda: %s\n", f.Skipped)
			}
			return nil
		})
	}
	output, err := u.Output(ctx, task, q)
	if err != nil {
		return err
	}
	defer output.Close()
	_, err = io.Copy(p.stdout, output)
	return err
}

func (p *program) events() *cobra.Command {
	return group(page{
		use: "event", short: "Events: every transition, as it was written down",
		example: "remuda event list --type task.finished\nremuda event follow -o json",
	}, p.eventList(), p.eventFollow())
}

func eventColumns() []column[remuda.Event] {
	return []column[remuda.Event]{
		{name: "id", cell: func(e remuda.Event) string { return fmt.Sprint(e.ID) }},
		{name: "when", cell: func(e remuda.Event) string { return ago(e.At) }},
		{name: "type", cell: func(e remuda.Event) string { return e.Type }},
		{name: "subject", cell: func(e remuda.Event) string { return e.Subject }},
		{name: "by", cell: func(e remuda.Event) string { return e.Actor }},
		{name: "from", cell: func(e remuda.Event) string { return e.Address }},
		{name: "organization", cell: func(e remuda.Event) string { return e.Organization }},
		{name: "detail", cell: func(e remuda.Event) string { return e.Detail }},
	}
}

func (p *program) eventFlags(c *cobra.Command, into *client.EventFilter) {
	c.Flags().Int64Var(&into.After, "after", 0, "only those after the event with this ID")
	c.Flags().StringVar(&into.Type, "type", "", "only those of this type, such as task.finished")
	c.Flags().StringVar(&into.Subject, "subject", "", "only those about this id or name")
	c.Flags().StringVar(&into.Organization, "org", "", "only those of this organization")
	p.completingFlag(c, "org", organizationNames)
}

func (p *program) eventList() *cobra.Command {
	var f *format
	var filter client.EventFilter
	c := p.call(page{use: "list", aliases: []string{"ls"}, short: "List events, the oldest first",
		example: "remuda event list --subject acme/linux\nremuda event list --after 1200 -o json\nremuda event list --newest-first --actor jo"},
		cobra.NoArgs, func(ctx context.Context, u *client.User, _ []string) error {
			if filter.Limit < 0 {
				return wrong("--limit %d: expected how many, or 0 for the control plane's default", filter.Limit)
			}
			if !filter.NewestFirst && (filter.Actor != "" || filter.Before != 0) {
				return wrong("--actor and --before are for lists with --newest-first")
			}
			found, err := u.Events(ctx, filter)
			if err != nil {
				return err
			}
			return list(p, *f, found, eventColumns(), "There is no such event.")
		})
	p.eventFlags(c, &filter)
	c.Flags().IntVar(&filter.Limit, "limit", 0, "how many; the control plane's default when 0")
	c.Flags().BoolVar(&filter.NewestFirst, "newest-first", false, "list backward, from the newest")
	c.Flags().Int64Var(&filter.Before, "before", 0, "only those before the event with this ID; with --newest-first")
	c.Flags().StringVar(&filter.Actor, "actor", "", "only those that somebody of this name made; with --newest-first")
	f = p.output(c)
	return c
}

func (p *program) eventFollow() *cobra.Command {
	var f *format
	var filter client.EventFilter
	c := p.call(page{
		use: "follow", short: "Print events as they happen", example: "remuda event follow --type task.finished",
		long:  "Print events as they happen, one a line, until interrupted. With -o json each line is one event.",
		exits: usualExits + ", 130 interrupted",
	}, cobra.NoArgs, func(ctx context.Context, u *client.User, _ []string) error {
		return u.FollowEvents(ctx, filter, func(e remuda.Event) error {
			if *f != formatTable {
				return p.encodeLine(*f, e)
			}
			_, err := fmt.Fprintf(p.stdout, "%s  %-22s %s by %s %s\n", e.At.Local().Format("15:04:05"), plain(e.Type), plain(e.Subject), plain(e.Actor), p.faint(p.stdout, plain(e.Detail)))
			return err
		})
	})
	p.eventFlags(c, &filter)
	f = p.output(c)
	return c
}
