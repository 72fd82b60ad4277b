package control

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

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
	steps, err := json.Marshal(b.Steps)
	if err != nil {
		return remuda.Begun{}, fmt.Errorf("encode steps: %w", err)
	}
	begun := remuda.Begun{}
	err = d.p.write(ctx, "agent", func(t *transition) error {
		view, err := d.held(ctx, t)
		if err != nil {
			return err
		}
		attempt := view.AttemptRow
		if attempt.BegunAt != 0 {
			begun.BegunAt = attempt.BegunAt.Time()
			return nil
		}
		if view.CancelRequested {
			return remuda.Fail(remuda.Conflict, "the task was cancelled before it began; finish it as canceled")
		}
		attempt.State, attempt.BegunAt, attempt.LastSignAt, attempt.Steps = remuda.AttemptBegun, t.now, t.now, string(steps)
		begun.BegunAt = t.now.Time()
		t.wake(taskTopic(attempt.TaskID), everyone)
		return t.Update(ctx, &attempt, "state", "begun_at", "last_sign_at", "steps")
	})
	return begun, err
}

// Steps replaces what is known of the steps; a step that has ended stays as it is.
func (d TaskDoor) Steps(ctx context.Context, steps []remuda.Step) error {
	text, err := json.Marshal(steps)
	if err != nil {
		return fmt.Errorf("encode steps: %w", err)
	}
	return d.p.write(ctx, "agent", func(t *transition) error {
		view, err := d.held(ctx, t)
		if err != nil {
			return err
		}
		if view.State != remuda.AttemptBegun {
			return remuda.Fail(remuda.Conflict, "claim "+d.claim+" has not begun")
		}
		attempt := view.AttemptRow
		attempt.Steps, attempt.LastSignAt = string(text), t.now
		t.wake(taskTopic(attempt.TaskID), everyone)
		return t.Update(ctx, &attempt, "steps", "last_sign_at")
	})
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
	if attempt.BegunAt == 0 || !attempt.State.Live() && time.Since(attempt.EndedAt.Time()) > lateReports {
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
	state, err := d.p.store.Output().Stream(ctx, d.claim, step)
	state.Following = d.p.hub.waits(taskTopic(attempt.TaskID))
	return state, err
}

// Append adds a chunk where the stream ends. A chunk that starts elsewhere changes nothing; the answer says what is held.
func (d TaskDoor) Append(ctx context.Context, c remuda.Chunk) (remuda.StreamState, error) {
	attempt, err := d.reporting(ctx)
	if err != nil {
		return remuda.StreamState{}, err
	}
	if c.Step < 0 || c.Step > 9999 || c.Offset < 0 || c.Source < 0 {
		return remuda.StreamState{}, remuda.Fail(remuda.Invalid, "step, offset and source are numbers from 0; a step's is below 10000")
	}
	state, err := d.p.store.Output().Append(ctx, d.claim, c, d.p.outputLimit)
	if err != nil {
		return state, fmt.Errorf("append output of claim %s: %w", d.claim, err)
	}
	d.p.sign(ctx, attempt)
	d.p.hub.wake(taskTopic(attempt.TaskID), everyone)
	state.Following = d.p.hub.waits(taskTopic(attempt.TaskID))
	return state, nil
}

// CloseStream ends a step's output at a length.
func (d TaskDoor) CloseStream(ctx context.Context, step int, c remuda.StreamClose) (remuda.StreamState, error) {
	attempt, err := d.reporting(ctx)
	if err != nil {
		return remuda.StreamState{}, err
	}
	state, err := d.p.store.Output().Close(ctx, d.claim, step, c)
	if err != nil {
		return state, fmt.Errorf("close output of claim %s: %w", d.claim, err)
	}
	d.p.hub.wake(taskTopic(attempt.TaskID), everyone)
	return state, nil
}

// sign writes down a claim's sign of life, at most every signEvery: output alone may come five times a second.
func (p *Plane) sign(ctx context.Context, a AttemptView) {
	now := micros(time.Now())
	every := Micros(signEvery.Microseconds())
	p.mu.Lock()
	last := max(p.signs[a.ID], a.LastSignAt)
	due := a.State.Live() && now-last >= every
	if due {
		p.signs[a.ID] = now
	}
	if len(p.signs) > 10000 {
		for id, at := range p.signs {
			if now-at > every {
				delete(p.signs, id)
			}
		}
	}
	p.mu.Unlock()
	if !due {
		return
	}
	err := p.store.Write(ctx, func(tx Tx) error { return tx.Sign(ctx, []string{a.ID}, now) })
	if err != nil && ctx.Err() == nil {
		p.log.Warn("write down a sign of life", "claim", a.ID, "err", err)
	}
}
