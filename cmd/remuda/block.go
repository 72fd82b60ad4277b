package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

func (p *program) blocks() *cobra.Command {
	return group(page{
		use: "block", short: "Building blocks: order, plan, apply, watch and destroy them",
		example: "remuda block order 'Object storage' uploads --input region=eu-1\nremuda block plan uploads\nremuda block logs -f uploads",
	}, p.blockList(), p.blockShow(), p.blockRuns(), p.blockOrder(), p.blockChange(), p.blockPlan(), p.blockApprove(), p.blockReject(),
		p.blockApply(), p.blockRun(), p.blockLogs(), p.blockAbort(), p.blockFinish(), p.blockDestroy(), p.blockPurge())
}

func blockColour(b remuda.Block) colour {
	switch b.Status {
	case remuda.BlockSucceeded:
		return good
	case remuda.BlockFailed:
		return bad
	case remuda.BlockInProgress:
		return busy
	}
	return odd
}

// statusOf is where a block stands, with what one must know beside it.
func statusOf(b remuda.Block) string {
	status := words(string(b.Status))
	switch {
	case b.Lifecycle == remuda.LifecycleDeleted:
		return "deleted"
	case b.Lifecycle == remuda.LifecycleDeleting:
		return status + " (being destroyed)"
	case len(b.Missing) > 0:
		return status + " (" + strings.Join(b.Missing, ", ") + ")"
	case b.Drifted:
		return status + " (drifted)"
	}
	return status
}

// words makes people's words of a status.
func words(status string) string { return strings.ReplaceAll(status, "_", " ") }

func blockColumns() []column[remuda.Block] {
	return []column[remuda.Block]{
		{name: "id", cell: func(b remuda.Block) string { return b.ID }},
		{name: "name", cell: func(b remuda.Block) string { return b.Name }},
		{name: "definition", cell: func(b remuda.Block) string { return fmt.Sprintf("%s v%d", b.DefinitionName, b.Version) }},
		{name: "status", colour: blockColour, cell: statusOf},
		{name: "organization", cell: func(b remuda.Block) string { return b.Organization }},
		{name: "ordered", cell: func(b remuda.Block) string { return ago(b.CreatedAt) }},
	}
}

func blockDetails() []column[remuda.Block] {
	return append(blockColumns(),
		column[remuda.Block]{name: "by", cell: func(b remuda.Block) string { return b.CreatedBy }},
		column[remuda.Block]{name: "detail", cell: func(b remuda.Block) string { return b.Detail }},
		column[remuda.Block]{name: "project", cell: func(b remuda.Block) string { return b.Project }},
		column[remuda.Block]{name: "tenant", cell: func(b remuda.Block) string { return b.Tenant }},
		column[remuda.Block]{name: "parents", cell: func(b remuda.Block) string { return strings.Join(b.Parents, ", ") }},
		column[remuda.Block]{name: "children", cell: func(b remuda.Block) string { return strings.Join(b.Children, ", ") }},
		column[remuda.Block]{name: "latest run", cell: func(b remuda.Block) string { return b.LatestRun }},
		column[remuda.Block]{name: "latest plan", cell: func(b remuda.Block) string { return b.LatestDryRun }},
		column[remuda.Block]{name: "deleted", cell: func(b remuda.Block) string { return agoOf(b.DeletedAt) }},
	)
}

// statuses are all of a block's.
var statuses = []string{
	"waiting_for_dependent_input", "waiting_for_operator_input", "waiting_for_user_input", "waiting_for_approval",
	"pending", "in_progress", "succeeded", "failed", "aborted",
}

func (p *program) blockList() *cobra.Command {
	var f *format
	var filter client.BlockFilter
	var chosen []string
	var definition string
	var all bool
	c := p.call(page{
		use: "list", aliases: []string{"ls"}, short: "List building blocks, the newest first",
		long:    "List building blocks, the newest first: those of your organization, and those of definitions that it owns.",
		example: "remuda block list --status failed\nremuda block list --definition 'Object storage' -o json",
	}, cobra.NoArgs, func(ctx context.Context, u *client.User, _ []string) error {
		for _, status := range chosen {
			if !slices.Contains(statuses, status) {
				return wrong("--status %s: it is one of %s", status, strings.Join(statuses, ", "))
			}
			filter.Status = append(filter.Status, remuda.BlockStatus(status))
		}
		if all {
			filter.Lifecycle = []remuda.Lifecycle{remuda.LifecycleActive, remuda.LifecycleDeleting, remuda.LifecycleDeleted}
		}
		if definition != "" {
			id, err := resolve(ctx, "definition", definition, definitionsOf(u))
			if err != nil {
				return err
			}
			filter.Definition = id
		}
		found, err := client.All(ctx, func(ctx context.Context, q client.PageQuery) (remuda.Page[remuda.Block], error) {
			return u.Blocks(ctx, filter, q)
		})
		if err != nil {
			return err
		}
		return list(p, *f, found, blockColumns(), "There is no such block; order one with 'remuda block order DEFINITION NAME'.")
	})
	c.Flags().StringSliceVar(&chosen, "status", nil, "only those with this status; repeat it for several")
	_ = c.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(statuses, cobra.ShellCompDirectiveNoFileComp))
	c.Flags().StringVar(&definition, "definition", "", "only those of this definition")
	p.completingFlag(c, "definition", namesOf(definitionsOf))
	c.Flags().StringVar(&filter.Organization, "org", "", "only those that this organization ordered")
	p.completingFlag(c, "org", organizationNames)
	c.Flags().StringVar(&filter.ManagedBy, "managed-by", "", "only those of definitions that this organization owns")
	p.completingFlag(c, "managed-by", organizationNames)
	c.Flags().StringVar(&filter.Search, "search", "", "only those whose name has this text in it")
	c.Flags().BoolVar(&filter.Drifted, "drifted", false, "only those whose last plan found that they are not as ordered")
	c.Flags().BoolVarP(&all, "all", "a", false, "those that are deleted, too")
	f = p.output(c)
	return c
}

