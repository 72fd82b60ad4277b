package runner_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/runner"
)

// life is one Run of a runner in a test's bubble, which ends only when no goroutine of it is left.
type life struct {
	*runner.Runner
	t    *testing.T
	stop context.CancelFunc
	done chan error
}

func start(t *testing.T, config runner.Config, plane *fakePlane, executor runner.Executor) *life {
	t.Helper()
	config.Key = plane.key
	r, err := runner.New(config, plane, executor, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	l := &life{Runner: r, t: t, stop: stop, done: make(chan error, 1)}
	go func() { l.done <- r.Run(ctx) }()
	return l
}

// ends waits for the runner's end, and checks that it was no error.
func (l *life) ends() {
	l.t.Helper()
	if err := <-l.done; err != nil {
		l.t.Fatalf("the runner ended with %v", err)
	}
	l.stop()
}

// running is true while Run has not returned.
func (l *life) running() bool {
	synctest.Wait()
	return len(l.done) == 0
}

func wantOne[T any](t *testing.T, got []T, want T) {
	t.Helper()
	if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Fatalf("got %v, want one %v", got, want)
	}
}

var succeeded = remuda.Result{State: remuda.Succeeded}

func TestATaskTravelsFromClaimToFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(3 * time.Second)}
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(7 * time.Second)
		plane.submit(plane.claim("c1"))
		begun := time.Now()
		time.Sleep(4 * time.Second)
		wantOne(t, plane.results("c1"), succeeded)
		work := executor.executed()[0]
		if work.Secrets["PASSWORD"] != "of c1" || plane.tokens["c1"] != "token of c1" {
			t.Errorf("the executor got secrets %v and a plane with token %q", work.Secrets, plane.tokens["c1"])
		}
		if len(executor.forgotten()) != 1 {
			t.Errorf("an acknowledged claim is still kept: forgot %v", executor.forgotten())
		}
		if waited := time.Since(begun); waited != 4*time.Second {
			t.Fatalf("the test itself took %s", waited)
		}
		r.Drain()
		r.ends()
	})
}

func TestAFreeSlotIsFilledByTheRequestThatIsOpenAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		for _, id := range []string{"c1", "c2", "c3", "c4"} {
			plane.submit(plane.claim(id))
		}
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(4*time.Second + time.Millisecond)
		if n := len(executor.executed()); n != 4 {
			t.Errorf("in 4 s %d tasks of 1 s were carried out", n)
		}
		r.Drain()
		r.ends()
	})
}

func TestALostAnswerCostsOneRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.loseNext = 1
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(70 * time.Second) // the lost answer is noticed after 65 s
		wantOne(t, plane.results("c1"), succeeded)
		if n := len(executor.executed()); n != 1 {
			t.Errorf("the task was carried out %d times", n)
		}
		r.Drain()
		r.ends()
	})
}

func TestAHalfOpenRequestIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Minute)}
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{}, plane, executor)
		synctest.Wait()
		plane.change(func() { plane.deafUntil = 1 })
		time.Sleep(11 * time.Second)
		before := len(plane.said())
		time.Sleep(26 * time.Second) // 10 s hold and 15 s more
		if after := len(plane.said()); after != before+1 {
			t.Errorf("in 26 s with a dead request %d new ones were made", after-before)
		}
		r.Cancel()
		r.ends()
	})
}

func TestAClaimDeliveredTwiceIsCarriedOutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.repeat = true
		plane.submit(plane.claim("c1"), plane.claim("c2"))
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(5 * time.Second)
		for _, id := range []string{"c1", "c2"} {
			wantOne(t, plane.results(id), succeeded)
		}
		r.Drain()
		r.ends()
	})
}

func TestAFinishIsRepeatedUntilItIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.finishErr = func(try int) error {
			if try < 6 {
				return remuda.Fail(remuda.Unavailable, "not now")
			}
			return nil
		}
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{Mode: runner.SingleTask}, plane, executor)
		r.ends()
		got := plane.results("c1")
		if len(got) != 6 || slices.ContainsFunc(got, func(r remuda.Result) bool { return !reflect.DeepEqual(r, succeeded) }) {
			t.Errorf("said %v", got)
		}
		if len(executor.forgotten()) != 1 {
			t.Errorf("forgot %v", executor.forgotten())
		}
	})
}

