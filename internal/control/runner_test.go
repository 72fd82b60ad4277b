package control_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestARunnerRegistersForTheClassesOfItsTokens(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	r.settle("other")
	foreign := must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "n", ResourceClass: "other/other"})
	last := r.lastEvent()
	h := r.registerWith(0, r.token, foreign.Token, r.token)
	shown := r.runner(h)
	slices.Sort(shown.ResourceClasses)
	same(t, "classes", []string{"acme/linux", "other/other"}, shown.ResourceClasses)
	if shown.Name != "horse" || shown.IP != "127.0.0.1" || shown.Slots != 1 || shown.State != remuda.RunnerIdle || shown.LastUsedAt != nil {
		t.Errorf("shown is %+v", shown)
	}
	for _, organization := range []string{"acme", "other"} {
		same(t, "audit of "+organization, []string{"runner.registered " + h.id + " runner " + h.id},
			r.events(control.EventFilter{After: last, Organization: organization}))
	}
	for _, token := range got(r.admin.Tokens(ctx, control.TokenFilter{Kind: remuda.ClassToken}, control.PageQuery{}))(t).Items {
		if token.LastUsedAt == nil {
			t.Errorf("the use of token %s is not written down", token.ID)
		}
	}
}

func TestOneUnknownTokenRefusesARegistration(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	key := r.register(1).key.Public()
	member := must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.OrganizationToken, Nickname: "n", Organization: "acme", Role: remuda.RoleAdmin})
	before := len(got(r.admin.Runners(ctx, control.RunnerFilter{}, control.PageQuery{}))(t).Items)
	for what, c := range map[string]struct {
		change func(*remuda.Registration)
		want   remuda.Kind
	}{
		"no token":           {func(g *remuda.Registration) { g.Tokens = nil }, remuda.Unauthenticated},
		"an unknown token":   {func(g *remuda.Registration) { g.Tokens = append(g.Tokens, remuda.NewSecret("rmd_cls_x")) }, remuda.Unauthenticated},
		"a user's token":     {func(g *remuda.Registration) { g.Tokens = []remuda.Secret{remuda.NewSecret(member.Token)} }, remuda.Unauthenticated},
		"no key":             {func(g *remuda.Registration) { g.PublicKey = nil }, remuda.Invalid},
		"a short key":        {func(g *remuda.Registration) { g.PublicKey = key[:31] }, remuda.Invalid},
		"a key of no use":    {func(g *remuda.Registration) { g.PublicKey = make([]byte, 32) }, remuda.Invalid},
		"no name":            {func(g *remuda.Registration) { g.Name = "" }, remuda.Invalid},
		"a long name":        {func(g *remuda.Registration) { g.Name = strings.Repeat("n", 201) }, remuda.Invalid},
		"fewer than 0 slots": {func(g *remuda.Registration) { g.Slots = -1 }, remuda.Invalid},
		"too many slots":     {func(g *remuda.Registration) { g.Slots = 10001 }, remuda.Invalid},
		"two words in one":   {func(g *remuda.Registration) { g.Capabilities = []string{"job docker"} }, remuda.Invalid},
	} {
		t.Run(what, func(t *testing.T) {
			registration := remuda.Registration{Tokens: []remuda.Secret{remuda.NewSecret(r.token)}, Name: "n", PublicKey: key}
			c.change(&registration)
			_, err := r.plane.Register(ctx, registration, "")
			wantKind(t, err, c.want)
		})
	}
	if n := len(got(r.admin.Runners(ctx, control.RunnerFilter{}, control.PageQuery{}))(t).Items); n != before {
		t.Errorf("%d runners are known, want %d", n, before)
	}
}

func TestARunnerIsShownAsWhatItDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		h := r.register(2)
		state := func(want remuda.RunnerState) {
			t.Helper()
			if got := r.runner(h).State; got != want {
				t.Errorf("it is shown as %s, want %s", got, want)
			}
		}
		state(remuda.RunnerIdle)
		r.submit(hello())
		claim := r.claim(h)
		state(remuda.RunnerBusy)
		if shown := r.runner(h); shown.Busy != 1 || !slices.Equal(shown.Claims, []string{claim.ID}) || shown.LastUsedAt == nil {
			t.Errorf("shown is %+v", shown)
		}
		same(t, "paused", remuda.RunnerPaused, got(r.admin.PauseRunner(ctx, h.id, true))(t).State)
		same(t, "resumed", remuda.RunnerBusy, got(r.admin.PauseRunner(ctx, h.id, false))(t).State)
		done(t, h.Finish(ctx, claim.ID, succeeded))
		state(remuda.RunnerIdle)
		same(t, "drained", remuda.RunnerDraining, must(t, r.admin.DrainRunner, ctx, h.id).State)
		must(t, h.Sync, ctx, remuda.Sync{Draining: true})
		done(t, h.Goodbye(ctx))
		state(remuda.RunnerLost)
	})
}

