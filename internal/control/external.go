package control

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/remuda-dev/remuda"
)

// A claim may be left to others: what its runner set going reports by the task token how the task ends, and the runner
// is free. From then on one runner that is none holds it, until the task's timeout: nobody asks in its name, and none of
// the counts of runners has it.

// externalName is what people read where else a runner stands.
const externalName = "(its pipeline)"

// externalHash stands where other runners have the hash of their token: nothing has this hash.
func (p *Plane) externalHash() []byte { return p.keys.MAC("node", "external") }

// external finds the runner that is none.
func (p *Plane) external(ctx context.Context, v View) (RunnerRow, error) {
	return v.RunnerByTokenHash(ctx, p.externalHash())
}

// IsExternal says whether a claim was left to others.
func (p *Plane) IsExternal(ctx context.Context, v View, a AttemptRow) (bool, error) {
	row, err := p.external(ctx, v)
	if errors.Is(err, remuda.NotFound) {
		return false, nil
	}
	return err == nil && row.ID == a.RunnerID, err
}

// IsNode says whether a claim is held by a runner of another system's, whose reports say how it ended.
func (p *Plane) IsNode(ctx context.Context, v View, a AttemptRow) (bool, error) {
	var row RunnerRow
	if err := v.Get(ctx, &row, a.RunnerID); err != nil {
		return false, orAbsent(err, "runner", a.RunnerID)
	}
	task, err := v.Movable(ctx, a.TaskID)
	return err == nil && string(row.TokenHash) == string(p.nodeHash(task.ClassID, row.Hostname)), err
}

// Leave leaves a live claim to others. What it is left for begins with the attempt: a task has one timeout.
func (p *Plane) Leave(ctx context.Context, t *Transition, claim string) error {
	row, err := p.external(ctx, t)
	if errors.Is(err, remuda.NotFound) {
		row = RunnerRow{ID: newID(), Name: externalName, TokenHash: p.externalHash(), PublicKey: []byte{}, RegisteredAt: t.now, SilentAt: math.MaxInt64}
		err = t.Insert(ctx, &row)
	}
	if err != nil {
		return fmt.Errorf("leave claim %s to others: %w", claim, err)
	}
	var attempt AttemptRow
	if err := t.Get(ctx, &attempt, claim); err != nil {
		return orAbsent(err, "claim", claim)
	}
	task, err := t.TaskView(ctx, attempt.TaskID)
	if err != nil {
		return err
	}
	from := attempt.RunnerID
	until := attempt.BegunAt.Time().Add(task.Timeout.Std())
	attempt.LostAfter = remuda.Duration(max(until.Sub(t.now.Time()), time.Second).Truncate(time.Second))
	attempt.RunnerID, attempt.LastSignAt = row.ID, t.now
	if err := t.Update(ctx, &attempt, "runner_id", "lost_after", "last_sign_at"); err != nil {
		return err
	}
	if from == row.ID {
		return nil // only its end comes nearer
	}
	t.wake(runnerTopic(from), everyone)
	t.wake(taskTopic(task.ID), everyone)
	return t.event(ctx, "task.left", task.OrganizationID, task.ID, "something else reports how it ends, until "+until.UTC().Format(time.RFC3339))
}

// leave is Finish for a claim that goes on without its runner. Saying it again answers as the first time.
func (d RunnerDoor) leave(ctx context.Context, claimID string, r remuda.Result) error {
	return d.p.writeIn(ctx, Beside, "runner "+d.id, func(t *transition) error {
		view, err := t.Attempt(ctx, claimID)
		if err != nil {
			return orAbsent(err, "claim", claimID)
		}
		attempt := view.AttemptRow
		left, err := d.p.IsExternal(ctx, t, attempt)
		switch {
		case err != nil || left:
			return err
		case attempt.RunnerID != d.id:
			return absent("claim", claimID)
		case !attempt.State.Live():
			return ended(attempt, r)
		case attempt.State != remuda.AttemptBegun:
			return remuda.Fail(remuda.Conflict, "claim "+claimID+" has not begun")
		}
		if err := t.Get(ctx, &attempt, claimID); err != nil {
			return err
		}
		if attempt.Steps, err = changedSteps(attempt.Steps, r.Steps); err != nil {
			return fmt.Errorf("steps of claim %s: %w", claimID, err)
		}
		if err := t.Update(ctx, &attempt, "steps"); err != nil {
			return err
		}
		return d.p.Leave(ctx, t, claimID)
	})
}
