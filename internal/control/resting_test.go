package control_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// untilOver keeps a sync open until it ends by itself, with nothing to say.
func untilOver(t *testing.T, r *ranch, h horse, s remuda.Sync) {
	t.Helper()
	answers := r.sync(h, s)
	time.Sleep(50 * time.Second)
	if answer := answered(t, answers); len(answer.Claims)+len(answer.Lost)+len(answer.Cancel) > 0 || answer.Drain {
		t.Fatalf("answered %+v", answer)
	}
}

func TestAnIdleRunnerThatComesBackCostsNoTransactionOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		var commits atomic.Int64
		r.restart(control.Options{Store: counting{r.store, &commits}})
		h := r.register(1)
		untilOver(t, r, h, remuda.Sync{Ready: true})
		commits.Store(0)
		answers := r.sync(h, remuda.Sync{Ready: true})
		if n := commits.Load(); n != 0 {
			t.Errorf("its arrival made %d commits", n)
		}
		r.submit(hello())
		if claims := answered(t, answers).Claims; len(claims) != 1 {
			t.Errorf("it was given %d claims, not 1", len(claims))
		}
	})
}

func TestARunnerThatRestsIsResumedByTheSameWordsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		defer r.run()()
		h := r.register(1)
		ready := remuda.Sync{Ready: true}
		resumed := func(s remuda.Sync) bool {
			again, rested := h.Resume(s)
			if rested {
				answer, err := again.Wait(t.Context())
				if err != nil || len(answer.Claims) > 0 {
					t.Errorf("answered %+v, %v", answer, err)
				}
			}
			return rested
		}
		for _, c := range []struct {
			what   string
			said   remuda.Sync
			before func()
			want   bool
		}{
			{"at once", ready, func() {}, true},
			{"saying something else", remuda.Sync{Reason: "the disk is full"}, func() {}, false},
			{"when another of its syncs came before", ready, func() { r.sync(h, ready); synctest.Wait() }, false},
			{"too late", ready, func() { time.Sleep(11 * time.Second) }, false},
			{"after an order", ready, func() { must(t, r.admin.DrainRunner, t.Context(), h.id) }, false},
		} {
			<-r.sync(h, ready) // until its hold is over
			c.before()
			if got := resumed(c.said); got != c.want {
				t.Errorf("%s it is resumed: %t", c.what, got)
			}
		}
	})
}

func TestATaskThatCameBetweenTwoSyncsIsClaimedByTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		untilOver(t, r, h, remuda.Sync{Ready: true})
		r.submit(hello())
		if claims := answered(t, r.sync(h, remuda.Sync{Ready: true})).Claims; len(claims) != 1 {
			t.Errorf("it was given %d claims, not 1", len(claims))
		}
	})
}

func TestAnOrderThatCameBetweenTwoSyncsIsHeardByTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		untilOver(t, r, h, remuda.Sync{Ready: true})
		must(t, r.admin.DrainRunner, t.Context(), h.id)
		if answer := answered(t, r.sync(h, remuda.Sync{Ready: true})); !answer.Drain {
			t.Errorf("answered %+v, want to drain", answer)
		}
	})
}

func TestARunnerThatSaysSomethingElseIsHeardAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		untilOver(t, r, h, remuda.Sync{Ready: true})
		r.sync(h, remuda.Sync{Reason: "the disk is full"})
		r.submit(hello())
		if shown := r.runner(h); shown.Reason != "the disk is full" || shown.State == remuda.RunnerBusy {
			t.Errorf("it is shown as %+v", shown)
		}
	})
}

func TestARunnerThatRestedIsNotSilentBeforeItIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		defer r.run()()
		h := r.register(1)
		for range 12 { // more than five minutes
			untilOver(t, r, h, remuda.Sync{Ready: true})
			time.Sleep(2 * time.Second)
			same(t, "between two syncs", remuda.RunnerIdle, r.runner(h).State)
			if ago := time.Since(r.runner(h).LastSeenAt); ago > 54*time.Second {
				t.Errorf("it was seen %s ago", ago)
			}
		}
		time.Sleep(20 * time.Second)
		same(t, "when it does not come", remuda.RunnerSilent, r.runner(h).State)
	})
}

func TestATaskIsNotKeptForARunnerThatRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		gone, waiting := r.register(1), r.register(1)
		untilOver(t, r, gone, remuda.Sync{Ready: true})
		answers := r.sync(waiting, remuda.Sync{Ready: true})
		r.submit(hello())
		if claims := answered(t, answers).Claims; len(claims) != 1 {
			t.Errorf("the one that waits was given %d claims, not 1", len(claims))
		}
	})
}
