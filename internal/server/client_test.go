package server

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/seal"
)

func TestEveryKindArrivesAtTheClientAsItLeft(t *testing.T) {
	s := newBare()
	for kind := range statuses {
		sent := &remuda.Error{
			Kind: kind, Detail: "this is wrong; do that", Fields: []remuda.Field{{Location: "body.name", Message: "too long"}}, Retry: 11 * time.Second,
		}
		far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			s.refuse(&responder{ResponseWriter: w, id: "id"}, problemOf(sent))
		}))
		defer far.Close()
		near, err := client.New(far.URL, client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got *remuda.Error
		if _, err = near.User("token").WhoAmI(t.Context()); !errors.As(err, &got) {
			t.Fatalf("%s arrives as %v", kind, err)
		}
		want := *sent
		if kind == remuda.Internal {
			want.Fields, want.Retry = nil, 0 // Of a fault of ours nothing is told.
			want.Detail = got.Detail
		}
		if got.Kind != want.Kind || got.Detail != want.Detail || got.Retry != want.Retry || !cmp.Equal(got.Fields, want.Fields) {
			t.Errorf("%s arrives as %+v", kind, got)
		}
	}
}

func TestEveryKindHasAStatusAndAdvice(t *testing.T) {
	for kind, status := range statuses {
		p := problemOf(kind)
		if p.Status != status || p.Detail == "" || p.Kind != kind {
			t.Errorf("%s is answered with %+v", kind, p)
		}
	}
	if p := problemOf(errors.New("disk on fire")); p.Status != 500 || p.Detail == "disk on fire" || p.Kind != remuda.Internal {
		t.Errorf("a fault of ours is answered with %+v", p)
	}
}

// must fails the test that asked.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheClientManagesEveryNoun(t *testing.T) {
	w := newTown(t)
	c, err := client.New(w.url, client.Options{})
	done(t, err)
	defer c.CloseIdle()
	u, ctx := c.User(w.admin), t.Context()
	limit, text, visible, weight := 7, "Linux with 8 cores", "public", 3

	if who := must[client.WhoAmI](t)(u.WhoAmI(ctx)); who.Name != "root" || !who.Admin {
		t.Errorf("root is %+v", who)
	}
	if who := must[client.WhoAmI](t)(c.User(w.viewer).WhoAmI(ctx)); who.Organization != "acme" || who.Role != remuda.RoleViewer || who.Admin {
		t.Errorf("the guest is %+v", who)
	}
	if version := must[string](t)(u.Version(ctx)); version != "0.0.1" {
		t.Errorf("the version is %s", version)
	}

	must[remuda.Organization](t)(u.CreateOrganization(ctx, remuda.Organization{Name: "beta", VCSName: "Beta-Inc"}))
	if name := must[string](t)(u.SuggestNamespace(ctx, "beta")); name != "beta-inc" {
		t.Errorf("suggested is %q", name)
	}
	if o := must[remuda.Organization](t)(u.ChangeOrganization(ctx, "beta", client.OrganizationChange{TaskLimit: &limit})); o.TaskLimit != 7 || o.VCSName != "Beta-Inc" {
		t.Errorf("changed is %+v", o)
	}
	must[remuda.Organization](t)(u.Organization(ctx, "beta"))
	if all := must[remuda.Page[remuda.Organization]](t)(u.Organizations(ctx, client.PageQuery{})); len(all.Items) != 2 {
		t.Errorf("organizations are %+v", all.Items)
	}

	must[remuda.Namespace](t)(u.ClaimNamespace(ctx, "beta", "beta-inc"))
	must[remuda.Namespace](t)(u.RenameNamespace(ctx, "beta-inc", "beta"))
	must[remuda.Namespace](t)(u.Namespace(ctx, "beta"))
	if all := must[remuda.Page[remuda.Namespace]](t)(u.Namespaces(ctx, client.PageQuery{})); len(all.Items) != 2 {
		t.Errorf("namespaces are %+v", all.Items)
	}

	must[remuda.Project](t)(u.CreateProject(ctx, remuda.Project{Organization: "beta", Name: "app", Weight: 2}))
	p := must[remuda.Project](t)(u.ChangeProject(ctx, "beta", "app", client.ProjectChange{Visibility: &visible, Weight: &weight}))
	if p.Visibility != "public" || p.Weight != 3 {
		t.Errorf("changed is %+v", p)
	}
	must[remuda.Project](t)(u.Project(ctx, "beta", "app"))
	must[remuda.Page[remuda.Project]](t)(u.Projects(ctx, "beta", client.PageQuery{}))

	must[remuda.ResourceClass](t)(u.CreateResourceClass(ctx, remuda.ResourceClass{Name: "beta/linux", LostAfter: remuda.Duration(90 * time.Second)}))
	long := remuda.Duration(48 * time.Hour)
	k := must[remuda.ResourceClass](t)(u.ChangeResourceClass(ctx, "beta/linux", client.ResourceClassChange{Description: &text, LostAfter: &long}))
	if k.Description != text || k.LostAfter != long {
		t.Errorf("changed is %+v", k)
	}
	must[remuda.ResourceClass](t)(u.ResourceClass(ctx, "beta/linux"))
	if all := must[remuda.Page[remuda.ResourceClass]](t)(u.ResourceClasses(ctx, client.ResourceClassFilter{Namespace: "beta"}, client.PageQuery{})); len(all.Items) != 1 {
		t.Errorf("classes are %+v", all.Items)
	}

	token := must[remuda.Token](t)(u.CreateToken(ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "m", ResourceClass: "beta/linux"}))
	if token.Token == "" {
		t.Error("a new token is not shown")
	}
	hour := time.Now().Add(time.Hour)
	once := must[remuda.Token](t)(u.CreateToken(ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "once", ResourceClass: "beta/linux", SingleUse: true, ExpiresAt: &hour}))
	if left := time.Until(*once.ExpiresAt); !once.SingleUse || left > time.Hour || left < 59*time.Minute {
		t.Errorf("a token for one use within an hour is %+v", once)
	}
	if s := must[remuda.Scaling](t)(u.Scaling(ctx, "beta/linux")); s != (remuda.Scaling{ResourceClass: "beta/linux"}) {
		t.Errorf("the scaling is %+v", s)
	}
	for _, one := range must[remuda.Page[remuda.Token]](t)(u.Tokens(ctx, client.TokenFilter{ResourceClass: "beta/linux"}, client.PageQuery{})).Items {
		if one.Token != "" {
			t.Error("a token is shown twice")
		}
	}
	done(t, u.RevokeToken(ctx, token.ID))
	done(t, u.DeleteResourceClass(ctx, "beta/linux", true))
	done(t, u.DeleteProject(ctx, "beta", "app"))
	done(t, u.DeleteNamespace(ctx, "beta"))
	done(t, u.DeleteOrganization(ctx, "beta"))
	if _, err := u.Organization(ctx, "beta"); !errors.Is(err, remuda.NotFound) {
		t.Errorf("deleted is %v", err)
	}
}

