package control_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestAnyCallUnderTheClaimRevivesIt(t *testing.T) {
	for what, call := range map[string]func(*ranch, horse, remuda.Claim, control.TaskDoor) error{
		"a sync of its runner": func(r *ranch, h horse, c remuda.Claim, _ control.TaskDoor) error {
			return second(h.Sync(r.t.Context(), remuda.Sync{Holding: []string{c.ID}}))
		},
		"output": func(r *ranch, _ horse, _ remuda.Claim, agent control.TaskDoor) error {
			return second(agent.Append(r.t.Context(), remuda.Chunk{Data: []byte("x")}))
		},
		"steps": func(r *ranch, _ horse, _ remuda.Claim, agent control.TaskDoor) error {
			return agent.Steps(r.t.Context(), nil)
		},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRanch(t)
				r.run()
				task, h, claim, agent := r.lead(hello())
				time.Sleep(9*time.Minute + 30*time.Second)
				if r.wantState(task, remuda.Running).SilentSince == nil {
					t.Error("it is not shown as silent")
				}
				done(t, call(r, h, claim, agent))
				if r.wantState(task, remuda.Running).SilentSince != nil {
					t.Error("it is shown as silent after a sign")
				}
				time.Sleep(9 * time.Minute)
				r.wantState(task, remuda.Running)
				time.Sleep(2 * time.Minute)
				r.wantState(task, remuda.Failed)
			})
		})
	}
}

func TestAClaimThatWasTakenFromASilentRunnerRunsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		r.run()
		task, silent := r.submit(hello()), r.register(1)
		old := r.claim(silent)
		other := r.sync(r.register(1), remuda.Sync{Ready: true})
		time.Sleep(29 * time.Second)
		held(t, other)
		time.Sleep(3 * time.Second)
		answer := answered(t, other)
		if len(answer.Claims) != 1 || answer.Claims[0].Task.ID != task || answer.Claims[0].Attempt != 2 {
			t.Errorf("answered is %+v", answer)
		}
		lost := r.task(task).Attempts[0]
		if lost.State != remuda.AttemptLost || lost.Reason != remuda.ReasonLost || !strings.Contains(lost.Detail, "horse gave no sign since") {
			t.Errorf("the lost attempt is %+v", lost)
		}
		back := must(t, silent.Sync, t.Context(), remuda.Sync{Holding: []string{old.ID}})
		same(t, "told when it is back", []string{old.ID}, back.Lost)
	})
}

func TestATaskWhoseRunnersFallSilentIsGivenUpAfterItsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		r.run()
		task := r.submit(hello())
		for range 3 {
			r.claim(r.register(1))
			time.Sleep(32 * time.Second)
		}
		failed := r.wantState(task, remuda.Failed)
		if failed.Reason != remuda.ReasonInfrastructure || !strings.HasPrefix(failed.Detail, "attempt 3 of 3: its runner horse gave no sign") {
			t.Errorf("it is %+v", failed)
		}
	})
}

func TestALostTaskThatMayBeRepeatedFailsAsLostInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		r.run()
		task, _, _, _ := r.lead(with(func(s *remuda.Submission) {
			s.RetryInterrupted, s.MaxAttempts, s.LostAfter = true, 1, remuda.Duration(time.Minute)
		}))
		time.Sleep(62 * time.Second)
		same(t, "reason", remuda.ReasonLost, r.wantState(task, remuda.Failed).Reason)
	})
}

// The clock goes on while no plane runs, or none can reach its store.
func TestTimeInWhichNoSignCouldBeTakenDoesNotCount(t *testing.T) {
	for what, c := range map[string]struct {
		away func(*testing.T, *ranch, *away, func())
	}{
		"the plane was stopped": {func(t *testing.T, r *ranch, _ *away, stop func()) {
			stop()
			time.Sleep(time.Hour)
			r.restart(control.Options{})
			r.run()
		}},
		"its store was away": {func(t *testing.T, r *ranch, store *away, _ func()) {
			store.is.Store(true)
			time.Sleep(time.Hour)
			store.is.Store(false)
		}},
		"its store took no writes": {func(t *testing.T, r *ranch, store *away, _ func()) {
			store.full.Store(true)
			_, err := r.plane.AsUser(control.User{Admin: true}).Submit(t.Context(), hello(), "")
			wantKind(t, err, remuda.Unavailable)
			time.Sleep(time.Hour)
			store.full.Store(false)
		}},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRanch(t)
				store := &away{Store: deaf{r.store}}
				r.plane = control.New(control.Options{Store: store, Keys: r.keys, Log: discard()})
				stop := r.run()
				unbegun := r.submit(hello())
				r.claim(r.register(1))
				begun, _, _, _ := r.lead(hello())
				c.away(t, r, store, stop)
				time.Sleep(28 * time.Second)
				r.wantState(unbegun, remuda.Running)
				r.wantState(begun, remuda.Running)
				time.Sleep(5 * time.Second) // the sweep looks once a second, and a second may go by before it tries to write
				r.wantState(unbegun, remuda.Queued)
				time.Sleep(9 * time.Minute)
				r.wantState(begun, remuda.Running)
				time.Sleep(40 * time.Second)
				r.wantState(begun, remuda.Failed)
			})
		})
	}
}

