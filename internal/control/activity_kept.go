package control

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
)

const (
	mostActivities = 64              // organizations and lengths of steps of which steps are kept
	mostKept       = 2 * mostSteps   // steps of one of them
	freshFor       = 2 * time.Second // for how long the last step is not read again
	settledAfter   = 2 * time.Minute // what ended in a step is in the store so long after it: no transaction takes longer
	readAtOnce     = 16              // steps by one query, which are kept also when the caller has no time for the others
)

// activities are the steps that were read, so that many who look at them cost one query of what is new. A step that is
// over does not change.
type activities struct {
	mu    sync.Mutex
	known map[activityKey]*knownSteps
	used  []activityKey // the one that was used longest ago first
}

// activityKey is whose tasks and how long each step.
type activityKey struct {
	organization string // empty for all
	length       Micros
}

// of finds or makes one; the one that was used longest ago makes room for it.
func (a *activities) of(key activityKey) *knownSteps {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil {
		a.known = map[activityKey]*knownSteps{}
	}
	if at := slices.Index(a.used, key); at >= 0 {
		a.used = slices.Delete(a.used, at, at+1)
	} else if len(a.used) == mostActivities {
		delete(a.known, a.used[0])
		a.used = slices.Delete(a.used, 0, 1)
	}
	a.used = append(a.used, key)
	if a.known[key] == nil {
		a.known[key] = &knownSteps{length: key.length, turn: make(chan struct{}, 1), steps: map[int64]knownStep{}}
	}
	return a.known[key]
}

// knownSteps are those of one key. Whoever holds turn reads and writes them.
type knownSteps struct {
	length Micros
	turn   chan struct{}
	steps  map[int64]knownStep
}

type knownStep struct {
	remuda.Activity
	readAt Micros
}

// span tells the steps from first on and before end, and reads those that are not known, or may have changed.
func (k *knownSteps) span(ctx context.Context, clock func() Micros, first, end int64, read func(ctx context.Context, first, end int64) ([]ActivityRow, error)) ([]remuda.Activity, error) {
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-k.turn }()
	now := clock() // not before: others may have read meanwhile
	if len(k.steps) > mostKept {
		clear(k.steps)
	}
	for step := first; step < end; {
		if k.good(step, now) {
			step++
			continue
		}
		until := step + 1
		for until < end && until < step+readAtOnce && !k.good(until, now) {
			until++
		}
		rows, err := read(ctx, step, until)
		if err != nil {
			return nil, err
		}
		for at, words := range tellSteps(rows, k.length, step, until) {
			k.steps[at] = knownStep{words, now}
		}
		step = until
	}
	span := make([]remuda.Activity, 0, end-first)
	for step := first; step < end; step++ {
		span = append(span, k.steps[step].Activity)
	}
	return span, nil
}

// good says whether what is known of a step is what the store would tell.
func (k *knownSteps) good(step int64, now Micros) bool {
	known, is := k.steps[step]
	settled := (Micros(step+1) * k.length).after(settledAfter)
	return is && (known.readAt >= settled || now >= known.readAt && now < known.readAt.after(freshFor))
}
