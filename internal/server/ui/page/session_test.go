package page

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// beside puts another control plane on the same store, whose clock is ahead, and pages that browsers reach over TLS.
func (v *visit) beside(ahead time.Duration) *Site {
	v.t.Helper()
	plane := control.New(control.Options{Store: v.store, Keys: v.keys, Log: v.logger, Clock: func() time.Time { return time.Now().Add(ahead) }})
	pages, err := New(Options{Plane: plane, Log: v.logger, Version: "0.0.1", SecureCookies: true})
	if err != nil {
		v.t.Fatal(err)
	}
	pages.Show("GET /{$}", v.listTasks)
	return pages
}

// ask makes one request of a browser with a cookie, and gives the cookie that the answer sets.
func ask(t *testing.T, site *Site, method, path string, form url.Values, cookie *http.Cookie) (*httptest.ResponseRecorder, *http.Cookie) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if cookie != nil {
		request.AddCookie(cookie)
	}
	answer := httptest.NewRecorder()
	site.ServeHTTP(answer, request)
	for _, set := range answer.Result().Cookies() {
		if strings.HasSuffix(set.Name, cookieName) {
			return answer, set
		}
	}
	return answer, nil
}

func TestASessionHoldsAtEachControlPlaneAndItsSecretChanges(t *testing.T) {
	v := newVisit(t)
	v.furnish()
	token := v.token(remuda.Token{Kind: remuda.AdminToken, Nickname: "boss"})
	here, there, later := v.beside(0), v.beside(time.Minute), v.beside(time.Hour)
	_, cookie := ask(t, here, "POST", "/sign-in", signIn(token.Token), nil)
	if cookie == nil || cookie.Name != "__Host-remuda_session" || !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Domain != "" {
		t.Fatalf("signing in sets %+v", cookie)
	}
	shown := func(site *Site, cookie *http.Cookie) (bool, *http.Cookie) {
		answer, set := ask(t, site, "GET", "/", nil, cookie)
		return strings.Contains(answer.Body.String(), "boss"), set
	}
	if is, set := shown(there, cookie); !is || set != nil {
		t.Errorf("at another control plane the session is known: %v, and its cookie becomes %v", is, set)
	}
	if is, _ := shown(there, &http.Cookie{Name: cookieName, Value: cookie.Value}); is {
		t.Error("over TLS a cookie counts that any neighbour may set")
	}
	is, renewed := shown(later, cookie)
	if !is || renewed == nil || renewed.Value == cookie.Value || renewed.Name != cookie.Name {
		t.Fatalf("after an hour the session is known: %v, and its cookie becomes %v", is, renewed)
	}
	if is, _ := shown(later, renewed); !is {
		t.Error("the new cookie is not known")
	}
	if is, _ := shown(v.beside(time.Hour+59*time.Second), cookie); !is {
		t.Error("a request that was under way is refused")
	}
	over := v.beside(time.Hour + 61*time.Second)
	if is, dropped := shown(over, cookie); is || dropped == nil || dropped.MaxAge >= 0 {
		t.Errorf("the old cookie is known after a minute: %v, and becomes %v", is, dropped)
	}
	if is, _ := shown(over, renewed); !is {
		t.Error("a stolen cookie ended the session")
	}
	if is, _ := shown(v.beside(4*time.Hour), renewed); is {
		t.Error("a session that nobody used goes on")
	}
}

func TestSigningInAgainEndsTheSessionBefore(t *testing.T) {
	v := newVisit(t)
	token := v.token(remuda.Token{Kind: remuda.AdminToken, Nickname: "boss"})
	site := v.beside(0)
	_, first := ask(t, site, "POST", "/sign-in", signIn(token.Token), nil)
	_, second := ask(t, site, "POST", "/sign-in", signIn(token.Token), first)
	if second == nil || second.Value == first.Value {
		t.Fatalf("signing in again sets %v", second)
	}
	if answer, _ := ask(t, site, "GET", "/", nil, first); answer.Code != http.StatusSeeOther {
		t.Errorf("the session before is answered %d", answer.Code)
	}
	if answer, _ := ask(t, site, "GET", "/", nil, second); answer.Code != http.StatusOK {
		t.Errorf("the new session is answered %d", answer.Code)
	}
}

func TestAnOpenPageIsNoUseOfASession(t *testing.T) {
	v := newVisit(t)
	token := v.token(remuda.Token{Kind: remuda.AdminToken, Nickname: "boss"})
	_, cookie := ask(t, v.beside(0), "POST", "/sign-in", signIn(token.Token), nil)
	late := v.beside(90 * time.Minute)
	late.Stream("GET /live/look", func(*Visit, http.ResponseWriter) error { return nil })
	if answer, set := ask(t, late, "GET", "/live/look", nil, cookie); answer.Code != http.StatusOK || set != nil {
		t.Errorf("an open page is answered %d, and its cookie becomes %v", answer.Code, set)
	}
	if answer, _ := ask(t, v.beside(121*time.Minute), "GET", "/", nil, cookie); answer.Code != http.StatusSeeOther {
		t.Errorf("after two hours without use, the answer is %d", answer.Code)
	}
}