func (p *program) blockShow() *cobra.Command {
	var f *format
	c := p.call(page{
		use: "show NAME", short: "Show one building block", example: "remuda block show uploads\nremuda block show uploads -o json",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		b, err := p.block(ctx, u, args[0])
		if err != nil {
			return err
		}
		if *f != formatTable {
			return p.encode(*f, b)
		}
		if err := show(p, *f, b, blockDetails()); err != nil {
			return err
		}
		if err := p.showValues("INPUT", b.Inputs); err != nil {
			return err
		}
		return p.showValues("OUTPUT", b.Outputs)
	})
	f = p.output(c)
	return p.completing(c, namesOf(blocksOf))
}

func (p *program) block(ctx context.Context, u *client.User, word string) (remuda.Block, error) {
	id, err := resolve(ctx, "block", word, blocksOf(u))
	if err != nil {
		return remuda.Block{}, err
	}
	return u.Block(ctx, id)
}

// showValues prints values by key, when there are any.
func (p *program) showValues(title string, values map[string]remuda.Value) error {
	if len(values) == 0 {
		return nil
	}
	fmt.Fprintln(p.stdout)
	var rows [][]string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		rows = append(rows, []string{plain(key), plain(valueText(values[key]))})
	}
	return p.rows([]string{title, "VALUE"}, rows)
}

func runColour(r remuda.BlockRun) colour {
	switch r.Status {
	case remuda.RunSucceeded:
		return good
	case remuda.RunFailed:
		return bad
	case remuda.RunInProgress:
		return busy
	}
	return odd
}

func runColumns() []column[remuda.BlockRun] {
	return []column[remuda.BlockRun]{
		{name: "number", cell: func(r remuda.BlockRun) string { return fmt.Sprint(r.Number) }},
		{name: "behavior", cell: func(r remuda.BlockRun) string { return string(r.Behavior) }},
		{name: "status", colour: runColour, cell: func(r remuda.BlockRun) string { return words(string(r.Status)) }},
		{name: "plan", cell: planWords},
		{name: "why", cell: func(r remuda.BlockRun) string { return strings.ToLower(words(string(r.Trigger))) }},
		{name: "by", cell: func(r remuda.BlockRun) string { return r.Author.Name }},
		{name: "queued", cell: func(r remuda.BlockRun) string { return ago(r.CreatedAt) }},
		{name: "id", cell: func(r remuda.BlockRun) string { return r.ID }},
	}
}

// planWords is a run's plan in a few words.
func planWords(r remuda.BlockRun) string {
	text := ""
	switch {
	case r.Changes != nil && !*r.Changes:
		text = "no changes"
	case r.Plan != nil:
		text = fmt.Sprintf("+%d ~%d -%d", r.Plan.Add, r.Plan.Change, r.Plan.Destroy)
	case r.Changes != nil:
		text = "changes"
	}
	if r.Approval != "" {
		text = strings.TrimSpace(text + " (" + approvalWords(r) + ")")
	}
	return text
}

func approvalWords(r remuda.BlockRun) string {
	switch r.Approval {
	case remuda.ApprovalWaiting:
		return "waits for approval"
	case remuda.ApprovalStale:
		return "stale"
	}
	return strings.TrimSpace(string(r.Approval) + " " + mark(r.ApprovedBy != "", "by "+r.ApprovedBy))
}

func (p *program) blockRuns() *cobra.Command {
	var f *format
	c := p.call(page{use: "runs NAME", short: "List a block's runs, the newest first", example: "remuda block runs uploads"},
		cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
			id, err := resolve(ctx, "block", args[0], blocksOf(u))
			if err != nil {
				return err
			}
			all, err := client.All(ctx, func(ctx context.Context, q client.PageQuery) (remuda.Page[remuda.BlockRun], error) {
				return u.Runs(ctx, client.RunFilter{Block: id}, q)
			})
			if err != nil {
				return err
			}
			return list(p, *f, all, runColumns(), "There is no run of it that you may see.")
		})
	f = p.output(c)
	return p.completing(c, namesOf(blocksOf))
}
