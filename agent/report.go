package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
)

// together is how long a change waits for the next one: short steps start and end in one report.
const together = 20 * time.Millisecond

// report tells the control plane where the steps stand. It carries no queue of changes: whenever something changed,
// the whole list is sent as it is then. How they stand at the end is part of the result.
type report struct {
	log *slog.Logger

	mu      sync.Mutex
	steps   []remuda.Step
	changed bool
	closed  bool
	wake    chan struct{} // holds one
}

func newReport(log *slog.Logger, steps []remuda.Step) *report {
	return &report{log: log, steps: slices.Clone(steps), wake: make(chan struct{}, 1)}
}

// change changes one step and gives it as it is then.
func (r *report) change(n int, how func(*remuda.Step)) remuda.Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	how(&r.steps[n])
	r.changed = true
	nudge(r.wake)
	return r.steps[n]
}

// last gives all steps to say them with the result, and so says nothing of them any more.
func (r *report) last() []remuda.Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed = false
	return slices.Clone(r.steps)
}

// close says that nothing changes any more.
func (r *report) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	nudge(r.wake)
}

func (r *report) step(n int) remuda.Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.steps[n]
}

// take gives what is to be said now, if anything is.
func (r *report) take() (steps []remuda.Step, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed {
		r.changed = false
		steps = slices.Clone(r.steps)
	}
	return steps, r.closed
}

func (r *report) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// run reports until it is closed and all is said, or ctx ends.
func (r *report) run(ctx context.Context, plane Plane, gone func(error)) {
	for {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return
		}
		r.wait(ctx)
		steps, closed := r.take()
		if steps != nil {
			err := persist(ctx, r.log, "steps", func(ctx context.Context) error { return plane.Steps(ctx, steps) })
			switch {
			case errors.Is(err, remuda.Gone):
				gone(err)
				return
			case err != nil && ctx.Err() == nil:
				// The result does not depend on it, and the next change says it all again.
				r.log.Warn("where the steps stand was refused", "error", err)
			}
		}
		if closed {
			return
		}
	}
}

// wait lets changes come together, unless there will be no more.
func (r *report) wait(ctx context.Context) {
	timer := time.NewTimer(together)
	defer timer.Stop()
	for !r.isClosed() {
		select {
		case <-timer.C:
			return
		case <-r.wake:
		case <-ctx.Done():
			return
		}
	}
}

// nudge wakes whoever waits on a channel that holds one; a wake-up that is pending already says the same.
func nudge(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
