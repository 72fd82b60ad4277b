package control

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/remuda-dev/remuda"
)

// held finds the claim's attempt while it may still change its task.
func (d TaskDoor) held(ctx context.Context, v View) (AttemptView, error) {
	attempt, err := v.Attempt(ctx, d.claim)
	if err != nil {
		return attempt, orAbsent(err, "claim", d.claim)
	}
	if !attempt.State.Live() {
		return attempt, gone(d.claim)
	}
	return attempt, nil
}

// Begin gives the agent leave to execute. Asking again is granted again: the first answer may have been lost.
func (d TaskDoor) Begin(ctx context.Context, b remuda.Begin) (remuda.Begun, error) {
	if err := validSteps(b.Steps); err != nil {
		return remuda.Begun{}, err
	}
	steps, err := changedSteps("", b.Steps)
	if err != nil {
		return remuda.Begun{}, fmt.Errorf("steps of claim %s: %w", d.claim, err)
	}
	begun := remuda.Begun{}
	err = d.p.writeIn(ctx, Beside, "agent", func(t *transition) error {
		view, err := d.held(ctx, t)
		if err != nil {
			return err
		}
		attempt := view.AttemptRow
		if attempt.BegunAt != 0 {
			begun.BegunAt = attempt.BegunAt.Time()
			return t.Sign(ctx, attempt.RunnerID, []string{attempt.ID}, t.now)
		}
		if view.CancelRequested {
			return remuda.Fail(remuda.Conflict, "the task was cancelled before it began; finish it as canceled")
		}
		attempt.State, attempt.BegunAt, attempt.LastSignAt, attempt.Steps = remuda.AttemptBegun, t.now, t.now, steps
		begun.BegunAt = t.now.Time()
		t.wake(taskTopic(attempt.TaskID), everyone)
		return t.Update(ctx, &attempt, "state", "begun_at", "last_sign_at", "steps")
	})
	return begun, err
}

// Steps says what is new of steps; one that has ended stays as it is, since calls may overtake each other.
func (d TaskDoor) Steps(ctx context.Context, steps []remuda.Step) error {
	if err := validSteps(steps); err != nil {
		return err
	}
	return d.p.writeIn(ctx, Beside, "agent", func(t *transition) error {
		view, err := d.held(ctx, t)
		if err != nil {
			return err
		}
		if view.State != remuda.AttemptBegun {
			return remuda.Fail(remuda.Conflict, "claim "+d.claim+" has not begun")
		}
		var attempt AttemptRow
		if err := t.Get(ctx, &attempt, d.claim); err != nil {
			return err
		}
		if attempt.Steps, err = changedSteps(attempt.Steps, steps); err != nil {
			return fmt.Errorf("steps of claim %s: %w", d.claim, err)
		}
		attempt.LastSignAt = t.now
		t.wake(taskTopic(attempt.TaskID), everyone)
		return t.Update(ctx, &attempt, "steps", "last_sign_at")
	})
}

// The bounds of what an agent says of its steps.
const (
	maxStep  = 9999
	maxSteps = 1000
)

func validSteps(steps []remuda.Step) error {
	if len(steps) > maxSteps {
		return remuda.Fail(remuda.Invalid, fmt.Sprintf("an attempt has at most %d steps", maxSteps))
	}
	for _, step := range steps {
		if err := validStep(step.Number); err != nil {
			return err
		}
	}
	return nil
}

// changedSteps is what is known of an attempt's steps after some changed, in order of their numbers.
func changedSteps(known string, changes []remuda.Step) (string, error) {
	var steps []remuda.Step
	if known != "" {
		if err := json.Unmarshal([]byte(known), &steps); err != nil {
			return "", fmt.Errorf("read: %w", err)
		}
	}
	for _, change := range changes {
		i, found := slices.BinarySearchFunc(steps, change.Number, func(s remuda.Step, n int) int { return s.Number - n })
		switch {
		case !found:
			steps = slices.Insert(steps, i, change)
		case !steps[i].State.Ended():
			steps[i] = change
		}
	}
	if len(steps) > maxSteps {
		return "", remuda.Fail(remuda.Invalid, fmt.Sprintf("an attempt has at most %d steps", maxSteps))
	}
	text, err := json.Marshal(steps)
	if err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	return string(text), nil
}

