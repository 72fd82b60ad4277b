package control_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
)

// raw is all that lies in the data folder but the key, or in the database of PostgreSQL.
func (r *ranch) raw() []byte {
	r.t.Helper()
	if overPostgres() {
		return postgrestest.Dump(r.t, r.address)
	}
	var all []byte
	entries, err := os.ReadDir(r.dir)
	done(r.t, err)
	for _, entry := range entries {
		if entry.Name() == "key" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(r.dir, entry.Name()))
		done(r.t, err)
		all = append(all, text...)
	}
	return all
}

func TestATokenIsShownOnceAndKeptAsItsHash(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	h := r.register(1)
	r.submit(hello())
	claim := r.claim(h)
	secrets := []string{r.token}
	for _, token := range []remuda.Token{
		{Kind: remuda.ClassToken, Nickname: "n1", ResourceClass: "acme/linux"},
		{Kind: remuda.OrganizationToken, Nickname: "n2", Organization: "acme", Role: remuda.RoleViewer},
		{Kind: remuda.AdminToken, Nickname: "n3"},
	} {
		made := must(t, r.admin.CreateToken, ctx, token)
		prefix := map[remuda.TokenKind]string{remuda.ClassToken: "rmd_cls_", remuda.OrganizationToken: "rmd_org_", remuda.AdminToken: "rmd_adm_"}[token.Kind]
		if !strings.HasPrefix(made.Token, prefix) || made.CreatedBy != "root" || made.LastUsedAt != nil {
			t.Errorf("made is %+v", made)
		}
		secrets = append(secrets, made.Token)
	}
	for _, listed := range got(r.admin.Tokens(ctx, control.TokenFilter{}, control.PageQuery{}))(t).Items {
		if listed.Token != "" {
			t.Errorf("the list shows the secret of %s", listed.Nickname)
		}
	}
	secrets = append(secrets, claim.Token)
	for _, secret := range secrets {
		if len(secret) < 40 {
			t.Fatalf("%q is no token", secret)
		}
		if bytes.Contains(r.raw(), []byte(secret)) || strings.Contains(r.log.String(), secret) {
			t.Errorf("the token %s… lies open", secret[:12])
		}
	}
	if !bytes.Contains(r.raw(), []byte("n2")) {
		t.Error("not even the nickname is found: this test looks at the wrong place")
	}
}

func TestWhatIsNoTokenOpensNothing(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	member := must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.OrganizationToken, Nickname: "n", Organization: "acme", Role: remuda.RoleMember}).Token
	h := r.register(1)
	r.submit(hello())
	task := r.claim(h).Token
	must(t, r.plane.Authenticate, ctx, member)
	must(t, r.plane.Authenticate, ctx, task)
	last := func(s string) string {
		b := []byte(s)
		b[len(b)-1] ^= 1
		return string(b)
	}
	middle := func(s string) string {
		b := []byte(s)
		b[20] ^= 1
		return string(b)
	}
	for _, bearer := range []string{
		"", "rmd_", "rmd_org_", "rmd_xyz_", "Bearer " + member, member + " ", " " + member, member[:len(member)-1], last(member), middle(member),
		last(task), middle(task), strings.Replace(task, "rmd_tsk_", "rmd_run_", 1), strings.Replace(member, "_org_", "_adm_", 1),
		strings.Repeat("x", 1<<20),
	} {
		_, err := r.plane.Authenticate(ctx, bearer)
		wantKind(t, err, remuda.Unauthenticated)
	}
	class := must(t, r.plane.Authenticate, ctx, r.token)
	if class.User != nil || class.Runner != "" || class.Claim != "" || class.Class == "" {
		t.Errorf("a class token opens %+v", class) // nobody's door but the scaler's
	}
}

func TestThePlaneOfAnotherKeyRefusesATaskToken(t *testing.T) {
	r := newRanch(t)
	h := r.register(1)
	r.submit(hello())
	task := r.claim(h).Token
	r.keys = otherKeys{r.keys}
	r.restart(control.Options{})
	_, err := r.plane.Authenticate(t.Context(), task)
	wantKind(t, err, remuda.Unauthenticated)
}

// otherKeys sign otherwise and can open nothing, as after a restore without the key file.
type otherKeys struct{ control.Keys }

func (o otherKeys) MAC(purpose, message string) []byte { return o.Keys.MAC("other "+purpose, message) }

func (o otherKeys) Decrypt([]byte, string) ([]byte, error) { return nil, context.DeadlineExceeded }

