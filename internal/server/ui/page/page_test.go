package page

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal/vault"
	"github.com/remuda-dev/remuda/internal/store"
	"github.com/remuda-dev/remuda/internal/storetest"
)

// visit is a browser at the pages of a control plane.
type visit struct {
	t     *testing.T
	plane *control.Plane
	store *store.Store
	admin control.UserDoor
	url   string
	http  *http.Client
	log   *strings.Builder

	keys   control.Keys
	logger *slog.Logger
}

func newVisit(t *testing.T) *visit {
	t.Helper()
	dir := storetest.Folder(t)
	kept, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kept.Close() }) // A test may have closed it.
	keys, err := vault.Open(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	v := &visit{t: t, store: kept, log: &strings.Builder{}}
	log := slog.New(slog.NewTextHandler(v.log, nil))
	v.keys, v.logger = keys, log
	v.plane = control.New(control.Options{Store: kept, Keys: keys, Log: log})
	v.admin = v.plane.AsUser(control.User{Name: "root", Admin: true})
	pages, err := New(Options{Plane: v.plane, Log: log, Version: "0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	pages.liveness, pages.pause = 10*time.Millisecond, time.Millisecond
	pages.Show("GET /{$}", v.listTasks)
	pages.Show("GET /missing", func(*Visit) (View, error) { return View{}, remuda.Fail(remuda.NotFound, "There is no such page.") })
	pages.Show("GET /broken", func(*Visit) (View, error) { return View{}, errors.New("a fault of ours") })
	pages.Do("POST /done", func(*Visit) (Answer, error) { return Answer{To: "/", Notice: "It <b>is</b> done."}, nil })
	far := httptest.NewServer(pages)
	t.Cleanup(far.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v.url, v.http = far.URL, far.Client()
	v.http.Jar = jar
	return v
}

// listTasks is a page of names of tasks.
func (v *visit) listTasks(visit *Visit) (View, error) {
	tasks, err := visit.Door.Tasks(visit.Context(), control.TaskFilter{}, control.PageQuery{})
	return View{Title: "Tasks", Area: Overview, Body: templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		for _, task := range tasks.Items {
			if _, err := io.WriteString(w, "<p>"+templ.EscapeString(task.Name)+" of "+task.ResourceClass+" is "+string(task.State)+"</p>"); err != nil {
				return err
			}
		}
		return nil
	})}, err
}

func (v *visit) token(of remuda.Token) remuda.Token {
	v.t.Helper()
	made, err := v.admin.CreateToken(v.t.Context(), of)
	if err != nil {
		v.t.Fatal(err)
	}
	return made
}

// see makes one request and gives status, page and headers.
func (v *visit) see(method, path string, form url.Values, headers ...string) (int, string, http.Header) {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), method, v.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := v.http.Do(request)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer.StatusCode, string(page), answer.Header
}

// signIn is the form as it is sent after pasting, with what surrounds the token.
func signIn(token string) url.Values { return url.Values{"token": {" " + token + "\n"}} }

// furnish makes something to see.
func (v *visit) furnish() {
	v.t.Helper()
	ctx := v.t.Context()
	_, err := v.admin.CreateOrganization(ctx, remuda.Organization{Name: "acme"})
	if err == nil {
		_, err = v.admin.ClaimNamespace(ctx, "acme", "acme")
	}
	if err == nil {
		_, err = v.admin.CreateResourceClass(ctx, remuda.ResourceClass{Name: "acme/linux"})
	}
	if err == nil {
		_, err = v.admin.Submit(ctx, remuda.Submission{
			Name: `<script>alert("hi")</script>`, ResourceClass: "acme/linux",
			Job: &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "true"}}}},
		}, "")
	}
	if err != nil {
		v.t.Fatal(err)
	}
}

