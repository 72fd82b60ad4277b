package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// runOf is a command that queues a run of a block and watches it.
func (p *program) runOf(about page, request func() (remuda.RunRequest, error)) (*cobra.Command, *watchFlags) {
	var w *watchFlags
	about.exits, about.signals = watchedExits, true
	c := p.call(about, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		b, err := p.block(ctx, u, args[0])
		if err != nil {
			return err
		}
		asked, err := request()
		if err != nil {
			return err
		}
		run, err := u.RunBlock(ctx, b.ID, asked)
		if err != nil {
			return err
		}
		return p.beganRun(ctx, u, w, b, run)
	})
	w = p.watchFlags(c)
	return p.completing(c, namesOf(blocksOf)), w
}

// beganRun is began for one run of a block.
func (p *program) beganRun(ctx context.Context, u *client.User, w *watchFlags, b remuda.Block, run remuda.BlockRun) error {
	switch {
	case !w.quiet():
		return p.began(ctx, u, w, b, run.ID)
	case *w.format != formatTable && !w.detach:
		last, err := p.awaitRun(ctx, u, b.ID, run.ID)
		if err != nil {
			return err
		}
		if err := p.encode(*w.format, last); err != nil || last.Status == remuda.RunSucceeded || !last.Status.Ended() {
			return err
		}
		return failure{exitFailed, nil}
	case *w.format != formatTable:
		return p.encode(*w.format, run)
	}
	fmt.Fprintln(p.stdout, run.ID)
	fmt.Fprintln(p.stderr, p.faint(p.stderr, fmt.Sprintf("%s  run %d", plain(b.Name), run.Number)))
	return nil
}

func (p *program) blockPlan() *cobra.Command {
	c, _ := p.runOf(page{
		use: "plan NAME", short: "Plan a block: tell what an APPLY would change",
		long:    "Plan a block: tell what an APPLY would change, without changing anything. What changed outside is found, too.",
		example: "remuda block plan uploads\nremuda block plan uploads -o json",
	}, func() (remuda.RunRequest, error) { return remuda.RunRequest{Behavior: remuda.Detect}, nil })
	return c
}

func (p *program) blockApply() *cobra.Command {
	c, _ := p.runOf(page{
		use: "apply NAME", short: "Apply a block again, as it was ordered",
		long:    "Apply a block again, as it was ordered: after a failure, or to mend what changed outside. Where its version asks for approval, it is planned first.",
		example: "remuda block apply uploads",
	}, func() (remuda.RunRequest, error) { return remuda.RunRequest{Behavior: remuda.Apply}, nil })
	return c
}

func (p *program) blockRun() *cobra.Command {
	var script string
	c, _ := p.runOf(page{
		use: "run NAME", short: "Run a script once beside a block's state and inputs",
		long: "Run a script once beside a block's state and inputs, for whoever operates its definition: to move or import resources, for instance. " +
			"It is bash, in the module after init; - for standard input.",
		example: "remuda block run uploads --maintenance move.sh",
	}, func() (remuda.RunRequest, error) {
		if script == "" {
			return remuda.RunRequest{}, wrong("which script? Say --maintenance FILE; to apply a block again there is 'remuda block apply'")
		}
		text, err := p.readScript(script)
		return remuda.RunRequest{Behavior: remuda.Maintenance, Script: string(text)}, err
	})
	c.Flags().StringVar(&script, "maintenance", "", "FILE with the script; - for standard input")
	return c
}

func (p *program) readScript(name string) (text []byte, err error) {
	if name == "-" {
		text, err = io.ReadAll(io.LimitReader(p.stdin, 1<<20))
	} else {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, failure{exitUsage, fmt.Errorf("read the script: %w", err)}
	}
	return text, nil
}

