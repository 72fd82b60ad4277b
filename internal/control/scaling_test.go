package control_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestTheScalingSignalCountsTasksAndSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		want := func(what string, want remuda.Scaling) {
			t.Helper()
			want.ResourceClass = "acme/linux"
			same(t, what, want, must(t, r.user(remuda.RoleViewer).Scaling, t.Context(), "acme/linux"))
		}
		want("nothing", remuda.Scaling{})
		r.submit(hello())
		time.Sleep(90 * time.Second)
		r.submit(hello())
		want("two wait", remuda.Scaling{Queued: 2, Runnable: 2, OldestAge: 90})
		h, other := r.register(2), r.register(3)
		for range 2 {
			r.submit(hello())
		}
		r.sync(other, remuda.Sync{Ready: false}) // it says that it is not ready, and keeps what it has
		claims := answered(t, r.sync(h, remuda.Sync{Ready: true})).Claims
		same(t, "claims", 2, len(claims))
		want("two run", remuda.Scaling{Queued: 2, Runnable: 2, Running: 2, Capacity: 5})
		r.sync(other, remuda.Sync{Ready: false, Quarantined: true})
		want("one is in quarantine", remuda.Scaling{Queued: 2, Runnable: 2, Running: 2, Capacity: 2})
		answered(t, r.sync(other, remuda.Sync{Ready: true}))
		want("one has a free slot", remuda.Scaling{Running: 4, Capacity: 5, Idle: 1})
		got(r.admin.PauseRunner(t.Context(), other.id, true))(t)
		want("it is paused", remuda.Scaling{Running: 4, Capacity: 2})
		time.Sleep(5 * time.Minute)
		want("all are silent", remuda.Scaling{Running: 4})
	})
}

func TestWhatALimitHoldsBackIsNotRunnable(t *testing.T) {
	for what, c := range map[string]struct {
		limit    func(*ranch) error
		runnable int
	}{
		"none": {func(*ranch) error { return nil }, 8},
		"the class's": {func(r *ranch) error {
			return second(r.admin.ChangeResourceClass(r.t.Context(), "acme/linux", control.ResourceClassChange{TaskLimit: pointer(3)}))
		}, 2},
		"the organization's": {func(r *ranch) error {
			return second(r.admin.ChangeOrganization(r.t.Context(), "acme", control.OrganizationChange{TaskLimit: pointer(7)}))
		}, 6},
		"a project's": {func(r *ranch) error {
			return second(r.admin.ChangeProject(r.t.Context(), "acme", "first", control.ProjectChange{TaskLimit: pointer(2)}))
		}, 1 + 4},
		"a group's": {func(r *ranch) error {
			for range 3 {
				r.submit(with(func(s *remuda.Submission) {
					s.Project, s.Concurrency = "second", &remuda.Concurrency{Group: "deploy", Limit: 1}
				}))
			}
			return nil
		}, 8 + 1},
		"that a project may not use the class": {func(r *ranch) error {
			return second(r.admin.ChangeProject(r.t.Context(), "acme", "second", control.ProjectChange{Visibility: pointer("public"), BuildsForks: pointer(true)}))
		}, 4},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRanch(t)
			for _, project := range []string{"first", "first", "first", "first", "first", "second", "second", "second", "second"} {
				r.submit(with(func(s *remuda.Submission) { s.Project = project }))
			}
			r.claim(r.register(1)) // one of the first project runs
			done(t, c.limit(r))
			scaling := must(t, r.admin.Scaling, t.Context(), "acme/linux")
			same(t, "queued", len(got(r.admin.Tasks(t.Context(), control.TaskFilter{States: []remuda.State{remuda.Queued}}, control.PageQuery{}))(t).Items), scaling.Queued)
			same(t, "runnable", c.runnable, scaling.Runnable)
			all := got(r.admin.Scalings(t.Context()))(t)
			scaling.OldestAge = all["acme/linux"].OldestAge
			same(t, "among all", map[string]remuda.Scaling{"acme/linux": scaling}, all)
		})
	}
}

func TestTheScalingSignalIsTheClasssOwnersAndItsTokens(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	r.settle("other")
	wantKind(t, second(r.userOf("other", remuda.RoleAdmin).Scaling(ctx, "acme/linux")), remuda.NotFound)
	wantKind(t, second(r.user(remuda.RoleAdmin).Scalings(ctx)), remuda.Forbidden)

	principal := must(t, r.plane.Authenticate, ctx, r.token)
	scaler := r.plane.AsScaler(principal.Class)
	same(t, "by the class token", "acme/linux", must(t, scaler.Scaling, ctx, "acme/linux").ResourceClass)
	wantKind(t, second(scaler.Scaling(ctx, "other/other")), remuda.Forbidden)
	wantKind(t, second(r.plane.Authenticate(ctx, r.once(nil).Token)), remuda.Forbidden)
	old := must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "n", ResourceClass: "acme/linux"})
	done(t, r.admin.RevokeToken(ctx, old.ID))
	wantKind(t, second(r.plane.Authenticate(ctx, old.Token)), remuda.Unauthenticated)
}
