package control_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// known says whether a runner is.
func (r *ranch) known(h horse) bool {
	_, err := r.admin.Runner(r.t.Context(), h.id)
	return err == nil
}

func TestARunnerThatHasGoneIsForgottenAfterAWeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retaining(t, control.Retention{})
		gone, stays := r.register(1), r.register(1)
		done(t, gone.Goodbye(t.Context()))
		time.Sleep(6 * day)
		r.sync(stays, remuda.Sync{Ready: true})
		r.retain()
		if !r.known(gone) {
			t.Error("it is forgotten within a week")
		}
		time.Sleep(day)
		r.sync(stays, remuda.Sync{Ready: true})
		r.retain()
		if r.known(gone) || !r.known(stays) {
			t.Errorf("known after a week: the one that has gone %t, the one that is there %t", r.known(gone), r.known(stays))
		}
	})
}

func TestARunnerThatHadClaimsIsKnownAsLongAsTheirTasks(t *testing.T) {
	for _, age := range []time.Duration{0, 10 * day} {
		t.Run(age.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := retaining(t, control.Retention{Age: remuda.Duration(age)})
				h := r.register(1)
				r.ranAndPrinted(h, "hello")
				done(t, h.Goodbye(t.Context()))
				time.Sleep(9 * day)
				r.retain()
				if !r.known(h) {
					t.Error("it is forgotten before its task")
				}
				time.Sleep(9 * day)
				r.retain()
				if kept := age == 0; r.known(h) != kept {
					t.Errorf("it is known: %t", r.known(h))
				}
			})
		})
	}
}
