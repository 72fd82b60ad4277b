package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

// station is a town in which every route has something to refuse: a runner, a live claim, and one that is over.
type station struct {
	*town
	runner      machine
	live        lease           // begun
	stale, over lease           // handed back before it began; finished
	tokens      map[door]string // a good token for each door
	ids         map[string]string
}

func newStation(t *testing.T) *station {
	w := newTown(t)
	s := &station{town: w, runner: w.register("one")}
	s.stale = w.claim(s.runner)
	w.want(204, "POST", v1+"/claims/"+s.stale.ID+"/return", s.runner.token, `{"detail": "no disk"}`)
	w.want(200, "POST", v1+"/tasks/"+s.stale.Task.ID+"/cancel", w.admin, nil)
	s.over = w.claim(s.runner)
	w.begin(s.over)
	w.finish(s.runner, s.over, `{"state": "succeeded"}`)
	s.live = w.claim(s.runner)
	w.begin(s.live)
	s.tokens = map[door]string{user: w.admin, runner: s.runner.token, task: s.live.token}
	s.furnish()
	return s
}

// furnish makes one of each noun of building blocks.
func (s *station) furnish() {
	s.t.Helper()
	id := func(path, body string) string {
		s.t.Helper()
		return read[struct{ ID string }](s.t, s.want(201, "POST", v1+path, s.admin, body)).ID
	}
	definition := id("/definitions", `{"name": "Desk", "organization": "acme"}`)
	s.want(200, "PUT", v1+"/definitions/"+definition+"/versions/1", s.admin, `{"implementation": {"type": "manual"}, "inputs": {"floor": {"type": "integer", "assignment": "user"}}}`)
	s.want(200, "POST", v1+"/definitions/"+definition+"/versions/1/release", s.admin, nil)
	block := id("/blocks", `{"name": "mine", "organization": "acme", "definition": "`+definition+`", "inputs": {"floor": {"value": 3}}}`)
	runs := read[remuda.Page[remuda.BlockRun]](s.t, s.want(200, "GET", v1+"/blocks/"+block+"/runs", s.admin, nil))
	if len(runs.Items) != 1 {
		s.t.Fatalf("an order whose inputs are there has the runs %+v", runs.Items)
	}
	s.ids = map[string]string{
		"definition": definition, "version": "1", "block": block, "run": runs.Items[0].ID, "number": "1",
		"integration": id("/integrations", `{"name": "GitLab", "organization": "acme", "type": "gitlab", "url": "https://gitlab.example.com"}`),
		"tenant":      id("/tenants", `{"organization": "acme", "project": "default", "platform": "aws.eu"}`),
		"entry":       id("/runner-entries", `{"organization": "acme", "display_name": "Their runners", "implementation": "TERRAFORM"}`),
	}
}

// names are what stands for the names in paths. A route with another name makes the tests below fail: say here what
// it is called in a station.
func (s *station) names() map[string]string {
	names := map[string]string{
		"organization": "acme", "namespace": "acme", "project": "default", "name": "linux",
		"runner": s.runner.id, "task": s.live.Task.ID, "claim": s.live.ID, "step": "0", "token": "0192f0c1-0000-7000-8000-000000000000",
	}
	maps.Copy(names, s.ids)
	return names
}

// path fills the names of a route.
func (s *station) path(r *route, names map[string]string) string {
	s.t.Helper()
	path := r.path
	for name, value := range names {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	if strings.Contains(path, "{") {
		s.t.Fatalf("%s has a name that the tests do not know: add it to station.names", r.pattern())
	}
	if r.id == "append-output" {
		path += "?offset=0"
	}
	return path
}

// body is what a route takes.
func (s *station) body(r *route) any {
	s.t.Helper()
	switch r.content {
	case "":
		return nil
	case rawContent:
		if r.id == "write-state" {
			return []byte(`{"version": 4, "serial": 1, "lineage": "0192f0c1", "outputs": {}, "resources": []}`)
		}
		return []byte("hello\n")
	}
	if texts[r.id].example == "" {
		s.t.Fatalf("%s takes JSON but has no example in texts.go", r.id)
	}
	return texts[r.id].example
}

// refused holds an answer against what every refusal promises.
func refused(t *testing.T, s *station, r *route, g got, status int) Problem {
	t.Helper()
	if g.status != status {
		t.Fatalf("answered %s, want %d", g, status)
	}
	if kind := g.header.Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("Content-Type is %q", kind)
	}
	p := read[Problem](t, g)
	if p.Status != status || p.Type != "about:blank" || p.Title != http.StatusText(status) {
		t.Errorf("the problem says %+v", p)
	}
	if _, known := statuses[p.Kind]; !known {
		t.Errorf("kind %q is none of ours", p.Kind)
	}
	if !strings.Contains(p.Detail, " ") || p.Detail == p.Title {
		t.Errorf("detail %q is no sentence", p.Detail)
	}
	if status == http.StatusUnauthorized && g.header.Get("WWW-Authenticate") == "" {
		t.Error("no WWW-Authenticate")
	}
	for _, name := range []string{"X-Content-Type-Options", "Content-Security-Policy", "X-Request-Id", "Cache-Control"} {
		if g.header.Get(name) == "" {
			t.Errorf("no header %s", name)
		}
	}
	if r != nil && find(s.server.api.OpenAPI(), r.method, r.path).Responses[strconv.Itoa(status)] == nil {
		t.Errorf("the document does not say that %s may answer %d", r.id, status)
	}
	return p
}

