package account_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// A token is made on its page, shown once, used to sign in elsewhere, and revoked: all of it stands in the audit, and
// whoever signed in with it is signed out while they look at a page.
func TestATokenFromItsMakingToItsEnd(t *testing.T) {
	site := browsertest.Open(t)
	settle(t, site, "acme")
	tab := site.Tab(t)
	tab.SignIn(site.AdminToken)
	tab.Go("/audit")
	tab.UntilSays("session.began")
	tab.UntilSays("127.0.0.1")
	person(t, site, "acme", "made elsewhere", remuda.RoleMember)
	tab.UntilSays("organization made elsewhere") // without a reload
	tab.IsAccessible()

	tab.Go("/tokens")
	tab.Press(`a[href^="/tokens/new"]`)
	tab.UntilSays("acts for a person or a program")
	tab.IsAccessible()
	browsertest.Evaluate[bool](tab, `(() => { document.querySelector("#nickname").value = "ada";
		document.querySelector('input[name=role][value=viewer]').checked = true; return true })()`)
	tab.Press(`form[action="/tokens/new"] button`)
	tab.UntilSays("“ada” is made")
	tab.IsAccessible()
	secret := browsertest.Evaluate[string](tab, `document.querySelector(".copy pre").textContent`)
	if !strings.HasPrefix(secret, "rmd_org_") || browsertest.Evaluate[bool](tab, `location.href.includes("rmd_")`) {
		t.Fatalf("the secret is %.8s…", secret)
	}

	other := site.Tab(t)
	other.SignIn(secret)
	other.Go("/tasks")
	other.UntilSays("acme, viewer")

	tab.Go("/tokens")
	tab.UntilSays("acme as viewer")
	tab.UntilSays("acme, viewer") // its session
	if strings.Contains(browsertest.Evaluate[string](tab, `document.documentElement.outerHTML`), secret) || strings.Contains(site.Log.String(), secret) {
		t.Error("the secret is shown again")
	}
	tab.IsAccessible()
	made := must(site.Admin.Tokens(t.Context(), control.TokenFilter{Kind: remuda.OrganizationToken}, control.PageQuery{}))(t).Items[0]
	tab.Press(`button[command=show-modal][commandfor="revoke-` + made.ID + `"]`)
	tab.Press(`dialog[open] button.danger`)
	tab.UntilSays("The token is revoked.")
	other.Until(`location.pathname === "/sign-in"`) // at the next update
	tab.Until(`!document.body.innerText.includes("acme, viewer")`)

	tab.Go("/audit?actor=ada")
	tab.UntilSays("session.began")
	tab.Go("/audit?type=session.ended")
	tab.UntilSays("of ada: its token was revoked")
	tab.IsSound()
}

// must is a value that was made without an error.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestASessionIsEndedByHandAndItsPageIsSignedOut(t *testing.T) {
	site := browsertest.Open(t)
	settle(t, site, "acme")
	tab := site.Tab(t)
	tab.SignIn(person(t, site, "acme", "bob", remuda.RoleMember).Token)
	tab.Go("/tasks")
	admin := signedIn(t, site, person(t, site, "acme", "boss", remuda.RoleAdmin).Token)
	var bobs string
	for _, s := range must(site.Admin.Sessions(t.Context(), control.PageQuery{}))(t).Items {
		if s.Nickname == "bob" {
			bobs = s.ID
		}
	}
	if _, page := admin.get("/tokens"); !strings.Contains(page, `action="/sessions/`+bobs+`/end"`) {
		t.Fatalf("the page of tokens shows no session of bob: %s", page)
	}
	if code, page := admin.post("/sessions/" + bobs + "/end"); code != 200 || !strings.Contains(page, "The session has ended.") || strings.Contains(page, bobs) {
		t.Errorf("ending it is answered %d %s", code, page)
	}
	tab.Until(`location.pathname === "/sign-in"`)
	_, page := admin.get("/audit?type=session.*")
	for _, part := range []string{"of bob: ended by hand", "boss", "127.0.0.1"} {
		if !strings.Contains(page, part) {
			t.Errorf("the audit does not say %s", part)
		}
	}
	if n := strings.Count(page, `href="/tokens#session-`+bobs+`"`); n != 1 { // of its beginning
		t.Errorf("the audit leads %d times to a session that has ended", n)
	}
}

