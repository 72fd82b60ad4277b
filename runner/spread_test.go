package runner_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/runner"
)

// herd is the control plane of many runners, all of whose connections break at once.
type herd struct {
	*fakePlane
	breaks time.Time
	spread remuda.Duration
	mu     *sync.Mutex
	came   map[int]int // how many came back in each second after it
}

func (h herd) Sync(ctx context.Context, _ remuda.Sync) (remuda.SyncAnswer, error) {
	now := time.Now()
	switch {
	case now.Before(h.breaks.Add(-time.Minute)):
		return remuda.SyncAnswer{Spread: h.spread}, nil
	case now.Before(h.breaks):
		select {
		case <-time.After(h.breaks.Sub(now)):
		case <-ctx.Done():
		}
		return remuda.SyncAnswer{}, remuda.Fail(remuda.Unavailable, "the connection broke")
	}
	h.mu.Lock()
	h.came[int(now.Sub(h.breaks)/time.Second)]++
	h.mu.Unlock()
	<-ctx.Done()
	return remuda.SyncAnswer{}, ctx.Err()
}

func TestAHerdOfRunnersComesBackSpreadOverTheTimeItWasTold(t *testing.T) {
	for spread, want := range map[remuda.Duration]int{
		0:                                 5, // nothing was said
		remuda.Duration(10 * time.Second): 10,
		remuda.Duration(time.Second):      1,
	} {
		synctest.Test(t, func(t *testing.T) {
			const runners = 1000
			h := herd{fakePlane: newPlane(), breaks: time.Now().Add(2 * time.Minute), spread: spread, mu: new(sync.Mutex), came: map[int]int{}}
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			for range runners {
				r, err := runner.New(runner.Config{Key: h.key}, h, &fakeExecutor{}, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				running.Go(func() { _ = r.Run(ctx) })
			}
			time.Sleep(2*time.Minute + 30*time.Second)
			stop()
			running.Wait()
			all := 0
			for second, n := range h.came {
				all += n
				if share := runners / want; second >= want || n > share*3/2 || n < share/2 {
					t.Errorf("spread %s: %d of %d came in second %d", spread, n, runners, second)
				}
			}
			if all != runners {
				t.Errorf("spread %s: %d of %d came back", spread, all, runners)
			}
		})
	}
}