func TestTheStatusPageShowsNothingToStrangers(t *testing.T) {
	v := newVisit(t)
	v.furnish()
	code, page, header := v.see("GET", "/", nil)
	if code != 200 || strings.Contains(page, "acme") || !strings.Contains(page, `action="/sign-in"`) {
		t.Errorf("a stranger sees %d %s", code, page)
	}
	if policy := header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
	if policy := header.Get("Referrer-Policy"); policy != "same-origin" {
		t.Errorf("with the referrer policy %q browsers hide the origin of our own forms", policy)
	}
	class := v.token(remuda.Token{Kind: remuda.ClassToken, Nickname: "c", ResourceClass: "acme/linux"})
	for bad, want := range map[string]int{"": 401, "nonsense": 401, class.Token: 403, strings.Repeat("x", 10000): 401} {
		if code, page, header := v.see("POST", "/sign-in", signIn(bad)); code != want || header.Get("Set-Cookie") != "" || strings.Contains(page, "acme/linux") {
			t.Errorf("%.20s sees %d %s", bad, code, page)
		}
	}
	if code, page, _ := v.see("GET", "/", nil, "Cookie", cookieName+"=guess"); code != 200 || strings.Contains(page, "acme") {
		t.Errorf("a guess sees %d %s", code, page)
	}
}

func TestWhoSignedInSeesClassesRunnersAndTasks(t *testing.T) {
	v := newVisit(t)
	v.furnish()
	root := v.token(remuda.Token{Kind: remuda.AdminToken, Nickname: "root"})
	v.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	code, page, header := v.see("POST", "/sign-in", signIn(root.Token))
	cookie := header.Get("Set-Cookie")
	for _, part := range []string{"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="} {
		if !strings.Contains(cookie, part) {
			t.Errorf("the cookie %q has no %s", cookie, part)
		}
	}
	if code != 303 || strings.Contains(page+fmt.Sprint(header), root.Token) {
		t.Errorf("signing in answers %d %s %v", code, page, header)
	}
	_, page, _ = v.see("GET", "/", nil)
	for _, part := range []string{"acme/linux", "queued", "&lt;script&gt;", "root", "0.0.1"} {
		if !strings.Contains(page, part) {
			t.Errorf("the page does not say %s", part)
		}
	}
	if strings.Contains(page, "<script>") || strings.Contains(page, root.Token) {
		t.Errorf("the page has what it must not: %s", page)
	}
	if code, _, _ := v.see("POST", "/sign-out", url.Values{}); code != 303 {
		t.Errorf("signing out answers %d", code)
	}
	if _, page, _ := v.see("GET", "/", nil, "Cookie", strings.Split(cookie, ";")[0]); strings.Contains(page, "acme") {
		t.Error("a session goes on after it was ended")
	}
	if strings.Contains(v.log.String(), root.Token) {
		t.Error("the log has the token")
	}
}

func TestARevokedTokenSignsOut(t *testing.T) {
	v := newVisit(t)
	v.furnish()
	guest := v.token(remuda.Token{Kind: remuda.OrganizationToken, Nickname: "guest", Organization: "acme", Role: remuda.RoleViewer})
	if _, page, _ := v.see("POST", "/sign-in", signIn(guest.Token)); !strings.Contains(page, "acme, viewer") {
		t.Fatalf("the guest sees %s", page)
	}
	if err := v.admin.RevokeToken(t.Context(), guest.ID); err != nil {
		t.Fatal(err)
	}
	if _, page, _ := v.see("GET", "/", nil); strings.Contains(page, "acme/linux") || !strings.Contains(page, `action="/sign-in"`) {
		t.Errorf("with a revoked token one sees %s", page)
	}
}

func TestAnotherSiteCannotSignAnybodyInOrOut(t *testing.T) {
	v := newVisit(t)
	root := v.token(remuda.Token{Kind: remuda.AdminToken, Nickname: "root"})
	for _, headers := range [][]string{{"Origin", v.url}, {"Sec-Fetch-Site", "same-origin"}} {
		if code, _, _ := v.see("POST", "/sign-out", url.Values{}, headers...); code == 403 {
			t.Errorf("our own page with %v is refused", headers)
		}
	}
	for _, headers := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}} {
		for _, path := range []string{"/sign-in", "/sign-out", "/done"} {
			if code, _, header := v.see("POST", path, signIn(root.Token), headers...); code != 403 || header.Get("Set-Cookie") != "" {
				t.Errorf("%s with %v answers %d", path, headers, code)
			}
		}
	}
}