func TestWhoMayNotSeesNoFormAndIsRefused(t *testing.T) {
	site := browsertest.Open(t)
	settle(t, site, "acme")
	settle(t, site, "beta")
	viewer := signedIn(t, site, person(t, site, "acme", "cat", remuda.RoleViewer).Token)
	stranger := signedIn(t, site, person(t, site, "beta", "zed", remuda.RoleAdmin).Token)
	token := person(t, site, "acme", "ada", remuda.RoleMember)
	signedIn(t, site, token.Token)
	sessions := map[string]string{}
	for _, s := range must(site.Admin.Sessions(t.Context(), control.PageQuery{}))(t).Items {
		sessions[s.Nickname] = s.ID
	}
	code, page := viewer.get("/tokens")
	if code != 200 || strings.Contains(page, "/tokens/new") || strings.Contains(page, "/revoke") || strings.Contains(page, sessions["ada"]) || !strings.Contains(page, sessions["cat"]) {
		t.Errorf("a viewer sees %d %s", code, page)
	}
	_, page = viewer.get("/audit")
	if strings.Contains(page, "127.0.0.1") || strings.Contains(page, "zed") || !strings.Contains(page, "session.began") {
		t.Errorf("a viewer is told %s", page)
	}
	for _, c := range []struct {
		who          *browser
		method, path string
		want         int
	}{
		{viewer, "GET", "/tokens/new", 403},
		{viewer, "POST", "/tokens/new?kind=organization", 403},
		{viewer, "POST", "/tokens/" + token.ID + "/revoke", 403},
		{viewer, "POST", "/sessions/" + sessions["ada"] + "/end", 403},
		{stranger, "POST", "/tokens/" + token.ID + "/revoke", 404},
		{stranger, "POST", "/sessions/" + sessions["ada"] + "/end", 404},
		{stranger, "GET", "/tokens?organization=acme", 404},
		{stranger, "GET", "/audit?organization=acme", 404},
		{stranger, "POST", "/tokens/nothing/revoke", 404},
		{stranger, "GET", "/audit?before=x", 422},
		{stranger, "GET", "/audit?day=yesterday", 422},
	} {
		var code int
		if c.method == http.MethodGet {
			code, page = c.who.get(c.path)
		} else {
			code, page = c.who.post(c.path, "kind", "organization", "nickname", "n", "organization", "acme", "role", "viewer")
		}
		if code != c.want {
			t.Errorf("%s %s is answered %d, want %d: %s", c.method, c.path, code, c.want, page)
		}
	}
	if code, page := stranger.post("/tokens/new", "kind", "admin", "nickname", "n"); code != 403 {
		t.Errorf("an admin of an organization makes an admin token: %d %s", code, page)
	}
}

func TestEachKindOfTokenIsMade(t *testing.T) {
	site := browsertest.Open(t)
	settle(t, site, "acme")
	root := signedIn(t, site, site.AdminToken)
	for _, c := range []struct {
		form []string
		want []string
	}{
		{[]string{"kind", "organization", "nickname", nasty, "organization", "acme", "role", "member"}, []string{"rmd_org_", "remuda login --url " + site.URL, html.EscapeString(nasty)}},
		{[]string{"kind", "admin", "nickname", "boss-2"}, []string{"rmd_adm_"}},
		{[]string{"kind", "class", "nickname", "vm", "resource_class", "acme/linux", "single_use", "yes", "lasts", "1h"}, []string{"rmd_cls_", "/resource-classes/acme/linux/install"}},
		{[]string{"kind", "api-key", "nickname", "tofu", "organization", "acme", "lasts", "24h", "permission", remuda.PermitBlockList, "permission", remuda.PermitBlockSave}, []string{"rmd_key_", "Client id"}},
	} {
		code, page := root.post("/tokens/new", c.form...)
		for _, part := range c.want {
			if code != 200 || !strings.Contains(page, part) {
				t.Errorf("%v is answered %d without %s: %s", c.form, code, part, page)
			}
		}
	}
	_, page := root.get("/tokens")
	for _, part := range []string{html.EscapeString(nasty), "acme as member", "acme with 2 permissions", "BUILDINGBLOCK_LIST, BUILDINGBLOCK_SAVE", "the whole instance", "once"} {
		if !strings.Contains(page, part) {
			t.Errorf("the list does not say %s", part)
		}
	}
	if _, audit := root.get("/audit"); strings.Contains(page+audit, nasty) || strings.Contains(page+audit, "rmd_") {
		t.Error("a list shows what it must not")
	}
	if _, page := root.get("/tokens?kind=api-key"); !strings.Contains(page, "tofu") || strings.Contains(page, "boss-2") {
		t.Errorf("of API keys are listed %s", page)
	}
	for wrong, form := range map[string][]string{
		"at least one permission": {"kind", "api-key", "nickname", "tofu-2", "organization", "acme"},
		"of 1 to 200 bytes":       {"kind", "organization", "nickname", "", "organization", "acme", "role", "admin"},
		"that the form offers":    {"kind", "class", "nickname", "tofu-2", "resource_class", "acme/linux", "lasts", "soon"},
		"viewer, member or admin": {"kind", "organization", "nickname", "tofu-2", "organization", "acme", "role", "king"},
	} {
		code, page := root.post("/tokens/new", form...)
		if code != 422 || !strings.Contains(page, wrong) || form[3] != "" && !strings.Contains(page, `value="tofu-2"`) {
			t.Errorf("%v is answered %d %s", form, code, page)
		}
	}
}