func TestAClaimThatIsGoneIsDroppedInSilence(t *testing.T) {
	for _, kind := range []remuda.Kind{remuda.Gone, remuda.Conflict} {
		synctest.Test(t, func(t *testing.T) {
			plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
			plane.finishErr = func(int) error { return remuda.Fail(kind, "no") }
			plane.submit(plane.claim("c1"))
			r := start(t, runner.Config{}, plane, executor)
			time.Sleep(1500 * time.Millisecond)
			plane.lose("c1")
			time.Sleep(time.Minute)
			if got := plane.results("c1"); len(got) != 1 {
				t.Errorf("%s: said %v", kind, got)
			}
			r.Drain()
			r.ends()
		})
	}
}

func TestCancelReachesTheTaskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane := newPlane()
		seen := make(chan time.Time, 1)
		executor := &fakeExecutor{do: func(ctx context.Context, _ runner.Work) (remuda.Result, error) {
			<-ctx.Done()
			seen <- time.Now()
			if !errors.Is(context.Cause(ctx), runner.ErrCanceled) {
				t.Errorf("the task was ended since %v", context.Cause(ctx))
			}
			time.Sleep(2 * time.Second) // its grace
			return remuda.Result{State: remuda.Canceled}, nil
		}}
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(3 * time.Second)
		canceled := time.Now()
		plane.cancel("c1")
		time.Sleep(time.Second)
		if noticed := <-seen; noticed != canceled {
			t.Errorf("cancelled at %s, noticed at %s", canceled, noticed)
		}
		said := plane.said()
		if last := said[len(said)-1]; !slices.Equal(last.Canceling, []string{"c1"}) {
			t.Errorf("the last request says %+v", last)
		}
		time.Sleep(2 * time.Second)
		wantOne(t, plane.results("c1"), remuda.Result{State: remuda.Canceled})
		r.Drain()
		r.ends()
	})
}

func TestATaskCancelledWhileTheOperatorIsAskedIsNotStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		veto := func(ctx context.Context, _ remuda.Claim) error {
			<-ctx.Done()
			return ctx.Err()
		}
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{Veto: veto}, plane, executor)
		time.Sleep(time.Second)
		plane.cancel("c1")
		time.Sleep(time.Second)
		if got := plane.results("c1"); len(got) != 1 || got[0].State != remuda.Canceled {
			t.Errorf("said %v", got)
		}
		if len(executor.executed()) != 0 {
			t.Error("it was started")
		}
		r.Drain()
		r.ends()
	})
}

func TestALostClaimIsEndedAndNothingIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane := newPlane()
		executor := &fakeExecutor{do: func(ctx context.Context, w runner.Work) (remuda.Result, error) {
			if w.Claim.ID != "c1" {
				return succeeded, nil
			}
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), runner.ErrLost) {
				t.Errorf("the task was ended since %v", context.Cause(ctx))
			}
			time.Sleep(5 * time.Second)
			return remuda.Result{State: remuda.Canceled}, nil
		}}
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(time.Second)
		plane.lose("c1")
		synctest.Wait()
		plane.submit(plane.claim("c2"))
		time.Sleep(4 * time.Second)
		if len(executor.executed()) != 1 {
			t.Error("another task was started beside the one that was still ending")
		}
		time.Sleep(5 * time.Second)
		if said := len(plane.results("c1")) + len(plane.returns("c1")); said != 0 {
			t.Errorf("%d words were said about a lost claim", said)
		}
		wantOne(t, plane.results("c2"), succeeded)
		if !slices.Contains(executor.forgotten(), "c1") {
			t.Error("the lost claim is still here")
		}
		r.Drain()
		r.ends()
	})
}

