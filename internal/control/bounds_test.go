package control_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestAnAnswerWithLargePayloadsIsBoundedAndTheNextOneBringsTheRest(t *testing.T) {
	r := newRanch(t)
	large := hello()
	large.Parallelism = 6
	large.Job.Steps[0].Run.Command = "true #" + strings.Repeat("x", 3<<20)
	r.submit(large)
	h := r.register(6)
	var holding []string
	for syncs := 1; len(holding) < 6; syncs++ {
		if syncs > 6 {
			t.Fatalf("only %d claims came", len(holding))
		}
		answer := must(t, h.Sync, t.Context(), remuda.Sync{Ready: true, Holding: holding})
		size := 0
		for _, claim := range answer.Claims {
			size += len(claim.Payload)
			holding = append(holding, claim.ID)
		}
		if len(answer.Claims) == 0 || size > 8<<20 {
			t.Errorf("answer %d has %d claims with %d bytes", syncs, len(answer.Claims), size)
		}
	}
}

func TestARunnerThatIsLostForLongLeavesAndItsTokenWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		time.Sleep(13 * time.Hour)
		if err := control.Forget(t.Context(), r.plane); err != nil {
			t.Fatal(err)
		}
		_, err := h.Sync(t.Context(), remuda.Sync{Ready: true})
		wantKind(t, err, remuda.Gone)
		if class := must(t, r.admin.ResourceClass, t.Context(), "acme/linux"); class.Runners != 0 {
			t.Errorf("%d runners are counted", class.Runners)
		}
	})
}

func TestAStreamEndsWithTheTokenThatOpenedIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		id := r.submit(hello())
		viewer := r.user(remuda.RoleViewer)
		ended := make(chan error, 2)
		go func() {
			ended <- viewer.FollowEvents(t.Context(), control.EventFilter{}, func([]remuda.Event) error { return nil })
		}()
		go func() {
			ended <- viewer.Follow(t.Context(), id, control.OutputQuery{}, func(control.Followed) error { return nil })
		}()
		synctest.Wait()
		tokens, err := r.admin.Tokens(t.Context(), control.TokenFilter{Kind: remuda.OrganizationToken}, control.PageQuery{})
		if err != nil || len(tokens.Items) != 1 {
			t.Fatalf("tokens = %+v, %v", tokens, err)
		}
		if err := r.admin.RevokeToken(t.Context(), tokens.Items[0].ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		for range 2 {
			wantKind(t, <-ended, remuda.Unauthenticated)
		}
	})
}

func TestARevokedAdminTokenStaysRevokedAfterARestart(t *testing.T) {
	r := newRanch(t)
	token := must(t, r.plane.EnsureAdminToken, t.Context(), "")
	if again := must(t, r.plane.EnsureAdminToken, t.Context(), token); again != token {
		t.Error("a restart made another token")
	}
	tokens, err := r.admin.Tokens(t.Context(), control.TokenFilter{Kind: remuda.AdminToken}, control.PageQuery{})
	if err != nil || len(tokens.Items) != 1 {
		t.Fatalf("tokens = %+v, %v", tokens, err)
	}
	if err := r.admin.RevokeToken(t.Context(), tokens.Items[0].ID); err != nil {
		t.Fatal(err)
	}
	_, err = r.plane.EnsureAdminToken(t.Context(), token)
	wantKind(t, err, remuda.Conflict)
	_, err = r.plane.Authenticate(t.Context(), token)
	wantKind(t, err, remuda.Unauthenticated)
	wantKind(t, r.admin.RevokeToken(t.Context(), tokens.Items[0].ID), remuda.NotFound)
	left, err := r.admin.Tokens(t.Context(), control.TokenFilter{Kind: remuda.AdminToken}, control.PageQuery{})
	if err != nil || len(left.Items) != 0 {
		t.Errorf("it is listed: %+v, %v", left, err)
	}
}

func TestAPasswordInTheSourcesAddressIsRefused(t *testing.T) {
	r := newRanch(t)
	s := hello()
	s.Source.Repository = "https://bob:hunter2@example.com/acme/app.git"
	_, err := r.admin.Submit(t.Context(), s, "")
	wantKind(t, err, remuda.Invalid)
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the refusal quotes it: %v", err)
	}
}

func TestASecretThatIsTooShortToHideIsRefused(t *testing.T) {
	r := newRanch(t)
	s := hello()
	s.Secrets = map[string]remuda.Secret{"PIN": remuda.NewSecret("xyz")}
	_, err := r.admin.Submit(t.Context(), s, "")
	wantKind(t, err, remuda.Invalid)
}

func TestATaskOfAnOrganizationThatAClassServesNoMoreIsNotClaimedAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { servesNoMore(t, newRanch(t)) })
}

func servesNoMore(t *testing.T, r *ranch) {
	must(t, r.admin.CreateOrganization, t.Context(), remuda.Organization{Name: "guest"})
	open, closed := remuda.AccessAll, remuda.AccessOwner
	change := func(access *remuda.Access) {
		t.Helper()
		if _, err := r.admin.ChangeResourceClass(t.Context(), "acme/linux", control.ResourceClassChange{Access: access}); err != nil {
			t.Fatal(err)
		}
	}
	change(&open)
	s := hello()
	s.Organization = "guest"
	id := r.submit(s)
	change(&closed)
	h := r.register(1)
	if answer := must(t, h.Sync, t.Context(), remuda.Sync{Ready: true}); len(answer.Claims) != 0 {
		t.Error("it was claimed")
	}
	r.wantState(id, remuda.Queued)
	why := must(t, r.admin.Why, t.Context(), id)
	if text := strings.Join(why.Reasons, "; "); !strings.Contains(text, "does not serve guest any more") {
		t.Errorf("why = %q", why.Reasons)
	}
	change(&open)
	r.claim(h)
	r.wantState(id, remuda.Running)
}

func TestWithoutAClassTokenRegisteringWritesNothing(t *testing.T) {
	r := newRanch(t)
	before := must(t, r.admin.Events, t.Context(), control.EventFilter{Limit: 1000})
	h := r.register(1) // a good key, to have one
	for _, token := range []string{"", "x", "rmd_cls_0000", h.id} {
		_, err := r.plane.Register(t.Context(), remuda.Registration{
			Tokens: []remuda.Secret{remuda.NewSecret(token)}, Name: "stranger", PublicKey: h.key.Public(),
		}, "127.0.0.1")
		wantKind(t, err, remuda.Unauthenticated)
	}
	after := must(t, r.admin.Events, t.Context(), control.EventFilter{Limit: 1000})
	if len(after) != len(before)+1 {
		t.Errorf("%d events came of it", len(after)-len(before)-1)
	}
}
