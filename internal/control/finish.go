package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/remuda-dev/remuda"
)

// own finds the attempt of a claim that this runner holds or held.
func (d RunnerDoor) own(ctx context.Context, t *transition, claim string) (AttemptRow, TaskRow, error) {
	held, err := t.Claimed(ctx, claim)
	if err != nil {
		return AttemptRow{}, TaskRow{}, err
	}
	if len(held) == 0 || held[0].Attempt.RunnerID != d.id {
		return AttemptRow{}, TaskRow{}, absent("claim", claim)
	}
	return held[0].Attempt, held[0].Task, nil
}

func gone(claim string) error {
	return remuda.Fail(remuda.Gone, "claim "+claim+" has ended and changes nothing any more; drop it")
}

// Finish says how a claim's task ended, after its process tree is dead. Saying the same again answers as the first
// time; saying another thing is a conflict.
func (d RunnerDoor) Finish(ctx context.Context, claimID string, r remuda.Result) error {
	outcomes, _, err := d.FinishAll(ctx, []remuda.ClaimResult{{Claim: claimID, Result: r}}, 0)
	return cmp.Or(err, outcomes[0])
}

// FinishAll says how several claims' tasks ended, each as Finish does. It answers what became of each; its error concerns
// all of them. In the same transition it claims what comes next, so many tasks at most and no more than have ended.
func (d RunnerDoor) FinishAll(ctx context.Context, results []remuda.ClaimResult, next int) (outcomes []error, claims []remuda.Claim, err error) {
	outcomes = make([]error, len(results))
	steps := map[int]string{} // of the results that end their claims here and now
	for i, r := range results {
		err := validResult(r.Result)
		if err == nil && r.Result.External && r.Result.State == remuda.Succeeded {
			outcomes[i] = d.leave(ctx, r.Claim, r.Result)
			continue
		}
		var last string
		if err == nil {
			last, err = lastSteps(r.Result.Steps)
		}
		if outcomes[i] = err; err == nil {
			steps[i] = last
		}
	}
	if len(steps) == 0 {
		return outcomes, nil, nil
	}
	e := &ending{ctx: ctx, door: d, results: results, steps: steps, next: next, outcomes: outcomes}
	if err := d.p.endings.Do(ctx, e); err != nil {
		return outcomes, nil, err
	}
	return outcomes, d.handOver(ctx, e), nil
}

// ending is what one runner says of how some of its claims ended, and what became of each: of those results for which
// there are steps.
type ending struct {
	ctx     context.Context
	door    RunnerDoor
	results []remuda.ClaimResult
	steps   map[int]string
	next    int // how many tasks it takes in their place

	outcomes []error
	over     []string // claims that ended just now
	seen     sight    // of a runner that takes others
	given    []AttemptView
}

// Of many runners whose tasks end at the same time, those that wait are written together.
const (
	endingsAtOnce   = 4
	endingsTogether = 64
)

// carryOutEndings ends the claims of several runners in one transition; when that goes wrong, those of each in one of its own.
func (p *Plane) carryOutEndings(set []*ending) []error {
	errs := make([]error, len(set))
	if len(set) > 1 {
		err := p.end(context.WithoutCancel(set[0].ctx), set...)
		if err == nil || errors.Is(err, remuda.Unavailable) {
			for i := range errs {
				errs[i] = err
			}
			return errs
		}
	}
	for i, one := range set {
		errs[i] = p.end(one.ctx, one)
	}
	return errs
}

