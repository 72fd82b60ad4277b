package control_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal"
)

// once makes a single-use token of acme/linux.
func (r *ranch) once(change func(*remuda.Token)) remuda.Token {
	r.t.Helper()
	token := remuda.Token{Kind: remuda.ClassToken, Nickname: "vm", ResourceClass: "acme/linux", SingleUse: true}
	if change != nil {
		change(&token)
	}
	return must(r.t, r.admin.CreateToken, r.t.Context(), token)
}

// sweepAll has the plane do all that it does by itself, once.
func (r *ranch) sweepAll() {
	stop := r.run()
	time.Sleep(2 * time.Minute)
	stop()
}

// enlist registers with a key.
func (r *ranch) enlist(ctx context.Context, key *seal.Key, tokens ...string) (remuda.Registered, error) {
	registration := remuda.Registration{Name: "vm", PublicKey: key.Public()}
	for _, token := range tokens {
		registration.Tokens = append(registration.Tokens, remuda.NewSecret(token))
	}
	return r.plane.Register(ctx, registration, "")
}

func newKey(t testing.TB) *seal.Key {
	t.Helper()
	return got(seal.NewKey())(t)
}

func TestOfThoseThatUseASingleUseTokenAtOnceOneWins(t *testing.T) {
	r := newRanch(t)
	token := r.once(nil)
	const many = 20
	var all sync.WaitGroup
	won, errs := make(chan remuda.Registered, many), make(chan error, many)
	for range many {
		key := newKey(t)
		all.Go(func() {
			registered, err := r.enlist(t.Context(), key, token.Token)
			if err == nil {
				won <- registered
			} else {
				errs <- err
			}
		})
	}
	all.Wait()
	if len(won) != 1 {
		t.Fatalf("%d of %d registered", len(won), many)
	}
	for range many - 1 {
		wantKind(t, <-errs, remuda.Unauthenticated)
	}
	winner := <-won
	listed := got(r.admin.Tokens(t.Context(), control.TokenFilter{ResourceClass: "acme/linux"}, control.PageQuery{}))(t).Items
	if listed[0].ID != token.ID || !listed[0].SingleUse || listed[0].UsedAt == nil || listed[0].UsedBy != winner.ID {
		t.Errorf("listed as %+v", listed[0])
	}
	same(t, "runners", 1, len(got(r.admin.Runners(t.Context(), control.RunnerFilter{}, control.PageQuery{}))(t).Items))
}

func TestTheRunnerOfAUsedTokenGoesOnUntilTheTokenIsRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		token := r.once(func(token *remuda.Token) { token.ExpiresAt = pointer(time.Now().Add(time.Hour)) })
		h := r.registerWith(1, token.Token)
		for range 3 {
			time.Sleep(11 * time.Hour) // past its expiry, and past what is forgotten
			r.sweepAll()
			r.submit(hello())
			claim := r.claim(h)
			done(t, h.Finish(t.Context(), claim.ID, succeeded))
			must(t, h.Sync, t.Context(), remuda.Sync{Ready: true})
		}
		done(t, r.admin.RevokeToken(t.Context(), token.ID))
		r.submit(hello())
		held(t, r.sync(h, remuda.Sync{Ready: true}))
	})
}

func TestARunnerWhoseTokensWereRevokedIsStillItsOwners(t *testing.T) {
	r := newRanch(t)
	token := r.once(nil)
	h := r.registerWith(1, token.Token)
	must(t, h.Sync, t.Context(), remuda.Sync{Draining: true})
	done(t, r.admin.RevokeToken(t.Context(), token.ID))
	shown := must(t, r.user(remuda.RoleViewer).Runner, t.Context(), h.id)
	if len(shown.ResourceClasses) != 0 || shown.Reason != "the class tokens that it registered with were revoked: it gets nothing new" {
		t.Errorf("shown is %+v", shown)
	}
	class := must(t, r.admin.ResourceClass, t.Context(), "acme/linux")
	same(t, "runners of the class", 0, class.Runners)
	same(t, "listed with the class", 0, len(got(r.admin.Runners(t.Context(), control.RunnerFilter{ResourceClass: "acme/linux"}, control.PageQuery{}))(t).Items))
}

