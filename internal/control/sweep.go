package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/remuda-dev/remuda"
)

// errStale says that a row is not any more as the sweep had read it.
var errStale = errors.New("changed meanwhile")

// sweep ends what waited for too long and takes claims from runners that are silent. Each row is changed only if it is
// still as it was read; one that cannot be changed does not keep the others waiting. Its error says that the store is
// away.
func (p *Plane) sweep(ctx context.Context, now Micros) error {
	var expired []AttemptRow
	var overdue []TaskRow
	err := p.store.Read(ctx, func(v View) (err error) {
		if expired, err = v.Expired(ctx, now.after(-silentAfter), p.signsSince(), now); err != nil {
			return err
		}
		overdue, err = v.Overdue(ctx, now)
		return err
	})
	if err != nil {
		return fmt.Errorf("look for what is overdue: %w", err)
	}
	if isGap(now, p.now()) {
		return nil // the next sweep reckons from when this process went on
	}
	for _, attempt := range expired {
		if err := p.swept(p.lose(ctx, attempt)); err != nil {
			return fmt.Errorf("take claim %s from its silent runner: %w", attempt.ID, err)
		}
	}
	for _, task := range overdue {
		if err := p.swept(p.expire(ctx, task)); err != nil {
			return fmt.Errorf("time out queued task %s: %w", task.ID, err)
		}
	}
	return nil
}

// swept keeps the errors that concern more than one row.
func (p *Plane) swept(err error) error {
	switch {
	case err == nil, errors.Is(err, errStale):
		return nil
	case errors.Is(err, remuda.Unavailable), errors.Is(err, context.Canceled):
		return err
	}
	p.log.Error("sweep", "err", err)
	return nil
}

// forget drops idempotency keys whose time is over and runners that have long gone, and has those leave that have long
// been lost, which ends their tokens. It goes in small transactions, so that nobody waits for it long.
func (p *Plane) forget(ctx context.Context) error {
	for _, drop := range []func(Tx) (int64, error){
		func(tx Tx) (int64, error) { return tx.ForgetOldKeys(ctx, p.now()-Micros(keyLife.Microseconds())) },
		func(tx Tx) (int64, error) {
			return tx.ForgetTokens(ctx, p.now()-Micros(tokenLife.Microseconds()))
		},
		func(tx Tx) (int64, error) {
			return tx.LeaveSilent(ctx, p.now()-Micros(lostRunnerAfter.Microseconds()), p.now())
		},
		func(tx Tx) (int64, error) { return p.forgetRunners(ctx, tx) },
	} {
		for range mostForgotten {
			var dropped int64
			err := p.store.Write(ctx, Alone, func(tx Tx) (err error) {
				dropped, err = drop(tx)
				return err
			})
			if err != nil {
				return err
			}
			if dropped < 64 {
				break
			}
		}
	}
	return p.forgetSessions(ctx)
}

// forgetRunners deletes those that have gone. One that had claims is the runner of tasks for as long as they are kept.
func (p *Plane) forgetRunners(ctx context.Context, tx Tx) (int64, error) {
	before := func(age time.Duration) Micros { return p.now() - Micros(age.Microseconds()) }
	used := Micros(0)
	if age := p.retention.Age.Std(); age > 0 {
		used = before(max(age, shortestAge) + runnerLife)
	}
	return tx.ForgetRunners(ctx, before(runnerLife), used)
}

// mostForgotten bounds how many transactions of one kind a minute forgets with.
const mostForgotten = 200

// lose takes an attempt from a runner that gave no sign for too long.
func (p *Plane) lose(ctx context.Context, read AttemptRow) error {
	return p.writeIn(ctx, Beside, "system", func(t *transition) error {
		var runner RunnerRow
		if err := t.Get(ctx, &runner, read.RunnerID); err != nil {
			return err
		}
		view, err := t.Attempt(ctx, read.ID)
		if err != nil {
			return err
		}
		if view.State != read.State || view.LastSignAt != read.LastSignAt {
			return errStale
		}
		task, err := t.Movable(ctx, view.TaskID)
		if err != nil {
			return err
		}
		attempt := view.AttemptRow
		reason, detail := remuda.ReasonLost, fmt.Sprintf("its runner %s gave no sign since %s", runner.Name, read.LastSignAt.Time().Format(time.RFC3339))
		if bytes.Equal(runner.TokenHash, p.externalHash()) {
			reason, detail = remuda.ReasonTimeout, "what its runner set going did not report an end within the task's timeout"
		}
		attempt.State, attempt.Reason, attempt.Detail = remuda.AttemptLost, reason, detail
		if err := t.end(ctx, &attempt, &task); err != nil {
			return err
		}
		return t.interrupted(ctx, &attempt, &task, reason, detail)
	})
}

// expire fails a task that waited for a runner for longer than it wanted to.
func (p *Plane) expire(ctx context.Context, read TaskRow) error {
	return p.writeIn(ctx, Beside, "system", func(t *transition) error {
		task, err := t.Movable(ctx, read.ID)
		if err != nil {
			return err
		}
		if task.State != remuda.Queued || task.QueueUntil != read.QueueUntil {
			return errStale
		}
		return t.move(ctx, &task, remuda.Failed, remuda.ReasonTimeout,
			"no runner took it within its queue_timeout of "+task.QueueTimeout.String())
	})
}
