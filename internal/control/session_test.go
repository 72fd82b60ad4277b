package control_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

func home() control.Origin { return control.Origin{Address: "192.0.2.7", Agent: firefox} }

// person makes a token of acme with a role.
func (r *ranch) person(name string, role remuda.Role) remuda.Token {
	r.t.Helper()
	return must(r.t, r.admin.CreateToken, r.t.Context(), remuda.Token{Kind: remuda.OrganizationToken, Nickname: name, Organization: "acme", Role: role})
}

// signIn begins a session.
func (r *ranch) signIn(token remuda.Token) (secret string) {
	r.t.Helper()
	return got(r.plane.BeginSession(r.t.Context(), token.Token, home()))(r.t)
}

// as is the door of whoever signed in.
func (r *ranch) as(secret string) control.UserDoor {
	r.t.Helper()
	return r.plane.AsUser(must(r.t, r.plane.Session, r.t.Context(), secret).User)
}

// ended is what the events say of sessions that ended, the oldest first.
func (r *ranch) ended() (details []string) {
	r.t.Helper()
	for _, e := range must(r.t, r.admin.Events, r.t.Context(), control.EventFilter{Type: "session.ended", Limit: 1000}) {
		details = append(details, e.Detail)
	}
	return details
}

func TestASessionActsAsItsTokenDoesAndOutlivesAPlane(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	token := r.person("ada", remuda.RoleMember)
	secret := r.signIn(token)
	if strings.Contains(secret, token.Token) || bytes.Contains(r.raw(), []byte(secret)) || strings.Contains(r.log.String(), secret) {
		t.Errorf("the secret %s lies open", secret)
	}
	r.restart(control.Options{})
	in := must(t, r.plane.UseSession, ctx, secret)
	principal := must(t, r.plane.Authenticate, ctx, token.Token)
	same(t, "who acts", *principal.User, in.User)
	same(t, "a new secret", "", in.Renewed)
	same(t, "the user of an open page", in.User, must(t, r.plane.StillSignedIn, ctx, in.Session))
	wantKind(t, second(r.plane.StillSignedIn(ctx, secret)), remuda.Unauthenticated)
	wantKind(t, second(r.plane.Session(ctx, in.Session)), remuda.Unauthenticated)
	wantKind(t, second(r.plane.Session(ctx, "")), remuda.Unauthenticated)

	began := must(t, r.admin.Events, ctx, control.EventFilter{Type: "session.began"})
	if len(began) != 1 {
		t.Fatalf("%+v", began)
	}
	same(t, "the event", remuda.Event{
		ID: began[0].ID, At: began[0].At, Type: "session.began", Organization: "acme", Subject: in.Session, Actor: "ada", Detail: "Firefox on Linux", Address: "192.0.2.7",
	}, began[0])

	done(t, r.plane.EndSession(ctx, secret, "192.0.2.8"))
	done(t, r.plane.EndSession(ctx, secret, "192.0.2.8"))
	wantKind(t, second(r.plane.Session(ctx, secret)), remuda.Unauthenticated)
	same(t, "endings", []string{"of ada: signed out"}, r.ended())
}

func TestOnlyTokensOfPeopleSignIn(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	key := must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.APIKey, Nickname: "k", Organization: "acme", Permissions: []string{remuda.PermitBlockList}})
	access, _, err := r.plane.Login(ctx, key.ID, key.Token)
	done(t, err)
	for token, want := range map[string]remuda.Kind{
		"": remuda.Unauthenticated, "nonsense": remuda.Unauthenticated, r.token: remuda.Forbidden, key.Token: remuda.Forbidden, access: remuda.Forbidden,
	} {
		wantKind(t, second(r.plane.BeginSession(ctx, token, home())), want)
	}
	same(t, "sessions", 0, len(got(r.admin.Sessions(ctx, control.PageQuery{}))(t).Items))
}

func TestASecretThatIsInUseIsReplacedEachHourAndTheOldOneIsGoodForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		first := r.signIn(r.person("ada", remuda.RoleMember))
		time.Sleep(59 * time.Minute)
		same(t, "renewed too early", "", must(t, r.plane.UseSession, ctx, first).Renewed)
		time.Sleep(time.Minute)
		same(t, "renewed by a page that is only open", "", must(t, r.plane.Session, ctx, first).Renewed)
		in := must(t, r.plane.UseSession, ctx, first)
		if in.Renewed == "" || in.Renewed == first {
			t.Fatalf("after an hour the secret is %q", in.Renewed)
		}
		time.Sleep(time.Minute - time.Microsecond)
		again := must(t, r.plane.UseSession, ctx, first) // under way when it was replaced
		same(t, "what the old secret is answered", control.SignedIn{User: in.User, Session: in.Session}, again)
		time.Sleep(time.Microsecond)
		wantKind(t, second(r.plane.UseSession(ctx, first)), remuda.Unauthenticated) // stolen
		wantKind(t, second(r.plane.Session(ctx, first)), remuda.Unauthenticated)
		done(t, r.plane.EndSession(ctx, first, ""))
		same(t, "the session by its new secret", in.Session, must(t, r.plane.UseSession, ctx, in.Renewed).Session)
		same(t, "an open page", in.User, must(t, r.plane.StillSignedIn, ctx, in.Session))
	})
}

