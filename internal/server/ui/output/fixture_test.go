package output_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal"
	"github.com/remuda-dev/remuda/internal/server/ui/browsertest"
)

// town is a control plane with acme/linux, a runner of it that the test plays, and somebody who is signed in.
type town struct {
	*browsertest.Site
	t      testing.TB
	http   *http.Client
	user   *client.User
	runner *client.Runner
	held   []string // claims
}

func newTown(t testing.TB) *town {
	t.Helper()
	w := &town{Site: browsertest.Open(t), t: t}
	must(t, second(w.Admin.CreateOrganization(t.Context(), remuda.Organization{Name: "acme"})))
	must(t, second(w.Admin.ClaimNamespace(t.Context(), "acme", "acme")))
	must(t, second(w.Admin.CreateResourceClass(t.Context(), remuda.ResourceClass{Name: "acme/linux"})))
	api, err := client.New(w.URL, client.Options{})
	must(t, err)
	t.Cleanup(api.CloseIdle)
	w.user = api.User(w.AdminToken)
	class := w.Token(t, remuda.Token{Kind: remuda.ClassToken, Nickname: "machines", ResourceClass: "acme/linux"})
	key, err := seal.NewKey()
	must(t, err)
	registered, err := api.Register(t.Context(), remuda.Registration{
		Tokens: []remuda.Secret{remuda.NewSecret(class.Token)}, Name: "one", Slots: 8, Capabilities: []string{"job"}, PublicKey: key.Public(),
	})
	must(t, err)
	w.runner = api.Runner(registered.ID, registered.Token)
	w.http = w.signIn(w.AdminToken)
	return w
}

// signIn is a browser without a window.
func (w *town) signIn(token string) *http.Client {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	must(w.t, err)
	signed := &http.Client{Jar: jar, Transport: &http.Transport{}}
	w.t.Cleanup(signed.CloseIdleConnections)
	answer, err := signed.PostForm(w.URL+"/sign-in", url.Values{"token": {token}})
	must(w.t, err)
	must(w.t, answer.Body.Close())
	return signed
}

// work is a task that the test carries out.
type work struct {
	town  *town
	id    string
	claim remuda.Claim
	agent *client.Task
	steps []remuda.Step
	at    map[int]int64
}

// begin submits a task and begins it with steps of these names.
func (w *town) begin(names ...string) *work {
	w.t.Helper()
	_, err := w.Admin.Submit(w.t.Context(), remuda.Submission{
		Name: "build", ResourceClass: "acme/linux", Job: &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "true"}}}},
	}, "")
	must(w.t, err)
	answer, err := w.runner.Sync(w.t.Context(), remuda.Sync{Ready: true, Most: 1, Holding: w.held})
	must(w.t, err)
	if len(answer.Claims) != 1 {
		w.t.Fatalf("the runner was given %d claims", len(answer.Claims))
	}
	claim := answer.Claims[0]
	w.held = append(w.held, claim.ID)
	k := &work{town: w, id: claim.Task.ID, claim: claim, agent: w.runner.Task(claim.ID, claim.Token), at: map[int]int64{}}
	for i, name := range names {
		k.steps = append(k.steps, remuda.Step{Number: i, Name: name, State: remuda.StepPending})
	}
	must(w.t, second(k.agent.Begin(w.t.Context(), remuda.Begin{Steps: k.steps})))
	return k
}

// print appends to a step's output.
func (k *work) print(step int, text string) {
	k.town.t.Helper()
	for len(text) > 0 {
		n := min(len(text), 1<<20)
		chunk := remuda.Chunk{Step: step, Offset: k.at[step], Source: k.at[step] + int64(n), Data: []byte(text[:n])}
		must(k.town.t, second(k.agent.Append(k.town.t.Context(), chunk)))
		k.at[step] += int64(n)
		text = text[n:]
	}
}

// stands says where a step stands.
func (k *work) stands(step int, state remuda.StepState) {
	k.town.t.Helper()
	k.steps[step].State = state
	must(k.town.t, k.agent.Steps(k.town.t.Context(), k.steps))
}