func TestDrainIsAcknowledgedAtOnceAndFinishesWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(20 * time.Second)}
		plane.slots = 2
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{Slots: 2}, plane, executor)
		time.Sleep(5 * time.Second)
		r.Drain()
		synctest.Wait()
		plane.change(func() {
			if !plane.knows {
				t.Error("the control plane does not know yet that the runner drains")
			}
		})
		plane.submit(plane.claim("c2"))
		time.Sleep(14 * time.Second)
		if !r.running() {
			t.Fatal("it ended before its task")
		}
		drained := time.Now()
		r.ends()
		if after := time.Since(drained); after != time.Second {
			t.Errorf("it ended %s after its task", after)
		}
		wantOne(t, plane.results("c1"), succeeded)
		if plane.goodbyes != 1 || len(executor.executed()) != 1 {
			t.Errorf("%d goodbyes, %d tasks", plane.goodbyes, len(executor.executed()))
		}
	})
}

func TestAnIdleRunnerDoesNotEndBeforeItsDrainIsAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		r := start(t, runner.Config{}, plane, executor)
		synctest.Wait()
		plane.change(func() { plane.deafUntil = 1 })
		r.Drain()
		time.Sleep(4 * time.Second)
		if !r.running() {
			t.Error("it ended, and nobody had acknowledged")
		}
		r.ends()
	})
}

func TestARunnerSaysOnceThatItMayHaveStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.loseNext = 1 // not answered, it may still be the first that is heard of this life
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(80 * time.Second)
		r.Drain()
		r.ends()
		said := plane.said()
		if len(said) < 3 || said[0].Again || said[1].Again {
			t.Fatalf("before any answer it said %+v", said)
		}
		for _, s := range said[2:] {
			if !s.Again {
				t.Errorf("after an answer it said %+v", s)
			}
		}
	})
}

func TestADrainingRunnerEndsWithoutAControlPlane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.syncErr = func(int) error { return remuda.Fail(remuda.Unavailable, "away") }
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(time.Minute)
		drained := time.Now()
		r.Drain()
		r.ends()
		if after := time.Since(drained); after > 8*time.Second {
			t.Errorf("it took %s", after)
		}
	})
}

func TestADrainingRunnerEndsWhenItsControlPlaneHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.deafUntil = 1000
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(20 * time.Second) // in the middle of a request that nobody answers
		drained := time.Now()
		r.Drain()
		r.ends()
		if after := time.Since(drained); after > 8*time.Second {
			t.Errorf("it took %s", after)
		}
	})
}

func TestTheControlPlaneMayOrderToDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(5 * time.Second)}
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(time.Second)
		plane.change(func() { plane.order = true })
		r.ends()
		wantOne(t, plane.results("c1"), succeeded)
		if plane.goodbyes != 1 {
			t.Errorf("%d goodbyes", plane.goodbyes)
		}
	})
}

func TestASecondWordCancelsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Hour)}
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(time.Second)
		r.Drain()
		time.Sleep(time.Minute)
		if !r.running() {
			t.Fatal("draining ended a task that runs")
		}
		r.Cancel()
		r.ends()
		wantOne(t, plane.results("c1"), remuda.Result{State: remuda.Canceled})
	})
}

func TestDrainTimeoutCancelsWhatStillRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Hour)}
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{DrainTimeout: time.Minute}, plane, executor)
		time.Sleep(time.Second)
		r.Drain()
		drained := time.Now()
		r.ends()
		if after := time.Since(drained); after != time.Minute {
			t.Errorf("it took %s", after)
		}
	})
}

func TestACancelledRunnerDoesNotWaitLongForItsLastWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Hour)}
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(time.Second)
		away := func(int) error { return remuda.Fail(remuda.Unavailable, "away") }
		plane.change(func() { plane.syncErr, plane.finishErr = away, away })
		r.Cancel()
		canceled := time.Now()
		if err := <-r.done; err == nil {
			t.Error("it ended as if nothing were left to say")
		}
		if after := time.Since(canceled); after > 30*time.Second {
			t.Errorf("it took %s", after)
		}
		if len(executor.forgotten()) != 0 {
			t.Error("the result is gone, and nobody knows it")
		}
	})
}