func TestOfManyRequestsAtOnceOneIsGivenTheNewSecret(t *testing.T) {
	now := time.Now()
	r := newRanch(t)
	r.restart(control.Options{Clock: func() time.Time { return now }})
	first := r.signIn(r.person("ada", remuda.RoleMember))
	now = now.Add(time.Hour)
	var mu sync.Mutex
	var renewed []string
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			in, err := r.plane.UseSession(t.Context(), first)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if in.Renewed != "" {
				renewed = append(renewed, in.Renewed)
			}
		})
	}
	all.Wait()
	if len(renewed) != 1 {
		t.Fatalf("%d new secrets", len(renewed))
	}
	must(t, r.plane.Session, t.Context(), renewed[0])
}

func TestASessionEndsAfterTwoHoursWithoutUseAndAfterTwelve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		idle, busy := r.signIn(r.person("ada", remuda.RoleMember)), r.signIn(r.person("bob", remuda.RoleMember))
		open := must(t, r.plane.Session, ctx, idle).Session
		use := func() {
			if in := must(t, r.plane.UseSession, ctx, busy); in.Renewed != "" {
				busy = in.Renewed
			}
		}
		time.Sleep(2*time.Hour - time.Second)
		use()
		must(t, r.plane.StillSignedIn, ctx, open)
		must(t, r.plane.Session, ctx, idle)
		time.Sleep(time.Second)
		wantKind(t, second(r.plane.StillSignedIn(ctx, open)), remuda.Unauthenticated)
		wantKind(t, second(r.plane.UseSession(ctx, idle)), remuda.Unauthenticated)
		same(t, "what is listed before the sweep", 2, len(got(r.admin.Sessions(ctx, control.PageQuery{}))(t).Items))
		done(t, control.Forget(ctx, r.plane))
		for range 9 {
			time.Sleep(time.Hour)
			use()
		}
		time.Sleep(time.Hour)
		wantKind(t, second(r.plane.UseSession(ctx, busy)), remuda.Unauthenticated)
		done(t, control.Forget(ctx, r.plane))
		same(t, "what is listed after it", 0, len(got(r.admin.Sessions(ctx, control.PageQuery{}))(t).Items))
		same(t, "why", []string{"of ada: after 2 hours without use", "of bob: after 12 hours"}, r.ended())
	})
}

func TestTheUseOfASessionIsWrittenDownToTheMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		token := r.person("ada", remuda.RoleMember)
		secret := r.signIn(token)
		began := time.Now()
		lastUse := func() (session, by time.Duration) {
			listed := got(r.admin.Sessions(ctx, control.PageQuery{}))(t).Items[0]
			for _, t := range got(r.admin.Tokens(ctx, control.TokenFilter{Kind: remuda.OrganizationToken}, control.PageQuery{}))(r.t).Items {
				if t.ID == token.ID {
					by = t.LastUsedAt.Sub(began)
				}
			}
			return listed.LastUsedAt.Sub(began), by
		}
		time.Sleep(59 * time.Second)
		must(t, r.plane.UseSession, ctx, secret)
		session, by := lastUse()
		same(t, "within a minute", []time.Duration{0, 0}, []time.Duration{session.Truncate(time.Second), by.Truncate(time.Second)})
		time.Sleep(time.Second)
		must(t, r.plane.Session, ctx, secret)
		session, _ = lastUse()
		same(t, "by a page that is only open", time.Duration(0), session.Truncate(time.Second))
		must(t, r.plane.UseSession, ctx, secret)
		session, by = lastUse()
		same(t, "after a minute", []time.Duration{time.Minute, time.Minute}, []time.Duration{session.Truncate(time.Second), by.Truncate(time.Second)})
	})
}

func TestATokenHasTwentySessionsAtMostAndTheOldestEnds(t *testing.T) {
	r := newRanch(t)
	token := r.person("ada", remuda.RoleMember)
	other := r.signIn(r.person("bob", remuda.RoleMember))
	secrets := make([]string, 22)
	for i := range secrets {
		secrets[i] = r.signIn(token)
	}
	for i, secret := range secrets {
		_, err := r.plane.Session(t.Context(), secret)
		if ended := err != nil; ended != (i < 2) {
			t.Errorf("session %d: %v", i, err)
		}
	}
	must(t, r.plane.Session, t.Context(), other)
	same(t, "why", []string{"of ada: for a newer one of the same token", "of ada: for a newer one of the same token"}, r.ended())
}

