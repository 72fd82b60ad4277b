package runner_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/runner"
)

func TestTheAnswerToAFinishBringsTheNextTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.next = true
		claims := []string{"c1", "c2", "c3", "c4"}
		for _, id := range claims {
			plane.submit(plane.claim(id))
		}
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(4*time.Second + time.Millisecond)
		for _, id := range claims {
			wantOne(t, plane.results(id), succeeded)
		}
		if said := plane.said(); len(said) != 2 {
			t.Errorf("four tasks took %d syncs: the first, and the one that is open since: %+v", len(said), said)
		}
		if forgotten := executor.forgotten(); !slices.Equal(forgotten, claims) {
			t.Errorf("forgot %v", forgotten)
		}
		r.Drain()
		r.ends()
	})
}

func TestATaskWhoseAnswerWasLostComesWithTheNextSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.next, plane.loseWord = true, 1
		plane.submit(plane.claim("c1"))
		plane.submit(plane.claim("c2"))
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(time.Second + time.Millisecond)
		if works := executor.executed(); len(works) != 2 || works[1].Claim.ID != "c2" {
			t.Errorf("carried out are %+v", works)
		}
		r.Drain()
		r.ends()
		wantOne(t, plane.results("c2"), succeeded)
	})
}

// An answer that was on its way when the next task came brings it once more, which is no reason to ask less often.
func TestATaskThatComesTwiceKeepsNoSyncWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane := newPlane()
		ended := make(chan time.Time, 1)
		executor := &fakeExecutor{do: func(ctx context.Context, w runner.Work) (remuda.Result, error) {
			if w.Claim.ID == "c1" {
				return succeeded, nil
			}
			<-ctx.Done()
			ended <- time.Now()
			return remuda.Result{State: remuda.Canceled}, nil
		}}
		plane.next, plane.forgets = true, true
		plane.submit(plane.claim("c1"))
		plane.submit(plane.claim("c2"))
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(time.Millisecond)
		plane.cancel("c2")
		canceled := time.Now()
		if noticed := <-ended; noticed != canceled {
			t.Errorf("cancelled at %s, noticed at %s", canceled, noticed)
		}
		if works := executor.executed(); len(works) != 2 {
			t.Errorf("carried out are %+v", works)
		}
		r.Drain()
		r.ends()
	})
}

// A sync and a finish bring the same task, and one of the answers comes when it has ended.
func TestATaskThatComesOnceMoreAfterItsEndIsNotCarriedOutAgain(t *testing.T) {
	for name, late := range map[string]func(*fakePlane){
		"with a sync":   func(p *fakePlane) { p.slow = time.Second },
		"with a finish": func(p *fakePlane) { p.slowWord = 12 * time.Second }, // and other syncs meanwhile
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Millisecond)}
				plane.next, plane.forgets = true, true
				late(plane)
				plane.submit(plane.claim("c1"))
				plane.submit(plane.claim("c2"))
				r := start(t, runner.Config{}, plane, executor)
				time.Sleep(30 * time.Second)
				if works := executor.executed(); len(works) != 2 {
					t.Errorf("carried out are %+v", works)
				}
				r.Drain()
				r.ends()
			})
		})
	}
}

func TestARunnerAsksForTheNextTaskOnlyWhileItTakesOne(t *testing.T) {
	for name, test := range map[string]struct {
		config runner.Config
		before func(r *life, plane *fakePlane, executor *fakeExecutor) // the end of the task
		want   bool
	}{
		"when nothing speaks against it": {want: true},
		"not when it drains":             {before: func(r *life, _ *fakePlane, _ *fakeExecutor) { r.Drain() }},
		"not when it carries out one":    {config: runner.Config{Mode: runner.SingleTask}},
		"not when its machine is unfit": {before: func(_ *life, _ *fakePlane, executor *fakeExecutor) {
			executor.change(func() { executor.unfit = context.DeadlineExceeded })
			time.Sleep(40 * time.Second)
		}},
		"also when it was cancelled": {want: true, before: func(_ *life, plane *fakePlane, _ *fakeExecutor) { plane.cancel("c1") }},
		"not while one that is not its own any more has the slot": {before: func(_ *life, plane *fakePlane, _ *fakeExecutor) {
			plane.change(func() {
				delete(plane.live, "c1")
				plane.live["c2"] = plane.claim("c2") // given to it all the same
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plane := newPlane()
				finish, free := make(chan struct{}), make(chan struct{})
				executor := &fakeExecutor{do: func(ctx context.Context, _ runner.Work) (remuda.Result, error) {
					<-finish
					if errors.Is(context.Cause(ctx), runner.ErrLost) {
						<-free
					}
					return succeeded, nil
				}}
				plane.next = true
				plane.submit(plane.claim("c1"))
				r := start(t, test.config, plane, executor)
				time.Sleep(time.Second)
				if test.before != nil {
					test.before(r, plane, executor)
				}
				synctest.Wait()
				close(finish)
				synctest.Wait()
				plane.mu.Lock()
				wanted := slices.Clone(plane.wanted)
				plane.mu.Unlock()
				wantOne(t, wanted, test.want)
				close(free)
				r.Drain()
				r.ends()
			})
		})
	}
}
