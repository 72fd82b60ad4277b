package control_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestARunnersAttemptsAreItsOwnersToSeeWithTheNamesOfItsOwnTasks(t *testing.T) {
	r := newRanch(t)
	r.settle("rodeo")
	access := remuda.AccessAll
	got(r.admin.ChangeResourceClass(t.Context(), "acme/linux", control.ResourceClassChange{Access: &access}))(t)
	foreign := hello()
	foreign.Organization = "rodeo"
	task, h, first, _ := r.lead(hello())
	done(t, r.plane.AsRunner(h.id).Finish(t.Context(), first.ID, succeeded))
	theirs := r.submit(foreign)
	now := r.claim(h)

	page := func(user control.UserDoor, live bool) []control.RunnerAttempt {
		t.Helper()
		return got(user.RunnerAttempts(t.Context(), h.id, live, control.PageQuery{}))(t).Items
	}
	before := page(r.user(remuda.RoleViewer), false)
	if len(before) != 1 || before[0].ID != first.ID || before[0].TaskID != task || before[0].Task != "hello" || before[0].Organization != "acme" ||
		before[0].ResourceClass != "acme/linux" || before[0].State != remuda.AttemptSucceeded || before[0].EndedAt == nil {
		t.Errorf("it did %+v", before)
	}
	live := page(r.user(remuda.RoleViewer), true)
	if len(live) != 1 || live[0].ID != now.ID || live[0].TaskID+live[0].Task+live[0].Organization+live[0].Project != "" {
		t.Errorf("of another organization's task is told %+v", live)
	}
	if all := page(r.admin, true); len(all) != 1 || all[0].TaskID != theirs || all[0].Organization != "rodeo" {
		t.Errorf("the administrator sees %+v", all)
	}
	wantKind(t, second(r.userOf("rodeo", remuda.RoleAdmin).RunnerAttempts(t.Context(), h.id, true, control.PageQuery{})), remuda.NotFound)
}

func TestRunnersOfAClassAreCountedForItsOwner(t *testing.T) {
	r := newRanch(t)
	r.settle("rodeo")
	_, _, _, _ = r.lead(hello())
	r.register(1)
	got(r.admin.PauseRunner(t.Context(), r.register(1).id, true))(t)
	counts := got(r.user(remuda.RoleViewer).ClassRunnerCounts(t.Context(), []string{"acme/linux"}))(t)
	wanted := map[string]map[remuda.RunnerState]int{"acme/linux": {remuda.RunnerBusy: 1, remuda.RunnerIdle: 1, remuda.RunnerPaused: 1}}
	if diff := cmp.Diff(wanted, counts); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	wantKind(t, second(r.userOf("rodeo", remuda.RoleAdmin).ClassRunnerCounts(t.Context(), []string{"acme/linux"})), remuda.NotFound)
}

func TestRunnersAreFoundByTheTokenThatTheyRegisteredWith(t *testing.T) {
	r := newRanch(t)
	r.register(1)
	token := got(r.user(remuda.RoleAdmin).CreateToken(t.Context(), remuda.Token{Kind: remuda.ClassToken, Nickname: "web-1", ResourceClass: "acme/linux"}))(t)
	find := func() []remuda.Runner {
		return got(r.user(remuda.RoleViewer).Runners(t.Context(), control.RunnerFilter{Token: token.ID}, control.PageQuery{}))(t).Items
	}
	if early := find(); len(early) != 0 {
		t.Errorf("before anybody registered with it: %+v", early)
	}
	h := r.registerWith(2, token.Token)
	if found := find(); len(found) != 1 || found[0].ID != h.id || time.Since(found[0].RegisteredAt) > time.Hour {
		t.Errorf("found %+v", found)
	}
}
