package control_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// between is a store in which something happens between a look and what is made of it.
type between struct {
	control.Store
	expired func()       // after silent attempts were looked for and found
	broken  atomic.Value // the runner at whose claims no look succeeds
}

type betweenView struct {
	control.View
	b *between
}

func (b *between) Read(ctx context.Context, look func(control.View) error) error {
	var found bool
	err := b.Store.Read(ctx, func(v control.View) error {
		seen := &betweenView{v, b}
		err := look(seen)
		if rows, _ := v.Expired(ctx, control.Now()-30e6, 0, control.Now()); len(rows) > 0 {
			found = true
		}
		return err
	})
	if then := b.expired; found && then != nil {
		b.expired = nil
		then()
	}
	return err
}

func (b *between) Write(ctx context.Context, scope control.Scope, change func(control.Tx) error) error {
	return b.Store.Write(ctx, scope, func(tx control.Tx) error { return change(&betweenTx{tx, b}) })
}

type betweenTx struct {
	control.Tx
	b *between
}

func (t *betweenTx) LiveAttempts(ctx context.Context, runner string) ([]control.AttemptView, error) {
	return (&betweenView{t.Tx, t.b}).LiveAttempts(ctx, runner)
}

func (v *betweenView) LiveAttempts(ctx context.Context, runner string) ([]control.AttemptView, error) {
	if v.b.broken.Load() == runner {
		return nil, errAway()
	}
	return v.View.LiveAttempts(ctx, runner)
}

func TestASignThatComesWhileTheSweepDecidesCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		store := &between{Store: r.store}
		r.plane = control.New(control.Options{Store: store, Keys: r.keys, Log: discard()})
		task, h := r.submit(hello()), r.register(1)
		claim := r.claim(h)
		time.Sleep(31 * time.Second)
		last := control.Now()
		called := false
		store.expired = func() { // just in time
			called = true
			must(t, h.Sync, t.Context(), remuda.Sync{Holding: []string{claim.ID}, Draining: true})
		}
		control.Sweep(t.Context(), r.plane, last)
		if r.wantState(task, remuda.Running); !called {
			t.Error("no sign came in between: this test shows nothing")
		}
		time.Sleep(31 * time.Second)
		control.Sweep(t.Context(), r.plane, control.Now())
		r.wantState(task, remuda.Queued)
	})
}

// One who is woken and then cannot look leaves the task to the next.
func TestAWakeUpThatCouldNotBeFollowedUpIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		store := &between{Store: r.store}
		r.plane = control.New(control.Options{Store: store, Keys: r.keys, Log: discard()})
		ctx := t.Context()
		failed := make(chan error, 1)
		first := r.register(1)
		go func() { failed <- second(first.Sync(ctx, remuda.Sync{Ready: true})) }()
		synctest.Wait()
		other := r.sync(r.register(1), remuda.Sync{Ready: true})
		store.broken.Store(first.id)
		got(r.plane.AsUser(control.User{Name: "root", Admin: true}).Submit(ctx, hello(), ""))(t)
		synctest.Wait()
		select {
		case err := <-failed:
			wantKind(t, err, remuda.Unavailable)
		default:
			t.Fatal("the first was not woken: this test shows nothing")
		}
		same(t, "claims of the other", 1, len(answered(t, other).Claims))
	})
}

func TestTheTokenOfARunnerThatLeftOpensNothing(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	key := r.register(1).key.Public()
	registered := got(r.plane.Register(ctx, remuda.Registration{
		Tokens: []remuda.Secret{remuda.NewSecret(r.token)}, Name: "n", PublicKey: key,
	}, ""))(t)
	must(t, r.plane.Authenticate, ctx, registered.Token)
	done(t, r.plane.AsRunner(registered.ID).Goodbye(ctx))
	wantKind(t, second(r.plane.Authenticate(ctx, registered.Token)), remuda.Unauthenticated)
}
