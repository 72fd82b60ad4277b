package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/jobfile"
)

func (p *program) tasks() *cobra.Command {
	return group(page{
		use: "task", short: "Tasks: watch, cancel and repeat them; check job files",
		example: "remuda task list --state running\nremuda task logs -f 01890a5d-ac96-774b-bcce-b302099a8057\nremuda task validate build.yml",
	}, p.taskList(), p.taskShow(), p.taskLogs(), p.taskWhy(), p.taskCancel(), p.taskRetry(), p.taskValidate(), p.taskSchema())
}

func taskColour(t remuda.Task) colour {
	switch t.State {
	case remuda.Succeeded:
		return good
	case remuda.Failed:
		return bad
	case remuda.Running:
		return busy
	}
	return odd
}

// stateOf is a task's state with what one must know beside it.
func stateOf(t remuda.Task) string {
	switch {
	case t.State == remuda.Running && t.SilentSince != nil:
		return "running (runner silent since " + t.SilentSince.Local().Format(time.TimeOnly) + ")"
	case t.State == remuda.Running && t.CancelRequested:
		return "running (being cancelled)"
	case t.Reason != "":
		return string(t.State) + " (" + string(t.Reason) + ")"
	}
	return string(t.State)
}

func nameOf(t remuda.Task) string {
	if t.Total > 1 {
		return fmt.Sprintf("%s %d/%d", t.Name, t.Index+1, t.Total)
	}
	return t.Name
}

// tookOf is how long a task ran, or runs.
func tookOf(t remuda.Task) string {
	switch {
	case t.StartedAt == nil:
		return ""
	case t.EndedAt != nil:
		return short(t.EndedAt.Sub(*t.StartedAt))
	}
	return short(time.Since(*t.StartedAt))
}

func taskColumns() []column[remuda.Task] {
	return []column[remuda.Task]{
		{name: "id", cell: func(t remuda.Task) string { return t.ID }},
		{name: "name", cell: nameOf},
		{name: "state", colour: taskColour, cell: stateOf},
		{name: "class", cell: func(t remuda.Task) string { return t.ResourceClass }},
		{name: "project", cell: func(t remuda.Task) string { return t.Organization + "/" + t.Project }},
		{name: "submitted", cell: func(t remuda.Task) string { return ago(t.SubmittedAt) }},
		{name: "took", cell: tookOf},
	}
}

func taskDetails() []column[remuda.Task] {
	return append(taskColumns(),
		column[remuda.Task]{name: "detail", cell: func(t remuda.Task) string { return t.Detail }},
		column[remuda.Task]{name: "by", cell: func(t remuda.Task) string { return t.SubmittedBy }},
		column[remuda.Task]{name: "source", cell: func(t remuda.Task) string {
			return strings.TrimSpace(t.Source.Repository + " " + t.Source.Ref)
		}},
		column[remuda.Task]{name: "job", cell: func(t remuda.Task) string { return t.JobID }},
		column[remuda.Task]{name: "retry of", cell: func(t remuda.Task) string { return t.RetryOf }},
		column[remuda.Task]{name: "group", cell: func(t remuda.Task) string { return t.ConcurrencyGroup }},
		column[remuda.Task]{name: "needs", cell: func(t remuda.Task) string { return strings.Join(t.Capabilities, ", ") }},
		column[remuda.Task]{name: "limits", cell: func(t remuda.Task) string {
			return fmt.Sprintf("timeout %s, %d attempts", t.Timeout, t.MaxAttempts)
		}},
		column[remuda.Task]{name: "output", cell: func(t remuda.Task) string {
			if t.OutputRemovedAt == nil {
				return ""
			}
			return "removed " + ago(*t.OutputRemovedAt)
		}},
	)
}

// states are all of a task's, in the order in which they come.
var states = []string{"waiting", "queued", "running", "succeeded", "failed", "canceled", "skipped"}

func (p *program) taskList() *cobra.Command {
	var f *format
	var filter client.TaskFilter
	var chosen []string
	var limit int
	c := p.call(page{
		use: "list", aliases: []string{"ls"}, short: "List tasks, the newest first",
		example: "remuda task list --state queued --state running\nremuda task list --resource-class acme/linux -o json",
	}, cobra.NoArgs, func(ctx context.Context, u *client.User, _ []string) error {
		if limit < 0 {
			return wrong("--limit %d: expected how many, or 0 for all", limit)
		}
		for _, state := range chosen {
			if !slices.Contains(states, state) {
				return wrong("--state %s: it is one of %s", state, strings.Join(states, ", "))
			}
			filter.States = append(filter.States, remuda.State(state))
		}
		found, err := firstTasks(ctx, u, filter, limit)
		if err != nil {
			return err
		}
		return list(p, *f, found, taskColumns(), "There is no such task.")
	})
	c.Flags().StringSliceVar(&chosen, "state", nil, "only those in this state; repeat it for several")
	_ = c.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp))
	c.Flags().StringVar(&filter.Organization, "org", "", "only those that this organization submitted")
	p.completingFlag(c, "org", organizationNames)
	c.Flags().StringVar(&filter.Project, "project", "", "only those of this project")
	p.completingFlag(c, "project", projectNames)
	p.classFlag(c, &filter.ResourceClass, "only those for this class")
	c.Flags().StringVar(&filter.JobID, "job", "", "only those of the job with this ID")
	c.Flags().StringVar(&filter.Search, "search", "", "only those whose name has this text in it")
	c.Flags().IntVar(&limit, "limit", 50, "how many; 0 for all")
	f = p.output(c)
	return c
}

