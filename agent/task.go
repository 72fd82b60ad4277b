package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent/redact"
)

// Task is what an Implementation carries out, and what it may do with it.
type Task struct {
	Claim       remuda.Claim
	Secrets     map[string]string // by name
	Environment map[string]string // what the machine's operator gives to all steps
	Workspace   string            // where steps start; exists
	Folder      Folder            // private to this attempt
	Log         *slog.Logger      // for the machine's operator, never for whoever submitted the task

	implementation Implementation
	plane          Plane
	filter         *redact.Filter
	report         *report
	processes      processes
	budget         *budget
	steps          []*Step

	end     func(error)     // ends the work
	talk    context.Context // of all that is said to the control plane; outlives the work
	silence func(error)     // ends talk
	talking sync.WaitGroup
	unsent  atomic.Bool

	masking sync.Mutex
	masks   maskBudget

	turn chan struct{} // closed when the output of the last step that others wait for is sent; nil before the first
}

// usualGrace is for a claim that says nothing of it.
const usualGrace = remuda.Duration(10 * time.Second)

func newTask(o Options, steps []remuda.Step) *Task {
	h := o.Handoff
	t := &Task{
		Claim:          h.Claim,
		Secrets:        h.Secrets,
		Environment:    h.Environment,
		Workspace:      h.WorkPath(),
		Folder:         h.Folder(),
		Log:            o.Log,
		implementation: o.Implementation,
		plane:          o.Plane,
		processes:      processes{alone: o.Alone},
		budget:         newBudget(h.SpoolLimit, o.Log),
		filter:         redact.New(slices.Collect(maps.Values(h.Secrets))...),
		report:         newReport(o.Log, steps),
	}
	t.Claim.CancelGrace = h.Claim.CancelGrace.Or(usualGrace)
	for n := range steps {
		t.steps = append(t.steps, &Step{task: t, number: n})
	}
	return t
}

// Step is the task's step n.
func (t *Task) Step(n int) *Step { return t.steps[n] }

// Mask hides value in all output from now on, also when a successor sends it. Call it before anything can print it.
// A task may hide 200 values, of 64 KiB each and 256 KiB together.
func (t *Task) Mask(value string) error {
	t.masking.Lock()
	defer t.masking.Unlock()
	if err := t.masks.add(value); err != nil {
		return err
	}
	if err := t.Folder.addMask(value); err != nil {
		return err
	}
	t.filter.Add(value)
	return nil
}

// hide is text without the secrets that it may hold: sentences go where output goes.
func (t *Task) hide(text string) string {
	return cut(t.filter.Text(text), longestDetail)
}

// Hide is text without the secrets that it holds, for what an Implementation tells by another way than output.
func (t *Task) Hide(text string) string { return t.filter.Text(text) }

// Start starts a command in a session of its own. It lives until it ends, End is called, or the task has ended.
func (t *Task) Start(cmd *exec.Cmd) (*Process, error) { return t.processes.start(cmd) }

// gone ends everything: the claim is not ours any more.
func (t *Task) gone(err error) {
	t.end(err)
	t.silence(err)
}

// finishSteps gives those steps an end that the Implementation left without.
func (t *Task) finishSteps(state remuda.State) {
	for _, step := range t.steps {
		switch {
		case step.State() == remuda.StepPending:
			step.Finish(remuda.StepSkipped, nil, "")
		case step.State() == remuda.StepRunning && state == remuda.Succeeded:
			step.Finish(remuda.StepSucceeded, nil, "")
		case step.State() == remuda.StepRunning:
			step.Finish(remuda.StepCanceled, nil, "")
		}
	}
}

func (t *Task) closePipes() {
	for _, step := range t.steps {
		if step.spool != nil {
			step.spool.close()
		}
	}
}

// Step is one step of a Task, with an output of its own. Its methods are for one goroutine; Quiet may be called
// from any.
type Step struct {
	task   *Task
	number int
	spool  *spool // nil until it starts
}

// State is where the step stands.
func (s *Step) State() remuda.StepState { return s.task.report.step(s.number).State }

// Name is what people call the step.
func (s *Step) Name() string { return s.task.report.step(s.number).Name }

// Start says that the step runs now, and opens its output. The steps of a task are started by one goroutine.
func (s *Step) Start() error {
	tail := newTail()
	spool, err := openSpool(s.task.Folder, s.number, tail, s.task.budget, func(err error) {
		s.task.end(fmt.Errorf("keep the output of step %d: %w", s.number, err))
	})
	if err != nil {
		return fmt.Errorf("open the output of step %d: %w", s.number, err)
	}
	read, err := os.Open(s.task.Folder.Spool(s.number))
	if err != nil {
		spool.close()
		return fmt.Errorf("open the output of step %d: %w", s.number, err)
	}
	s.spool = spool
	s.task.report.change(s.number, func(step *remuda.Step) {
		now := time.Now()
		step.State, step.StartedAt = remuda.StepRunning, &now
	})
	before, sent := s.task.turns(s.number)
	s.task.talking.Go(func() {
		defer read.Close()
		defer close(sent)
		select {
		case <-before:
		case <-s.task.talk.Done():
		}
		s.task.send(newSender(s.task.plane, s.number, read, tail, s.task.filter, s.task.Log))
	})
	return nil
}

// turns puts the output of steps that run one after the other into that order for whoever reads the whole task: before
// is closed when it is step n's turn, and sent is to be closed when its output is sent. A background step waits for
// none, and none for it.
func (t *Task) turns(n int) (before <-chan struct{}, sent chan struct{}) {
	sent = make(chan struct{})
	now := make(chan struct{})
	close(now)
	if t.turn == nil || t.report.step(n).Background {
		before = now
	} else {
		before = t.turn
	}
	if !t.report.step(n).Background {
		t.turn = sent
	}
	return before, sent
}

// send sends a step's output to its end.
func (t *Task) send(sender *sender) {
	defer sender.tail.release() // what is left is the runner's
	switch err := sender.run(t.talk); {
	case err == nil:
	case errors.Is(err, remuda.Gone):
		t.gone(err)
	default:
		t.unsent.Store(true)
		if t.talk.Err() == nil {
			t.Log.Warn("output was refused", "step", sender.step, "error", err)
		}
	}
}

// Output is what the step's processes get as standard output and standard error. What they have written outlives the
// agent: see Folder and Hold. It is nil until the step has started.
func (s *Step) Output() *os.File {
	if s.spool == nil {
		return nil
	}
	return s.spool.output
}

// Quiet is for how long the step has written nothing. It is zero until the step has started, and while what it writes
// has to wait.
func (s *Step) Quiet() time.Duration {
	if s.spool == nil {
		return 0
	}
	return time.Since(s.spool.tail.lastGrowth())
}

// Finish says how the step ended; a step that never started may only be skipped or canceled. What processes that it
// left behind write from now on is nobody's output.
func (s *Step) Finish(state remuda.StepState, exitCode *int, detail string) {
	if s.State().Ended() {
		return
	}
	if s.spool != nil {
		s.spool.finish()
	}
	s.task.processes.reap()
	s.task.report.change(s.number, func(step *remuda.Step) {
		now := time.Now()
		step.State, step.ExitCode, step.Detail = state, exitCode, s.task.hide(detail)
		if step.StartedAt != nil {
			step.EndedAt = &now
		}
	})
}
