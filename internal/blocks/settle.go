package blocks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

const (
	reader      = "blocks" // the name under which it is noted how far events were read
	together    = 100      // runs or blocks that are dealt with before others are looked for
	leaves      = 20       // times as long as a look takes, others have the store
	longestGap  = time.Second / 4
	settleGap   = 20 * time.Millisecond // between two looks at the events: one tells of all that came meanwhile
	lookEvery   = 5 * time.Second       // behind the wake-ups, which may be lost
	noteEvery   = time.Minute           // how far was read when nothing was to be settled
	driftEvery  = 15 * time.Second
	forgetEvery = 10 * time.Minute
)

// Run settles what tasks that ended mean for their blocks, and what only time brings about, until ctx ends.
func (r *Rules) Run(ctx context.Context) error {
	woken := r.plane.HearEvents() // before reading, so that nothing falls between
	defer woken.Close()
	look, drift, forget := time.NewTicker(lookEvery), time.NewTicker(driftEvery), time.NewTicker(forgetEvery)
	defer look.Stop()
	defer drift.Stop()
	defer forget.Stop()
	s := &settler{r: r}
	s.begin(ctx)
	for {
		again := s.events(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		case <-woken.C:
		case <-look.C:
			r.said(ctx, "settle runs", s.unsettled(ctx))
		case <-drift.C:
			r.said(ctx, "look for drift", r.drift(ctx))
		case <-forget.C:
			r.said(ctx, "forget plans", r.forgetPlans(ctx))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(min(max(settleGap, leaves*s.took), longestGap)):
		}
	}
}

// said logs what went wrong, unless that is the end, or the store is away, which the plane tells.
func (r *Rules) said(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil && remuda.KindOf(err) != remuda.Unavailable {
		r.log.Error(what, "err", err)
	}
}

// settler reads on in the events.
type settler struct {
	r       *Rules
	after   int64
	noted   int64
	notedAt time.Time
	took    time.Duration // the last look
}

// begin finds how far was read before. What happened while nobody read is settled, too.
func (s *settler) begin(ctx context.Context) {
	err := s.r.look(ctx, func(v View) error {
		var row ReaderRow
		err := v.Get(ctx, &row, reader)
		s.after, s.noted = row.EventID, row.EventID
		return ignoreAbsent(err)
	})
	s.r.said(ctx, "find how far events were read", err)
	s.r.said(ctx, "settle runs", s.unsettled(ctx))
}

// events settles the runs of which there are new events. The answer fires when there may be more already.
func (s *settler) events(ctx context.Context) <-chan time.Time {
	for ctx.Err() == nil {
		found, last, held, err := s.read(ctx)
		if err != nil {
			s.r.said(ctx, "read events", err)
			return nil
		}
		settled := map[string]bool{}
		for _, event := range found {
			if settled[event.RunID] {
				continue
			}
			settled[event.RunID] = true // as its task is now, whatever the other events tell
			if err := s.r.settleRun(ctx, event.RunID); err != nil {
				s.r.said(ctx, "settle run "+event.RunID, err)
				if remuda.KindOf(err) == remuda.Unavailable {
					return nil
				}
			}
		}
		if len(found) < together {
			s.after = max(s.after, last)
			s.note(ctx, len(found) > 0)
			if held {
				return time.After(settleGap)
			}
			return nil
		}
		s.after = found[len(found)-1].ID
	}
	return nil
}

func (s *settler) read(ctx context.Context) (found []RunEvent, last int64, held bool, err error) {
	began := time.Now()
	defer func() { s.took = time.Since(began) }()
	err = s.r.look(ctx, func(v View) error {
		if found, err = v.RunEvents(ctx, s.after, together); err != nil {
			return err
		}
		last, held, err = v.LastEvent(ctx)
		return err
	})
	return found, last, held, err
}

// note writes down how far was read: when something was settled, and now and then, since to read the same events again
// only takes time.
func (s *settler) note(ctx context.Context, settled bool) {
	if s.after == s.noted || !settled && time.Since(s.notedAt) < noteEvery {
		return
	}
	err := s.r.changeIn(ctx, control.Beside, "system", func(t *change) error { return t.tx.Advance(ctx, reader, s.after) })
	if err != nil {
		s.r.said(ctx, "note how far events were read", err)
		return
	}
	s.noted, s.notedAt = s.after, time.Now()
}

// unsettled settles runs whose task has ended, of which no event told.
func (s *settler) unsettled(ctx context.Context) error {
	var ids []string
	err := s.r.look(ctx, func(v View) (err error) {
		ids, err = v.Unsettled(ctx, together)
		return err
	})
	for _, id := range ids {
		if err == nil {
			err = s.r.settleRun(ctx, id)
		}
	}
	return err
}

// settleRun brings a run where its task is.
func (r *Rules) settleRun(ctx context.Context, id string) error {
	goesOn := false
	err := r.change(ctx, "system", func(t *change) error {
		goesOn = false
		var run RunRow
		err := t.Get(ctx, &run, id)
		if errors.Is(err, remuda.NotFound) || err == nil && run.Status.Ended() {
			return nil // another one has settled it
		}
		if err != nil {
			return err
		}
		s, err := t.r.scene(ctx, t.tx, run.BlockID)
		if err != nil {
			return err
		}
		err = t.settle(ctx, s, &run)
		goesOn = run.Status == remuda.RunInProgress
		return err
	})
	if err != nil || !goesOn {
		return err
	}
	return r.conclude(ctx, id)
}

// settle brings a run where its task is.
func (t *change) settle(ctx context.Context, s *scene, run *RunRow) error {
	task, err := t.TaskView(ctx, run.TaskID)
	if errors.Is(err, remuda.NotFound) {
		return t.move(ctx, s, run, remuda.RunFailed, "its task is no more")
	}
	if err != nil {
		return fmt.Errorf("read task %s: %w", run.TaskID, err)
	}
	return t.move(ctx, s, run, statusOf(task.State), task.Detail)
}

// drift queues a DETECT of blocks that are to be looked at. Each that was is due later, or never.
func (r *Rules) drift(ctx context.Context) error {
	for {
		var ids []string
		err := r.look(ctx, func(v View) (err error) {
			ids, err = v.DriftDue(ctx, control.Now(), together)
			return err
		})
		for _, id := range ids {
			if err == nil {
				err = r.change(ctx, "system", func(t *change) error { return t.detect(ctx, id) })
			}
		}
		if err != nil || len(ids) < together {
			return err
		}
	}
}

// detect looks for drift of one block, unless something is under way with it.
func (t *change) detect(ctx context.Context, id string) error {
	s, err := t.r.scene(ctx, t.tx, id)
	if err != nil || s.block.DriftAt == 0 || s.block.DriftAt > t.Now() {
		return err
	}
	s.block.DriftAt = s.driftAt(t.Now())
	if err := t.Update(ctx, &s.block.BlockRow, "drift_at"); err != nil {
		return err
	}
	values, err := t.r.resolve(s, system())
	if err != nil || !values.complete() || s.block.LiveRun != "" || s.block.Status == remuda.BlockWaitsForApproval || s.block.DriftAt == 0 {
		return err
	}
	_, err = t.queue(ctx, s, ask{behavior: remuda.Detect, trigger: remuda.TriggerSchedule, author: system()})
	return err
}
