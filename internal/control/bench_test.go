package control_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/remuda-dev/remuda"
)

// BenchmarkSubmit submits jobs of one task from many callers at once, as a server does.
func BenchmarkSubmit(b *testing.B) {
	r := newRanch(b)
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.admin.Submit(b.Context(), hello(), ""); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submits/s")
}

// BenchmarkClaimAndFinish drains a queue by runners of many slots: each task is claimed and finished, each finish by
// a caller of its own.
func BenchmarkClaimAndFinish(b *testing.B) {
	for _, runners := range []int{1, 16} {
		b.Run(fmt.Sprintf("runners=%d", runners), func(b *testing.B) {
			r := newRanch(b)
			r.queue(b.N)
			var herd []horse
			for range runners {
				herd = append(herd, r.register(1024/runners))
			}
			b.ResetTimer()
			var all sync.WaitGroup
			var done atomic.Int64
			ctx, cancel := context.WithCancel(b.Context())
			for _, h := range herd {
				all.Go(func() {
					drive(ctx, b, h, func() {
						if done.Add(1) == int64(b.N) {
							cancel()
						}
					})
				})
			}
			all.Wait()
			cancel()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
		})
	}
}

// queue submits n tasks.
func (r *ranch) queue(n int) {
	r.t.Helper()
	submission := hello()
	for n > 0 {
		submission.Parallelism = min(n, 256)
		n -= submission.Parallelism
		if _, err := r.admin.Submit(r.t.Context(), submission, ""); err != nil {
			r.t.Fatal(err)
		}
	}
}

// drive syncs as a runner does and finishes each claim at once, until ctx ends.
func drive(ctx context.Context, b *testing.B, h horse, finished func()) {
	var mu sync.Mutex
	holding := map[string]bool{}
	var all sync.WaitGroup
	defer all.Wait()
	for ctx.Err() == nil {
		s := remuda.Sync{Ready: true}
		mu.Lock()
		for id := range holding {
			s.Holding = append(s.Holding, id)
		}
		mu.Unlock()
		answer, err := h.Sync(ctx, s)
		if err != nil {
			if ctx.Err() == nil {
				b.Error(err)
			}
			return
		}
		for _, claim := range answer.Claims {
			mu.Lock()
			known := holding[claim.ID]
			holding[claim.ID] = true
			mu.Unlock()
			if known {
				continue
			}
			all.Go(func() {
				if err := h.Finish(context.WithoutCancel(ctx), claim.ID, remuda.Result{State: remuda.Succeeded}); err != nil {
					b.Error(err)
				}
				mu.Lock()
				delete(holding, claim.ID)
				mu.Unlock()
				finished()
			})
		}
	}
}

// BenchmarkScaling asks what there is to do: it looks at lanes, so what waits in them must not count.
func BenchmarkScaling(b *testing.B) {
	for _, queued := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("queued=%d", queued), func(b *testing.B) {
			r := newRanch(b)
			r.queue(queued)
			for range 100 {
				r.register(4)
			}
			for b.Loop() {
				if _, err := r.admin.Scaling(b.Context(), "acme/linux"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
