package runner_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/runner"
)

var errNoAgent = errors.New("start the agent: no such file or directory")

// breaks is a machine on which no agent starts.
func breaks(context.Context, runner.Work) (remuda.Result, error) { return remuda.Result{}, errNoAgent }

// asks lets the agent ask for leave to begin, as one does that started.
func asks(w runner.Work) {
	defer func() { _ = recover() }() // the fake plane has no answer
	w.Plane.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/api/v1/claims/"+w.Claim.ID+"/begin", nil))
}

// last is what the runner said last.
func (p *fakePlane) last(t *testing.T) remuda.Sync {
	t.Helper()
	synctest.Wait()
	said := p.said()
	if len(said) == 0 {
		t.Fatal("the runner said nothing")
	}
	return said[len(said)-1]
}

func (p *fakePlane) submitMany(prefix string, n int) {
	for i := range n {
		p.submit(p.claim(fmt.Sprintf("%s%d", prefix, i)))
	}
}

func TestThreeTasksThatCannotStartPutARunnerIntoQuarantine(t *testing.T) {
	for _, slots := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			plane, executor := newPlane(), &fakeExecutor{do: breaks}
			plane.slots = slots
			r := start(t, runner.Config{Slots: slots}, plane, executor)
			for n := 1; n <= 3; n++ {
				if said := plane.last(t); !said.Ready || said.Quarantined {
					t.Fatalf("%d slots: after %d failures it says %+v", slots, n-1, said)
				}
				plane.submitMany(fmt.Sprint("c", n), 1)
				synctest.Wait()
			}
			said := plane.last(t)
			if said.Ready || !said.Quarantined || !strings.Contains(said.Reason, "3 tasks in a row could not be started, the last one: start the agent: no such file") {
				t.Errorf("%d slots: it says %+v", slots, said)
			}
			plane.submitMany("later", 4)
			time.Sleep(14 * time.Second) // half of the shortest first wait
			if n := len(executor.executed()); n != 3 {
				t.Errorf("%d slots: %d tasks were tried", slots, n)
			}
			r.Drain()
			r.ends()
		})
	}
}

func TestARunnerThatFailsOnAllItsSlotsAtOnceWaitsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: breaks}
		plane.slots = 8
		plane.submitMany("c", 8)
		r := start(t, runner.Config{Slots: 8}, plane, executor)
		synctest.Wait()
		if said := plane.last(t); !strings.HasPrefix(said.Reason, "3 tasks in a row") {
			t.Errorf("it says %+v", said)
		}
		executor.change(func() { executor.do = succeeds(time.Second) })
		plane.submit(plane.claim("probe"))
		time.Sleep(50 * time.Second) // the first wait is 45 s at most
		wantOne(t, plane.results("probe"), succeeded)
		r.Drain()
		r.ends()
	})
}

func TestARunnerLeavesQuarantineByOneTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: breaks}
		plane.slots = 4
		r := start(t, runner.Config{Slots: 4}, plane, executor)
		synctest.Wait()
		for n := range 3 {
			plane.submitMany(fmt.Sprint("c", n), 1)
			synctest.Wait()
		}
		begun := make(chan struct{})
		executor.change(func() {
			executor.do = func(ctx context.Context, w runner.Work) (remuda.Result, error) {
				<-begun
				asks(w)
				return succeeds(time.Hour)(ctx, w)
			}
		})
		plane.submitMany("later", 10)
		time.Sleep(50 * time.Second)
		if n := len(executor.executed()); n != 4 {
			t.Errorf("%d tasks were tried instead of one", n-3)
		}
		if said := plane.last(t); said.Ready || !said.Quarantined {
			t.Errorf("while it tries one it says %+v", said)
		}
		close(begun) // The task runs on: that it began is enough.
		if said := plane.last(t); !said.Ready || said.Quarantined || said.Reason != "" {
			t.Errorf("when it began the runner says %+v", said)
		}
		if n := len(executor.executed()); n != 7 {
			t.Errorf("%d tasks run on 4 slots", n-3)
		}
		r.Cancel()
		r.ends()
	})
}

func TestAProbeThatFailsLengthensTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{}
		var tried []time.Time
		executor.do = func(context.Context, runner.Work) (remuda.Result, error) {
			executor.change(func() { tried = append(tried, time.Now()) })
			return remuda.Result{}, errNoAgent
		}
		plane.submitMany("c", 40)
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(2 * time.Hour)
		r.Drain()
		r.ends()
		longest := time.Duration(0)
		for n := 3; n < len(tried); n++ {
			wait, bound := tried[n].Sub(tried[n-1]), min(15*time.Minute, 30*time.Second<<(n-3))
			if wait < bound/2 || wait > bound*3/2+time.Second {
				t.Errorf("try %d came after %s, with a wait of about %s", n, wait, bound)
			}
			longest = max(longest, wait)
		}
		if len(tried) < 9 || len(tried) > 30 || longest < 7*time.Minute {
			t.Errorf("%d tries in 2 h, the longest wait was %s", len(tried), longest)
		}
	})
}