func TestAnIdleRunnerIsNotSilentWhileItsSyncIsHeldButSoonAfterItBroke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		ctx, cut := context.WithCancel(t.Context())
		r.syncUntil(ctx, h, remuda.Sync{Ready: true})
		time.Sleep(38 * time.Second)
		same(t, "while it is held", remuda.RunnerIdle, r.runner(h).State)
		cut() // the runner is killed
		synctest.Wait()
		same(t, "at once", remuda.RunnerIdle, r.runner(h).State)
		time.Sleep(16 * time.Second)
		same(t, "16 s later", remuda.RunnerSilent, r.runner(h).State)
		time.Sleep(12 * time.Hour)
		same(t, "12 h later", remuda.RunnerLost, r.runner(h).State)
		r.sync(h, remuda.Sync{Ready: true})
		same(t, "back again", remuda.RunnerIdle, r.runner(h).State)
		time.Sleep(50*time.Second + 14*time.Second) // the hold, and a while
		same(t, "before it is overdue", remuda.RunnerIdle, r.runner(h).State)
		time.Sleep(2 * time.Second)
		same(t, "overdue", remuda.RunnerSilent, r.runner(h).State)
	})
}

func TestARunnerThatHoldsClaimsIsSilentAfterThirtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		task, h, claim, _ := r.lead(hello())
		must(t, h.Sync, t.Context(), remuda.Sync{Holding: []string{claim.ID}, Ready: true}) // held for 10 s
		time.Sleep(20 * time.Second)
		same(t, "after 30 s", remuda.RunnerBusy, r.runner(h).State)
		if r.task(task).SilentSince != nil {
			t.Error("its task is shown as silent")
		}
		time.Sleep(time.Second)
		same(t, "later", remuda.RunnerSilent, r.runner(h).State)
		if r.task(task).SilentSince == nil {
			t.Error("its task is not shown as silent")
		}
	})
}

// A new sync that arrives while the old one's connection breaks has the last word.
func TestARunnerThatSyncsAnewIsNotTakenForBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		ctx, cut := context.WithCancel(t.Context())
		defer cut()
		r.syncUntil(ctx, h, remuda.Sync{Ready: true})
		fresh := r.sync(h, remuda.Sync{Ready: true})
		cut()
		synctest.Wait()
		time.Sleep(38 * time.Second)
		same(t, "later", remuda.RunnerIdle, r.runner(h).State)
		held(t, fresh)
	})
}

func TestAPageOfRunnersInAStateIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		var paused []string
		for i := range 9 {
			h := r.register(1)
			if i%3 == 0 {
				got(r.admin.PauseRunner(ctx, h.id, true))(t)
				paused = append([]string{h.id}, paused...)
			}
		}
		gone := r.register(1)
		done(t, gone.Goodbye(ctx))
		list := func(state remuda.RunnerState, limit int) (ids []string) {
			for q := (control.PageQuery{Limit: limit}); ; {
				page := got(r.admin.Runners(ctx, control.RunnerFilter{State: state}, q))(t)
				for _, runner := range page.Items {
					ids = append(ids, runner.ID)
				}
				if q.Cursor = page.Next; q.Cursor == "" {
					return ids
				}
				if len(page.Items) != limit {
					t.Fatalf("a page of %d has %d runners", limit, len(page.Items))
				}
			}
		}
		for _, limit := range []int{1, 2, 3, 50} {
			same(t, "paused", paused, list(remuda.RunnerPaused, limit))
		}
		same(t, "idle", 6, len(list(remuda.RunnerIdle, 2)))
		same(t, "lost", []string{gone.id}, list(remuda.RunnerLost, 1))
		same(t, "all that are there", 9, len(list("", 2)))
	})
}

// States are computed, so runners in one are looked for among all, however many those are.
func TestARunnerInAStateIsFoundAmongMany(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	first := r.register(1)
	got(r.admin.PauseRunner(ctx, first.id, true))(t)
	err := r.store.Write(ctx, control.Alone, func(tx control.Tx) error {
		for i := range 1100 {
			id := fmt.Sprintf("ffffffff-%d", i) // listed before the first
			row := control.RunnerRow{ID: id, Name: "n", PublicKey: []byte{1}, TokenHash: []byte(id), LastSeenAt: control.Now(), SilentAt: control.Now() + 60e6}
			if err := tx.Insert(ctx, &row); err != nil {
				return err
			}
		}
		return nil
	})
	done(t, err)
	page := got(r.admin.Runners(ctx, control.RunnerFilter{State: remuda.RunnerPaused}, control.PageQuery{Limit: 1}))(t)
	if len(page.Items) != 1 || page.Items[0].ID != first.id || page.Next != "" {
		t.Errorf("found are %d, next %q", len(page.Items), page.Next)
	}
}

func TestARunnerThatSaidGoodbyeIsNobodyAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		r.submit(hello())
		h := r.register(1)
		claim := r.claim(h)
		wantKind(t, h.Goodbye(ctx), remuda.Conflict) // it holds a claim
		done(t, h.Finish(ctx, claim.ID, succeeded))
		open := make(chan error, 1)
		go func() { open <- second(h.Sync(ctx, remuda.Sync{Ready: true})) }()
		synctest.Wait()
		done(t, h.Goodbye(ctx))
		done(t, h.Goodbye(ctx)) // the first answer may have been lost
		wantKind(t, <-open, remuda.Gone)
		next := r.submit(hello())
		wantKind(t, second(h.Sync(ctx, remuda.Sync{Ready: true})), remuda.Gone)
		r.wantState(next, remuda.Queued)
		same(t, "events", 1, len(r.events(control.EventFilter{Type: "runner.left", Organization: "acme"})))
	})
}
