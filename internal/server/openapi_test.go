package server

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/remuda-dev/remuda/internal/yaml"
)

func newBare() *Server {
	return New(Options{Log: slog.New(slog.DiscardHandler), Home: homeOf{http.NotFoundHandler()}})
}

func TestTheDocumentIsTheSameEachTime(t *testing.T) {
	first, err := OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		again, err := OpenAPI()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, again) {
			t.Fatal("two documents of the same server differ")
		}
	}
}

// documented are the operations of a document, as the mux would call them.
func documented(document *huma.OpenAPI) map[string]*huma.Operation {
	all := map[string]*huma.Operation{}
	for path, item := range document.Paths {
		for method, op := range map[string]*huma.Operation{
			"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete,
			"HEAD": item.Head, "OPTIONS": item.Options, "TRACE": item.Trace,
		} {
			if op != nil {
				all[method+" "+path] = op
			}
		}
	}
	return all
}

func TestTheDocumentListsExactlyTheRoutes(t *testing.T) {
	s := newBare()
	ops := documented(s.api.OpenAPI())
	pages := []string{"/", "GET /{$}", "GET /assets/{file}", "GET /live/{$}", "POST /sign-in"}
	for _, pattern := range s.mux.patterns {
		if ops[pattern] == nil && !slices.Contains(pages, pattern) {
			t.Errorf("%s is served but not documented", pattern)
		}
	}
	for pattern := range ops {
		if !slices.Contains(s.mux.patterns, pattern) {
			t.Errorf("%s is documented but not served", pattern)
		}
	}
	for _, r := range s.routes {
		if !slices.Contains(s.mux.patterns, r.pattern()) {
			t.Errorf("%s is in the table of routes but not served", r.pattern())
		}
	}
}

func TestEveryOperationIsDescribed(t *testing.T) {
	s := newBare()
	known := map[string]bool{}
	for _, tag := range s.api.OpenAPI().Tags {
		known[tag.Name] = true
	}
	used := map[string]bool{}
	for pattern, op := range documented(s.api.OpenAPI()) {
		used[op.OperationID] = true
		if op.Summary == "" || len(op.Tags) != 1 || !known[op.Tags[0]] {
			t.Errorf("%s has the summary %q and the tags %v", pattern, op.Summary, op.Tags)
		}
		for _, p := range op.Parameters {
			if p.Description == "" {
				t.Errorf("%s does not describe its parameter %s", pattern, p.Name)
			}
			pattern = strings.Replace(pattern, "{"+p.Name+"}", p.Name, 1)
		}
		if strings.Contains(strings.TrimSuffix(pattern, "{$}"), "{") {
			t.Errorf("%s has a name in its path that its input does not have", pattern)
		}
		if op.RequestBody != nil && op.RequestBody.Content[jsonType] != nil && op.RequestBody.Content[jsonType].Example == nil {
			t.Errorf("%s has no example", pattern)
		}
		if op.Responses["500"] == nil {
			t.Errorf("%s does not say that it may fail", pattern)
		}
		for status, response := range op.Responses {
			if response.Description == "" {
				t.Errorf("%s does not describe its answer %s", pattern, status)
			}
			for content, media := range response.Content {
				if media.Schema != nil && media.Schema.Ref != "" && s.api.OpenAPI().Components.Schemas.SchemaFromRef(media.Schema.Ref) == nil {
					t.Errorf("%s answers %s with a schema that is not there: %s", pattern, content, media.Schema.Ref)
				}
			}
		}
	}
	for id := range texts {
		if !used[id] {
			t.Errorf("texts.go describes %s, which is no operation", id)
		}
	}
}

func TestEveryDoorHasItsScheme(t *testing.T) {
	s := newBare()
	schemes := s.api.OpenAPI().Components.SecuritySchemes
	ops := documented(s.api.OpenAPI())
	for _, r := range s.routes {
		if r.page || r.door == anyone {
			continue
		}
		if r.door == scaler {
			security := ops[r.pattern()].Security
			if len(security) != 2 || security[0]["userToken"] == nil || security[1]["classToken"] == nil || schemes["classToken"] == nil {
				t.Errorf("%s is secured by %v, want userToken or classToken", r.pattern(), security)
			}
			continue
		}
		want := string(r.door) + "Token"
		if security := ops[r.pattern()].Security; len(security) != 1 || security[0][want] == nil || schemes[want] == nil {
			t.Errorf("%s is secured by %v, want %s", r.pattern(), security, want)
		}
	}
}