func (p *Plane) end(ctx context.Context, set ...*ending) error {
	scope := Beside
	if slices.ContainsFunc(set, func(e *ending) bool { return e.next > 0 }) {
		scope = Taking
	}
	err := p.writeIn(ctx, scope, "", func(t *transition) error {
		if err := t.seeEnding(ctx, set); err != nil {
			return err
		}
		taken, err := t.finishHeld(ctx, set)
		if err == nil && !taken {
			return errRefused
		}
		if err != nil {
			return err
		}
		for _, e := range set {
			if err := t.refill(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errRefused) {
		return nil
	}
	return err
}

// finishHeld ends claims, and fills in what became of each. It answers whether any was taken.
func (t *transition) finishHeld(ctx context.Context, set []*ending) (taken bool, err error) {
	var claims []string
	for _, e := range set {
		for i := range e.steps {
			claims = append(claims, e.results[i].Claim)
		}
	}
	rows, err := t.Claimed(ctx, claims...)
	if err != nil {
		return false, err
	}
	held := make(map[string]*Held, len(rows))
	for i := range rows {
		held[rows[i].Attempt.ID] = &rows[i]
	}
	err = t.Together(ctx, func() error {
		for _, e := range set {
			t.actor, e.over = "runner "+e.door.id, nil
			for i, r := range e.results {
				last, here := e.steps[i]
				if !here {
					continue
				}
				one := held[r.Claim]
				switch {
				case one == nil || one.Attempt.RunnerID != e.door.id:
					e.outcomes[i] = absent("claim", r.Claim)
				case !one.Attempt.State.Live():
					e.outcomes[i] = ended(one.Attempt, r.Result)
				default:
					e.outcomes[i] = nil // a transition may be run again
					if err := t.finish(ctx, one, r.Result, last); err != nil {
						return err
					}
					e.over = append(e.over, r.Claim)
				}
				taken = taken || e.outcomes[i] == nil
			}
		}
		return nil
	})
	return taken, err
}

// errRefused says that of several things none was done, and that there is nothing to keep.
var errRefused = errors.New("all were refused")

// finish ends a claim with its result.
func (t *transition) finish(ctx context.Context, held *Held, r remuda.Result, steps string) error {
	attempt, task := &held.Attempt, &held.Task
	attempt.State, attempt.Reason, attempt.Detail = attemptState(r.State), r.Reason, r.Detail
	var told []string
	if steps != "" {
		attempt.Steps, told = steps, []string{"steps"}
	}
	if err := t.end(ctx, attempt, task, told...); err != nil {
		return err
	}
	switch {
	case r.State == remuda.Canceled && !task.CancelRequested:
		return t.interrupted(ctx, attempt, task, remuda.ReasonInfrastructure, "its runner was stopped while it ran")
	case r.State == remuda.Failed && r.Reason == remuda.ReasonInfrastructure:
		return t.interrupted(ctx, attempt, task, remuda.ReasonInfrastructure, r.Detail)
	}
	if r.State == remuda.Canceled {
		return t.move(ctx, task, r.State, "", cmp.Or(task.Detail, r.Detail)) // who wanted it says more than how it went
	}
	return t.move(ctx, task, r.State, r.Reason, r.Detail)
}

// ended answers a Finish for a claim that has ended.
func ended(a AttemptRow, r remuda.Result) error {
	switch {
	case a.State == remuda.AttemptLost || a.State == remuda.AttemptReturned:
		return gone(a.ID)
	case a.State == attemptState(r.State) && a.Reason == r.Reason && a.Detail == r.Detail:
		return nil
	default:
		return remuda.Fail(remuda.Conflict, "claim "+a.ID+" was finished with another result: "+string(a.State))
	}
}

func attemptState(s remuda.State) remuda.AttemptState { return remuda.AttemptState(s) }

// maxDetail bounds what a runner says of a claim's end.
const maxDetail = 4096

func validResult(r remuda.Result) error {
	if len(r.Detail) > maxDetail {
		return remuda.Fail(remuda.Invalid, fmt.Sprintf("a detail has at most %d bytes", maxDetail))
	}
	if err := validSteps(r.Steps); err != nil {
		return err
	}
	switch r.State {
	case remuda.Succeeded, remuda.Canceled:
		if r.Reason == "" {
			return nil
		}
	case remuda.Failed:
		switch r.Reason {
		case remuda.ReasonStep, remuda.ReasonTimeout, remuda.ReasonConfig, remuda.ReasonPolicy, remuda.ReasonInfrastructure:
			return nil
		}
	}
	return remuda.Fail(remuda.Invalid, "a result is succeeded, canceled, or failed with the reason step, timeout, config, policy or infrastructure")
}

// Return hands a claim back: the runner could not carry it out. One that had begun is only repeated when its task says
// that this is safe.
func (d RunnerDoor) Return(ctx context.Context, claimID string, r remuda.Return) error {
	if len(r.Detail) > maxDetail {
		return remuda.Fail(remuda.Invalid, fmt.Sprintf("a detail has at most %d bytes", maxDetail))
	}
	return d.p.writeIn(ctx, Beside, "runner "+d.id, func(t *transition) error {
		attempt, task, err := d.own(ctx, t, claimID)
		if err != nil {
			return err
		}
		if attempt.State == remuda.AttemptReturned {
			return nil
		}
		if !attempt.State.Live() {
			return gone(claimID)
		}
		attempt.State, attempt.Detail = remuda.AttemptReturned, r.Detail
		if r.Draining {
			task.AttemptsUsed-- // the runner's leaving says nothing about the task
		}
		if err := t.end(ctx, &attempt, &task); err != nil {
			return err
		}
		return t.interrupted(ctx, &attempt, &task, remuda.ReasonInfrastructure, r.Detail)
	})
}

// end writes down that an attempt is over, with what else is new of it, and that its runner has a free slot.
func (t *transition) end(ctx context.Context, attempt *AttemptRow, task *TaskRow, columns ...string) error {
	attempt.EndedAt = t.now
	if err := t.Update(ctx, attempt, append(columns, "state", "reason", "detail", "ended_at")...); err != nil {
		return fmt.Errorf("end attempt %s: %w", attempt.ID, err)
	}
	t.wake(runnerTopic(attempt.RunnerID), everyone)
	t.wake(taskTopic(task.ID), everyone)
	return nil
}

// interrupted decides about a task whose attempt ended without a result of its own.
func (t *transition) interrupted(ctx context.Context, attempt *AttemptRow, task *TaskRow, reason remuda.Reason, detail string) error {
	if attempt.BegunAt == 0 {
		reason = remuda.ReasonInfrastructure // nothing of the user's was lost
	}
	switch {
	case task.CancelRequested:
		return t.move(ctx, task, remuda.Canceled, "", cmp.Or(task.Detail, detail))
	case attempt.BegunAt != 0 && !task.RetryInterrupted:
		return t.move(ctx, task, remuda.Failed, reason, detail)
	case task.AttemptsUsed >= task.MaxAttempts:
		return t.move(ctx, task, remuda.Failed, reason,
			fmt.Sprintf("attempt %d of %d: %s", task.AttemptsUsed, task.MaxAttempts, detail))
	default:
		task.QueueUntil = t.now.add(task.QueueTimeout)
		return t.move(ctx, task, remuda.Queued, "", detail)
	}
}

// Goodbye says that the runner leaves. It first finishes or returns what it holds.
func (d RunnerDoor) Goodbye(ctx context.Context) error {
	defer d.p.recognized.forget(d.id)
	return d.p.writeIn(ctx, Beside, "runner "+d.id, func(t *transition) error {
		var row RunnerRow
		if err := t.Get(ctx, &row, d.id); err != nil {
			return orAbsent(err, "runner", d.id)
		}
		live, err := t.LiveAttempts(ctx, d.id)
		if err != nil {
			return err
		}
		if len(live) > 0 {
			return remuda.Fail(remuda.Conflict, fmt.Sprintf("the runner still holds %d claims; finish or return them first", len(live)))
		}
		if row.GoneAt != 0 {
			return nil
		}
		row.GoneAt = t.now
		if err := t.Update(ctx, &row, "gone_at"); err != nil {
			return err
		}
		t.wake(runnerTopic(d.id), everyone) // a sync that is still open ends
		return t.ofRunner(ctx, "runner.left", d.id, row.Name)
	})
}