func TestTheClientTakesATaskFromSubmitToResult(t *testing.T) {
	w := newTown(t)
	c, err := client.New(w.url, client.Options{})
	done(t, err)
	defer c.CloseIdle()
	u, ctx := c.User(w.admin), t.Context()
	key, err := seal.NewKey()
	done(t, err)
	registered := must[remuda.Registered](t)(c.Register(ctx, remuda.Registration{
		Tokens: []remuda.Secret{remuda.NewSecret(w.class)}, Name: "one", Slots: 2, PublicKey: key.Public(),
	}))
	r := c.Runner(registered.ID, registered.Token)

	job := remuda.Submission{
		ResourceClass: "acme/linux", Secrets: map[string]remuda.Secret{"PASSWORD": remuda.NewSecret("hunter2")},
		Timeout: remuda.Duration(5 * time.Minute),
		Job:     &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "true", When: remuda.Always}}}},
	}
	submitted := must[remuda.JobSubmitted](t)(u.Submit(ctx, job, "once"))
	if again := must[remuda.JobSubmitted](t)(u.Submit(ctx, job, "once")); again.ID != submitted.ID {
		t.Error("the same key submitted twice")
	}
	id := submitted.Tasks[0].ID
	must[remuda.Why](t)(u.Why(ctx, id))
	must[remuda.Runner](t)(u.PauseRunner(ctx, registered.ID, true))
	if one := must[remuda.Runner](t)(u.PauseRunner(ctx, registered.ID, false)); one.State == remuda.RunnerPaused {
		t.Error("a resumed runner is paused")
	}
	answer := must[remuda.SyncAnswer](t)(r.Sync(ctx, remuda.Sync{Ready: true}))
	if len(answer.Claims) != 1 {
		t.Fatalf("sync gave %+v", answer)
	}
	claim := answer.Claims[0]
	plain, err := key.Open([]byte(claim.ID), claim.Sealed)
	done(t, err)
	if read[map[string]string](t, got{body: plain})["PASSWORD"] != "hunter2" {
		t.Error("the secret did not arrive")
	}
	agent := r.Task(claim.ID, claim.Token)
	step := remuda.Step{Name: "true", State: remuda.StepRunning}
	must[remuda.Begun](t)(agent.Begin(ctx, remuda.Begin{Steps: []remuda.Step{step}}))
	if state := must[remuda.StreamState](t)(agent.Append(ctx, remuda.Chunk{Data: []byte("hello\n"), Source: 6})); state.Length != 6 || state.Source != 6 {
		t.Errorf("held is %+v", state)
	}
	if state := must[remuda.StreamState](t)(agent.Append(ctx, remuda.Chunk{Data: []byte("hello\n"), Source: 6})); state.Length != 6 {
		t.Errorf("the same chunk again makes %+v", state)
	}
	must[remuda.StreamState](t)(agent.CloseStream(ctx, 0, remuda.StreamClose{Length: 6}))
	step.State = remuda.StepSucceeded
	done(t, agent.Steps(ctx, []remuda.Step{step}))
	next := must[remuda.JobSubmitted](t)(u.Submit(ctx, job, "next"))
	came := must[[]remuda.Claim](t)(r.Finish(ctx, claim.ID, remuda.Result{State: remuda.Succeeded}, true))
	if len(came) != 1 || came[0].Task.ID != next.Tasks[0].ID || came[0].Token == "" {
		t.Errorf("with the answer came %+v", came)
	}
	came = must[[]remuda.Claim](t)(r.Finish(ctx, came[0].ID, remuda.Result{State: remuda.Succeeded}, true))
	if len(came) != 0 {
		t.Errorf("out of an empty queue came %+v", came)
	}

	var seen []byte
	var last remuda.Task
	done(t, u.Follow(ctx, id, client.OutputQuery{}, func(f client.Followed) error {
		if f.Output != nil {
			seen = append(seen, f.Output.Data...)
		}
		if f.Task != nil {
			last = *f.Task
		}
		return nil
	}))
	if string(seen) != "hello\n" || last.State != remuda.Succeeded || len(last.Attempts) != 1 || last.Attempts[0].Steps[0].State != remuda.StepSucceeded {
		t.Errorf("followed are %q and %+v", seen, last)
	}
	body := must[io.ReadCloser](t)(u.Output(ctx, id, client.OutputQuery{Offset: 2}))
	defer body.Close()
	if rest := must[[]byte](t)(io.ReadAll(body)); string(rest) != "llo\n" {
		t.Errorf("the rest is %q", rest)
	}

	again := must[remuda.Task](t)(u.RetryTask(ctx, id))
	if again.RetryOf != id {
		t.Errorf("the repetition is %+v", again)
	}
	if canceled := must[remuda.Task](t)(u.CancelTask(ctx, again.ID)); canceled.State != remuda.Canceled {
		t.Errorf("cancelled is %s", canceled.State)
	}
	states := client.TaskFilter{States: []remuda.State{remuda.Succeeded, remuda.Canceled}}
	if all := must[remuda.Page[remuda.Task]](t)(u.Tasks(ctx, states, client.PageQuery{})); len(all.Items) != 3 {
		t.Errorf("tasks are %+v", all.Items)
	}
	if all := must[[]remuda.Event](t)(u.Events(ctx, client.EventFilter{Subject: id})); len(all) == 0 {
		t.Error("no events")
	}
	must[remuda.Runner](t)(u.DrainRunner(ctx, registered.ID))
	done(t, r.Goodbye(ctx))
	if all := must[remuda.Page[remuda.Runner]](t)(u.Runners(ctx, client.RunnerFilter{State: remuda.RunnerLost}, client.PageQuery{})); len(all.Items) != 1 {
		t.Errorf("runners that left are %+v", all.Items)
	}
}

func TestAServerWithoutAStoreStillHasItsDocument(t *testing.T) {
	s := New(Options{Log: slog.New(slog.DiscardHandler)})
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", v1+"/openapi.json", nil))
	if answer.Code != 200 {
		t.Errorf("answered %d", answer.Code)
	}
}