func TestASuccessorSaysWhatItsPredecessorCouldNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.slots = 2
		plane.finishErr = func(int) error { return remuda.Fail(remuda.Unavailable, "away") }
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{Slots: 2}, plane, executor)
		time.Sleep(2 * time.Second)
		r.Cancel()
		if err := <-r.done; err == nil {
			t.Error("it ended as if nothing were left to say")
		}
		plane.change(func() { plane.finishErr = nil })
		before := len(plane.results("c1"))
		executor.left = []string{"c1"}
		r = start(t, runner.Config{Slots: 2}, plane, executor)
		time.Sleep(2 * time.Second)
		if got := plane.results("c1")[before:]; len(got) != 1 || !reflect.DeepEqual(got[0], succeeded) || len(plane.returns("c1")) != 0 {
			t.Errorf("the successor said %v and %v", got, plane.returns("c1"))
		}
		r.Drain()
		r.ends()
	})
}

func TestASingleTaskIsTheOnlyOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.slots = 2
		plane.submit(plane.claim("c1"), plane.claim("c2"))
		r := start(t, runner.Config{Mode: runner.SingleTask}, plane, executor)
		r.ends()
		done := len(plane.results("c1")) + len(plane.results("c2"))
		back := append(plane.returns("c1"), plane.returns("c2")...)
		if done != 1 || len(back) != 1 || !back[0].Draining {
			t.Errorf("%d were done, %+v came back", done, back)
		}
		if plane.goodbyes != 1 {
			t.Errorf("%d goodbyes", plane.goodbyes)
		}
	})
}

func TestTheIdleTimeCountsFromTheLastTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(10 * time.Minute)}
		r := start(t, runner.Config{IdleTimeout: 5 * time.Minute}, plane, executor)
		time.Sleep(4 * time.Minute)
		plane.submit(plane.claim("c1"))
		begun := time.Now()
		r.ends()
		if after := time.Since(begun); after != 15*time.Minute {
			t.Errorf("it ended %s after its task was submitted", after)
		}
		wantOne(t, plane.results("c1"), succeeded)
	})
}

func TestAContextThatEndsLeavesTasksToTheSuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Hour)}
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(time.Second)
		r.stop()
		if err := <-r.done; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		if said := len(plane.results("c1")) + len(plane.returns("c1")); said != 0 || len(executor.forgotten()) != 0 {
			t.Errorf("%d words were said, %v forgotten", said, executor.forgotten())
		}
	})
}

func TestWhatAnEarlierRunnerLeftIsAdoptedOrHandedBackOrRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane := newPlane()
		executor := &fakeExecutor{do: succeeds(time.Second), left: []string{"here", "foreign", "unbegun"}}
		here, gone, unbegun := plane.claim("here"), plane.claim("gone"), plane.claim("unbegun")
		here.Begun, gone.Begun = true, true
		plane.slots = 3
		plane.holds(here, gone, unbegun)
		refuse := func(context.Context, remuda.Claim) error { return runner.Refusal("never") }
		r := start(t, runner.Config{Slots: 3, Veto: refuse}, plane, executor)
		time.Sleep(2 * time.Second)
		wantOne(t, plane.results("here"), succeeded)
		wantOne(t, plane.results("unbegun"), succeeded)
		if back := plane.returns("gone"); len(back) != 1 || back[0].Draining {
			t.Errorf("handed back: %+v", back)
		}
		time.Sleep(10 * time.Second) // an answer that brings nothing
		if !slices.Contains(executor.forgotten(), "foreign") {
			t.Errorf("removed: %v", executor.forgotten())
		}
		r.Drain()
		r.ends()
	})
}

func TestADrainingRunnerRemovesWhatAnEarlierOneLeftBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane := newPlane()
		executor := &fakeExecutor{do: succeeds(time.Second), left: []string{"here", "foreign"}}
		here := plane.claim("here")
		here.Begun = true
		plane.holds(here)
		r := start(t, runner.Config{}, plane, executor)
		r.Drain() // the only answers that it needs to end bring a claim, or come after that has ended
		r.ends()
		wantOne(t, plane.results("here"), succeeded)
		if !slices.Contains(executor.forgotten(), "foreign") {
			t.Errorf("removed: %v", executor.forgotten())
		}
	})
}

