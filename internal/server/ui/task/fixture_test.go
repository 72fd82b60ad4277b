package task_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/seal"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// ranch is a control plane with an organization acme that owns acme/linux, and another one.
type ranch struct {
	*browsertest.Site
	t              *testing.T
	member, viewer string // tokens of acme
	stranger       string // of the other organization
	class          string // acme/linux's
}

func newRanch(t *testing.T) *ranch {
	t.Helper()
	r := &ranch{Site: browsertest.Open(t), t: t}
	for _, name := range []string{"acme", "beta"} {
		must(t)(r.Admin.CreateOrganization(t.Context(), remuda.Organization{Name: name}))
		must(t)(r.Admin.ClaimNamespace(t.Context(), name, name))
		must(t)(r.Admin.CreateResourceClass(t.Context(), remuda.ResourceClass{Name: name + "/linux"}))
	}
	of := func(organization string, role remuda.Role) string {
		return r.Token(t, remuda.Token{Kind: remuda.OrganizationToken, Nickname: "u-" + string(role), Organization: organization, Role: role}).Token
	}
	r.member, r.viewer, r.stranger = of("acme", remuda.RoleMember), of("acme", remuda.RoleViewer), of("beta", remuda.RoleMember)
	r.class = r.Token(t, remuda.Token{Kind: remuda.ClassToken, Nickname: "machines", ResourceClass: "acme/linux"}).Token
	return r
}

// must fails the test that asked.
func must(t testing.TB) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

func done(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// submit queues a job of one step for acme.
func (r *ranch) submit(name string, adjust ...func(*remuda.Submission)) []remuda.Task {
	r.t.Helper()
	s := remuda.Submission{
		Name: name, ResourceClass: "acme/linux", Organization: "acme",
		Job: &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "echo hello"}}}},
	}
	for _, change := range adjust {
		change(&s)
	}
	job, err := r.Admin.Submit(r.t.Context(), s, "")
	done(r.t, err)
	return job.Tasks
}

func (r *ranch) task(id string) remuda.Task {
	r.t.Helper()
	t, err := r.Admin.Task(r.t.Context(), id)
	done(r.t, err)
	return t
}

// runner is one that the test plays.
type runner struct {
	*ranch
	id      string
	holding []string
}

func (r *ranch) register(name string) *runner {
	r.t.Helper()
	key, err := seal.NewKey()
	done(r.t, err)
	known, err := r.Plane.Register(r.t.Context(), remuda.Registration{
		Tokens: []remuda.Secret{remuda.NewSecret(r.class)}, Name: name, Slots: 8, Version: "0.0.1", Capabilities: []string{"job"}, PublicKey: key.Public(),
	}, "127.0.0.1")
	done(r.t, err)
	return &runner{ranch: r, id: known.ID}
}

// claim takes the next task.
func (w *runner) claim() remuda.Claim {
	w.t.Helper()
	answer, err := w.Plane.AsRunner(w.id).Sync(w.t.Context(), remuda.Sync{Holding: w.holding, Ready: true, Most: 1})
	done(w.t, err)
	if len(answer.Claims) != 1 {
		w.t.Fatalf("the runner gets %d claims", len(answer.Claims))
	}
	w.holding = append(w.holding, answer.Claims[0].ID)
	return answer.Claims[0]
}

// begin begins with steps of these names, of which the first runs.
func (w *runner) begin(c remuda.Claim, names ...string) {
	w.t.Helper()
	now := time.Now()
	steps := make([]remuda.Step, len(names))
	for i, name := range names {
		steps[i] = remuda.Step{Number: i, Name: name, State: remuda.StepPending}
	}
	steps[0].State, steps[0].StartedAt = remuda.StepRunning, &now
	must(w.t)(w.Plane.AsTask(c.ID).Begin(w.t.Context(), remuda.Begin{Steps: steps}))
}

// step says what is new of one.
func (w *runner) step(c remuda.Claim, step remuda.Step) {
	w.t.Helper()
	done(w.t, w.Plane.AsTask(c.ID).Steps(w.t.Context(), []remuda.Step{step}))
}

func (w *runner) finish(c remuda.Claim, result remuda.Result) {
	w.t.Helper()
	done(w.t, w.Plane.AsRunner(w.id).Finish(w.t.Context(), c.ID, result))
	w.holding = nil
}

// visitor is a browser without any window.
type visitor struct {
	*ranch
	http *http.Client
}

func (r *ranch) visitor(token string) visitor {
	r.t.Helper()
	jar, err := cookiejar.New(nil)
	done(r.t, err)
	v := visitor{r, &http.Client{Jar: jar}}
	if code, text := v.post("/sign-in", url.Values{"token": {token}}); code != 200 {
		r.t.Fatalf("signing in answers %d %s", code, text)
	}
	return v
}

func (v visitor) see(path string) (int, string) { return v.ask("GET", path, nil) }

func (v visitor) post(path string, form url.Values) (int, string) { return v.ask("POST", path, form) }

func (v visitor) ask(method, path string, form url.Values) (int, string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, v.URL+path, strings.NewReader(form.Encode()))
	done(v.t, err)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := v.http.Do(request)
	done(v.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	done(v.t, err)
	return answer.StatusCode, string(text)
}

// want is see for a page that must have some parts and must not have others, which begin with "!".
func (v visitor) want(code int, path string, parts ...string) string {
	v.t.Helper()
	got, text := v.see(path)
	v.hold(fmt.Sprintf("GET %s", path), code, got, text, parts)
	return text
}

func (v visitor) hold(what string, code, got int, text string, parts []string) {
	v.t.Helper()
	if got != code {
		v.t.Errorf("%s answers %d, want %d: %s", what, got, code, text)
	}
	for _, part := range parts {
		rest, absent := strings.CutPrefix(part, "!")
		if strings.Contains(text, rest) == absent {
			v.t.Errorf("%s: having %q is %v: %s", what, rest, absent, text)
		}
	}
}
