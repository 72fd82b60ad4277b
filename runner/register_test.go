package runner_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/runner"
)

func TestARunnerThatIsNotKnownAnyMoreRegistersAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second, executor := newPlane(), newPlane(), &fakeExecutor{do: succeeds(time.Hour)}
		second.key = first.key
		first.submit(first.claim("c1"))
		var registered atomic.Int32
		r := start(t, runner.Config{Register: func(context.Context) (runner.ControlPlane, error) {
			if registered.Add(1) < 3 {
				return nil, remuda.Fail(remuda.Unavailable, "not yet")
			}
			return second, nil
		}}, first, executor)
		time.Sleep(time.Second)
		first.change(func() {
			first.syncErr = func(int) error { return remuda.Fail(remuda.Unauthenticated, "who are you?") }
		})
		time.Sleep(40 * time.Second)
		if n := registered.Load(); n != 3 {
			t.Errorf("registered %d times", n)
		}
		// What it held under its old name is nobody's.
		if said := len(second.results("c1")) + len(second.returns("c1")); said != 0 {
			t.Errorf("%d words were said about the old claim", said)
		}
		executor.mu.Lock()
		executor.do = succeeds(time.Second)
		executor.mu.Unlock()
		second.submit(second.claim("c2"))
		time.Sleep(2 * time.Second)
		wantOne(t, second.results("c2"), succeeded)
		r.Drain()
		r.ends()
		if second.goodbyes != 1 || first.goodbyes != 0 {
			t.Errorf("%d and %d goodbyes", first.goodbyes, second.goodbyes)
		}
	})
}

func TestARunnerWithoutAPlaneRegistersFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.submit(plane.claim("c1"))
		config := runner.Config{Key: plane.key, Mode: runner.SingleTask}
		config.Register = func(context.Context) (runner.ControlPlane, error) { return plane, nil }
		r, err := runner.New(config, nil, executor, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantOne(t, plane.results("c1"), succeeded)
	})
}

func TestARunnerThatDrainsBeforeItCouldRegisterEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane := newPlane()
		config := runner.Config{Key: plane.key, Register: func(context.Context) (runner.ControlPlane, error) {
			return nil, remuda.Fail(remuda.Unavailable, "not yet")
		}}
		r, err := runner.New(config, nil, &fakeExecutor{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Minute, r.Drain)
		started := time.Now()
		if err := r.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if passed := time.Since(started); passed < time.Minute || passed > 2*time.Minute {
			t.Errorf("ended after %s", passed)
		}
	})
}

func TestARunnerThatIsRefusedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.syncErr = func(int) error { return remuda.Fail(remuda.Gone, "deleted") }
		r := start(t, runner.Config{Register: func(context.Context) (runner.ControlPlane, error) {
			return nil, remuda.Fail(remuda.Unauthenticated, "the class token was revoked")
		}}, plane, executor)
		if err := <-r.done; !errors.Is(err, remuda.Unauthenticated) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestARunnerThatCannotRegisterAgainKeepsItsTaskForItsSuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Hour)}
		plane.submit(plane.claim("c1"))
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(time.Second)
		plane.change(func() { plane.syncErr = func(int) error { return remuda.Fail(remuda.Gone, "deleted") } })
		if err := <-r.done; !errors.Is(err, remuda.Gone) {
			t.Errorf("ended with %v", err)
		}
		if len(executor.forgotten()) != 0 {
			t.Errorf("forgot %v", executor.forgotten())
		}
	})
}

func TestAnUnreachableControlPlaneIsAskedLessAndLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.syncErr = func(int) error { return errors.New("connection refused") }
		r := start(t, runner.Config{}, plane, executor)
		time.Sleep(10 * time.Minute)
		if n := len(plane.said()); n < 30 || n > 90 {
			t.Errorf("asked %d times in 10 minutes", n)
		}
		plane.change(func() { plane.syncErr = nil })
		plane.submit(plane.claim("c1"))
		time.Sleep(25 * time.Second)
		wantOne(t, plane.results("c1"), succeeded)
		r.Drain()
		r.ends()
	})
}

func TestAControlPlaneThatAnswersNothingAtOnceIsNotAskedWithoutRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := hasty{newPlane()}, &fakeExecutor{do: succeeds(time.Second)}
		r, err := runner.New(runner.Config{Key: plane.key}, plane, executor, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
		defer stop()
		if err := r.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
		if n := len(plane.syncs); n < 30 || n > 90 {
			t.Errorf("asked %d times in 10 minutes", n)
		}
	})
}

// hasty answers at once, and nothing.
type hasty struct{ *fakePlane }

func (h hasty) Sync(_ context.Context, said remuda.Sync) (remuda.SyncAnswer, error) {
	h.syncs = append(h.syncs, said)
	return remuda.SyncAnswer{}, nil
}