func TestADrainingRunnerLeavesToItsSuccessorWhatNobodyToldItOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane := newPlane()
		plane.syncErr = func(int) error { return remuda.Fail(remuda.Unavailable, "away") }
		r := start(t, runner.Config{}, plane, &fakeExecutor{do: succeeds(time.Second), left: []string{"here"}})
		r.Drain()
		if err := <-r.done; err == nil {
			t.Error("it ended as if nothing were left to do")
		}
		r.stop()
	})
}

func TestAnAdoptedTaskHasOnlyTheTimeThatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane := newPlane()
		executor := &fakeExecutor{do: succeeds(10 * time.Hour), left: []string{"c1"}}
		claim := plane.claim("c1")
		claim.Begun = true
		plane.holds(claim)
		time.Sleep(4 * time.Hour)
		adopted := time.Now()
		r := start(t, runner.Config{Mode: runner.SingleTask, MaxRunTime: 5 * time.Hour}, plane, executor)
		r.ends()
		if ran := time.Since(adopted); ran != time.Hour {
			t.Errorf("it ran for %s more", ran)
		}
		if got := plane.results("c1"); len(got) != 1 || got[0].Reason != remuda.ReasonTimeout {
			t.Errorf("said %v", got)
		}
	})
}

func TestATaskThatIgnoresItsTimeoutIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Hour)}
		claim := plane.claim("c1")
		claim.Timeout, claim.CancelGrace = remuda.Duration(time.Minute), remuda.Duration(20*time.Second)
		plane.submit(claim)
		begun := time.Now()
		start(t, runner.Config{Mode: runner.SingleTask}, plane, executor).ends()
		if ran := time.Since(begun); ran != time.Minute+20*time.Second+30*time.Second {
			t.Errorf("it ran for %s", ran)
		}
		if got := plane.results("c1"); len(got) != 1 || got[0].State != remuda.Failed || got[0].Reason != remuda.ReasonTimeout {
			t.Errorf("said %v", got)
		}
	})
}

func TestAnExecutorThatPanicsHandsItsClaimBackAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane := newPlane()
		plane.slots = 2
		executor := &fakeExecutor{do: func(ctx context.Context, w runner.Work) (remuda.Result, error) {
			if w.Claim.ID == "bad" {
				panic("of " + w.Secrets["PASSWORD"])
			}
			return succeeds(time.Second)(ctx, w)
		}}
		plane.submit(plane.claim("bad"), plane.claim("good"))
		r := start(t, runner.Config{Slots: 2}, plane, executor)
		time.Sleep(2 * time.Second)
		back := plane.returns("bad")
		if len(back) != 1 || strings.Contains(back[0].Detail, "of bad") {
			t.Errorf("handed back: %+v", back)
		}
		wantOne(t, plane.results("good"), succeeded)
		r.Drain()
		r.ends()
	})
}

func TestAnErrorOfTheExecutorHandsTheClaimBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane := newPlane()
		executor := &fakeExecutor{do: func(context.Context, runner.Work) (remuda.Result, error) {
			return remuda.Result{}, errors.New("no space left: " + strings.Repeat("ä", 5000))
		}}
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{Mode: runner.SingleTask}, plane, executor)
		r.ends()
		back := plane.returns("c1")
		if len(back) != 1 || !strings.HasPrefix(back[0].Detail, "no space left") || len(back[0].Detail) > 4096 {
			t.Errorf("handed back: %+v", back)
		}
		if len(executor.forgotten()) != 1 {
			t.Errorf("forgot %v", executor.forgotten())
		}
	})
}

func TestSecretsSealedToAnotherRunnerHandTheClaimBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, other, executor := newPlane(), newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.submit(other.claim("c1"))
		start(t, runner.Config{Mode: runner.SingleTask}, plane, executor).ends()
		if back := plane.returns("c1"); len(back) != 1 || len(executor.executed()) != 0 {
			t.Errorf("handed back %+v, executed %d", back, len(executor.executed()))
		}
	})
}