// decided is a command that approves or rejects the plan that a block waits with.
func (p *program) decided(about page, decide func(*client.User, context.Context, string) (remuda.BlockRun, error)) *cobra.Command {
	var w *watchFlags
	var run string
	about.exits, about.signals = watchedExits, true
	c := p.call(about, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		b, err := p.block(ctx, u, args[0])
		if err != nil {
			return err
		}
		if run == "" {
			waiting, err := u.Runs(ctx, client.RunFilter{Block: b.ID, Approval: remuda.ApprovalWaiting}, client.PageQuery{Limit: 1})
			if err != nil {
				return err
			}
			if len(waiting.Items) == 0 {
				return remuda.Fail(remuda.Conflict, fmt.Sprintf("the block %s has no plan that waits for approval", b.Name))
			}
			run = waiting.Items[0].ID
		}
		next, err := decide(u, ctx, run)
		if err != nil {
			return err
		}
		if next.Behavior == remuda.Detect { // rejected: nothing follows
			return show(p, *w.format, next, runColumns())
		}
		return p.beganRun(ctx, u, w, b, next)
	})
	c.Flags().StringVar(&run, "run", "", "id of the run whose plan is meant; the one that waits when left out")
	w = p.watchFlags(c)
	return p.completing(c, namesOf(blocksOf))
}

func (p *program) blockApprove() *cobra.Command {
	return p.decided(page{
		use: "approve NAME", short: "Approve the plan that a block waits with, and watch it being applied",
		long:    "Approve the plan that a block waits with, and watch it being applied: that very plan. It is refused when something happened since the plan was made.",
		example: "remuda block approve uploads\nremuda block approve uploads --run 01890a5d-ac96-774b-bcce-b302099a8057",
	}, (*client.User).ApproveRun)
}

func (p *program) blockReject() *cobra.Command {
	return p.decided(page{
		use: "reject NAME", short: "Reject the plan that a block waits with", example: "remuda block reject uploads",
	}, (*client.User).RejectRun)
}

func (p *program) blockDestroy() *cobra.Command {
	return p.deleting(page{
		use: "destroy NAME", aliases: []string{"delete", "rm"}, short: "Destroy a building block",
		long:    "Destroy a building block: a run destroys what it made, and the block is deleted when that succeeded. It stays readable. Its children go first.",
		example: "remuda block destroy uploads",
	}, false)
}

func (p *program) blockPurge() *cobra.Command {
	return p.deleting(page{
		use: "purge NAME", short: "Forget a building block, whatever becomes of what it made",
		long:    "Forget a building block, whatever becomes of what it made: for one that cannot be destroyed any more.",
		example: "remuda block purge uploads",
	}, true)
}

func (p *program) deleting(about page, purge bool) *cobra.Command {
	var w *watchFlags
	about.exits, about.signals = watchedExits, true
	c := p.call(about, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		id, err := resolve(ctx, "block", args[0], blocksOf(u))
		if err != nil {
			return err
		}
		b, err := u.DeleteBlock(ctx, id, purge)
		if err != nil {
			return err
		}
		return p.began(ctx, u, w, b, "")
	})
	w = p.watchFlags(c)
	return p.completing(c, namesOf(blocksOf))
}

