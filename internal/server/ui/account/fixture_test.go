package account_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// nasty is what somebody may write wherever text can be written.
const nasty = `<script>alert("hi")</script>`

// settle makes an organization with a class.
func settle(t testing.TB, site *browsertest.Site, name string) {
	t.Helper()
	ctx := t.Context()
	_, err := site.Admin.CreateOrganization(ctx, remuda.Organization{Name: name})
	if err == nil {
		_, err = site.Admin.ClaimNamespace(ctx, name, name)
	}
	if err == nil {
		_, err = site.Admin.CreateResourceClass(ctx, remuda.ResourceClass{Name: name + "/linux"})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// person makes a token of an organization.
func person(t testing.TB, site *browsertest.Site, organization, name string, role remuda.Role) remuda.Token {
	t.Helper()
	return site.Token(t, remuda.Token{Kind: remuda.OrganizationToken, Nickname: name, Organization: organization, Role: role})
}

// browser is one without a screen.
type browser struct {
	t    testing.TB
	site *browsertest.Site
	http *http.Client
}

// signedIn is a browser in which somebody has signed in.
func signedIn(t testing.TB, site *browsertest.Site, token string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t, site, &http.Client{Jar: jar}}
	if code, page := b.post("/sign-in", "token", token); code != 200 || !strings.Contains(page, `action="/sign-out"`) {
		t.Fatalf("signing in is answered %d %s", code, page)
	}
	return b
}

func (b *browser) get(path string) (code int, page string) {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.site.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(request)
}

// post sends a form of names and values.
func (b *browser) post(path string, pairs ...string) (code int, page string) {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.site.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(request)
}

func (b *browser) do(request *http.Request) (code int, page string) {
	b.t.Helper()
	answer, err := b.http.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}