func TestExamplesAreWhatTheServerTakes(t *testing.T) {
	s := newBare()
	registry := s.api.OpenAPI().Components.Schemas
	for _, r := range s.routes {
		if r.content != jsonType {
			continue
		}
		var example any
		if err := json.Unmarshal([]byte(texts[r.id].example), &example); err != nil {
			t.Fatalf("%s: %v", r.id, err)
		}
		path, result := huma.NewPathBuffer(nil, 0), &huma.ValidateResult{}
		huma.Validate(registry, r.body, path, huma.ModeWriteToServer, example, result)
		for _, problem := range result.Errors {
			t.Errorf("%s: %v", r.id, problem)
		}
		d := document{data: []byte(texts[r.id].example), registry: registry}
		if err := d.check(r.body); err != nil || len(d.problems) > 0 || d.ignored > 0 {
			t.Errorf("%s: %v %v, %d ignored", r.id, err, d.problems, d.ignored)
		}
	}
}

func TestSchemasAreCalledByOurWords(t *testing.T) {
	names := newBare().api.OpenAPI().Components.Schemas.Map()
	for _, word := range []string{"Task", "Claim", "Runner", "ResourceClass", "Organization", "Namespace", "Project", "Token", "Event", "Submission", "Sync", "SyncAnswer", "Result", "Problem", "TaskPage", "EventPage"} {
		if names[word] == nil {
			t.Errorf("no schema is called %s", word)
		}
	}
	ours := regexp.MustCompile(`^[A-Z][A-Za-z]+$`)
	words := map[string]bool{"Input": true} // as handlers' own shapes end, too
	for name := range names {
		if !ours.MatchString(name) || strings.HasPrefix(name, "Error") || strings.HasSuffix(name, "Input") && !words[name] {
			t.Errorf("%s is none of our words", name)
		}
	}
}

func TestAnswersMayGrowAndRequestsOfPeopleMayNot(t *testing.T) {
	names := newBare().api.OpenAPI().Components.Schemas.Map()
	for name, want := range map[string]any{"Task": nil, "Problem": nil, "Submission": false, "NewOrganization": false, "Run": false, "Sync": true} {
		if got := names[name].AdditionalProperties; got != want {
			t.Errorf("additionalProperties of %s is %v, want %v", name, got, want)
		}
	}
}

func TestTheDocumentIsServedInBothForms(t *testing.T) {
	w := newTown(t)
	fromJSON := read[map[string]any](t, w.want(200, "GET", v1+"/openapi.json", "", nil))
	if fromJSON["openapi"] != "3.1.0" {
		t.Errorf("openapi is %v", fromJSON["openapi"])
	}
	text := w.want(200, "GET", v1+"/openapi.yaml", "", nil)
	var fromYAML map[string]any
	if err := yaml.Decode("openapi.yaml", text.body, &fromYAML); err != nil {
		t.Fatal(err)
	}
	one, err := json.Marshal(fromJSON)
	if err != nil {
		t.Fatal(err)
	}
	other, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, other) || text.header.Get("Content-Type") != "application/openapi+yaml" {
		t.Errorf("the YAML form (%s) says something else", text.header.Get("Content-Type"))
	}
}

func TestTheDocsNeedNothingFromElsewhere(t *testing.T) {
	w := newTown(t)
	page := w.want(200, "GET", v1+"/docs", "", nil)
	if bytes.Contains(page.body, []byte("<script")) || regexp.MustCompile(`(?i)(src|href)="?(https?:)?//`).Match(page.body) {
		t.Error("the page loads something")
	}
	if policy := page.header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "style-src 'sha256-") {
		t.Errorf("its policy is %q", policy)
	}
	for _, r := range w.server.routes {
		if !r.page && !bytes.Contains(page.body, []byte(`id="`+r.id+`"`)) {
			t.Errorf("the page does not tell of %s", r.id)
		}
	}
	for name := range w.server.api.OpenAPI().Components.Schemas.Map() {
		if !bytes.Contains(page.body, []byte(`id="word-`+name+`"`)) {
			t.Errorf("the page does not tell of the word %s", name)
		}
	}
}
