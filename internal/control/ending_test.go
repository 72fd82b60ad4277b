package control_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// gated lets nothing be written from shut to open.
type gated struct {
	control.Store
	gate *atomic.Pointer[chan struct{}]
}

func (r *ranch) gated(s control.Store) gated {
	g := gated{s, &atomic.Pointer[chan struct{}]{}}
	r.restart(control.Options{Store: g})
	return g
}

func (g gated) shut() (open func()) {
	opened := make(chan struct{})
	g.gate.Store(&opened)
	return func() { close(opened) }
}

func (g gated) Write(ctx context.Context, scope control.Scope, transition func(control.Tx) error) error {
	if opened := g.gate.Load(); opened != nil {
		<-*opened
	}
	return g.Store.Write(ctx, scope, transition)
}

func TestWhatEndsAtManyRunnersIsWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 40
		r, commits, first := countingRanch(t)
		gate := r.gated(counting{r.store, commits})
		herd := []horse{first}
		for range many - 1 {
			herd = append(herd, r.register(1))
		}
		var tasks []string
		var claims []remuda.Claim
		for _, h := range herd {
			tasks = append(tasks, r.submit(hello()))
			claims = append(claims, r.claim(h))
		}
		commits.Store(0)
		open := gate.shut()
		var ending sync.WaitGroup
		for i, h := range herd {
			ending.Go(func() { done(t, h.Finish(t.Context(), claims[i].ID, succeeded)) })
		}
		strange := make(chan error, 1)
		ending.Go(func() { strange <- herd[0].Finish(t.Context(), claims[1].ID, succeeded) })
		synctest.Wait() // some are under way, the others wait for them
		open()
		ending.Wait()
		if n := commits.Load(); n > many/4 {
			t.Errorf("%d ends were written in %d transactions", many, n)
		}
		wantKind(t, <-strange, remuda.NotFound)
		for i, task := range tasks {
			r.wantState(task, remuda.Succeeded)
			actors := must(t, r.admin.Events, t.Context(), control.EventFilter{Subject: task, Type: "task.succeeded"})
			if len(actors) != 1 || actors[0].Actor != "runner "+herd[i].id {
				t.Errorf("the end of task %d is told as %+v", i, actors)
			}
		}
		if class := must(t, r.admin.ResourceClass, t.Context(), "acme/linux"); class.Running != 0 {
			t.Errorf("%d are counted as running", class.Running)
		}
	})
}

// One of several runners whose end cannot be written with those of others does not spoil theirs.
func TestAnEndThatCannotBeWrittenWithOthersIsWrittenApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, first := countingRanch(t)
		broken := &breaking{Store: r.store}
		gate := r.gated(broken)
		herd, claims := []horse{first}, []remuda.Claim{}
		for range 9 {
			herd = append(herd, r.register(1))
		}
		for _, h := range herd {
			r.submit(hello())
			claims = append(claims, r.claim(h))
		}
		broken.refuse(claims[7].ID)
		open := gate.shut()
		outcomes := make([]error, len(herd))
		var ending sync.WaitGroup
		for i, h := range herd {
			ending.Go(func() { outcomes[i] = h.Finish(t.Context(), claims[i].ID, succeeded) })
		}
		synctest.Wait()
		open()
		ending.Wait()
		for i, err := range outcomes {
			if (err != nil) != (i == 7) {
				t.Errorf("the end of claim %d is answered %v", i, err)
			}
		}
	})
}

// breaking fails each transition that writes the end of one claim.
type breaking struct {
	control.Store
	mu    sync.Mutex
	claim string
}

func (b *breaking) refuse(claim string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.claim = claim
}

func (b *breaking) Write(ctx context.Context, scope control.Scope, transition func(control.Tx) error) error {
	b.mu.Lock()
	claim := b.claim
	b.mu.Unlock()
	return b.Store.Write(ctx, scope, func(tx control.Tx) error { return transition(breakingTx{tx, claim}) })
}

type breakingTx struct {
	control.Tx
	claim string
}

func (b breakingTx) Update(ctx context.Context, row control.Row, columns ...string) error {
	if attempt, is := row.(*control.AttemptRow); is && attempt.ID == b.claim && slices.Contains(columns, "ended_at") {
		return remuda.Fail(remuda.Internal, "this one is broken")
	}
	return b.Tx.Update(ctx, row, columns...)
}
