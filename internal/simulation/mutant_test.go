package simulation

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/store"
	"github.com/remuda-dev/remuda/runner"
)

func revive(a *control.AttemptView) {
	if !a.State.Live() {
		a.State, a.EndedAt = remuda.AttemptBegun, 0
	}
}

func without(columns []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(columns), func(c string) bool { return slices.Contains(names, c) })
}

// withoutColumns leaves columns out of every update.
func withoutColumns(names ...string) func(control.Store) control.Store {
	return spoils{update: func(_ context.Context, _ control.Row, columns []string) ([]string, error) {
		return without(columns, names...), nil
	}}.store()
}

// forgetful does not look for what an earlier runner left.
type forgetful struct{ *host }

// Left finds nothing.
func (forgetful) Left(context.Context) ([]string, error) { return nil, nil }

// liar says that all went well.
type liar struct{ *host }

// Execute does nothing.
func (liar) Execute(context.Context, runner.Work) (remuda.Result, error) {
	return remuda.Result{State: remuda.Succeeded}, nil
}

// staleSweep shows a sweep that takes a claim the claim as it was when it looked for silent ones, and leaves others
// the time to change it.
func staleSweep(below control.Store) control.Store {
	var mu sync.Mutex
	seen := map[string]control.AttemptRow{}
	return spoils{
		expired: func(found []control.AttemptRow) []control.AttemptRow {
			mu.Lock()
			defer mu.Unlock()
			for _, a := range found {
				seen[a.ID] = a
			}
			return found
		},
		attempt: func(ctx context.Context, a *control.AttemptView) {
			mu.Lock()
			defer mu.Unlock()
			if read, was := seen[a.ID]; was && callOf(ctx) == nil && a.State.Live() {
				a.State, a.LastSignAt = read.State, read.LastSignAt
			}
		},
	}.store()(lateSweeps{below})
}

// lateSweeps has what no call asks for wait before it is carried out.
type lateSweeps struct{ control.Store }

// Write waits for less than what makes a gap between sweeps.
func (s lateSweeps) Write(ctx context.Context, scope control.Scope, transition func(control.Tx) error) error {
	if callOf(ctx) == nil {
		pause(ctx, time.Second)
	}
	return s.Store.Write(ctx, scope, transition)
}

// forgottenDrain shows a sync that its runner wants more, whatever it said when it arrived.
func forgottenDrain(below control.Store) control.Store {
	var mu sync.Mutex
	arrived := map[*call]bool{}
	return spoils{
		update: func(ctx context.Context, row control.Row, columns []string) ([]string, error) {
			if _, of := row.(*control.RunnerRow); of {
				mu.Lock()
				defer mu.Unlock()
				arrived[callOf(ctx)] = true
			}
			return columns, nil
		},
		runner: func(ctx context.Context, r *control.RunnerRow) {
			mu.Lock()
			defer mu.Unlock()
			if c := callOf(ctx); c != nil && c.what == "sync" && arrived[c] {
				r.Draining, r.Ready = false, true
			}
		},
	}.store()(below)
}

// forgetfulOutput loses or doubles output.
type forgetfulOutput struct {
	control.OutputStore
	astray   bool  // it takes chunks wherever they start
	lossy    bool  // it says that it holds some that it does not
	strict   int64 // it keeps a part of what it should
	headless bool  // it does not look at what comes first
}

// Append does something else than it says.
func (o forgetfulOutput) Append(ctx context.Context, attempt string, c remuda.Chunk, limit int64) (remuda.StreamState, error) {
	state, err := o.OutputStore.Stream(ctx, attempt, c.Step)
	if err != nil {
		return state, err
	}
	if o.lossy && state.Length == c.Offset && len(c.Data)%3 == 0 {
		return remuda.StreamState{Length: c.Offset + int64(len(c.Data)), Source: c.Source}, nil
	}
	if o.strict > 0 {
		limit /= o.strict
	}
	if o.astray {
		c.Offset = state.Length
	}
	return o.OutputStore.Append(ctx, attempt, c, limit)
}

// Chunks shows nothing of the head of what was trimmed.
func (o forgetfulOutput) Chunks(ctx context.Context, attempt string, step *int, offset int64, most int) ([]remuda.Chunk, error) {
	if length, err := o.OutputStore.Length(ctx, attempt); o.headless && step == nil && err == nil && length > 500 {
		offset = max(offset, length-250)
	}
	return o.OutputStore.Chunks(ctx, attempt, step, offset, most)
}

// lossyBucket says of some objects that it has them.
type lossyBucket struct{ store.Bucket }

// Put forgets those whose size is odd.
func (b lossyBucket) Put(ctx context.Context, name string, data []byte) error {
	if len(data)%2 == 1 {
		return nil
	}
	return b.Bucket.Put(ctx, name, data)
}

// hoard deletes nothing that is to be deleted with others.
type hoard struct{ store.Bucket }

// DeleteAll deletes nothing.
func (hoard) DeleteAll(context.Context, string) error { return nil }

// leaking keeps what a transition wrote that failed.
func leaking(below control.Store) control.Store { return leakingStore{below} }

type leakingStore struct{ control.Store }

// Write never goes back.
func (s leakingStore) Write(ctx context.Context, scope control.Scope, transition func(control.Tx) error) error {
	var failed error
	err := s.Store.Write(ctx, scope, func(tx control.Tx) error {
		failed = transition(tx)
		return nil
	})
	if err == nil {
		err = failed
	}
	return err
}

// absentMinded overlooks every third time what could be claimed.
func absentMinded(below control.Store) control.Store {
	var looks atomic.Int64
	return spoils{
		claimable: func(_ context.Context, _ control.View, _ []string, found control.TaskRow, err error) (control.TaskRow, error) {
			if looks.Add(1)%3 == 0 {
				return control.TaskRow{}, remuda.NotFound
			}
			return found, err
		},
	}.store()(below)
}
