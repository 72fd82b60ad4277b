package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
)

// Retention says for how long things are kept. Zero is for ever.
type Retention struct {
	Age    remuda.Duration // of tasks that have ended, with all that belongs to them
	Size   int64           // bytes of all output; the oldest tasks' goes first, the tasks stay
	Events remuda.Duration // of events, those of tasks that are kept included
}

const (
	tendEvery   = 5 * time.Second
	retainEvery = time.Minute
	countEvery  = 5 * time.Minute

	// shortestAge is for how long everything is kept: until no output may arrive any more, and idempotency keys
	// that name the task are forgotten.
	shortestAge = keyLife + time.Hour
	// shortestOutput is for how long output is kept, whatever its size: until no more of it may arrive.
	shortestOutput = lateReports + 5*time.Minute

	// forgottenAtOnce is how many tasks one transaction forgets.
	forgottenAtOnce = 8
)

// keeping is what is known of what is kept.
type keeping struct {
	mu         sync.Mutex
	bucketAway bool
	held       OutputHeld
	countedAt  time.Time
	lanesAt    time.Time // when it was looked for idle lanes
	deleted    Deleted
	removedTo  string // output of tasks up to this one was removed, for its size
}

// Deleted counts what retention has deleted since this plane started.
type Deleted struct{ Tasks, Outputs, Bytes, Events int64 }

// Kept is what is known of what is kept.
type Kept struct {
	Output     OutputHeld // as it was counted last; zero until it was
	BucketAway bool
	Deleted    Deleted
}

// Kept tells operators how much is kept.
func (p *Plane) Kept() Kept {
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	return Kept{Output: p.kept.held, BucketAway: p.kept.bucketAway, Deleted: p.kept.deleted}
}

// tend keeps output where it belongs and deletes what is too old or too much, until ctx ends.
func (p *Plane) tend(ctx context.Context) {
	tend, retain := time.NewTicker(tendEvery), time.NewTicker(retainEvery)
	defer tend.Stop()
	defer retain.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tend.C:
			p.noteBucket(ctx, p.store.Output().Tend(ctx))
		case <-retain.C:
			if err := p.retain(ctx); err != nil && ctx.Err() == nil {
				p.log.Error("delete what is too old or too much", "err", err)
			}
		}
	}
}

// noteBucket tells the operator when output cannot be put where it belongs, and when it can again.
func (p *Plane) noteBucket(ctx context.Context, err error) {
	away := errors.Is(err, ErrBucketAway)
	if ctx.Err() != nil || !away && remuda.KindOf(err) == remuda.Unavailable {
		return // the store is away, which the sweep tells
	}
	p.kept.mu.Lock()
	changed := p.kept.bucketAway != away
	p.kept.bucketAway = away
	p.kept.mu.Unlock()
	switch {
	case changed && away:
		p.log.Error("the bucket for output cannot be used; a few MiB of each task are kept in the store meanwhile, then agents wait", "err", err)
	case changed:
		p.log.Info("the bucket for output can be used again")
	case err != nil && !away:
		p.log.Error("tend output", "err", err)
	}
}

// retain deletes what is too old, then what is too much.
func (p *Plane) retain(ctx context.Context) error {
	return errors.Join(p.retainAge(ctx), p.retainSize(ctx), p.retainEvents(ctx), p.retainLanes(ctx))
}