func (k *work) finish(state remuda.State) {
	k.town.t.Helper()
	result := remuda.Result{State: state}
	if state == remuda.Failed {
		result.Reason = remuda.ReasonStep
	}
	k.town.held = slices.DeleteFunc(k.town.held, func(id string) bool { return id == k.claim.ID })
	_, err := k.town.runner.Finish(k.town.t.Context(), k.claim.ID, result, false)
	must(k.town.t, err)
}

// printed is the output as the API has it.
func (k *work) printed(step int) string {
	k.town.t.Helper()
	var all strings.Builder
	query := control.OutputQuery{}
	if step >= 0 {
		query.Step = &step
	}
	for {
		part, err := k.town.Admin.Output(k.town.t.Context(), k.id, query)
		must(k.town.t, err)
		for _, chunk := range part.Chunks {
			all.Write(chunk.Data)
		}
		if part.Next == query.Offset {
			return all.String()
		}
		query.Offset = part.Next
	}
}

// get makes one request.
func (w *town) get(path string) (*http.Response, string) {
	w.t.Helper()
	answer := w.open(w.t.Context(), w.http, path)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(w.t, err)
	return answer, string(text)
}

func (w *town) open(ctx context.Context, by *http.Client, path string) *http.Response {
	w.t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL+path, nil)
	must(w.t, err)
	answer, err := by.Do(request)
	must(w.t, err)
	return answer
}

// screen is what a browser shows, by what it was told.
type screen struct {
	t       testing.TB
	after   string
	steps   map[int][]string
	dropped map[int]int
	events  []string
	note    string
	ended   bool
}

func newScreen(t testing.TB) *screen {
	return &screen{t: t, steps: map[int][]string{}, dropped: map[int]int{}}
}

// read takes events until the stream ends or breaks, or until enough says so.
func (s *screen) read(from io.Reader, enough func() bool) {
	lines := bufio.NewReader(from)
	var name string
	var data []string
	for !s.ended && (enough == nil || !enough()) {
		line, err := lines.ReadString('\n')
		if err != nil {
			return // what is not whole does not count
		}
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "event: "):
			name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data = append(data, line[len("data: "):])
		case line == "" && name != "":
			s.hear(name, data)
			name, data = "", nil
		}
	}
}

func (s *screen) hear(name string, data []string) {
	s.events = append(s.events, name)
	switch name {
	case "reset":
		clear(s.steps)
	case "end":
		s.ended = true
	case "output":
		var head struct {
			After string
			Note  string
			Steps []struct{ Step, At, Lines int }
		}
		must(s.t, json.Unmarshal([]byte(data[0]), &head))
		s.after, data = head.After, data[1:]
		if head.Note != "" {
			s.note = head.Note
		}
		for _, one := range head.Steps {
			have := s.steps[one.Step]
			if one.At > len(have)+s.dropped[one.Step] {
				s.dropped[one.Step], have = one.At, nil
			}
			s.steps[one.Step] = append(have[:one.At-s.dropped[one.Step]:one.At-s.dropped[one.Step]], data[:one.Lines]...)
			data = data[one.Lines:]
		}
		if len(data) > 0 {
			s.t.Errorf("%d lines belong to no step", len(data))
		}
	}
}

var tag = regexp.MustCompile(`<[^>]*>`)

// text is a step's lines without colours.
func (s *screen) text(step int) string {
	lines := make([]string, len(s.steps[step]))
	for i, line := range s.steps[step] {
		lines[i] = html.UnescapeString(tag.ReplaceAllString(line, ""))
	}
	return strings.Join(lines, "\n")
}

// followed is the address of a task's events, from where the screen is.
func (s *screen) address(k *work) string {
	return fmt.Sprintf("/follow/tasks/%s/output?attempt=1&after=%s", k.id, url.QueryEscape(s.after))
}

func second[T any](_ T, err error) error { return err }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
