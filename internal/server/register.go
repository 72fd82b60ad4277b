package server

import (
	"context"
	"crypto/sha256"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// A door says who may call an operation.
type door string

// The doors. A class token opens none of them but the scalers': it is part of a registration.
const (
	anyone door = "anyone"
	user   door = "user"   // people and their programs: organization tokens and admin tokens
	runner door = "runner" // a registered runner, for itself
	task   door = "task"   // a task-agent, for its own claim
	scaler door = "scaler" // who starts and stops runners: users, and whoever has a class token
)

// route is what the server knows of an operation beside its handler.
type route struct {
	id      string
	method  string
	path    string
	door    door
	content string        // media type of the body; empty when it takes none
	body    *huma.Schema  // of a JSON body
	limit   int64         // of the body, in bytes
	holds   time.Duration // how long the answer may be held back
	answers reflect.Type  // of a JSON answer beside a stream; nil when there is none
	waits   bool          // the handler leaves what takes long to responder.later
	page    bool          // for people's browsers: not part of the API
}

// pattern is what the mux knows it by.
func (r *route) pattern() string { return r.method + " " + r.path }

// lists says whether the answer is read from many rows.
func (r *route) lists() bool { return strings.HasPrefix(r.id, "list-") }

// nothing is the answer of operations that have none: 204.
type nothing struct{}

// answer is how huma wants an answer wrapped.
type answer[T any] struct{ Body T }

// An option says what is unusual about an operation.
type option func(*route, *huma.Operation)

// made is for operations that make something: 201.
func made(_ *route, op *huma.Operation) { op.DefaultStatus = http.StatusCreated }

// large is for operations that take bodies of up to 4 MiB.
func large(r *route, _ *huma.Operation) { r.limit = largeBody }

// held is for operations whose answer may be held back for as long, by the thousand.
func held(longest time.Duration) option {
	return func(r *route, op *huma.Operation) {
		streams()(r, op)
		r.holds, r.waits = longest, true
	}
}

// answers is for operations that answer with JSON where no stream is asked for.
func answers[T any](r *route, _ *huma.Operation) { r.answers = reflect.TypeFor[T]() }

// forAnyone registers an operation that takes no token.
func forAnyone[I, O any](s *Server, pattern, id string, handle func(context.Context, *I) (O, error), options ...option) {
	register(s, anyone, pattern, id, handle, options)
}

// forUser registers an operation at the users' door; its input embeds byUser.
func forUser[I, O any, P interface {
	*I
	user() *byUser
}](s *Server, pattern, id string, handle func(context.Context, *I) (O, error), options ...option) {
	register(s, user, pattern, id, handle, options)
}

// forRunner registers an operation at the runners' door; its input embeds byRunner.
func forRunner[I, O any, P interface {
	*I
	runner() *byRunner
}](s *Server, pattern, id string, handle func(context.Context, *I) (O, error), options ...option) {
	register(s, runner, pattern, id, handle, options)
}

// forTask registers an operation at the task-agents' door; its input embeds byTask.
func forTask[I, O any, P interface {
	*I
	task() *byTask
}](s *Server, pattern, id string, handle func(context.Context, *I) (O, error), options ...option) {
	register(s, task, pattern, id, handle, options)
}

// forScaler registers an operation at the scalers' door; its input embeds byScaler.
func forScaler[I, O any, P interface {
	*I
	scaler() *byScaler
}](s *Server, pattern, id string, handle func(context.Context, *I) (O, error), options ...option) {
	register(s, scaler, pattern, id, handle, options)
}

// The marks by which the compiler holds doors and inputs together.
func (b *byUser) user() *byUser       { return b }
func (b *byRunner) runner() *byRunner { return b }
func (b *byTask) task() *byTask       { return b }
func (b *byScaler) scaler() *byScaler { return b }

func register[I, O any](s *Server, d door, pattern, id string, handle func(context.Context, *I) (O, error), options []option) {
	r, op := s.operation(d, pattern, id)
	input := reflect.TypeFor[I]()
	if _, has := input.FieldByName("RawBody"); has {
		r.content = rawContent
	}
	if _, has := input.FieldByName("Body"); has {
		r.content = jsonType
	}
	for _, o := range options {
		o(r, op)
	}
	s.mux.waits[r.pattern()] = r.waits
	op.MaxBodyBytes, op.BodyReadTimeout = r.limit+1, -1
	op.RejectUnknownQueryParameters = d == user || d == scaler || d == anyone && r.content == ""
	op.Middlewares = huma.Middlewares{s.enter(r)}

	var out O
	if _, none := any(out).(nothing); none {
		huma.Register(s.api, *op, func(ctx context.Context, in *I) (*struct{}, error) {
			if _, err := handle(ctx, in); err != nil {
				return nil, failed(ctx, err)
			}
			return nil, nil // how huma is told that there is nothing to say
		})
	} else {
		huma.Register(s.api, *op, func(ctx context.Context, in *I) (*answer[O], error) {
			out, err := handle(ctx, in)
			if err != nil {
				return nil, failed(ctx, err)
			}
			return &answer[O]{out}, nil
		})
	}
	registered := find(s.api.OpenAPI(), r.method, r.path)
	if r.content == jsonType {
		r.body = registered.RequestBody.Content[jsonType].Schema
	}
	s.describe(r, registered)
}

// operation begins an operation.
func (s *Server) operation(d door, pattern, id string) (*route, *huma.Operation) {
	method, path, _ := strings.Cut(pattern, " ")
	r := &route{id: id, method: method, path: path, door: d, limit: usualBody}
	s.routes = append(s.routes, r)
	text := texts[id]
	return r, &huma.Operation{
		OperationID: id, Method: method, Path: path,
		Summary: text.summary, Description: text.description, Tags: []string{text.tag},
	}
}

// plain registers what huma has no part in: an answer that is not JSON of our words.
func (s *Server) plain(pattern, id, content string, handle http.HandlerFunc) {
	r, op := s.operation(anyone, pattern, id)
	op.Responses = map[string]*huma.Response{"200": {
		Description: http.StatusText(http.StatusOK),
		Content:     map[string]*huma.MediaType{content: {}},
	}}
	s.api.OpenAPI().AddOperation(op)
	s.mux.HandleFunc(pattern, handle)
	s.describe(r, op)
}

// pages registers what people's browsers see; it is not part of the API.
func (s *Server) pages(home Home) {
	pages, streams := home.Patterns()
	for _, pattern := range pages {
		guarded := s.browsed(home)
		if pattern == "POST /sign-in" {
			guarded = s.signingIn(guarded)
		}
		s.handlePage(pattern, guarded)
	}
	for _, pattern := range streams {
		s.handlePage(pattern, s.watched(home))
	}
}

func (s *Server) handlePage(pattern string, handler http.Handler) {
	method, path, _ := strings.Cut(pattern, " ")
	s.routes = append(s.routes, &route{method: method, path: path, door: anyone, page: true})
	s.mux.Handle(pattern, handler)
}

// browser is whose requests share one bound: those of a session, or of an address when there is none. The session is not
// looked at otherwise.
func browser(r *http.Request) string {
	digest := sha256.Sum256([]byte(r.Header.Get("Cookie")))
	if r.Header.Get("Cookie") == "" {
		return "browser/" + origin(r)
	}
	return "browser/" + string(digest[:16])
}

// browsed bounds a page as all other requests are: by who asks, by how long it may wait for the store, and among those
// that read lists, since most pages show some.
func (s *Server) browsed(page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/assets/") {
			page.ServeHTTP(w, r)
			return
		}
		leave := s.requests.take(browser(r), s.limits.TokenRequests)
		if leave == nil {
			s.refuse(w.(*responder), limited(reasonRequests, "too many pages are being loaded by this browser already; wait for one of them", time.Second))
			return
		}
		defer leave()
		ctx, cancel := context.WithTimeout(r.Context(), s.workTime)
		defer cancel()
		unlist, err := s.lists.await(ctx)
		if err != nil {
			s.refuse(w.(*responder), failed(r.Context(), err))
			return
		}
		defer unlist()
		page.ServeHTTP(w, r.WithContext(ctx))
	})
}