func TestAFailedStepOrADeadAgentNeverPutsARunnerIntoQuarantine(t *testing.T) {
	ways := map[string]func(context.Context, runner.Work) (remuda.Result, error){
		"a failed step": func(context.Context, runner.Work) (remuda.Result, error) {
			return remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep}, nil
		},
		"steps that kill their agent": func(_ context.Context, w runner.Work) (remuda.Result, error) {
			asks(w)
			return remuda.Result{}, errors.New("the agent left no result: killed")
		},
		"steps that pretend": func(context.Context, runner.Work) (remuda.Result, error) {
			return remuda.Result{State: remuda.Failed, Reason: remuda.ReasonInfrastructure, Detail: "ha"}, nil
		},
		"a claim that is gone": func(context.Context, runner.Work) (remuda.Result, error) {
			return remuda.Result{}, fmt.Errorf("the agent was told so: %w", remuda.Gone)
		},
	}
	for what, do := range ways {
		synctest.Test(t, func(t *testing.T) {
			plane, executor := newPlane(), &fakeExecutor{do: do}
			plane.submitMany("c", 20)
			r := start(t, runner.Config{}, plane, executor)
			time.Sleep(time.Minute)
			if n := len(executor.executed()); n != 20 {
				t.Errorf("%s: %d of 20 tasks were carried out; it says %+v", what, n, plane.last(t))
			}
			r.Drain()
			r.ends()
		})
	}
}

func TestATaskThatStartsEndsTheRowOfThoseThatDidNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{}
		executor.do = func(ctx context.Context, w runner.Work) (remuda.Result, error) {
			if strings.HasSuffix(w.Claim.ID, "2") {
				return succeeds(0)(ctx, w)
			}
			return breaks(ctx, w)
		}
		for n := range 10 {
			plane.submitMany(fmt.Sprint("c", n, "-"), 3) // two that break, one that does not
		}
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(time.Minute)
		if n := len(executor.executed()); n != 30 {
			t.Errorf("%d of 30 tasks were tried", n)
		}
		r.Drain()
		r.ends()
	})
}

func TestAnOperatorBringsARunnerBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: breaks}
		plane.slots = 2
		plane.submitMany("c", 3)
		r := start(t, runner.Config{Slots: 2}, plane, executor)
		synctest.Wait()
		executor.change(func() { executor.do = succeeds(time.Second) })
		plane.submitMany("later", 2)
		time.Sleep(5 * time.Second)
		if n := len(executor.executed()); n != 3 {
			t.Fatalf("in quarantine %d tasks were tried", n-3)
		}
		plane.change(func() { plane.resume = 7 })
		said := plane.last(t)
		if !said.Ready || said.Quarantined || said.Resumed != 7 {
			t.Errorf("it says %+v", said)
		}
		if n := len(executor.executed()); n != 5 {
			t.Errorf("%d tasks run on 2 slots", n-3)
		}
		// The order is carried out once.
		executor.change(func() { executor.do = breaks })
		plane.submitMany("last", 5)
		time.Sleep(10 * time.Second)
		if said := plane.last(t); said.Ready || !said.Quarantined {
			t.Errorf("an old order keeps it out of quarantine: it says %+v", said)
		}
		r.Drain()
		r.ends()
	})
}

func TestARunnerWhoseSelfCheckFailsTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second), unfit: errors.New("the disk of /work has 12 MiB free")}
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{}, plane, executor)
		said := plane.last(t)
		if said.Ready || !said.Quarantined || said.Reason != "the self-check fails: the disk of /work has 12 MiB free" {
			t.Errorf("it says %+v", said)
		}
		executor.change(func() { executor.unfit = nil })
		time.Sleep(35 * time.Second) // looked at every half minute
		wantOne(t, plane.results("c1"), succeeded)
		r.Drain()
		r.ends()
	})
}

func TestAMachineThatBecomesUnfitHandsItsClaimBackUncounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(10 * time.Second)
		executor.change(func() { executor.unfit = errors.New("the disk is full") })
		plane.submit(plane.claim("c1"))
		synctest.Wait()
		got := plane.returns("c1")
		if len(got) != 1 || !got[0].Draining || !strings.Contains(got[0].Detail, "the disk is full") || len(executor.executed()) != 0 {
			t.Errorf("it handed back %+v and executed %d", got, len(executor.executed()))
		}
		if said := plane.last(t); said.Ready {
			t.Errorf("it says %+v", said)
		}
		r.Drain()
		r.ends()
	})
}

func TestAnIdleRunnerLooksAtItsMachineTwiceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(10*time.Minute + time.Second)
		executor.change(func() {
			if executor.checks != 21 {
				t.Errorf("looked %d times in 10 minutes", executor.checks)
			}
		})
		r.Drain()
		r.ends()
	})
}

func TestWhatRunsGoesOnInQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{}
		executor.do = func(ctx context.Context, w runner.Work) (remuda.Result, error) {
			if w.Claim.ID == "long" {
				return succeeds(10*time.Second)(ctx, w)
			}
			return breaks(ctx, w)
		}
		plane.slots = 2
		plane.submit(plane.claim("long"))
		plane.submitMany("c", 3)
		r := start(t, runner.Config{Slots: 2}, plane, executor)
		time.Sleep(11 * time.Second)
		wantOne(t, plane.results("long"), succeeded)
		if said := plane.last(t); said.Ready || !said.Quarantined {
			t.Errorf("a task of before let it out of quarantine: it says %+v", said)
		}
		r.Drain()
		r.ends()
	})
}
