package control_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestReleasesAreTwoMinorVersionsApartAtMost(t *testing.T) {
	for _, c := range []struct{ runner, plane, far string }{
		{"v1.4.0", "v1.4.9", ""}, {"v1.2.9", "v1.4.0", ""}, {"v1.6.0", "v1.4.0", ""}, {"1.2.0", "v1.4.0", ""},
		{"v1.1.9", "v1.4.0", "too old"}, {"v1.7.0", "v1.4.0", "too new"}, {"v0.9.0", "v1.0.0", "too old"}, {"v2.0.0", "v1.9.0", "too new"},
		{"v1.1.0-rc.1", "v1.4.0", "too old"}, {"v1.10.0", "v1.9.0", ""}, {"v1.1.0+debian", "v1.4.0", "too old"},
		// Nobody can compare these.
		{"dev", "v1.4.0", ""}, {"v0.1.0", "dev", ""}, {"", "v1.4.0", ""}, {"v0.1.0-3-gabcdef0", "v1.4.0", ""}, {"v0.1.0-dirty", "v1.4.0", ""}, {"v0.1", "v1.4.0", ""},
	} {
		if got := control.Skew(c.runner, c.plane); got != c.far {
			t.Errorf("a runner %q is %q for %q, want %q", c.runner, got, c.plane, c.far)
		}
	}
}

func TestARunnerThatIsTooOldFinishesWhatItHasAndGetsNothingNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		r.restart(control.Options{Version: "v1.4.0"})
		old := r.registerAs(func(s *remuda.Registration) { s.Version, s.Slots = "v1.2.0", 2 })
		task := r.submit(hello())
		time.Sleep(time.Second)
		claim := r.claim(old)
		r.begin(claim)

		r.restart(control.Options{Version: "v1.5.0"}) // it is updated while the runner works
		old.RunnerDoor = r.plane.AsRunner(old.id)
		answers := r.sync(old, remuda.Sync{Ready: true, Holding: []string{claim.ID}})
		waits := r.submit(hello())
		held(t, answers)
		done(t, old.Finish(ctx, claim.ID, succeeded))
		r.wantState(task, remuda.Succeeded)
		held(t, answers)
		why := must(t, r.admin.Why, ctx, waits).Reasons
		same(t, "why", []string{"the only runner of acme/linux is too old (v1.2.0; the control plane is v1.5.0)"}, why)

		newer := r.registerAs(func(s *remuda.Registration) { s.Version = "v1.3.0" })
		time.Sleep(time.Second)
		same(t, "claimed by another", waits, r.claim(newer).Task.ID)
		said := (<-answers).Refused
		if !strings.Contains(said, "v1.2.0") || !strings.Contains(said, "too old") || !strings.Contains(said, "v1.5.0") {
			t.Errorf("when its hold is over it is told %q", said)
		}
	})
}

func TestARunnerThatIsTooNewIsToldAtOnceWhenItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		r.restart(control.Options{Version: "v1.4.0"})
		h := r.registerAs(func(s *remuda.Registration) { s.Version = "v1.7.0" })
		r.submit(hello())
		time.Sleep(time.Second)
		answer := answered(t, r.sync(h, remuda.Sync{Ready: true}))
		if !strings.Contains(answer.Refused, "too new") || len(answer.Claims) != 0 {
			t.Errorf("it is answered %+v", answer)
		}
		held(t, r.sync(h, remuda.Sync{Ready: true})) // and then not over and over
	})
}