// operations are the routes of the API that take part in the tests of refusals.
func (s *station) operations() []*route {
	return slices.DeleteFunc(slices.Clone(s.server.routes), func(r *route) bool { return r.page })
}

// unchanged fails when what a test did has left a trace.
func (s *station) unchanged(t *testing.T) func() {
	t.Helper()
	look := func() string {
		var all strings.Builder
		for _, path := range []string{"/events?limit=1000", "/tasks?limit=500", "/organizations", "/namespaces", "/resource-classes", "/tokens", "/runners", "/tasks/" + s.live.Task.ID, "/definitions", "/blocks", "/runs", "/integrations", "/tenants", "/runner-entries"} {
			all.Write(s.want(200, "GET", v1+path, s.admin, nil).body)
		}
		return withoutSigns.ReplaceAllString(all.String(), "")
	}
	before := look()
	return func() {
		t.Helper()
		if after := look(); after != before {
			t.Errorf("a refused request changed something:\n%s\n%s", before, after)
		}
	}
}

func TestEveryRouteAsksWhoIsThere(t *testing.T) {
	s := newStation(t)
	defer s.unchanged(t)()
	for _, r := range s.operations() {
		if r.door == anyone {
			continue
		}
		t.Run(r.id, func(t *testing.T) {
			path, body := s.path(r, s.names()), s.body(r)
			p := refused(t, s, r, s.ask(r.method, path, "", body), 401)
			if p.Kind != remuda.Unauthenticated {
				t.Errorf("kind is %s", p.Kind)
			}
			for _, bad := range []string{"nonsense", "rmd_adm_0000000000000000000000000000000000000", s.admin[:len(s.admin)-1], strings.Repeat("x", 4000)} {
				refused(t, s, r, s.ask(r.method, path, bad, body), 401)
			}
			refused(t, s, r, s.ask(r.method, path, "", body, "Authorization", "Basic cm9vdDpyb290"), 401)
			// Who is not known is not listened to: broken bodies are not even read.
			refused(t, s, r, s.ask(r.method, path, "", "{broken"), 401)
		})
	}
}

func TestEveryRouteKnowsItsDoor(t *testing.T) {
	s := newStation(t)
	defer s.unchanged(t)()
	for _, r := range s.operations() {
		if r.door == anyone {
			continue
		}
		t.Run(r.id, func(t *testing.T) {
			path, body := s.path(r, s.names()), s.body(r)
			for at, token := range s.tokens {
				if at != r.door && (r.door != scaler || at != user) {
					refused(t, s, r, s.ask(r.method, path, token, body), 403)
				}
			}
			if r.door == scaler {
				return // A class token opens it.
			}
			refused(t, s, r, s.ask(r.method, path, s.class, body), 403)
			refused(t, s, r, s.ask(r.method, path, s.class, "{broken"), 403)
		})
	}
}

func TestATokenSpeaksForNobodyElse(t *testing.T) {
	s := newStation(t)
	other := s.register("two")
	defer s.unchanged(t)()
	for _, r := range s.operations() {
		names := s.names()
		switch r.door {
		case runner:
			names["runner"], names["claim"] = other.id, s.live.ID
			status := 403
			if strings.Contains(r.path, "{claim}") {
				// The claim of another runner is not there for this one.
				t.Run(r.id, func(t *testing.T) { refused(t, s, r, s.ask(r.method, s.path(r, names), other.token, s.body(r)), 404) })
				continue
			}
			t.Run(r.id, func(t *testing.T) {
				refused(t, s, r, s.ask(r.method, s.path(r, names), s.runner.token, s.body(r)), status)
			})
		case task:
			names["claim"] = s.stale.ID
			t.Run(r.id, func(t *testing.T) { refused(t, s, r, s.ask(r.method, s.path(r, names), s.live.token, s.body(r)), 403) })
		}
	}
}

