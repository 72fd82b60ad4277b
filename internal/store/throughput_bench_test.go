package store_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
)

// BenchmarkClaimAndEnd claims and ends tasks of three organizations with limits, from 16 at a time, on a disk that is
// waited for.
func BenchmarkClaimAndEnd(b *testing.B) {
	for _, d := range databases() {
		if d.name == "postgres" {
			server := postgrestest.Start(b, "fsync=on")
			d.fresh = server.Fresh
		}
		b.Run(d.name, func(b *testing.B) {
			s := d.opened(b, d.fresh(b))
			host := newTown(b, s)
			host.open(b)
			host.class.TaskLimit = 1000
			write(b, s, func(tx control.Tx) error { return tx.Update(b.Context(), &host.class, "task_limit") })
			for range 3 {
				w := newTown(b, s)
				w.organization.TaskLimit = 400
				write(b, s, func(tx control.Tx) error {
					if err := tx.Update(b.Context(), &w.organization, "task_limit"); err != nil {
						return err
					}
					_, err := queueMany(b.Context(), tx, w, host.class.ID, b.N/3+1)
					return err
				})
			}
			work := make(chan struct{}, b.N)
			for range b.N {
				work <- struct{}{}
			}
			close(work)
			b.ResetTimer()
			began := time.Now()
			var all sync.WaitGroup
			for range 16 {
				all.Go(func() {
					for range work {
						claimAndEnd(b, s, host)
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "claims/s")
		})
	}
}

func claimAndEnd(b *testing.B, s control.Store, host *town) {
	ctx := b.Context()
	var one taken
	err := errors.New("not yet")
	for err != nil { // two may run at the same limit
		err = s.Write(ctx, control.Claiming, func(tx control.Tx) (err error) {
			one.task, one.attempt, err = host.take(ctx, tx, host.class.ID)
			return err
		})
		if err != nil && !errors.Is(err, remuda.NotFound) {
			b.Error(err)
			return
		}
	}
	err = s.Write(ctx, control.Beside, func(tx control.Tx) error {
		if _, err := tx.Attempt(ctx, one.attempt.ID); err != nil {
			return err
		}
		task, err := tx.Movable(ctx, one.task.ID)
		if err != nil {
			return err
		}
		task.State, one.attempt.State = remuda.Succeeded, remuda.AttemptSucceeded
		if err := tx.Update(ctx, &task, "state"); err != nil {
			return err
		}
		if err := tx.Update(ctx, &one.attempt, "state"); err != nil {
			return err
		}
		if err := tx.Insert(ctx, &control.EventRow{Type: "task.succeeded", Subject: task.ID}); err != nil {
			return err
		}
		return tx.Count(ctx, task, 0, -1)
	})
	if err != nil {
		b.Error(err)
	}
}
