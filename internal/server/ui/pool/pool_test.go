package pool_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// ranch is a control plane with an organization acme that owns the class acme/linux, and a stranger rodeo.
func ranch(t *testing.T) *browsertest.Site {
	t.Helper()
	site := browsertest.Open(t)
	for _, name := range []string{"acme", "rodeo"} {
		got(site.Admin.CreateOrganization(t.Context(), remuda.Organization{Name: name}))(t)
		got(site.Admin.ClaimNamespace(t.Context(), name, name))(t)
		got(site.Admin.CreateResourceClass(t.Context(), remuda.ResourceClass{Name: name + "/linux"}))(t)
	}
	return site
}

// as is a token of acme with a role.
func as(t *testing.T, site *browsertest.Site, role remuda.Role) string {
	t.Helper()
	return site.Token(t, remuda.Token{Kind: remuda.OrganizationToken, Organization: "acme", Role: role, Nickname: "me"}).Token
}

// classToken is one that runners register with.
func classToken(t *testing.T, site *browsertest.Site, class string) remuda.Token {
	t.Helper()
	return site.Token(t, remuda.Token{Kind: remuda.ClassToken, ResourceClass: class, Nickname: "herd"})
}

// register has a runner register through the API.
func register(t *testing.T, site *browsertest.Site, token string, change func(*remuda.Registration)) (remuda.Registered, *client.Runner) {
	t.Helper()
	key := got(ecdh.X25519().GenerateKey(rand.Reader))(t)
	r := remuda.Registration{
		Tokens: []remuda.Secret{remuda.NewSecret(token)}, Name: "web-1", Hostname: "web-1.example.com", Version: "0.0.1", OS: "linux", Arch: "amd64",
		Slots: 2, Capabilities: []string{"job", "docker"}, PublicKey: key.PublicKey().Bytes(),
	}
	change(&r)
	reached := got(client.New(site.URL, client.Options{}))(t)
	registered := got(reached.Register(t.Context(), r))(t)
	return registered, reached.Runner(registered.ID, registered.Token)
}

func usual(*remuda.Registration) {}

// visitor is somebody without a browser.
type visitor struct {
	t    *testing.T
	site *browsertest.Site
	http *http.Client
}

func signIn(t *testing.T, site *browsertest.Site, token string) visitor {
	t.Helper()
	v := visitor{t, site, &http.Client{Jar: got(cookiejar.New(nil))(t)}}
	if code, _ := v.post("/sign-in", "token", token); code != http.StatusOK {
		t.Fatalf("signing in is answered by %d", code)
	}
	return v
}

func (v visitor) answer(r *http.Response, err error) (int, string) {
	v.t.Helper()
	response := got(r, err)(v.t)
	defer response.Body.Close()
	return response.StatusCode, string(got(io.ReadAll(response.Body))(v.t))
}

func (v visitor) get(path string) (int, string) {
	v.t.Helper()
	request := got(http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.site.URL+path, nil))(v.t)
	return v.answer(v.http.Do(request))
}

// post sends a form of names and values, and follows where that leads.
func (v visitor) post(path string, pairs ...string) (int, string) {
	v.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	request := got(http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.site.URL+path, strings.NewReader(form.Encode())))(v.t)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.answer(v.http.Do(request))
}

// says fails the test unless an answer has a code and all these words in it.
func (v visitor) says(code int, body string, want int, words ...string) {
	v.t.Helper()
	if code != want {
		v.t.Errorf("the answer is %d, want %d:\n%s", code, want, body)
	}
	for _, word := range words {
		if !strings.Contains(body, word) {
			v.t.Errorf("it does not say %q:\n%s", word, body)
		}
	}
}

// hides fails the test when an answer has any of these words in it.
func (v visitor) hides(body string, words ...string) {
	v.t.Helper()
	for _, word := range words {
		if strings.Contains(body, word) {
			v.t.Errorf("it says %q:\n%s", word, body)
		}
	}
}

func got[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