func TestAnExpiredKeyIsCalledSo(t *testing.T) {
	site := browsertest.Open(t)
	settle(t, site, "acme")
	later := time.Now().Add(time.Hour)
	made := site.Token(t, remuda.Token{Kind: remuda.APIKey, Nickname: "short", Organization: "acme", Permissions: []string{remuda.PermitBlockList}, ExpiresAt: &later})
	root := signedIn(t, site, site.AdminToken)
	if _, page := root.get("/tokens?kind=api-key"); strings.Contains(page, ">expired<") {
		t.Fatalf("before its end the list says %s", page)
	}
	row := control.TokenRow{ID: made.ID, ExpiresAt: 1}
	if err := site.Store.Write(t.Context(), control.Alone, func(tx control.Tx) error { return tx.Update(t.Context(), &row, "expires_at") }); err != nil {
		t.Fatal(err)
	}
	if _, page := root.get("/tokens?kind=api-key"); !strings.Contains(page, ">expired<") {
		t.Errorf("after its end the list says %s", page)
	}
}

func TestTheAuditIsFilteredPagedAndLeadsToWhatItIsAbout(t *testing.T) {
	site := browsertest.Open(t)
	settle(t, site, "acme")
	root := signedIn(t, site, site.AdminToken)
	ada := person(t, site, "acme", "ada", remuda.RoleAdmin)
	signedIn(t, site, ada.Token)
	user := *must(site.Plane.Authenticate(t.Context(), ada.Token))(t).User
	for range 120 {
		must(site.Plane.AsUser(user).CreateToken(t.Context(), remuda.Token{Kind: remuda.ClassToken, Nickname: "n", ResourceClass: "acme/linux"}))(t)
	}
	task := must(site.Admin.Submit(t.Context(), remuda.Submission{
		Name: "hello", ResourceClass: "acme/linux", Job: &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "true"}}}},
	}, ""))(t).Tasks[0].ID
	rows := func(page string) int { return strings.Count(page, `<tr id="event-`) }

	_, page := root.get("/audit?actor=ada")
	if rows(page) != 100 {
		t.Errorf("the first page has %d rows", rows(page))
	}
	_, after, found := strings.Cut(page, `href="/audit?actor=ada&amp;before=`)
	if !found {
		t.Fatalf("there is no next page: %s", page)
	}
	id, _, _ := strings.Cut(after, `"`)
	if _, page := root.get("/audit?actor=ada&before=" + id); rows(page) != 21 || !strings.Contains(page, "To the first page") { // one for the sign-in
		t.Errorf("the second page has %d rows", rows(page))
	}
	today := time.Now().UTC()
	for path, want := range map[string]string{
		"/audit?type=task.*":                   `href="/tasks/` + task + `"`,
		"/audit?subject=" + task:               "task.queued",
		"/audit?subject=acme%2Flinux":          `href="/resource-classes/acme/linux"`,
		"/audit?type=token.created&actor=root": `href="/tokens#token-` + ada.ID + `"`,
		"/audit?organization=acme&actor=ada&type=session.began&day=" + today.Format(time.DateOnly): `href="/tokens#session-`,
		"/audit?day=" + today.AddDate(0, 0, 2).Format(time.DateOnly):                               "Nothing fits.",
		"/audit?actor=" + url.QueryEscape(nasty):                                                   html.EscapeString(nasty),
	} {
		code, page := root.get(path)
		if code != 200 || !strings.Contains(page, want) || strings.Contains(page, nasty) {
			t.Errorf("%s is answered %d without %s: %s", path, code, want, page)
		}
	}
}