func TestEveryRouteSaysThatSomethingIsNotThere(t *testing.T) {
	s := newStation(t)
	defer s.unchanged(t)()
	for _, r := range s.operations() {
		if !strings.Contains(r.path, "{") || r.door == task {
			continue // A task token carries its claim's id: there is no unknown one.
		}
		for name := range s.names() {
			if !strings.Contains(r.path, "{"+name+"}") || name == "runner" && r.door == runner {
				continue
			}
			t.Run(r.id+"/"+name, func(t *testing.T) {
				names := s.names()
				names[name] = "0192f0c1-1111-7000-8000-000000000000"
				token := s.tokens[r.door]
				if r.door == scaler {
					token = s.tokens[user]
				}
				p := refused(t, s, r, s.ask(r.method, s.path(r, names), token, s.body(r)), 404)
				if p.Kind != remuda.NotFound {
					t.Errorf("kind is %s", p.Kind)
				}
			})
		}
	}
}

func TestAStaleClaimChangesNothing(t *testing.T) {
	s := newStation(t)
	defer s.unchanged(t)()
	for _, r := range s.operations() {
		if !strings.Contains(r.path, "{claim}") {
			continue
		}
		t.Run(r.id, func(t *testing.T) {
			names := s.names()
			names["claim"] = s.stale.ID
			token := s.stale.token
			if r.door == runner {
				token = s.runner.token
			}
			if r.id == "return-claim" {
				names["claim"] = s.over.ID // Handing back twice is no mistake.
			}
			p := refused(t, s, r, s.ask(r.method, s.path(r, names), token, s.body(r)), 410)
			if p.Kind != remuda.Gone {
				t.Errorf("kind is %s", p.Kind)
			}
		})
	}
}

func TestEveryBodyIsHeldAgainstItsRules(t *testing.T) {
	s := newStation(t)
	defer s.unchanged(t)()
	for _, r := range s.operations() {
		if r.content == "" {
			continue
		}
		path, token := s.path(r, s.names()), s.tokens[r.door]
		ask := func(body any, headers ...string) got {
			return s.ask(r.method, path, token, body, headers...)
		}
		t.Run(r.id, func(t *testing.T) {
			tooMuch := bytes.Repeat([]byte(" "), int(r.limit)+1)
			var large any = tooMuch
			if r.content == jsonType {
				large = string(tooMuch)
			}
			p := refused(t, s, r, ask(large), 413)
			if p.Kind != remuda.TooLarge || !strings.Contains(p.Detail, "MiB") {
				t.Errorf("the problem says %+v", p)
			}
			refused(t, s, r, ask(s.body(r), "Content-Type", "application/xml"), 415)
			refused(t, s, r, ask(s.body(r), "Content-Type", ";;"), 415)
			if r.content != jsonType {
				return
			}
			refused(t, s, r, ask("  "), 400)
			p = refused(t, s, r, ask("{\n  \"a\": 1,,\n}"), 400)
			if !strings.Contains(p.Detail, "line 2, column 10") {
				t.Errorf("the break is at line 2, column 10, but the problem says %q", p.Detail)
			}
			refused(t, s, r, ask(`{"a": 1} {}`), 400)
			refused(t, s, r, ask(strings.Repeat("[", 5000)+strings.Repeat("]", 5000)), 400)
			for _, wrong := range []string{`[]`, `"text"`, `12`} {
				p = refused(t, s, r, ask(wrong), 422)
				if len(p.Errors) == 0 || p.Errors[0].Location != "body" {
					t.Errorf("%s: the problem names %v", wrong, p.Errors)
				}
			}
			refused(t, s, r, ask("null"), 422)
		})
	}
}

func TestEveryMemberIsHeldAgainstItsType(t *testing.T) {
	s := newStation(t)
	defer s.unchanged(t)()
	for _, r := range s.operations() {
		if r.content != jsonType {
			continue
		}
		var example map[string]any
		if err := json.Unmarshal([]byte(s.body(r).(string)), &example); err != nil {
			t.Fatal(err)
		}
		for name := range example {
			t.Run(r.id+"/"+name, func(t *testing.T) {
				wrong := map[string]any{}
				for other, value := range example {
					wrong[other] = value
				}
				wrong[name] = map[string]any{"wrong": []int{1}}
				text, err := json.Marshal(wrong)
				if err != nil {
					t.Fatal(err)
				}
				p := refused(t, s, r, s.ask(r.method, s.path(r, s.names()), s.tokens[r.door], string(text)), 422)
				if len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Location, "body."+name) {
					t.Errorf("the problem names %v", p.Errors)
				}
				if !strings.HasPrefix(p.Errors[0].Message, "line 1, column ") {
					t.Errorf("no place in %q", p.Errors[0].Message)
				}
			})
		}
	}
}

