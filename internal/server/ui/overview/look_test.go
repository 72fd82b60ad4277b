package overview

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestManyWhoLookCostATwentiethOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks, spent := newLooks(), time.Duration(0)
		look := func(took time.Duration) func(context.Context) (seen, error) {
			return func(context.Context) (seen, error) {
				time.Sleep(took)
				spent += took
				return seen{Failed: []remuda.Task{{EndedAt: new(time.Now())}}}, nil
			}
		}
		for took, long := range map[time.Duration]time.Duration{ // so long that each is repeated a hundred times
			time.Microsecond: time.Second, time.Millisecond: 5 * time.Second, 50 * time.Millisecond: 2 * time.Minute,
		} {
			spent = 0
			until := time.Now().Add(long)
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					for time.Now().Before(until) {
						found, err := looks.of(t.Context(), scope{organization: took.String()}, look(took))
						if err != nil || time.Since(*found.Failed[0].EndedAt) > oldest {
							t.Errorf("after %s: %v, %v", took, found.Failed, err)
						}
						time.Sleep(max(took/3, 100*time.Microsecond))
					}
				})
			}
			all.Wait()
			if part := float64(spent) / float64(long); part > 1.0/oneIn || spent == 0 {
				t.Errorf("looks of %s take %.3f of the time", took, part)
			}
		}
	})
}

func TestALookThatFailedIsTriedAgainAndScopesAreApart(t *testing.T) {
	looks := newLooks()
	broken := errors.New("broken")
	if _, err := looks.of(t.Context(), scope{}, func(context.Context) (seen, error) { return seen{}, broken }); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
	slow := func(name string) func(context.Context) (seen, error) {
		return func(context.Context) (seen, error) {
			return seen{Classes: []control.ClassSight{{Name: name}}}, nil
		}
	}
	for _, of := range []scope{scopeOf(control.User{Admin: true}), scopeOf(control.User{OrganizationID: "a"}), scopeOf(control.User{OrganizationID: "a", Permissions: []string{}})} {
		name := of.organization + of.permissions
		if found, err := looks.of(t.Context(), of, slow(name)); err != nil || found.Classes[0].Name != name {
			t.Errorf("of %+v: %+v, %v", of, found, err)
		}
	}
	for n := range 3 * mostScopes {
		looks.last(scope{organization: string(rune(n + 'z'))})
	}
	if len(looks.known) > mostScopes {
		t.Errorf("%d scopes are known", len(looks.known))
	}
}
