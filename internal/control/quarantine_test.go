package control_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// unfit is what a runner in quarantine says.
var unfit = remuda.Sync{Quarantined: true, Reason: "3 tasks in a row could not be started, the last one: no agent"}

func TestARunnerInQuarantineGetsNothingAndIsShownAndExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(2)
		last := r.lastEvent()
		answers := r.sync(h, unfit)
		task := r.submit(hello())
		held(t, answers)
		shown := r.runner(h)
		if shown.State != remuda.RunnerQuarantined || shown.Reason != unfit.Reason {
			t.Errorf("shown is %+v", shown)
		}
		listed := got(r.admin.Runners(t.Context(), control.RunnerFilter{State: remuda.RunnerQuarantined}, control.PageQuery{}))(t)
		same(t, "listed", 1, len(listed.Items))
		why := must(t, r.admin.Why, t.Context(), task).Reasons
		if len(why) == 0 || !strings.Contains(why[0], "in quarantine") || !strings.Contains(why[0], unfit.Reason) {
			t.Errorf("it waits since %q", why)
		}
		fit := r.sync(h, remuda.Sync{Ready: true})
		same(t, "claims when it is fit", 1, len(answered(t, fit).Claims))
		same(t, "events", []string{"runner.quarantined " + h.id + " runner " + h.id, "runner.recovered " + h.id + " runner " + h.id},
			r.events(control.EventFilter{After: last, Subject: h.id}))
	})
}

func TestARunnerThatTakesOneGetsOneOnAllItsSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(4)
		for range 3 {
			r.submit(hello())
		}
		one := remuda.Sync{Ready: true, Most: 1, Quarantined: true, Reason: "it takes one to try"}
		first := answered(t, r.sync(h, one)).Claims
		same(t, "claims", 1, len(first))
		// The answer got lost: the same claim comes again, and no other beside it.
		again := answered(t, r.sync(h, one)).Claims
		if len(again) != 1 || again[0].ID != first[0].ID {
			t.Errorf("then it gets %d claims", len(again))
		}
		held(t, r.sync(h, remuda.Sync{Quarantined: true, Holding: []string{first[0].ID}}))
		same(t, "claims when it is fit", 2, len(answered(t, r.sync(h, remuda.Sync{Ready: true, Holding: []string{first[0].ID}})).Claims))
	})
}

func TestAnOrderToLeaveQuarantineIsRepeatedUntilItIsCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		answers := r.sync(h, unfit)
		time.Sleep(time.Second)
		wantKind(t, second(r.user(remuda.RoleMember).PauseRunner(t.Context(), h.id, false)), remuda.Forbidden)
		held(t, answers)
		got(r.user(remuda.RoleAdmin).PauseRunner(t.Context(), h.id, false))(t)
		order := answered(t, answers).Resume
		if order == 0 {
			t.Fatal("the open request does not bring the order")
		}
		same(t, "the order when its answer got lost", order, answered(t, r.sync(h, unfit)).Resume)
		did := unfit // its self-check still fails
		did.Resumed = order
		held(t, r.sync(h, did))
		time.Sleep(time.Second)
		got(r.admin.PauseRunner(t.Context(), h.id, false))(t)
		if next := answered(t, r.sync(h, did)).Resume; next <= order {
			t.Errorf("the next order is %d, the one before was %d", next, order)
		}
		r.sync(h, remuda.Sync{Ready: true, Resumed: order})
		held(t, r.sync(h, unfit)) // in quarantine again, by itself: that order was carried out
	})
}

func TestResumingARunnerThatIsFitOrdersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		r.sync(h, remuda.Sync{Ready: true})
		got(r.admin.PauseRunner(t.Context(), h.id, false))(t)
		held(t, r.sync(h, unfit))
	})
}

func TestRunnersAreToldToSpreadByHowManyThereAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		same(t, "alone", remuda.Duration(time.Second), must(t, h.Sync, t.Context(), remuda.Sync{Draining: true}).Spread)
	})
}