func TestPeopleHearOfUnknownMembersAndProgramsDoNot(t *testing.T) {
	s := newStation(t)
	for _, r := range s.operations() {
		if r.content != jsonType {
			continue
		}
		t.Run(r.id, func(t *testing.T) {
			body := strings.Replace(s.body(r).(string), "{", `{"brand_new": {"a": [1]}, `, 1)
			// At a claim that is over, what gets past the reading changes nothing.
			names := s.names()
			names["claim"] = s.stale.ID
			token := s.tokens[r.door]
			if r.door == task {
				token = s.stale.token
			}
			answer := s.ask(r.method, s.path(r, names), token, body)
			if r.door == user {
				p := refused(t, s, r, answer, 422)
				if len(p.Errors) != 1 || p.Errors[0].Location != "body.brand_new" || !strings.Contains(p.Errors[0].Message, `line 1, column 2: unknown member "brand_new"`) {
					t.Errorf("the problem names %v", p.Errors)
				}
				return
			}
			if answer.status == 422 || answer.status == 400 {
				t.Errorf("answered %s", answer)
			}
		})
	}
	metrics := string(s.want(200, "GET", "/metrics", s.admin, nil).body)
	if want := `remuda_http_ignored_members_total{operation="sync-runner"} 1`; !strings.Contains(metrics, want) {
		t.Errorf("/metrics does not say %s", want)
	}
}

func TestUnknownQueryParametersOfPeopleAreRefused(t *testing.T) {
	s := newStation(t)
	for _, r := range s.operations() {
		if r.door != user {
			continue
		}
		t.Run(r.id, func(t *testing.T) {
			p := refused(t, s, r, s.ask(r.method, s.path(r, s.names())+"?limitt=5", s.admin, s.body(r)), 422)
			if len(p.Errors) != 1 || p.Errors[0].Location != "query.limitt" {
				t.Errorf("the problem names %v", p.Errors)
			}
			if strings.HasPrefix(r.id, "list-") && !strings.Contains(p.Detail, `did you mean "limit"?`) {
				t.Errorf("the detail is %q", p.Detail)
			}
		})
	}
}

func TestElsewhereIsAProblemToo(t *testing.T) {
	s := newStation(t)
	refused(t, s, nil, s.ask("GET", "/api/v2/tasks", s.admin, nil), 404)
	refused(t, s, nil, s.ask("GET", "/", s.admin, nil), 404)
	for _, r := range s.operations() {
		answer := s.ask("OPTIONS", s.path(r, s.names()), "", nil, "Origin", "https://evil.example")
		refused(t, s, nil, answer, 405)
		if !strings.Contains(answer.header.Get("Allow"), r.method) {
			t.Errorf("%s: Allow is %q", r.path, answer.header.Get("Allow"))
		}
		for name := range answer.header {
			if strings.HasPrefix(name, "Access-Control") {
				t.Errorf("%s answers another origin with %s", r.path, name)
			}
		}
	}
}

func TestTheNearestKnownMemberIsNamed(t *testing.T) {
	s := newStation(t)
	body := "{\n  \"resource_class\": \"acme/linux\",\n  \"job\": {\"steps\": [\n    {\"run\": {\"comand\": \"true\"}}\n  ]}\n}"
	p := refused(t, s, nil, s.ask("POST", v1+"/tasks", s.admin, body), 422)
	want := remuda.Field{Location: "body.job.steps[0].run.comand", Message: `line 4, column 14: unknown member "comand"; did you mean "command"?`}
	if len(p.Errors) != 1 || p.Errors[0] != want {
		t.Errorf("the problem names %v, want %v", p.Errors, want)
	}
	if !strings.Contains(p.Detail, want.Message) {
		t.Errorf("detail is %q", p.Detail)
	}
	p = refused(t, s, nil, s.ask("POST", v1+"/organizations", s.admin, `{"name": "a", "Name": "b"}`), 422)
	if len(p.Errors) != 1 || !strings.Contains(p.Errors[0].Message, `did you mean "name"?`) {
		t.Errorf("the problem names %v", p.Errors)
	}
	p = refused(t, s, nil, s.ask("POST", v1+"/organizations", s.admin, `{"name": "a", "name": "b"}`), 422)
	if len(p.Errors) != 1 || !strings.Contains(p.Errors[0].Message, `"name" is there twice`) {
		t.Errorf("the problem names %v", p.Errors)
	}
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, `"m%d": 1,`, i)
	}
	p = refused(t, s, nil, s.ask("POST", v1+"/organizations", s.admin, "{"+many.String()+`"name": "a"}`), 422)
	if len(p.Errors) != mostProblems {
		t.Errorf("the problem names %d members", len(p.Errors))
	}
}
