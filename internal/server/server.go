// Package server is the native API over HTTP. Its handlers decide nothing: each decodes a request, calls one rule of
// internal/control, and encodes the answer. routes.go is its table of contents.
package server

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/aside"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

// Options is what a Server is made of. Plane and Log are needed, everything else has a default.
type Options struct {
	Plane   *control.Plane
	Log     *slog.Logger
	Version string // of this control plane, such as 0.1.0

	// Blocks are the rules of building blocks; their calls fail without.
	Blocks *blocks.Rules

	// Home is what browsers are shown; nothing is there when it is nil.
	Home Home

	// OpenMetrics shows /metrics to everybody. Without it an admin token is asked for, since the names of classes,
	// and how busy they are, are nobody else's business.
	OpenMetrics bool

	Limits Limits
}

// Home is what browsers are shown.
type Home interface {
	http.Handler
	// Patterns are the addresses that it answers, such as "GET /{$}": those that answer at once, and those whose answers
	// take as long as somebody looks.
	Patterns() (pages, streams []string)
}

// Server answers HTTP requests. Make one with New; Serve runs it on a listener.
type Server struct {
	options   Options
	plane     *control.Plane
	log       *slog.Logger
	mux       *table
	api       huma.API
	routes    []*route
	metrics   *metrics
	limits    Limits
	syncs     places
	followers places
	lists     places  // lists that are being read
	requests  *shares // under way, by token
	streams   *shares // open, by token
	reports   *pace   // calls of claims
	steps     *pace   // reports of their steps
	gate      *gate
	chunks    sync.Pool     // of *bytes.Buffer, for bodies that are output
	parking   *parking      // nil where nobody gives connections back
	heartbeat time.Duration // between two signs of life on a stream
	workTime  time.Duration // how long a request may wait for the store
	writeTime time.Duration // how long a reader may leave a piece of a stream in the pipe
	bodyTime  time.Duration // how long a MiB of a request's body may take to arrive
	lineTime  time.Duration // how long a request's header may

	closing context.Context // ends when the server stops: held requests are let go
	close   context.CancelFunc
}

// New makes a Server that answers at once; it starts nothing.
func New(o Options) *Server {
	if o.Version == "" {
		o.Version = "dev"
	}
	limits := o.Limits.complete()
	s := &Server{
		options:   o,
		plane:     o.Plane,
		log:       o.Log,
		mux:       &table{ServeMux: http.NewServeMux(), waits: map[string]bool{}},
		limits:    limits,
		syncs:     newPlaces("requests that may be held open", limits.Syncs),
		followers: newPlaces("streams that may be open", limits.Streams),
		lists:     newPlaces("lists that may be read at once", mostLists),
		requests:  newShares(),
		streams:   newShares(),
		reports:   newPace(claimPace, claimBurst),
		steps:     newPace(stepsPace, stepsBurst),
		gate:      newGate(),
		workTime:  workTime,
		writeTime: writeTime,
		heartbeat: 15 * time.Second, // under the 30 s and 60 s after which common proxies take a connection for dead
		bodyTime:  30 * time.Second,
		lineTime:  headerTime,
	}
	s.closing, s.close = context.WithCancel(context.Background())
	s.metrics = newMetrics(s)
	s.api = s.newAPI()
	addRoutes(s)
	finishDocument(s.api.OpenAPI())
	return s
}

// table is a mux that knows what it was given, so that a test can hold it against the document.
type table struct {
	*http.ServeMux
	patterns []string
	waits    map[string]bool // patterns of requests that are held open by the thousand
}

// Handle registers a handler.
func (t *table) Handle(pattern string, handler http.Handler) {
	t.patterns = append(t.patterns, pattern)
	if t.waits[pattern] {
		below := handler
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			aside.Do(func() { below.ServeHTTP(w, r) }) // it leaves to responder.later what takes long
		})
	}
	t.ServeMux.Handle(pattern, handler)
}

// HandleFunc registers a function.
func (t *table) HandleFunc(pattern string, handle func(http.ResponseWriter, *http.Request)) {
	t.Handle(pattern, http.HandlerFunc(handle))
}

// Close lets go of every request that is held open, so that an http.Server can shut down. Later ones are refused.
func (s *Server) Close() {
	s.close()
	s.plane.LetGo()
}

// answerTime is how long an answer may take to be written, where an operation does not say otherwise.
const answerTime = 30 * time.Second

// ServeHTTP answers one request. Whatever happens below, the answer carries the headers that protect browsers and
// the request's id, a deadline holds, and a panic ends this request alone.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	out := &responder{ResponseWriter: w, id: requestID(), started: started}

	// A deadline that an earlier request set on this connection still holds, so each sets its own.
	deadline := http.NewResponseController(w)
	_ = deadline.SetWriteDeadline(started.Add(answerTime))
	if r.ContentLength != 0 {
		_ = deadline.SetReadDeadline(started.Add(s.bodyTime))
	}

	defer func() {
		caught := recover()
		abort := caught == http.ErrAbortHandler //nolint:errorlint // a panic's value is compared, as net/http does
		if caught != nil && !abort {
			s.log.Error("request panicked", "request_id", out.id, "route", r.Pattern, "panic", caught, "stack", string(debug.Stack()))
			s.refuse(out, &Problem{cause: errPanic, Kind: remuda.Internal})
		}
		if !out.parked {
			if out.code == 0 && !abort {
				out.WriteHeader(http.StatusOK) // as net/http answers a handler that said nothing
			}
			s.finished(out, r.Pattern, started)
		}
		if abort {
			panic(caught)
		}
	}()
	if !isClean(r.URL.Path) {
		s.refuse(out, nowhere()) // the mux would answer with a page that leads elsewhere
		return
	}
	s.mux.ServeHTTP(out, r)
	if later := out.later; later != nil {
		out.later = nil // it knows the request, which is not to be kept for as long as it takes
		later()
	}
}

// finished notes a request that was answered.
func (s *Server) finished(out *responder, route string, started time.Time) {
	took := time.Since(started)
	s.metrics.answered(route, out.status(), took)
	s.log.Debug("answered", "request_id", out.id, "route", route, "status", out.status(), "took", took)
}

// requestID is what people quote when they report a fault.
func requestID() string {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil.String() // No randomness: an answer without an id of its own is better than none.
	}
	return id.String()
}

// protect sets what every answer tells browsers. Nothing of ours is ever embedded, sniffed, cached by a proxy or
// shared with another origin; pages that need more than the strictest policy have said so themselves.
func protect(h http.Header) {
	for name, value := range map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
		"Referrer-Policy":              "no-referrer",
		"X-Frame-Options":              "DENY",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cache-Control":                "no-store",
	} {
		if _, said := h[name]; !said {
			h[name] = []string{value}
		}
	}
}

// responder remembers what was answered, for logs and metrics.
type responder struct {
	http.ResponseWriter
	id      string
	started time.Time
	code    int    // 0 until something was answered
	parked  bool   // net/http has nothing to do with it any more
	later   func() // what waits for long, once the handler has returned: the stack below it is small then
}

// WriteHeader remembers the first status, and completes the headers.
func (w *responder) WriteHeader(code int) {
	if w.code == 0 && code >= 200 {
		w.code = code
		protect(w.Header())
		w.Header()["X-Request-Id"] = []string{w.id}
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write is an answer of 200 unless a status came first.
func (w *responder) Write(data []byte) (int, error) {
	if w.code == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController find what can flush and hold deadlines.
func (w *responder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *responder) status() int {
	if w.code == 0 {
		return http.StatusOK // As net/http answers a handler that said nothing.
	}
	return w.code
}