func TestAStoreThatIsAwayIsSaidPlainly(t *testing.T) {
	v := newVisit(t)
	root := v.token(remuda.Token{Kind: remuda.AdminToken, Nickname: "root"})
	if err := v.store.Close(); err != nil {
		t.Fatal(err)
	}
	code, page, _ := v.see("POST", "/sign-in", signIn(root.Token))
	if code != 503 || !strings.Contains(page, "not possible right now") || strings.Contains(page, "sql") {
		t.Errorf("one sees %d %s", code, page)
	}
}

func TestAPageIsKeptUpToDateWhileSomebodyLooks(t *testing.T) {
	v := newVisit(t)
	v.furnish()
	guest := v.token(remuda.Token{Kind: remuda.OrganizationToken, Nickname: "guest", Organization: "acme", Role: remuda.RoleViewer})
	if code, _, _ := v.see("GET", "/live/", nil); code != 401 {
		t.Errorf("a stranger's live page is answered %d", code)
	}
	v.see("POST", "/sign-in", signIn(guest.Token))
	request, err := http.NewRequestWithContext(t.Context(), "GET", v.url+"/live/", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := v.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	until := func(part string) (line string) {
		for lines.Scan() {
			if line = lines.Text(); strings.Contains(line, part) {
				return line
			}
		}
		return ""
	}
	if line := until("data:"); !strings.Contains(line, "&lt;script&gt;") || strings.Contains(line, "<script>") {
		t.Errorf("at first it says %s", line)
	}
	_, err = v.admin.Submit(t.Context(), remuda.Submission{
		Name: "second", ResourceClass: "acme/linux", Job: &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "true"}}}},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	if until("second") == "" {
		t.Error("a new task is not shown")
	}
	if err := v.admin.RevokeToken(t.Context(), guest.ID); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // until it ends, since nobody has the token any more
	}
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
}

func TestWhatWentWrongIsSaidInWordsAndFaultsOfOursToTheLogAlone(t *testing.T) {
	v := newVisit(t)
	root := v.token(remuda.Token{Kind: remuda.AdminToken, Nickname: "root"})
	v.see("POST", "/sign-in", signIn(root.Token))
	if code, page, _ := v.see("GET", "/missing", nil); code != 404 || !strings.Contains(page, "There is no such page.") {
		t.Errorf("what is not there is answered %d %s", code, page)
	}
	code, page, _ := v.see("GET", "/broken", nil)
	if code != 500 || strings.Contains(page, "a fault of ours") || !strings.Contains(v.log.String(), "a fault of ours") {
		t.Errorf("a fault is answered %d %s, the log says %s", code, page, v.log)
	}
	if _, page, _ := v.see("POST", "/done", url.Values{}); !strings.Contains(page, "It &lt;b&gt;is&lt;/b&gt; done.") {
		t.Errorf("the notice is not shown: %s", page)
	}
	if _, page, _ := v.see("GET", "/", nil); strings.Contains(page, "done.") {
		t.Error("the notice is shown twice")
	}
}

func TestSigningInLeadsBackAndNeverElsewhere(t *testing.T) {
	for to, want := range map[string]string{
		"/tasks?state=failed": "/tasks?state=failed", "": "/", "//evil.example": "/", `/\evil.example`: "/", "https://evil.example": "/", "/\t/evil.example": "/",
	} {
		if got := ours(to); got != want {
			t.Errorf("%q leads to %q, want %q", to, got, want)
		}
	}
}

func TestAPageWhoseTimeIsOverSaysThatTheStoreWasTooSlow(t *testing.T) {
	v := newVisit(t)
	pages, err := New(Options{Plane: v.plane, Log: v.logger})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.DeadlineExceeded)
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody)
	answer := httptest.NewRecorder()
	pages.fail(answer, pages.stranger(request), fmt.Errorf("read a row: %w", ctx.Err()))
	if answer.Code != http.StatusServiceUnavailable || !strings.Contains(answer.Body.String(), "did not come to it in time") {
		t.Errorf("it is %d: %s", answer.Code, answer.Body)
	}
}
