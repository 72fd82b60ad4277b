// Package agent is the task-agent's loop: it asks leave to begin, runs an Implementation, sends what its steps write,
// and leaves a result for the runner. It also sends what an agent that died left behind.
//
// The goroutines of a Run: one that reports steps; one that sends for each step that has started (two while there is
// output to send); on Linux one for each step that moves its output from the pipe to the spool file; one for each
// process that waits for it. All have ended when Run returns.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/remuda-dev/remuda"
)

// Plane is what the agent says to the control plane about its one claim. Each call may be repeated.
type Plane interface {
	// Begin asks for leave to execute. remuda.Gone means that the claim has ended: execute nothing.
	Begin(ctx context.Context, begin remuda.Begin) (remuda.Begun, error)

	// Steps reports all steps as they stand now.
	Steps(ctx context.Context, steps []remuda.Step) error

	// Stream says what is held of a step's output.
	Stream(ctx context.Context, step int) (remuda.StreamState, error)

	// Append adds a chunk that starts at the length held; any other changes nothing. The answer is what is held then.
	Append(ctx context.Context, chunk remuda.Chunk) (remuda.StreamState, error)

	// CloseStream ends a step's output.
	CloseStream(ctx context.Context, step int, end remuda.StreamClose) (remuda.StreamState, error)
}

// Implementation is what an agent can carry out, such as shell steps. agenttest holds the suite that one must pass.
type Implementation interface {
	// Steps lists the steps of a claim's payload before anything of it runs, numbered from 0 and pending. An error
	// means that the payload cannot be carried out, and becomes the task's failure with reason config.
	Steps(claim remuda.Claim) ([]remuda.Step, error)

	// Run carries the task out. It ends soon after ctx does: processes get TERM, the claim's CancelGrace, KILL (see
	// Process.End); what it then returns counts only if it succeeded after all, since the agent knows better why ctx
	// ended. An error is not a result: it says that this machine could not carry the task out.
	Run(ctx context.Context, task *Task) (remuda.Result, error)
}

// The exit codes of an agent.
const (
	ExitDone   = 0 // the result is in the claim folder, all output is sent
	ExitError  = 1 // the task could not be carried out, which says nothing about it: hand it back. Standard error says why
	ExitUsage  = 2 // no usable Handoff; nothing was done
	ExitGone   = 3 // the claim is not ours any more: there is nothing to say
	ExitUnsent = 4 // the result is in the claim folder; the runner sends the rest of the output
)

// ErrUnsent says that the task has ended and its result is written, but that output is left to send.
var ErrUnsent = errors.New("output is left to send")

// Why the context of a task ends, beside the fault that a pump may have.
var (
	errCanceled = errors.New("the task was cancelled")
	errTimeout  = errors.New("the task ran for too long")
)

// lastWords is for how long an agent that was told to stop goes on sending output. The runner sends the rest.
const lastWords = 2 * time.Second

// Options say what to run, and how.
type Options struct {
	Handoff        Handoff
	Plane          Plane
	Implementation Implementation
	Log            *slog.Logger

	// Alone is for a process that does nothing else. It then adopts all descendants of the steps' processes, ends
	// them when the task has ended, and lets nothing that it starts gain privileges. Linux; elsewhere it ends the
	// steps' process groups.
	Alone bool
}

// Run carries out one claim. When ctx ends, the task is cancelled. It returns nil when the result is in the claim
// folder and all output is sent, ErrUnsent when only the latter is not so, remuda.Gone when the claim has ended
// elsewhere, and any other error when the task could not be carried out.
func Run(ctx context.Context, o Options) error {
	claim, folder := o.Handoff.Claim, o.Handoff.Folder()
	if claim.Begun {
		return errors.New("the claim has begun before: it is adopted, never started again")
	}
	if err := folder.prepare(o.Handoff.Workspace == ""); err != nil {
		return err
	}
	o.Plane = forsaken{o.Plane, folder}
	if o.Alone {
		if err := adoptOrphans(); err != nil {
			return err
		}
	}
	steps, err := o.Implementation.Steps(claim)
	if err != nil {
		return folder.writeResult(remuda.Result{State: remuda.Failed, Reason: remuda.ReasonConfig, Detail: sentence(err)})
	}
	if err := makePipes(folder, len(steps)); err != nil {
		return err
	}
	if err := begin(ctx, o, steps); err != nil {
		if ctx.Err() != nil {
			return folder.writeResult(remuda.Result{State: remuda.Canceled})
		}
		return err
	}
	return newTask(o, steps).carryOut(ctx)
}