// firstTasks reads pages until there are enough.
func firstTasks(ctx context.Context, u *client.User, f client.TaskFilter, limit int) ([]remuda.Task, error) {
	var all []remuda.Task
	q := client.PageQuery{Limit: min(limit, 500)}
	for {
		part, err := u.Tasks(ctx, f, q)
		if err != nil {
			return all, err
		}
		all = append(all, part.Items...)
		if limit > 0 && len(all) >= limit {
			return all[:limit], nil
		}
		if part.Next == "" {
			return all, nil
		}
		q.Cursor = part.Next
	}
}

func (p *program) taskShow() *cobra.Command {
	var f *format
	c := p.call(page{use: "show ID", short: "Show one task with its attempts and steps", example: "remuda task show 01890a5d-ac96-774b-bcce-b302099a8057"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			t, err := u.Task(ctx, args[0])
			if err != nil {
				return err
			}
			if *f != formatTable {
				return p.encode(*f, t)
			}
			if err := show(p, *f, t, taskDetails()); err != nil {
				return err
			}
			for _, a := range t.Attempts {
				if err := p.showAttempt(a); err != nil {
					return err
				}
			}
			return nil
		})
	f = p.output(c)
	return p.completing(c, taskIDs)
}

func (p *program) showAttempt(a remuda.Attempt) error {
	fmt.Fprintf(p.stdout, "\nattempt %d on %s: %s", a.Number, plain(a.Runner), a.State)
	if a.Detail != "" {
		fmt.Fprintf(p.stdout, ", %s", plain(a.Detail))
	}
	fmt.Fprintln(p.stdout)
	rows := make([][]string, len(a.Steps))
	for i, s := range a.Steps {
		rows[i] = []string{fmt.Sprintf("  %d", s.Number), p.paint(p.stdout, stepColour(s.State), string(s.State)), plain(s.Name), stepTook(s), plain(s.Detail)}
	}
	if len(rows) == 0 {
		return nil
	}
	return p.rows(nil, rows)
}

func stepColour(s remuda.StepState) colour {
	switch s {
	case remuda.StepSucceeded:
		return good
	case remuda.StepFailed:
		return bad
	case remuda.StepRunning:
		return busy
	}
	return odd
}

func stepTook(s remuda.Step) string {
	if s.StartedAt == nil || s.EndedAt == nil {
		return ""
	}
	return short(s.EndedAt.Sub(*s.StartedAt))
}

func (p *program) taskWhy() *cobra.Command {
	var f *format
	c := p.call(page{use: "why ID", short: "Tell why a task waits", example: "remuda task why 01890a5d-ac96-774b-bcce-b302099a8057"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			w, err := u.Why(ctx, args[0])
			if err != nil {
				return err
			}
			if *f != formatTable {
				return p.encode(*f, w)
			}
			if len(w.Reasons) == 0 {
				fmt.Fprintf(p.stdout, "It does not wait: its state is %s.\n", w.State)
			}
			for _, reason := range w.Reasons {
				fmt.Fprintln(p.stdout, plain(reason))
			}
			return nil
		})
	f = p.output(c)
	return p.completing(c, taskIDs)
}

func (p *program) taskCancel() *cobra.Command {
	c := p.call(page{
		use: "cancel ID...", short: "Cancel tasks",
		long:    "Cancel tasks. One that runs gets TERM, its cancel_grace, then KILL; it is cancelled when its runner says that nothing of it runs any more.",
		example: "remuda task cancel 01890a5d-ac96-774b-bcce-b302099a8057",
	}, cobra.MinimumNArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		for _, id := range args {
			t, err := u.CancelTask(ctx, id)
			if err != nil {
				return fmt.Errorf("cancel task %s: %w", id, err)
			}
			fmt.Fprintf(p.stdout, "%s %s\n", t.ID, stateOf(t))
		}
		return nil
	})
	return p.completing(c, taskIDs)
}

func (p *program) taskRetry() *cobra.Command {
	var f *format
	var follow bool
	c := p.call(page{
		use: "retry ID", short: "Submit a task that has ended again, as a new one", example: "remuda task retry -f 01890a5d-ac96-774b-bcce-b302099a8057",
		exits: "0 done, 1 refused, or with --follow the task failed, 2 wrong use, 130 interrupted",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		t, err := u.RetryTask(ctx, args[0])
		if err != nil {
			return err
		}
		if follow {
			return p.watch(ctx, u, []remuda.Task{t})
		}
		return show(p, *f, t, taskColumns())
	})
	c.Flags().BoolVarP(&follow, "follow", "f", false, "show its output until it ends")
	f = p.output(c)
	return p.completing(c, taskIDs)
}

func (p *program) taskValidate() *cobra.Command {
	return command(page{
		use: "validate FILE...", short: "Check job files without submitting anything",
		long:    "Check job files without submitting anything, by the rules of 'remuda run' and by the published schema. Secrets need not be set.",
		example: "remuda task validate build.yml",
		exits:   "0 all are valid, 2 one is not",
	}, cobra.MinimumNArgs(1), func(_ context.Context, args []string) error {
		var found []string
		for _, name := range args {
			data, err := os.ReadFile(name)
			if err == nil {
				err = jobfile.Validate(name, data)
			}
			if err != nil {
				found = append(found, err.Error())
				continue
			}
			fmt.Fprintf(p.stdout, "%s is valid\n", name)
		}
		if len(found) > 0 {
			return wrong("%s", strings.Join(found, "\n"))
		}
		return nil
	})
}

func (p *program) taskSchema() *cobra.Command {
	return command(page{
		use: "schema", short: "Print the JSON Schema of job files, for editors",
		example: "remuda task schema > job.schema.json",
	}, cobra.NoArgs, func(context.Context, []string) error {
		_, err := p.stdout.Write(jobfile.Schema())
		return err
	})
}
