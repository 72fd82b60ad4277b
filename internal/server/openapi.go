package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/remuda-dev/remuda"
)

// OpenAPI is the document of the native API as YAML, the same each time. It needs no store.
func OpenAPI() ([]byte, error) {
	s := New(Options{Log: slog.New(slog.DiscardHandler), Version: "v1"})
	text, err := s.api.OpenAPI().YAML()
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	return text, nil
}

// schemaPrefix is where references to schemas point.
const schemaPrefix = "#/components/schemas/"

// newAPI prepares huma: JSON alone, no page of its own (it would load scripts from elsewhere), problems in our shape.
func (s *Server) newAPI() huma.API {
	registry := huma.NewMapRegistry(schemaPrefix, schemaName)
	registry.RegisterTypeAlias(reflect.TypeFor[remuda.Duration](), reflect.TypeFor[durationText]())
	registry.RegisterTypeAlias(reflect.TypeFor[remuda.Secret](), reflect.TypeFor[secretText]())
	api := humago.New(s.mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Remuda", Version: s.options.Version, Description: introduction},
			Components: &huma.Components{
				Schemas:         registry,
				SecuritySchemes: securitySchemes(),
			},
			Tags: tags(),
		},
		Formats:       map[string]huma.Format{jsonType: huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: jsonType,
		Transformers:  []huma.Transformer{s.transform},
	})
	registry.Schema(reflect.TypeFor[Problem](), true, "")
	return api
}

// schemaName is how a schema is called: by our word. A page of tasks is a TaskPage.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if of, found := strings.CutPrefix(name, "Page"); found && of != "" {
		return of + "Page"
	}
	return name
}

// durationText is the schema of remuda.Duration.
type durationText string

// Schema says how people write a length of time.
func (durationText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type:               huma.TypeString,
		Pattern:            `^([0-9]{1,6}d)?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))*$`,
		PatternDescription: "a duration such as 90s, 10m, 5h or 2d",
		Examples:           []any{"10m"},
	}
}

// secretText is the schema of remuda.Secret.
type secretText string

// Schema says that no answer has it.
func (secretText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, WriteOnly: true, Description: "Sealed where it is kept; no answer has it"}
}

// securitySchemes are the doors as OpenAPI knows them.
func securitySchemes() map[string]*huma.SecurityScheme {
	return map[string]*huma.SecurityScheme{
		securityOf("class"): {Type: "http", Scheme: "bearer", BearerFormat: "rmd_cls_…",
			Description: "A class token that is for more than a single use: registers runners, in the body of that call, and reads the scaling of its class."},
		securityOf(user): {Type: "http", Scheme: "bearer", BearerFormat: "rmd_org_…, rmd_adm_…, rmd_key_… or rmd_acc_…",
			Description: "An organization token acts for a person or program in one organization, by role; an admin token for the instance's administrator; an API key, or the access token that logging in with it gives, for a program by permissions."},
		securityOf(runner): {Type: "http", Scheme: "bearer", BearerFormat: "rmd_run_…",
			Description: "What registering gave: speaks for that runner and its claims, and nothing else."},
		securityOf(task): {Type: "http", Scheme: "bearer", BearerFormat: "rmd_tsk_…",
			Description: "What came sealed with a claim: reports for that attempt, and nothing else."},
	}
}

func securityOf(d door) string { return string(d) + "Token" }

