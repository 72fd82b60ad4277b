package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// outcome is how a step ended.
type outcome struct {
	state    remuda.StepState
	exitCode *int
	reason   remuda.Reason // of a failure
	detail   string        // completes `step "x" …`
	fault    error         // of this machine, which says nothing about the step
}

func failed(reason remuda.Reason, format string, args ...any) outcome {
	return outcome{state: remuda.StepFailed, reason: reason, detail: fmt.Sprintf(format, args...)}
}

// quietLimit is how long a step may say nothing, unless it sets a limit itself or runs in the background, where
// silence is usual.
const quietLimit = remuda.Duration(10 * time.Minute)

// await waits for the end of a step's process, or brings it about.
func (r *run) await(ctx context.Context, n int, process *agent.Process) outcome {
	step, said := r.job.Steps[n].Run, r.task.Step(n)
	limit := never()
	if step.Timeout > 0 {
		limit = time.NewTimer(step.Timeout.Std())
	}
	defer limit.Stop()
	quiet, quietFor := never(), step.NoOutputTimeout
	if quietFor == 0 && !step.Background {
		quietFor = quietLimit
	}
	if quietFor > 0 {
		quiet = time.NewTimer(quietFor.Std())
	}
	defer quiet.Stop()
	for {
		select {
		case <-process.Done():
			return ended(process.State())
		case <-limit.C:
			return r.endLate(said, process, fmt.Sprintf("ran for longer than its timeout of %s", step.Timeout))
		case <-quiet.C:
			if rest := quietFor.Std() - said.Quiet(); rest > 0 {
				quiet.Reset(rest)
				continue
			}
			return r.endLate(said, process, fmt.Sprintf("gave no output for %s", quietFor))
		case <-ctx.Done():
			return r.endTold(step, process)
		}
	}
}

// endLate ends a step that took too long.
func (r *run) endLate(said *agent.Step, process *agent.Process, what string) outcome {
	tell(said, "this step %s and is ended now", what)
	process.End(r.task.Claim.CancelGrace.Std())
	return failed(remuda.ReasonTimeout, "%s", what)
}

// endTold ends a step because the task, or for a background step its last other step, is over.
func (r *run) endTold(step *remuda.Run, process *agent.Process) outcome {
	select {
	case <-process.Done():
		return ended(process.State()) // by itself, just before
	default:
	}
	process.End(r.task.Claim.CancelGrace.Std())
	end := ended(process.State())
	end.state, end.reason, end.detail = remuda.StepCanceled, "", ""
	if step.Background && !r.over() {
		end.state, end.exitCode = remuda.StepSucceeded, nil // it did what it was for
	}
	return end
}

// ended tells how a process ended by itself.
func ended(state *os.ProcessState) outcome {
	code, signal := exitOf(state)
	end := outcome{state: remuda.StepSucceeded, exitCode: &code}
	if code != 0 {
		end.state, end.reason = remuda.StepFailed, remuda.ReasonStep
		end.detail = describe(code, signal)
	}
	return end
}

// describe says in words how a process failed. A shell turns the signal that ended its last command into a number.
func describe(code int, signal string) string {
	if signal != "" {
		return "ended by " + signal
	}
	if name := signalName(code - 128); name != "" {
		return fmt.Sprintf("ended with exit code %d, as after %s", code, name)
	}
	return fmt.Sprintf("ended with exit code %d", code)
}

// finish says how a step ended, and takes up what it leaves to the steps after it.
func (r *run) finish(n int, end outcome) {
	if additions, err := readAdditions(r.additionsOf(n)); err != nil {
		if end.state == remuda.StepSucceeded {
			tell(r.task.Step(n), "%s", err)
			end = failed(remuda.ReasonStep, "left what cannot be read: %s", err)
		}
	} else {
		r.add(additions)
	}
	name := r.task.Step(n).Name()
	if end.fault == nil {
		r.task.Step(n).Finish(end.state, end.exitCode, end.detail)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case end.state == remuda.StepCanceled:
		r.interrupted = true
	case end.fault != nil && r.broken == nil:
		r.broken = fmt.Errorf("step %q: %w", name, end.fault)
	case end.state == remuda.StepFailed && r.failure == nil:
		detail := fmt.Sprintf("step %q %s", name, end.detail)
		r.failure = &remuda.Result{State: remuda.Failed, Reason: end.reason, Detail: detail}
	}
}

func (r *run) result() remuda.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.failure != nil:
		return *r.failure
	case r.interrupted:
		return remuda.Result{State: remuda.Canceled}
	}
	return remuda.Result{State: remuda.Succeeded}
}

func (r *run) fault() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken
}

// tell writes a line of ours into a step's output.
func tell(said *agent.Step, format string, args ...any) {
	_, _ = fmt.Fprintf(said.Output(), "remuda: "+format+"\n", args...)
}

// rootOf is what went wrong without the path, which the sentence around it names as people know it.
func rootOf(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// never is a timer that does not fire.
func never() *time.Timer {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return timer
}