// chosenRun is a run of a block by its number; its latest one for 0.
func chosenRun(ctx context.Context, u *client.User, b remuda.Block, number int) (remuda.BlockRun, error) {
	q := client.PageQuery{}
	for {
		page, err := u.Runs(ctx, client.RunFilter{Block: b.ID}, q)
		if err != nil {
			return remuda.BlockRun{}, err
		}
		for _, run := range page.Items {
			if run.Number == number || number == 0 {
				return run, nil
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if number == 0 {
		return remuda.BlockRun{}, remuda.Fail(remuda.NotFound, fmt.Sprintf("there is no run of the block %s that you may see", b.Name))
	}
	return remuda.BlockRun{}, remuda.Fail(remuda.NotFound, fmt.Sprintf("the block %s has no run %d; 'remuda block runs' names those that you may see", b.Name, number))
}

func (p *program) blockLogs() *cobra.Command {
	var follow bool
	var number int
	c := p.call(page{
		use: "logs NAME", short: "Print the output of a block's run",
		long:    "Print the output of a block's run, byte for byte as its steps wrote it: of the latest one when no number is said.",
		example: "remuda block logs uploads\nremuda block logs uploads --run 3\nremuda block logs -f uploads",
		exits:   usualExits + ", 130 interrupted",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		b, err := p.block(ctx, u, args[0])
		if err != nil {
			return err
		}
		run, err := chosenRun(ctx, u, b, number)
		if err != nil {
			return err
		}
		if run.Task == "" {
			return remuda.Fail(remuda.NotFound, fmt.Sprintf("run %d of the block %s is done by hand: it has no output", run.Number, b.Name))
		}
		return p.printOutput(ctx, u, run.Task, client.OutputQuery{}, follow)
	})
	c.Flags().BoolVarP(&follow, "follow", "f", false, "stay until the run has ended")
	c.Flags().IntVar(&number, "run", 0, "number of the run; the latest when 0")
	return p.completing(c, namesOf(blocksOf))
}

func (p *program) blockAbort() *cobra.Command {
	var f *format
	c := p.call(page{
		use: "abort NAME", short: "Abort the run of a block",
		long:    "Abort the run of a block: it is interrupted, and the lock that it holds on the block's state is released.",
		example: "remuda block abort uploads",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		b, err := p.block(ctx, u, args[0])
		if err != nil {
			return err
		}
		run, err := liveRun(ctx, u, b)
		if err != nil {
			return err
		}
		aborted, err := u.AbortRun(ctx, run.ID)
		if err != nil {
			return err
		}
		return show(p, *f, aborted, runColumns())
	})
	f = p.output(c)
	return p.completing(c, namesOf(blocksOf))
}

// liveRun is the run of a block that has not ended: the one that runs, rather than the one that comes after it.
func liveRun(ctx context.Context, u *client.User, b remuda.Block) (remuda.BlockRun, error) {
	for _, live := range []remuda.RunStatus{remuda.RunInProgress, remuda.RunPending} {
		page, err := u.Runs(ctx, client.RunFilter{Block: b.ID, Status: []remuda.RunStatus{live}}, client.PageQuery{Limit: 1})
		if err != nil || len(page.Items) > 0 {
			return append(page.Items, remuda.BlockRun{})[0], err
		}
	}
	return remuda.BlockRun{}, remuda.Fail(remuda.Conflict, fmt.Sprintf("the block %s has no run that goes on: it is %s", b.Name, statusOf(b)))
}

func (p *program) blockFinish() *cobra.Command {
	var f *format
	var given []string
	var failed bool
	c := p.call(page{
		use: "finish NAME", short: "Say how the run of a manual block ended",
		long:    "Say how the run of a manual block ended, for whoever owns its definition and did by hand what was to be done. Outputs are what the inputs are, unless they are said.",
		example: "remuda block finish desk --output-value number=42\nremuda block finish desk --failed",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		b, err := p.block(ctx, u, args[0])
		if err != nil {
			return err
		}
		outputs, err := (&inputFlags{given: given, secrets: &secretFlags{}}).read(p, nil)
		if err != nil {
			return err
		}
		run, err := liveRun(ctx, u, b)
		if err != nil {
			return err
		}
		status := remuda.RunSucceeded
		if failed {
			status = remuda.RunFailed
		}
		ended, err := u.FinishManualRun(ctx, run.ID, status, outputs)
		if err != nil {
			return err
		}
		return show(p, *f, ended, runColumns())
	})
	c.Flags().StringArrayVar(&given, "output-value", nil, "value of an output, KEY=VALUE; repeat it for several")
	c.Flags().BoolVar(&failed, "failed", false, "it failed")
	f = p.output(c)
	return p.completing(c, namesOf(blocksOf))
}
