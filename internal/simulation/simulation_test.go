package simulation

import (
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// TestNothingIsLostWhateverHappens tries one seed after the other, as many as REMUDA_SEEDS says. REMUDA_SEED tries a
// single one, REMUDA_SOAK (such as 1h) new ones for as long.
func TestNothingIsLostWhateverHappens(t *testing.T) {
	if text := os.Getenv("REMUDA_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		inFolder(t, func(t *testing.T, f *folder) { holds(t, f, seed) })
		return
	}
	first, most := uint64(0), uint64(seeds)
	var over atomic.Bool // set from outside of the bubbles, where time passes
	if testing.Short() {
		most /= 50
	}
	if text := os.Getenv("REMUDA_SEEDS"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		most = n
	}
	if text := os.Getenv("REMUDA_SOAK"); text != "" {
		length, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		first, most = uint64(time.Now().UnixNano()), 1<<40
		time.AfterFunc(length, func() { over.Store(true) })
	}
	began := time.Now()
	var next, failed atomic.Uint64
	t.Cleanup(func() {
		n := min(next.Load(), most)
		t.Logf("%d seeds, %.0f a second", n, float64(n)/time.Since(began).Seconds())
	})
	for n := range runtime.GOMAXPROCS(0) {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			goesOn := func() bool { return next.Load() < most && failed.Load() < 3 && !over.Load() }
			for goesOn() {
				inFolder(t, func(t *testing.T, f *folder) {
					for tried := 0; tried < seedsOfAFolder && goesOn(); tried++ {
						if n := next.Add(1) - 1; n < most && !holds(t, f, first+n) {
							failed.Add(1)
						}
					}
				})
			}
		})
	}
}

// holds runs one seed; it is true when every rule held.
func holds(t *testing.T, f *folder, seed uint64) bool {
	t.Helper()
	p := newPlan(seed)
	found, notes := simulate(t, f, p, mutation{})
	if len(found) == 0 {
		return true
	}
	t.Errorf("%s\nplan: %+v\n%s", notes, p, replay(seed))
	for _, b := range found {
		t.Errorf("seed %d: %s: %s", seed, b.rule, b.detail)
	}
	return false
}
