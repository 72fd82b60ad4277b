package control_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal"
)

func TestAnIdleRunnerThatComesBackCostsNoLookAtTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		store := &watched{Store: r.store}
		r.restart(control.Options{Store: store})
		key, err := seal.NewKey()
		done(t, err)
		registered := got(r.plane.Register(t.Context(), remuda.Registration{
			Name: "horse", Slots: 1, PublicKey: key.Public(), Tokens: []remuda.Secret{remuda.NewSecret(r.token)},
		}, ""))(t)
		recognized := func() horse {
			principal := must(t, r.plane.Authenticate, t.Context(), registered.Token)
			return horse{r.plane.AsRunner(principal.Runner), principal.Runner, key}
		}
		<-r.sync(recognized(), remuda.Sync{Ready: true}) // held for as long as it may be
		for range 3 {
			store.looks.Store(0)
			<-r.sync(recognized(), remuda.Sync{Ready: true})
			if n := store.looks.Load(); n != 0 {
				t.Errorf("it made %d looks", n)
			}
		}
		time.Sleep(10 * time.Second) // it did not come back
		store.looks.Store(0)
		recognized()
		if n := store.looks.Load(); n != 1 {
			t.Errorf("later it made %d looks, not 1", n)
		}
		// One that leaves while its sync is held is nobody any more.
		left := recognized()
		ended := make(chan error, 1)
		go func() {
			_, err := left.Sync(t.Context(), remuda.Sync{Ready: true})
			ended <- err
		}()
		synctest.Wait()
		done(t, left.Goodbye(t.Context()))
		wantKind(t, <-ended, remuda.Gone)
		_, err = r.plane.Authenticate(t.Context(), registered.Token)
		wantKind(t, err, remuda.Unauthenticated)
	})
}
