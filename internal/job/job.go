// Package job is the implementation "job": it runs the steps of a remuda.Job in a shell, one after the other.
package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// Name is what a claim's task names as its implementation.
const Name = "job"

// Implementation runs shell steps.
type Implementation struct{}

// New makes the implementation.
func New() Implementation { return Implementation{} }

// Steps lists the steps of a claim.
func (Implementation) Steps(claim remuda.Claim) ([]remuda.Step, error) {
	job, err := parse(claim.Payload)
	if err != nil {
		return nil, err
	}
	steps := make([]remuda.Step, len(job.Steps))
	for n, step := range job.Steps {
		steps[n] = remuda.Step{Number: n, Name: nameOf(step), State: remuda.StepPending}
		steps[n].Background = step.Run != nil && step.Run.Background
	}
	return steps, nil
}

// parse reads a payload. The control plane has checked it; what is checked here is what a newer one may send, and
// what no process can be given.
func parse(payload remuda.Payload) (remuda.Job, error) {
	var job remuda.Job
	if err := json.Unmarshal(payload, &job); err != nil {
		return job, fmt.Errorf("the job cannot be read: %w", err)
	}
	if len(job.Steps) == 0 {
		return job, errors.New("the job has no steps")
	}
	if err := checkEnvironment(job.Environment); err != nil {
		return job, fmt.Errorf("the job's environment: %w", err)
	}
	for n, step := range job.Steps {
		if err := checkStep(step); err != nil {
			return job, fmt.Errorf("step %d: %w", n+1, err)
		}
	}
	return job, nil
}

func checkStep(step remuda.JobStep) error {
	switch {
	case step.Run != nil && step.Checkout != nil:
		return errors.New("it is both run and checkout")
	case step.Checkout != nil:
		return nil
	case step.Run == nil:
		return errors.New("this task-agent knows run and checkout only; is the runner older than the control plane?")
	case strings.TrimSpace(step.Run.Command) == "":
		return errors.New("it has no command")
	}
	switch step.Run.When {
	case "", remuda.OnSuccess, remuda.OnFail, remuda.Always:
	default:
		return fmt.Errorf("it runs when %q, which this task-agent does not know", step.Run.When)
	}
	return checkEnvironment(step.Run.Environment)
}

// longestName is what a Step may be called.
const longestName = 500

// nameOf is what people call a step.
func nameOf(step remuda.JobStep) string {
	name := "Checkout"
	switch {
	case step.Checkout != nil && step.Checkout.Name != "":
		name = step.Checkout.Name
	case step.Run != nil && step.Run.Name != "":
		name = step.Run.Name
	case step.Run != nil:
		name, _, _ = strings.Cut(strings.TrimSpace(step.Run.Command), "\n")
	}
	if len(name) > longestName {
		name = strings.ToValidUTF8(name[:longestName], "")
	}
	return name
}

// Run runs the steps.
//
// A step runs when what ran before it fits its `when`: a background step counts from the moment it fails by itself,
// and the step that runs just then is left to finish. A failure names the first step that failed. When ctx ends, no
// further step runs, not even an `always` one.
func (Implementation) Run(ctx context.Context, task *agent.Task) (remuda.Result, error) {
	job, err := parse(task.Claim.Payload)
	if err != nil {
		return remuda.Result{}, err
	}
	r, err := newRun(ctx, task, job)
	if err != nil {
		return remuda.Result{}, err
	}
	if err := os.MkdirAll(r.directory, 0o755); err != nil {
		detail := fmt.Sprintf("the working directory %s cannot be made: %s", job.WorkingDirectory, rootOf(err))
		return remuda.Result{State: remuda.Failed, Reason: remuda.ReasonConfig, Detail: detail}, nil
	}
	behind, end := context.WithCancel(ctx)
	defer end()
	err = r.steps(ctx, behind)
	end()
	r.background.Wait()
	if err = errors.Join(err, r.fault()); err != nil {
		return remuda.Result{}, err
	}
	return r.result(), nil
}

// steps runs the steps one after the other. Those in the background end with behind.
func (r *run) steps(ctx, behind context.Context) error {
	for n, step := range r.job.Steps {
		if ctx.Err() != nil {
			r.interrupt()
			return nil
		}
		if !r.due(step) {
			r.task.Step(n).Finish(remuda.StepSkipped, nil, "")
			continue
		}
		if err := r.start(ctx, behind, n); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interrupted = true
}

// due is whether a step runs after what happened so far.
func (r *run) due(step remuda.JobStep) bool {
	when := remuda.OnSuccess
	if step.Run != nil && step.Run.When != "" {
		when = step.Run.When
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return when == remuda.Always || (r.failure != nil) == (when == remuda.OnFail)
}

// start starts a step and, unless it is a background one, waits for its end.
func (r *run) start(ctx, behind context.Context, n int) error {
	step, said := r.job.Steps[n], r.task.Step(n)
	if err := said.Start(); err != nil {
		return err
	}
	switch {
	case step.Checkout != nil:
		r.finish(n, r.checkout(ctx, said, *step.Checkout))
		return nil
	case step.Run.Background:
		process, outcome := r.shell(n)
		if process == nil {
			r.finish(n, outcome)
			return nil
		}
		r.background.Go(func() { r.finish(n, r.await(behind, n, process)) })
		return nil
	default:
		process, outcome := r.shell(n)
		if process != nil {
			outcome = r.await(ctx, n, process)
		}
		r.finish(n, outcome)
		return nil
	}
}
