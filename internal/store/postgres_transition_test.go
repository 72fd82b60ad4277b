package store_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
)

// A crash takes what was not flushed with it: whatever was acknowledged has to be there.
func TestACrashOfPostgreSQLLosesNothingAcknowledged(t *testing.T) {
	server := postgrestest.Start(t, "fsync=on", "wal_writer_delay=10s")
	s := openPostgres(t, server.Fresh(t))
	ctx := t.Context()
	for round := range 2 {
		var mu sync.Mutex
		acknowledged, refused := map[string]bool{}, 0
		var all sync.WaitGroup
		stop := make(chan struct{})
		for range 8 {
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					row := control.SubmissionKeyRow{ID: newID(), Request: []byte{1}, CreatedAt: control.Now()}
					err := s.Write(ctx, control.Beside, func(tx control.Tx) error { return tx.Insert(ctx, &row) })
					var e *remuda.Error
					if err != nil && (!errors.As(err, &e) || e.Kind != remuda.Unavailable || e.Retry == 0) {
						t.Errorf("the error is %v", err)
					}
					mu.Lock()
					if err == nil {
						acknowledged[row.ID] = true
					} else {
						refused++
					}
					mu.Unlock()
				}
			})
		}
		until(t, "rows are acknowledged", func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) > 200 })
		server.Crash(t)
		until(t, "writes are refused", func() bool { mu.Lock(); defer mu.Unlock(); return refused > 0 })
		server.Again(t)
		before := 0
		mu.Lock()
		before = len(acknowledged)
		mu.Unlock()
		until(t, "rows are acknowledged again", func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) > before+50 })
		close(stop)
		all.Wait()
		err := s.Read(ctx, func(v control.View) error {
			for _, id := range slices.Collect(maps.Keys(acknowledged)) {
				var row control.SubmissionKeyRow
				if err := v.Get(ctx, &row, id); err != nil {
					return fmt.Errorf("round %d: row %s was acknowledged: %w", round, id, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// until waits for something that others bring about.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	late := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("it does not come about that %s", what)
		}
	}
}

// A transition that was cut off in the middle is refused, and the store goes on.
func TestATransitionWhoseConnectionEndsChangesNothing(t *testing.T) {
	address := postgrestest.Fresh(t)
	s := openPostgres(t, address)
	ctx := t.Context()
	beside := connected(t, address)
	row := control.SubmissionKeyRow{ID: newID(), Request: []byte{1}}
	err := s.Write(ctx, control.Beside, func(tx control.Tx) error {
		if err := tx.Insert(ctx, &row); err != nil {
			return err
		}
		if _, err := tx.Waiting(ctx, ""); err != nil {
			return err
		}
		_, err := beside.Exec(ctx, "select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle in transaction' and datname = current_database()")
		return err
	})
	wantKind(t, err, remuda.Unavailable)
	err = s.Read(ctx, func(v control.View) error { return v.Get(ctx, &row, row.ID) })
	wantKind(t, err, remuda.NotFound)
	insert(t, s, &row)
}

// Whoever runs into another transition is run again, and sees what that one did.
func TestTransitionsThatMeetAreRunAgain(t *testing.T) {
	s := openPostgres(t, postgrestest.Fresh(t))
	ctx := t.Context()
	id := newID()
	var made atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			first := false
			err := s.Write(ctx, control.Beside, func(tx control.Tx) error {
				var row control.SubmissionKeyRow
				err := tx.Get(ctx, &row, id)
				if first = errors.Is(err, remuda.NotFound); first {
					return tx.Insert(ctx, &control.SubmissionKeyRow{ID: id, Request: []byte{1}})
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
			if first {
				made.Add(1)
			}
		})
	}
	all.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("%d made the row", n)
	}
}

// Two who lock the same rows in another order cannot both go on; neither is told so.
func TestADeadlockIsRunAgain(t *testing.T) {
	s := openPostgres(t, postgrestest.Fresh(t))
	ctx := t.Context()
	a, b := newTown(t, s), newTown(t, s)
	both := make(chan struct{}, 2)
	var all sync.WaitGroup
	for _, order := range [][]string{{a.runner.ID, b.runner.ID}, {b.runner.ID, a.runner.ID}} {
		all.Go(func() {
			tries := 0
			err := s.Write(ctx, control.Beside, func(tx control.Tx) error {
				tries++
				var row control.RunnerRow
				if err := tx.Get(ctx, &row, order[0]); err != nil {
					return err
				}
				if tries == 1 {
					both <- struct{}{}
					for len(both) < cap(both) && ctx.Err() == nil {
						continue
					}
				}
				return tx.Get(ctx, &row, order[1])
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestATransitionAloneHasNoneBesideIt(t *testing.T) {
	s := openPostgres(t, postgrestest.Fresh(t))
	ctx := t.Context()
	var under atomic.Int64
	var all sync.WaitGroup
	for n := range 12 {
		scope := control.Beside
		if n%3 == 0 {
			scope = control.Alone
		}
		all.Go(func() {
			for range 20 {
				err := s.Write(ctx, scope, func(tx control.Tx) error {
					if _, err := tx.Waiting(ctx, ""); err != nil { // the lock is there when there is an answer
						return err
					}
					now := under.Add(1)
					defer under.Add(-1)
					_, err := tx.Waiting(ctx, "")
					if scope == control.Alone && (now != 1 || under.Load() != 1) {
						t.Error("a transition is not alone")
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestAServerThatIsAwayIsSaidToBeSo(t *testing.T) {
	server := postgrestest.Start(t, "fsync=off")
	s := openPostgres(t, server.Fresh(t))
	ctx := t.Context()
	server.Crash(t)
	var e *remuda.Error
	for what, err := range map[string]error{
		"write": s.Write(ctx, control.Alone, func(tx control.Tx) error { return tx.Insert(ctx, &control.SubmissionKeyRow{ID: newID()}) }),
		"read":  s.Read(ctx, func(v control.View) error { _, err := v.Waiting(ctx, ""); return err }),
	} {
		if !errors.As(err, &e) || e.Kind != remuda.Unavailable || e.Retry == 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
	server.Again(t)
	until(t, "it is back", func() bool {
		row := control.SubmissionKeyRow{ID: newID(), Request: []byte{1}} // another each time: one may be there without a word
		return s.Write(ctx, control.Alone, func(tx control.Tx) error { return tx.Insert(ctx, &row) }) == nil
	})
}

// What a transition reads in order to change it stays as it was read: nobody's change is overwritten.
func TestNoChangeIsLostAmongTransitionsBesideEachOther(t *testing.T) {
	const writers, each = 6, 15
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			s := d.opened(t, d.fresh(t))
			ctx, w := t.Context(), newTown(t, s)
			task, attempt := w.claimed(t)
			changes := map[string]func(tx control.Tx) error{
				"Get": func(tx control.Tx) error {
					var row control.RunnerRow
					if err := tx.Get(ctx, &row, w.runner.ID); err != nil {
						return err
					}
					row.Slots++
					return tx.Update(ctx, &row, "slots")
				},
				"Movable": func(tx control.Tx) error {
					row, err := tx.Movable(ctx, task.ID)
					if err != nil {
						return err
					}
					row.AttemptsUsed++
					return tx.Update(ctx, &row, "attempts_used")
				},
				"TaskView": func(tx control.Tx) error {
					view, err := tx.TaskView(ctx, task.ID)
					if err != nil {
						return err
					}
					view.Priority++
					return tx.Update(ctx, &view.TaskRow, "priority")
				},
				"Attempt": func(tx control.Tx) error {
					view, err := tx.Attempt(ctx, attempt.ID)
					if err != nil {
						return err
					}
					view.BegunAt++
					return tx.Update(ctx, &view.AttemptRow, "begun_at")
				},
			}
			var all sync.WaitGroup
			for range writers {
				for name, change := range changes {
					all.Go(func() {
						for range each {
							if err := s.Write(ctx, control.Beside, change); err != nil {
								t.Errorf("%s: %v", name, err)
							}
						}
					})
				}
			}
			all.Wait()
			err := s.Read(ctx, func(v control.View) error {
				var runner control.RunnerRow
				if err := v.Get(ctx, &runner, w.runner.ID); err != nil {
					return err
				}
				view, err := v.TaskView(ctx, task.ID)
				if err != nil {
					return err
				}
				last, err := v.Attempt(ctx, attempt.ID)
				got := []int{runner.Slots, view.AttemptsUsed, view.Priority, int(last.BegunAt)}
				for i, n := range got {
					if n != writers*each {
						t.Errorf("of %d changes, %d were lost by %s", writers*each, writers*each-n, []string{"Get", "Movable", "TaskView", "Attempt"}[i])
					}
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// claimed is a task with its attempt.
func (w *town) claimed(t testing.TB) (task control.TaskRow, attempt control.AttemptRow) {
	t.Helper()
	w.queue(t, nil)
	write(t, w.s, func(tx control.Tx) (err error) {
		task, attempt, err = w.take(t.Context(), tx, w.class.ID)
		return err
	})
	return task, attempt
}
