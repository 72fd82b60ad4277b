package block_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// town is a control plane where plat owns definitions and the class plat/tofu, acme orders, and umbrella looks on. Its one
// runner is played by the test.
type town struct {
	*browsertest.Site
	t      *testing.T
	runner control.RunnerDoor
	key    *seal.Key
	held   []string // claims of the runner
}

func newTown(t *testing.T) *town {
	t.Helper()
	w := &town{Site: browsertest.Open(t), t: t}
	ctx := t.Context()
	for _, name := range []string{"plat", "acme", "umbrella"} {
		got(w.Admin.CreateOrganization(ctx, remuda.Organization{Name: name}))(t)
	}
	got(w.Admin.ClaimNamespace(ctx, "plat", "plat"))(t)
	got(w.Admin.CreateResourceClass(ctx, remuda.ResourceClass{Name: "plat/tofu"}))(t)
	token := w.Token(t, remuda.Token{Kind: remuda.ClassToken, Nickname: "test", ResourceClass: "plat/tofu"})
	w.key = got(seal.NewKey())(t)
	registered := got(w.Plane.Register(ctx, remuda.Registration{
		Name: "horse", Slots: 100, PublicKey: w.key.Public(), Capabilities: []string{"opentofu"}, Tokens: []remuda.Secret{remuda.NewSecret(token.Token)},
	}, "127.0.0.1"))(t)
	w.runner = w.Plane.AsRunner(got(w.Plane.Authenticate(ctx, registered.Token))(t).Runner)
	return w
}

// token is one of somebody in an organization.
func (w *town) token(organization string, role remuda.Role) string {
	w.t.Helper()
	return w.Token(w.t, remuda.Token{Kind: remuda.OrganizationToken, Nickname: string(role), Organization: organization, Role: role}).Token
}

// got is a value that was made without an error.
func got[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func done(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func pointer[T any](v T) *T { return &v }

func value(v any) remuda.Value {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return remuda.Value{Value: text}
}

func hidden(text string) remuda.Value { return remuda.Value{Secret: pointer(remuda.NewSecret(text))} }

// tofu is a version that a runner carries out.
func tofu(change ...func(*remuda.Version)) remuda.Version {
	v := remuda.Version{
		ResourceClass: "plat/tofu",
		Implementation: remuda.Blueprint{Type: remuda.BlueprintOpenTofu, OpenTofu: &remuda.OpenTofuBlueprint{
			Version: "1.10.10", Files: map[string]string{"main.tf": "# nothing"},
		}},
	}
	for _, c := range change {
		c(&v)
	}
	return v
}

// define makes a definition of plat for everybody, with one released version.
func (w *town) define(name string, v remuda.Version, change ...func(*remuda.Definition)) remuda.Definition {
	w.t.Helper()
	ctx := w.t.Context()
	d := remuda.Definition{Organization: "plat", Name: name, Access: remuda.AccessAll, RunTransparency: true}
	for _, c := range change {
		c(&d)
	}
	made := got(w.Builder.CreateDefinition(ctx, d))(w.t)
	got(w.Builder.ChangeVersion(ctx, made.ID, 1, v))(w.t)
	got(w.Builder.ReleaseVersion(ctx, made.ID, 1))(w.t)
	return made
}

// order orders a block for acme.
func (w *town) order(name string, d remuda.Definition, inputs map[string]remuda.Value, parents ...string) remuda.Block {
	w.t.Helper()
	order := remuda.Block{Organization: "acme", Name: name, Definition: d.ID, Inputs: inputs, Parents: parents}
	return got(w.Builder.OrderBlock(w.t.Context(), order, ""))(w.t)
}

// work is one claim of a run.
type work struct {
	claim string
	order remuda.RunOrder
	door  blocks.RunDoor
	agent control.TaskDoor
}

// claim takes the next run and begins it.
func (w *town) claim() work {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	for {
		for _, c := range got(w.runner.Sync(ctx, remuda.Sync{Ready: true, Holding: w.held}))(w.t).Claims {
			it := work{claim: c.ID, door: w.Blocks.AsRun(c.ID), agent: w.Plane.AsTask(c.ID)}
			done(w.t, json.Unmarshal(c.Payload, &it.order))
			got(it.agent.Begin(ctx, remuda.Begin{Steps: []remuda.Step{{Name: "plan", State: remuda.StepRunning, StartedAt: pointer(time.Now())}}}))(w.t)
			w.held = append(w.held, c.ID)
			return it
		}
	}
}

// finish reports and ends a run, and waits until that means something for its block.
func (w *town) finish(it work, report remuda.RunReport, result remuda.Result) {
	w.t.Helper()
	done(w.t, it.door.Report(w.t.Context(), report))
	done(w.t, w.runner.Finish(w.t.Context(), it.claim, result))
	w.held = w.held[:0]
	w.until("the run is settled", func() bool {
		return got(w.Builder.Run(w.t.Context(), it.order.Run))(w.t).Status.Ended()
	})
}

var succeeded = remuda.Result{State: remuda.Succeeded}

// succeed claims the next run and has it succeed with these outputs.
func (w *town) succeed(outputs map[string]remuda.RunOutput) {
	w.t.Helper()
	w.finish(w.claim(), remuda.RunReport{Outputs: outputs}, succeeded)
}

// stated is a text as an output.
func stated(v string) remuda.RunOutput {
	return remuda.RunOutput{Type: remuda.TypeString, Value: value(v).Value}
}

// until waits for what other goroutines bring about.
func (w *town) until(what string, is func() bool) {
	w.t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline:
			w.t.Fatalf("in vain: %s\n%s", what, w.Log)
		case <-tick.C:
		}
	}
}

// lastRun is the newest run of a block.
func (w *town) lastRun(block string) remuda.BlockRun {
	w.t.Helper()
	return got(w.Builder.Runs(w.t.Context(), blocks.RunFilter{Block: block}, blocks.Span{}))(w.t).Items[0]
}

// browser is somebody who has signed in, without JavaScript.
type browser struct {
	t    *testing.T
	url  string
	http *http.Client
}

func (w *town) browser(token string) *browser {
	w.t.Helper()
	jar := got(cookiejar.New(nil))(w.t)
	b := &browser{t: w.t, url: w.URL, http: &http.Client{Jar: jar, Transport: &http.Transport{}}}
	w.t.Cleanup(b.http.CloseIdleConnections)
	if code, text := b.send("/sign-in", url.Values{"token": {token}}); code != 200 {
		w.t.Fatalf("signing in is %d: %s", code, text)
	}
	return b
}

func (b *browser) ask(method, path string, form url.Values) (int, string) {
	b.t.Helper()
	request := got(http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(form.Encode())))(b.t)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer := got(b.http.Do(request))(b.t)
	defer answer.Body.Close()
	return answer.StatusCode, string(got(io.ReadAll(answer.Body))(b.t))
}

func (b *browser) see(path string) (int, string) {
	b.t.Helper()
	return b.ask("GET", path, nil)
}

func (b *browser) send(path string, form url.Values) (int, string) {
	b.t.Helper()
	return b.ask("POST", path, form)
}

// sees is a page that there is.
func (b *browser) sees(path string) string {
	b.t.Helper()
	code, text := b.see(path)
	if code != 200 {
		b.t.Fatalf("%s is %d: %s", path, code, text)
	}
	return text
}