func TestATokensLastUseIsWrittenDownToTheMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		made := must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.OrganizationToken, Nickname: "seen", Organization: "acme", Role: remuda.RoleViewer})
		used := func() time.Time {
			for _, token := range got(r.admin.Tokens(ctx, control.TokenFilter{Kind: remuda.OrganizationToken}, control.PageQuery{}))(t).Items {
				if token.ID == made.ID && token.LastUsedAt != nil {
					return *token.LastUsedAt
				}
			}
			return time.Time{}
		}
		first := time.Now().UTC().Truncate(time.Microsecond)
		must(t, r.plane.Authenticate, ctx, made.Token)
		if !used().Equal(first) {
			t.Errorf("used first at %s, want %s", used(), first)
		}
		time.Sleep(59 * time.Second)
		must(t, r.plane.Authenticate, ctx, made.Token)
		if !used().Equal(first) {
			t.Error("a busy program's uses are each written down")
		}
		time.Sleep(time.Second)
		must(t, r.plane.Authenticate, ctx, made.Token)
		if !used().Equal(first.Add(time.Minute)) {
			t.Errorf("used last at %s", used())
		}
	})
}

func TestARevokedTokenOpensNothing(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	made := must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.OrganizationToken, Nickname: "n", Organization: "acme", Role: remuda.RoleAdmin})
	must(t, r.plane.Authenticate, ctx, made.Token)
	done(t, r.admin.RevokeToken(ctx, made.ID))
	wantKind(t, second(r.plane.Authenticate(ctx, made.Token)), remuda.Unauthenticated)
	wantKind(t, r.admin.RevokeToken(ctx, made.ID), remuda.NotFound)
	same(t, "events", []string{"token.created " + made.ID + " root", "token.revoked " + made.ID + " root"}, r.events(control.EventFilter{Subject: made.ID}))
}

func TestARevokedClassTokenStopsNewClaimsAndNoRunningOne(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	fresh := must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "n", ResourceClass: "acme/linux"})
	h, other := r.registerWith(2, fresh.Token), r.register(1)
	first := r.submit(hello())
	claim := r.claim(h)
	agent := r.begin(claim)
	done(t, r.admin.RevokeToken(ctx, fresh.ID))
	next := r.submit(hello())
	answer := must(t, h.Sync, ctx, remuda.Sync{Ready: true, Draining: true, Holding: []string{}}) // answered at once
	if len(answer.Claims) != 1 || answer.Claims[0].ID != claim.ID {
		t.Errorf("the runner gets %+v, want the claim that it did not name and no new one", answer.Claims)
	}
	r.print(agent, 0, "still here")
	done(t, h.Finish(ctx, claim.ID, succeeded))
	r.wantState(first, remuda.Succeeded)
	r.wantState(next, remuda.Queued)
	_, err := r.plane.Register(ctx, remuda.Registration{Tokens: []remuda.Secret{remuda.NewSecret(fresh.Token)}, Name: "late", PublicKey: h.key.Public()}, "")
	wantKind(t, err, remuda.Unauthenticated)
	r.claim(other)
	r.wantState(next, remuda.Running)
}

func TestTokensHaveRulesOfForm(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	for _, token := range []remuda.Token{
		{Kind: remuda.AdminToken}, {Kind: remuda.AdminToken, Nickname: strings.Repeat("n", 201)}, {Kind: "robot", Nickname: "n"},
		{Kind: remuda.OrganizationToken, Nickname: "n", Organization: "acme"},
		{Kind: remuda.OrganizationToken, Nickname: "n", Organization: "acme", Role: "king"},
	} {
		wantKind(t, second(r.admin.CreateToken(ctx, token)), remuda.Invalid)
	}
	wantKind(t, second(r.admin.CreateToken(ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "n", ResourceClass: "acme/none"})), remuda.NotFound)
}

func TestTheAdminTokenIsTheOneThatTheOperatorKeeps(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	token := must(t, r.plane.EnsureAdminToken, ctx, "")
	same(t, "ensured again", token, must(t, r.plane.EnsureAdminToken, ctx, token))
	if principal := must(t, r.plane.Authenticate, ctx, token); principal.User == nil || !principal.User.Admin {
		t.Errorf("it stands for %+v", principal)
	}
	if n := len(got(r.admin.Tokens(ctx, control.TokenFilter{Kind: remuda.AdminToken}, control.PageQuery{}))(t).Items); n != 1 {
		t.Errorf("%d admin tokens are kept", n)
	}
	for _, bad := range []string{"secret", r.token, token + "x"} {
		wantKind(t, second(r.plane.EnsureAdminToken(ctx, bad)), remuda.Invalid)
	}
}