// A machine that slept wakes with its sweep far behind: nothing may be lost by the first look around.
func TestASweepThatComesLateLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		task := r.submit(hello())
		r.claim(r.register(1))
		last := control.Now()
		time.Sleep(time.Hour)
		last = control.Sweep(t.Context(), r.plane, last)
		r.wantState(task, remuda.Running)
		for range 29 {
			time.Sleep(time.Second)
			last = control.Sweep(t.Context(), r.plane, last)
		}
		r.wantState(task, remuda.Running)
		for range 3 {
			time.Sleep(time.Second)
			last = control.Sweep(t.Context(), r.plane, last)
		}
		r.wantState(task, remuda.Queued)
	})
}

// What another plane gives to a runner meanwhile has its first sign before the moment from which the sweep reckons.
func TestASweepThatIsStoppedWhileTheClockIsSetBackLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		var back atomic.Int64
		clock := func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }
		r.plane = control.New(control.Options{Store: deaf{r.store}, Keys: r.keys, Log: discard(), Clock: clock})
		task, h := r.submit(hello()), r.register(1)
		slow := control.New(control.Options{Keys: r.keys, Log: discard(), Clock: clock, Store: paused{r.store, func() {
			back.Store(int64(2 * time.Minute))
			r.claim(h)
		}}})
		time.Sleep(time.Minute) // all that was silent when it started would be lost by now
		control.Sweep(t.Context(), slow, control.Now())
		r.wantState(task, remuda.Running)
	})
}

// paused is a store whose reader is stopped before it looks.
type paused struct {
	control.Store
	meanwhile func()
}

func (s paused) Read(ctx context.Context, look func(control.View) error) error {
	s.meanwhile()
	return s.Store.Read(ctx, look)
}

// away is a store that can be out of reach, or full.
type away struct {
	control.Store
	is, full atomic.Bool
}

func (a *away) Read(ctx context.Context, look func(control.View) error) error {
	if a.is.Load() {
		return errAway()
	}
	return a.Store.Read(ctx, look)
}

func (a *away) Write(ctx context.Context, scope control.Scope, transition func(control.Tx) error) error {
	if a.is.Load() || a.full.Load() {
		return errAway()
	}
	return a.Store.Write(ctx, scope, transition)
}

func errAway() error { return &remuda.Error{Kind: remuda.Unavailable, Cause: errors.New("pulled out")} }

func TestAPlaneWithoutItsStoreIsNotReady(t *testing.T) {
	r := newRanch(t)
	done(t, r.plane.Ready(t.Context()))
	store := &away{Store: deaf{r.store}}
	store.is.Store(true)
	plane := control.New(control.Options{Store: store, Keys: r.keys, Log: discard()})
	wantKind(t, plane.Ready(t.Context()), remuda.Unavailable)
	_, err := plane.AsUser(control.User{Admin: true}).Submit(t.Context(), hello(), "")
	wantKind(t, err, remuda.Unavailable)
}

// One row that cannot be changed does not keep the others from being swept.
func TestASweepGoesOnPastARowThatCannotBeChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		r.run()
		ctx := t.Context()
		poisoned := r.submit(hello())
		r.claim(r.register(1))
		good := r.submit(hello())
		r.claim(r.register(1))
		err := r.store.Write(ctx, control.Alone, func(tx control.Tx) error { // as no rule would leave it
			return tx.Update(ctx, &control.TaskRow{ID: poisoned, State: remuda.Succeeded}, "state")
		})
		done(t, err)
		time.Sleep(33 * time.Second)
		r.wantState(good, remuda.Queued)
		if !strings.Contains(r.log.String(), "cannot go from succeeded to queued") {
			t.Error("nobody is told of the row that cannot be changed")
		}
	})
}

func TestMoreThanASweepTakesAreAllSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		r.run()
		ctx := t.Context()
		r.queue(100)
		h := r.register(100)
		must(t, h.Sync, ctx, remuda.Sync{Ready: true})
		must(t, h.Sync, ctx, remuda.Sync{Ready: true})
		time.Sleep(35 * time.Second)
		class := must(t, r.admin.ResourceClass, ctx, "acme/linux")
		if class.Queued != 100 || class.Running != 0 {
			t.Errorf("%d are queued and %d running", class.Queued, class.Running)
		}
	})
}
