package together_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/remuda-dev/remuda/internal/together"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// slow answers after a second, and notes which items came together.
type slow struct {
	mu   sync.Mutex
	sets [][]int
}

var errOdd = errors.New("it is odd")

func (s *slow) carryOut(items []int) []error {
	s.mu.Lock()
	s.sets = append(s.sets, items)
	s.mu.Unlock()
	time.Sleep(time.Second)
	outcomes := make([]error, len(items))
	for i, item := range items {
		if item%2 == 1 {
			outcomes[i] = errOdd
		}
	}
	return outcomes
}

func TestWhatComesWhileOneIsUnderWayGoesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		group := together.New(1, 3, s.carryOut)
		var asking sync.WaitGroup
		start := time.Now()
		for item := range 6 {
			asking.Go(func() {
				if err := group.Do(t.Context(), item); (item%2 == 1) != errors.Is(err, errOdd) {
					t.Errorf("of %d came %v", item, err)
				}
			})
			synctest.Wait()
		}
		asking.Wait()
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("it took %s, not three rounds", took)
		}
		if len(s.sets) != 3 || len(s.sets[0]) != 1 || len(s.sets[1]) != 3 || len(s.sets[2]) != 2 {
			t.Errorf("they went as %v", s.sets)
		}
	})
}

func TestSoManySetsGoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		group := together.New(2, 64, s.carryOut)
		var asking sync.WaitGroup
		start := time.Now()
		for item := range 2 {
			asking.Go(func() { _ = group.Do(t.Context(), item) })
		}
		asking.Wait()
		if took := time.Since(start); took != time.Second || len(s.sets) != 2 {
			t.Errorf("%v took %s", s.sets, took)
		}
	})
}

func TestWhoeverWaitsCanLeaveAndNobodyElseIsHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		group := together.New(1, 64, s.carryOut)
		var asking sync.WaitGroup
		asking.Go(func() { _ = group.Do(t.Context(), 0) })
		synctest.Wait()
		ctx, leave := context.WithCancel(t.Context())
		asking.Go(func() {
			if err := group.Do(ctx, 2); !errors.Is(err, context.Canceled) {
				t.Errorf("who left is told %v", err)
			}
		})
		synctest.Wait()
		asking.Go(func() { _ = group.Do(t.Context(), 4) })
		synctest.Wait()
		leave()
		asking.Wait()
		if len(s.sets) != 2 || len(s.sets[1]) != 1 || s.sets[1][0] != 4 {
			t.Errorf("they went as %v", s.sets)
		}
	})
}