func TestARegistrationWhoseAnswerGotLostIsAnsweredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		token, key := r.once(nil), newKey(t)
		lost := got(r.enlist(ctx, key, token.Token, r.token))(t)
		again := got(r.enlist(ctx, key, token.Token, r.token))(t)
		if again.ID != lost.ID || len(again.ResourceClasses) != 1 || again.Token == lost.Token {
			t.Errorf("the second answer is %+v, the first was %+v", again, lost)
		}
		wantKind(t, second(r.plane.Authenticate(ctx, lost.Token)), remuda.Unauthenticated)
		wantKind(t, second(r.enlist(ctx, newKey(t), token.Token)), remuda.Unauthenticated) // somebody else
		principal := must(t, r.plane.Authenticate, ctx, again.Token)
		time.Sleep(time.Second)
		must(t, r.plane.AsRunner(principal.Runner).Sync, ctx, remuda.Sync{Draining: true})
		wantKind(t, second(r.enlist(ctx, key, token.Token)), remuda.Unauthenticated) // it knows who it is
	})
}

func TestATokenThatExpiredRegistersNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		for _, once := range []bool{true, false} {
			token := r.once(func(token *remuda.Token) {
				token.SingleUse, token.ExpiresAt = once, pointer(time.Now().Add(time.Hour))
			})
			if !once {
				time.Sleep(time.Hour - time.Microsecond)
				got(r.enlist(t.Context(), newKey(t), token.Token))(t)
			}
			time.Sleep(time.Hour)
			wantKind(t, second(r.enlist(t.Context(), newKey(t), token.Token)), remuda.Unauthenticated)
		}
	})
}

func TestClassTokensThatAreOfNoUseAreForgottenInADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		listed := func() int {
			return len(got(r.admin.Tokens(ctx, control.TokenFilter{Kind: remuda.ClassToken}, control.PageQuery{}))(t).Items)
		}
		before := listed()
		used, stays := r.once(nil), r.once(nil)
		r.once(func(token *remuda.Token) { token.ExpiresAt = pointer(time.Now().Add(time.Hour)) })
		r.once(nil) // it may be used one day
		gone, there := r.registerWith(1, used.Token), r.registerWith(1, stays.Token)
		done(t, gone.Goodbye(ctx))
		time.Sleep(26 * time.Hour)
		must(t, there.Sync, ctx, remuda.Sync{Draining: true})
		r.sweepAll()
		same(t, "listed", before+2, listed())
	})
}

func TestOnlyClassTokensAreForOneUseOrExpire(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	soon, before := pointer(time.Now().Add(time.Hour)), pointer(time.Now().Add(-time.Second))
	for _, token := range []remuda.Token{
		{Kind: remuda.OrganizationToken, Nickname: "n", Organization: "acme", Role: remuda.RoleViewer, SingleUse: true},
		{Kind: remuda.AdminToken, Nickname: "n", ExpiresAt: soon},
		{Kind: remuda.ClassToken, Nickname: "n", ResourceClass: "acme/linux", ExpiresAt: before},
	} {
		wantKind(t, second(r.admin.CreateToken(ctx, token)), remuda.Invalid)
	}
}

func TestATransferRevokesTheClassTokens(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	must(t, r.admin.CreateOrganization, ctx, remuda.Organization{Name: "beta"})
	h := r.register(1)
	got(r.admin.TransferNamespace(ctx, "acme", "beta"))(t)
	wantKind(t, second(r.enlist(ctx, newKey(t), r.token)), remuda.Unauthenticated)
	r.submit(with(func(s *remuda.Submission) { s.Organization = "beta" }))
	answer := must(t, h.Sync, ctx, remuda.Sync{Ready: true, Draining: true})
	same(t, "claims of the earlier owner's runner", 0, len(answer.Claims))
	same(t, "the new owner's tokens", 0, len(got(r.admin.Tokens(ctx, control.TokenFilter{ResourceClass: "acme/linux"}, control.PageQuery{}))(t).Items))
	revoked := 0
	for _, event := range must(t, r.admin.Events, ctx, control.EventFilter{Organization: "acme", Type: "token.revoked", Limit: 100}) {
		if strings.HasSuffix(event.Detail, ", since namespace acme goes to beta") {
			revoked++
		}
	}
	same(t, "audited", 1, revoked)
}