// breathe waits as long as something took, so that others have half of the store to themselves at least.
func breathe(ctx context.Context, since time.Time) error {
	timer := time.NewTimer(max(time.Millisecond, time.Since(since)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// old goes through tasks that ended before a time and may be deleted, in the order in which they were submitted, after
// one of them. It hands a few at once to do, which says whether to go on.
func (p *Plane) old(ctx context.Context, after string, before Micros, do func([]TaskRow) (more bool, err error)) error {
	for {
		var page []TaskRow
		err := p.store.Read(ctx, func(v View) (err error) {
			page, err = v.Oldest(ctx, after)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		var few []TaskRow
		for i, task := range page {
			if task.EndedAt != 0 && task.State.Ended() && task.EndedAt < before && !task.Pinned {
				few = append(few, task)
			}
			if len(few) < forgottenAtOnce && i < len(page)-1 || len(few) == 0 {
				continue
			}
			since := time.Now()
			more, err := do(few)
			if err != nil || !more {
				return err
			}
			if err := breathe(ctx, since); err != nil {
				return nil
			}
			few = nil
		}
		last := page[len(page)-1]
		if after = last.ID; last.SubmittedAt >= before {
			return nil // all others are younger
		}
	}
}

// retainAge deletes tasks that ended too long ago: what they printed first, so that nothing is left without a task.
func (p *Plane) retainAge(ctx context.Context) error {
	if p.retention.Age == 0 {
		return nil
	}
	before := Now().after(-max(p.retention.Age.Std(), shortestAge))
	return p.old(ctx, "", before, func(tasks []TaskRow) (bool, error) {
		attempts, err := p.attemptsOf(ctx, tasks)
		if err != nil {
			return false, err
		}
		if err := p.store.Output().Forget(ctx, attempts); err != nil {
			return false, err
		}
		for _, task := range tasks {
			if err := p.forgetTask(ctx, task.ID); err != nil {
				return false, fmt.Errorf("delete task %s: %w", task.ID, err)
			}
		}
		p.count(Deleted{Tasks: int64(len(tasks))})
		return true, nil
	})
}

func (p *Plane) forgetTask(ctx context.Context, id string) error {
	for done := false; !done; {
		err := p.store.Write(ctx, Beside, func(tx Tx) (err error) {
			done, err = tx.ForgetTask(ctx, id)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Plane) attemptsOf(ctx context.Context, tasks []TaskRow) (attempts []string, err error) {
	err = p.store.Read(ctx, func(v View) error {
		attempts = nil
		for _, task := range tasks {
			ids, err := v.AttemptIDs(ctx, task.ID)
			if err != nil {
				return err
			}
			attempts = append(attempts, ids...)
		}
		return nil
	})
	return attempts, err
}

// retainSize removes the output of the oldest tasks when all of it is too much. The tasks stay, and say so.
func (p *Plane) retainSize(ctx context.Context) error {
	p.kept.mu.Lock()
	due := time.Since(p.kept.countedAt) >= countEvery
	from := p.kept.removedTo
	p.kept.mu.Unlock()
	if !due {
		return nil
	}
	held, err := p.store.Output().Held(ctx)
	if err != nil {
		return err
	}
	p.kept.mu.Lock()
	p.kept.held, p.kept.countedAt = held, time.Now()
	p.kept.mu.Unlock()
	over := held.Store + held.Bucket - p.retention.Size
	if p.retention.Size == 0 || over <= 0 {
		return nil
	}
	before := Now().after(-shortestOutput)
	err = p.old(ctx, from, before, func(tasks []TaskRow) (bool, error) {
		for _, task := range tasks {
			freed, err := p.removeOutput(ctx, task)
			if over -= freed; err != nil || over <= 0 {
				return false, err
			}
		}
		return true, nil
	})
	if err == nil && over > 0 && ctx.Err() == nil {
		p.kept.mu.Lock()
		defer p.kept.mu.Unlock()
		p.kept.removedTo = "" // old ones that had not ended then may have since
	}
	return err
}

// removeOutput removes what a task printed, and notes it. Interrupted between the two, it is done again.
func (p *Plane) removeOutput(ctx context.Context, task TaskRow) (freed int64, err error) {
	if task.OutputRemovedAt == 0 {
		attempts, err := p.attemptsOf(ctx, []TaskRow{task})
		if err != nil {
			return 0, err
		}
		if freed, err = p.store.Output().Remove(ctx, attempts); err != nil {
			return freed, err
		}
		task.OutputRemovedAt = Now()
		err = p.store.Write(ctx, Beside, func(tx Tx) error { return tx.Update(ctx, &task, "output_removed_at") })
		if err != nil && !errors.Is(err, remuda.NotFound) {
			return freed, fmt.Errorf("note that the output of task %s was removed: %w", task.ID, err)
		}
		p.count(Deleted{Outputs: 1, Bytes: freed})
	}
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	p.kept.removedTo = task.ID
	return freed, nil
}

func (p *Plane) retainEvents(ctx context.Context) error {
	if p.retention.Events == 0 {
		return nil
	}
	before := Now().after(-p.retention.Events.Std())
	for {
		since := time.Now()
		var dropped int64
		err := p.store.Write(ctx, Beside, func(tx Tx) (err error) {
			dropped, err = tx.ForgetEvents(ctx, before)
			return err
		})
		if err != nil {
			return fmt.Errorf("delete old events: %w", err)
		}
		if p.count(Deleted{Events: dropped}); dropped < 64 {
			return nil
		}
		if err := breathe(ctx, since); err != nil {
			return nil
		}
	}
}

// count adds to what was deleted.
func (p *Plane) count(d Deleted) {
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	p.kept.deleted.Tasks += d.Tasks
	p.kept.deleted.Outputs += d.Outputs
	p.kept.deleted.Bytes += d.Bytes
	p.kept.deleted.Events += d.Events
}