// watched is a page that is kept up to date, or an output that is followed: as other streams it has a place among all and
// among those of its browser, and ends when the server stops.
func (s *Server) watched(page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leave := s.streams.take(browser(r), s.limits.TokenStreams)
		if leave == nil {
			s.refuse(w.(*responder), limited(reasonStreams, "too many pages are open in this browser already; close some", time.Second))
			return
		}
		defer leave()
		free, err := s.followers.take()
		if err != nil {
			s.refuse(w.(*responder), problemOf(err))
			return
		}
		defer free()
		ctx, end := s.untilClosing(r.Context())
		defer end()
		page.ServeHTTP(w, r.WithContext(ctx))
	})
}

// signingIn counts the wrong tokens that are tried.
func (s *Server) signingIn(page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, from := w.(*responder), origin(r)
		if err := s.gate.check(from, ""); err != nil {
			s.refuse(out, problemOf(err))
			return
		}
		page.ServeHTTP(w, r)
		if out.code == http.StatusUnauthorized {
			s.gate.bad(from)
		}
	})
}

// find gives an operation as the document has it.
func find(document *huma.OpenAPI, method, path string) *huma.Operation {
	item := document.Paths[path]
	switch method {
	case http.MethodGet:
		return item.Get
	case http.MethodPost:
		return item.Post
	case http.MethodPut:
		return item.Put
	case http.MethodPatch:
		return item.Patch
	default:
		return item.Delete
	}
}

// failures are the statuses with which an operation may refuse, by what it is.
func (r *route) failures() []int {
	codes := []int{http.StatusInternalServerError}
	if r.path != "/healthz" {
		codes = append(codes, http.StatusServiceUnavailable)
	}
	if r.door != anyone || r.id == "metrics" || r.id == "register-runner" {
		codes = append(codes, http.StatusUnauthorized, http.StatusForbidden)
	}
	if r.content != "" {
		codes = append(codes, http.StatusBadRequest, http.StatusRequestTimeout,
			http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if r.door != anyone || r.content != "" {
		codes = append(codes, http.StatusUnprocessableEntity, http.StatusBadRequest)
	}
	if r.door != anyone || r.id == "metrics" || r.id == "register-runner" {
		codes = append(codes, http.StatusTooManyRequests)
	}
	if strings.Contains(r.path, "{") {
		codes = append(codes, http.StatusNotFound)
	}
	if r.method != http.MethodGet {
		codes = append(codes, http.StatusConflict)
	}
	if strings.Contains(r.path, "{claim}") || r.door == runner {
		codes = append(codes, http.StatusGone)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}