func TestATokenThatIsRevokedEndsItsSessions(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	root := must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.AdminToken, Nickname: "boss"})
	for _, token := range []remuda.Token{r.person("ada", remuda.RoleMember), root} {
		secret := r.signIn(token)
		open := must(t, r.plane.Session, ctx, secret).Session
		done(t, r.admin.RevokeToken(ctx, token.ID))
		wantKind(t, second(r.plane.UseSession(ctx, secret)), remuda.Unauthenticated)
		wantKind(t, second(r.plane.StillSignedIn(ctx, open)), remuda.Unauthenticated)
	}
	same(t, "why", []string{"of ada: its token was revoked", "of boss: its token was revoked"}, r.ended())
	gone := must(t, r.admin.CreateOrganization, ctx, remuda.Organization{Name: "gone"})
	secret := r.signIn(must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.OrganizationToken, Nickname: "n", Organization: "gone", Role: remuda.RoleAdmin}))
	done(t, r.admin.DeleteOrganization(ctx, gone.Name))
	wantKind(t, second(r.plane.UseSession(ctx, secret)), remuda.Unauthenticated)
}

func TestWhoSeesAndEndsWhichSessions(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	r.settle("beta")
	root := must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.AdminToken, Nickname: "boss"})
	stranger := must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.OrganizationToken, Nickname: "zed", Organization: "beta", Role: remuda.RoleAdmin})
	secrets := map[string]string{}
	for _, token := range []remuda.Token{r.person("ada", remuda.RoleAdmin), r.person("bob", remuda.RoleMember), r.person("cat", remuda.RoleViewer), stranger, root} {
		secrets[token.Nickname] = r.signIn(token)
	}
	id := func(name string) string { return must(t, r.plane.Session, ctx, secrets[name]).Session }
	for name, want := range map[string]string{"ada": "[cat bob ada]", "bob": "[bob]", "cat": "[cat]", "zed": "[zed]", "boss": "[boss zed cat bob ada]"} {
		var seen []string
		for q := (control.PageQuery{Limit: 2}); ; {
			listed := got(r.as(secrets[name]).Sessions(ctx, q))(t)
			for _, s := range listed.Items {
				seen = append(seen, s.Nickname)
			}
			if q.Cursor = listed.Next; q.Cursor == "" {
				break
			}
		}
		same(t, "what "+name+" sees", want, fmt.Sprint(seen))
	}
	for _, c := range []struct {
		who, whose string
		want       remuda.Kind
	}{
		{"cat", "bob", remuda.Forbidden}, {"bob", "ada", remuda.Forbidden}, {"zed", "bob", remuda.NotFound}, {"ada", "boss", remuda.NotFound}, {"ada", "zed", remuda.NotFound},
	} {
		wantKind(t, r.as(secrets[c.who]).EndSession(ctx, id(c.whose)), c.want)
	}
	wantKind(t, r.admin.EndSession(ctx, "nothing"), remuda.NotFound)
	done(t, r.as(secrets["cat"]).EndSession(ctx, id("cat"))) // one's own
	ada := r.as(secrets["ada"])
	done(t, ada.EndSession(ctx, id("bob")))
	done(t, r.as(secrets["boss"]).EndSession(ctx, id("ada")))
	same(t, "why", []string{"of cat: ended by hand", "of bob: ended by hand", "of ada: ended by hand"}, r.ended())
	for _, name := range []string{"ada", "bob", "cat"} {
		wantKind(t, second(r.plane.UseSession(ctx, secrets[name])), remuda.Unauthenticated)
	}
	key := control.User{Name: "k", Organization: "acme", OrganizationID: "x", Permissions: []string{remuda.PermitKeyList}}
	wantKind(t, second(r.plane.AsUser(key).Sessions(ctx, control.PageQuery{})), remuda.Forbidden)
}

func TestWhatABrowserCallsItselfIsToldInShortAndBounded(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	token := r.person("ada", remuda.RoleMember)
	for agent, want := range map[string]string{
		firefox: "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"curl/8.0": "curl/8.0", "": "", strings.Repeat("ü", 1000): strings.Repeat("ü", 20), "\xff\xfe": "",
	} {
		secret := got(r.plane.BeginSession(ctx, token.Token, control.Origin{Agent: agent}))(t)
		same(t, agent, want, got(r.as(secret).Sessions(ctx, control.PageQuery{}))(t).Items[0].Browser)
	}
}