// lastSteps is what is kept of steps that a result tells: all that was said of them before is part of it. It is empty
// when none are told.
func lastSteps(steps []remuda.Step) (string, error) {
	if len(steps) == 0 {
		return "", nil
	}
	return changedSteps("", steps)
}

// reporting finds the claim's attempt while its output is taken: while it is live, and for an hour after.
func (d TaskDoor) reporting(ctx context.Context) (AttemptView, error) {
	var attempt AttemptView
	err := d.p.store.Read(ctx, func(v View) (err error) {
		attempt, err = v.Attempt(ctx, d.claim)
		return orAbsent(err, "claim", d.claim)
	})
	if err != nil {
		return attempt, err
	}
	switch {
	case attempt.State == remuda.AttemptClaimed:
		return attempt, remuda.Fail(remuda.Conflict, "claim "+d.claim+" has not begun")
	case attempt.BegunAt == 0, !attempt.State.Live() && d.p.now() > attempt.EndedAt.after(lateReports):
		return attempt, gone(d.claim)
	}
	return attempt, nil
}

// Stream says what is held of a step's output.
func (d TaskDoor) Stream(ctx context.Context, step int) (remuda.StreamState, error) {
	attempt, err := d.reporting(ctx)
	if err != nil {
		return remuda.StreamState{}, err
	}
	if err := validStep(step); err != nil {
		return remuda.StreamState{}, err
	}
	state, err := d.p.store.Output().Stream(ctx, d.claim, step)
	if err != nil {
		return state, fmt.Errorf("look at the output of claim %s: %w", d.claim, err)
	}
	d.p.sign(ctx, attempt)
	state.Following = d.p.isFollowed(attempt.TaskID)
	return state, nil
}

func validStep(step int) error {
	if step < 0 || step > maxStep {
		return remuda.Fail(remuda.Invalid, fmt.Sprintf("a step's number is from 0 to %d", maxStep))
	}
	return nil
}

// Append adds a chunk where the stream ends. A chunk that starts elsewhere changes nothing; the answer says what is held.
func (d TaskDoor) Append(ctx context.Context, c remuda.Chunk) (remuda.StreamState, error) {
	attempt, err := d.reporting(ctx)
	if err != nil {
		return remuda.StreamState{}, err
	}
	if err := validStep(c.Step); err != nil {
		return remuda.StreamState{}, err
	}
	if c.Offset < 0 || c.Source < 0 {
		return remuda.StreamState{}, remuda.Fail(remuda.Invalid, "offset and source are numbers from 0")
	}
	state, err := d.p.store.Output().Append(ctx, d.claim, c, d.p.outputLimit)
	d.p.noteStore("output", err)
	if err != nil {
		return state, fmt.Errorf("append output of claim %s: %w", d.claim, err)
	}
	d.p.sign(ctx, attempt)
	d.p.wake(taskTopic(attempt.TaskID), everyone)
	state.Following = d.p.isFollowed(attempt.TaskID)
	return state, nil
}

// CloseStream ends a step's output at a length.
func (d TaskDoor) CloseStream(ctx context.Context, step int, c remuda.StreamClose) (remuda.StreamState, error) {
	attempt, err := d.reporting(ctx)
	if err != nil {
		return remuda.StreamState{}, err
	}
	if err := validStep(step); err != nil {
		return remuda.StreamState{}, err
	}
	state, err := d.p.store.Output().Close(ctx, d.claim, step, c)
	if err != nil {
		return state, fmt.Errorf("close output of claim %s: %w", d.claim, err)
	}
	d.p.sign(ctx, attempt)
	d.p.wake(taskTopic(attempt.TaskID), everyone)
	return state, nil
}

// sign writes down a claim's sign of life, at most every signEvery: output alone may come five times a second.
func (p *Plane) sign(ctx context.Context, a AttemptView) {
	now := p.now()
	if !a.State.Live() || now < a.LastSignAt.after(signEvery) {
		return
	}
	// What was said has arrived, also when whoever said it did not wait for the answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), touchTime)
	defer cancel()
	err := p.store.Write(ctx, Beside, func(tx Tx) error { return tx.Sign(ctx, a.RunnerID, []string{a.ID}, now) })
	p.noteStore("tasks", err)
	if err != nil && ctx.Err() == nil {
		p.log.Warn("write down a sign of life", "claim", a.ID, "err", err)
	}
}