// describe completes what the document says of an operation: who may, and how it refuses.
func (s *Server) describe(r *route, op *huma.Operation) {
	if r.door != anyone {
		op.Security = []map[string][]string{{securityOf(r.door): {}}}
	}
	if r.door == scaler {
		op.Security = []map[string][]string{{securityOf(user): {}}, {securityOf("class"): {}}}
	}
	if r.id == "metrics" {
		op.Security = []map[string][]string{{securityOf(user): {}}, {}}
	}
	delete(op.Responses, "default")
	registry := s.api.OpenAPI().Components.Schemas
	if r.answers != nil {
		op.Responses["200"].Content[jsonType] = &huma.MediaType{Schema: registry.Schema(r.answers, true, "")}
	}
	problem := registry.Schema(reflect.TypeFor[Problem](), true, "")
	for _, code := range r.failures() {
		op.Responses[strconv.Itoa(code)] = &huma.Response{
			Description: refusals[code],
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: problem}},
		}
	}
	example := texts[r.id].example
	if example == "" || op.RequestBody == nil {
		return
	}
	var value any
	if err := json.Unmarshal([]byte(example), &value); err != nil {
		panic(fmt.Sprintf("the example of %s is not JSON: %v", r.id, err)) // A test makes every Server.
	}
	op.RequestBody.Content[jsonType].Example = value
}

// refusals is what each status means here.
var refusals = map[int]string{
	http.StatusBadRequest:            "The body is not JSON, or the request breaks a rule of form.",
	http.StatusUnauthorized:          "No token, or nobody's.",
	http.StatusForbidden:             "A good token at the wrong door, or of too small a role.",
	http.StatusNotFound:              "Nothing of this name is here, or the token may not see it.",
	http.StatusRequestTimeout:        "The body did not arrive in time.",
	http.StatusConflict:              "What is there already does not allow it.",
	http.StatusGone:                  "The claim has ended, or the runner is not known any more; nothing changed.",
	http.StatusRequestEntityTooLarge: "The body is too large.",
	http.StatusUnsupportedMediaType:  "The body has another type than the call takes.",
	http.StatusUnprocessableEntity:   "Members of the request are wrong; errors names each.",
	http.StatusTooManyRequests:       "This token, claim or address asks too much at once; nothing changed. Try again after Retry-After seconds.",
	http.StatusInternalServerError:   "A fault of ours; quote request_id when reporting it.",
	http.StatusServiceUnavailable:    "Not possible right now; nothing changed. Try again after Retry-After seconds.",
}

// finishDocument removes what huma adds for errors of its own, which never leave this server in that shape, and opens
// the schemas of answers: a later version may say more than this one.
func finishDocument(document *huma.OpenAPI) {
	schemas := document.Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	asked := map[string]bool{}
	for _, item := range document.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil || op.RequestBody == nil {
				continue
			}
			for _, media := range op.RequestBody.Content {
				reach(media.Schema, schemas, asked)
			}
		}
	}
	for name, schema := range schemas {
		if !asked[name] && schema.AdditionalProperties == false {
			schema.AdditionalProperties = nil
		}
	}
}

// reach notes every named schema that a schema is made of.
func reach(schema *huma.Schema, all map[string]*huma.Schema, found map[string]bool) {
	if schema == nil {
		return
	}
	if name := strings.TrimPrefix(schema.Ref, schemaPrefix); schema.Ref != "" && !found[name] {
		found[name] = true
		reach(all[name], all, found)
	}
	reach(schema.Items, all, found)
	for _, member := range schema.Properties {
		reach(member, all, found)
	}
	if any, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		reach(any, all, found)
	}
}

func (s *Server) openAPIJSON(w http.ResponseWriter, _ *http.Request) {
	text, err := json.Marshal(s.api.OpenAPI())
	s.showDocument(w, "application/openapi+json", text, err)
}

func (s *Server) openAPIYAML(w http.ResponseWriter, _ *http.Request) {
	text, err := s.api.OpenAPI().YAML()
	s.showDocument(w, "application/openapi+yaml", text, err)
}

func (s *Server) showDocument(w http.ResponseWriter, content string, text []byte, err error) {
	if err != nil {
		s.refuse(w.(*responder), problemOf(fmt.Errorf("write the OpenAPI document: %w", err)))
		return
	}
	w.Header().Set("Content-Type", content)
	_, _ = w.Write(text) // Nobody is left to tell.
}