// begin asks for leave until there is an answer.
func begin(ctx context.Context, o Options, steps []remuda.Step) error {
	err := persist(ctx, o.Log, "begin", func(ctx context.Context) error {
		_, err := o.Plane.Begin(ctx, remuda.Begin{Steps: steps})
		return err
	})
	switch remuda.KindOf(err) {
	case remuda.NotFound, remuda.Unauthenticated, remuda.Forbidden:
		return fmt.Errorf("begin: %w: %w", remuda.Gone, err) // nobody's claim, as far as the control plane knows
	}
	return err
}

// carryOut runs the task that has leave to begin.
func (t *Task) carryOut(ctx context.Context) error {
	work, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	defer context.AfterFunc(ctx, func() { end(errCanceled) })()
	if ctx.Err() != nil {
		end(errCanceled) // AfterFunc would take a moment to say so
	}
	if limit := t.Claim.Timeout.Std(); limit > 0 {
		defer time.AfterFunc(limit, func() { end(errTimeout) }).Stop()
	}
	t.end = end

	// Output and reports outlive the work: they end when all is said, or when nobody listens any more.
	talk, silence := context.WithCancelCause(context.WithoutCancel(ctx))
	defer silence(nil)
	t.talk, t.silence = talk, silence
	t.talking.Go(func() { t.report.run(talk, t.plane, t.gone) })

	result, err := t.implementation.Run(work, t)
	result, err = t.settle(work, result, err)

	t.finishSteps(result.State)
	if leftErr := t.processes.endAll(); leftErr != nil {
		t.Log.Warn("not all that the task started could be ended", "error", leftErr)
	}
	t.closePipes()
	if err == nil {
		result.Steps = t.report.last()
		err = t.Folder.writeResult(result)
	}
	unsaid := t.saidAll(ctx)
	if err != nil {
		return err
	}
	return unsaid
}

// settle decides how the task ended: whoever ended the work knows why.
func (t *Task) settle(work context.Context, result remuda.Result, err error) (remuda.Result, error) {
	cause := context.Cause(work)
	switch {
	case cause == nil || (err == nil && result.State == remuda.Succeeded):
	case errors.Is(cause, errCanceled):
		return remuda.Result{State: remuda.Canceled}, nil
	case errors.Is(cause, errTimeout):
		detail := fmt.Sprintf("the task ran for longer than its timeout of %s", t.Claim.Timeout)
		return remuda.Result{State: remuda.Failed, Reason: remuda.ReasonTimeout, Detail: detail}, nil
	default:
		return result, cause
	}
	if err == nil {
		result.Detail = t.hide(result.Detail)
		err = checkResult(result)
	}
	return result, err
}

// saidAll waits until output and reports have arrived. Once the agent was told to stop, it does so no longer than
// lastWords: the runner sends the rest.
func (t *Task) saidAll(ctx context.Context) error {
	t.report.close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.talking.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		timer := time.AfterFunc(lastWords, func() { t.silence(ErrUnsent) })
		defer timer.Stop()
		<-done
	}
	if cause := context.Cause(t.talk); cause != nil {
		return cause
	}
	if t.unsent.Load() {
		return ErrUnsent
	}
	return nil
}

// ExitCode is the exit code that tells the executor of what Run returned.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return ExitDone
	case errors.Is(err, remuda.Gone):
		return ExitGone
	case errors.Is(err, ErrUnsent):
		return ExitUnsent
	default:
		return ExitError
	}
}

// longestDetail is what a Result and a Step may hold.
const longestDetail = 4000

// sentence is what a person is told of err.
func sentence(err error) string {
	var told *remuda.Error
	if errors.As(err, &told) && told.Detail != "" {
		return cut(told.Detail, longestDetail)
	}
	return cut(err.Error(), longestDetail)
}
