package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/remuda-dev/remuda"
)

// statuses is the one table from a Kind to its HTTP status.
var statuses = map[remuda.Kind]int{
	remuda.Invalid:         http.StatusBadRequest,
	remuda.Unauthenticated: http.StatusUnauthorized,
	remuda.Forbidden:       http.StatusForbidden,
	remuda.NotFound:        http.StatusNotFound,
	remuda.Conflict:        http.StatusConflict,
	remuda.Gone:            http.StatusGone,
	remuda.TooLarge:        http.StatusRequestEntityTooLarge,
	remuda.Limited:         http.StatusTooManyRequests,
	remuda.Unavailable:     http.StatusServiceUnavailable,
	remuda.Internal:        http.StatusInternalServerError,
}

// Problem is how a call that failed is answered: RFC 9457, with our Kind beside the status.
type Problem struct {
	Type      string         `json:"type" doc:"Always about:blank: the kind says what there is to know" example:"about:blank"`
	Title     string         `json:"title" doc:"The status in words" example:"Not Found"`
	Status    int            `json:"status" doc:"The HTTP status" example:"404"`
	Detail    string         `json:"detail" doc:"What is wrong and what to do, for people" example:"no task 0192f0c1 is here; list those that you may see with GET /api/v1/tasks"`
	Kind      remuda.Kind    `json:"kind" enum:"invalid,unauthenticated,forbidden,not-found,conflict,gone,too-large,limited,unavailable,internal" doc:"What is wrong, for programs"`
	Errors    []remuda.Field `json:"errors,omitempty" doc:"What is wrong with which member of the request"`
	RequestID string         `json:"request_id,omitempty" doc:"What to quote when reporting a fault of ours"`

	retry  time.Duration
	cause  error
	reason string // why it was refused before any rule was asked; counted
}

// errPanic is the cause of a problem whose panic was logged already.
var errPanic = errors.New("panic")

// Error makes a Problem what huma passes through as it is.
func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are what the answer carries besides.
func (p *Problem) GetHeaders() http.Header {
	header := http.Header{}
	if p.Kind == remuda.Unauthenticated {
		header.Set("WWW-Authenticate", `Bearer realm="remuda"`)
	}
	if p.retry > 0 {
		header.Set("Retry-After", strconv.Itoa(seconds(p.retry)))
	}
	return header
}

// ContentType tells a problem from an answer.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// problemOf tells what the caller may know of err.
func problemOf(err error) *Problem {
	var ready *Problem
	if errors.As(err, &ready) {
		ready.complete()
		return ready
	}
	kind := remuda.KindOf(err)
	problem := &Problem{Kind: kind, Status: statuses[kind], cause: err}
	var known *remuda.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		// The database was too slow, or another part of ours: the caller did nothing wrong.
		problem.Kind, problem.Status = remuda.Unavailable, http.StatusServiceUnavailable
		problem.Detail, problem.retry = "this took too long; look whether it was done, or ask for the same again in a few seconds", 2*time.Second
		problem.reason = reasonBusy
	case errors.As(err, &known) && kind != remuda.Internal:
		problem.Detail, problem.Errors, problem.retry = known.Detail, known.Fields, known.Retry
		if kind == remuda.Unavailable {
			problem.reason = reasonBusy
		}
		if kind == remuda.Invalid && len(known.Fields) > 0 {
			problem.Status = http.StatusUnprocessableEntity
		}
	}
	problem.complete()
	return problem
}

// leftEarly is the status of a request whose caller did not wait for the answer, as nginx counts it.
const leftEarly = 499

// failed is problemOf for a request that may have been left by its caller, which is no fault of ours.
func failed(ctx context.Context, err error) *Problem {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return &Problem{Kind: remuda.Unavailable, Status: leftEarly, Detail: "the caller did not wait for the answer"}
	}
	return problemOf(err)
}

// complete fills what follows from the kind. Of a fault of ours nothing is told but that it is one.
func (p *Problem) complete() {
	if p.Status == 0 {
		p.Status = statuses[p.Kind]
	}
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	if p.Kind == remuda.Internal {
		p.Detail, p.Errors = "a fault of ours: the server's log tells more under this request_id", nil
	}
	if p.Detail == "" {
		p.Detail = advice[p.Kind]
	}
}

// advice is what to do when a rule gave no sentence of its own.
var advice = map[remuda.Kind]string{
	remuda.Invalid:         "the request cannot be understood; compare it with /api/v1/docs",
	remuda.Unauthenticated: "nobody has this token; check that it is whole and was not revoked",
	remuda.Forbidden:       "this token may not do that; ask an administrator for one that may",
	remuda.NotFound:        "nothing of this name is here, or this token may not see it",
	remuda.Conflict:        "what is there already does not allow it; read it again before the next try",
	remuda.Gone:            "this claim has ended and nothing was changed; stop working on it",
	remuda.TooLarge:        "the request is too large; send less at once",
	remuda.Limited:         "too many requests; wait for as long as Retry-After says",
	remuda.Unavailable:     "not possible right now and nothing was changed; try again in a few seconds",
}

// refuse writes a problem, unless an answer has begun already. A fault of ours is logged whole here, and only here.
func (s *Server) refuse(w *responder, p *Problem) {
	s.note(w, p)
	if w.code != 0 {
		return
	}
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(p) // Nobody is left to tell.
}

// note completes a problem with the request's id, and logs what only we should know.
func (s *Server) note(w *responder, p *Problem) {
	p.complete()
	if p.reason != "" {
		s.metrics.refused.WithLabelValues(p.reason).Inc()
	}
	if p.Kind != remuda.Internal {
		return
	}
	p.RequestID = w.id
	if errors.Is(p.cause, context.Canceled) {
		s.log.Debug("given up by whoever asked", "request_id", w.id)
		return
	}
	if !errors.Is(p.cause, errPanic) {
		s.log.Error("request failed", "request_id", w.id, "error", p.cause)
	}
}

// transform is where every answer of huma passes: its own errors take our shape here.
func (s *Server) transform(ctx huma.Context, _ string, value any) (any, error) {
	c, ok := ctx.(*call)
	if !ok {
		return value, nil
	}
	switch v := value.(type) {
	case *Problem:
		s.note(c.out, v)
		return v, nil
	case *huma.ErrorModel:
		p := c.translate(v)
		s.note(c.out, p)
		return p, nil
	}
	return value, nil
}

// translate takes a refusal of huma's into our words. The values that it would repeat are left out: any of them may
// be a secret.
func (c *call) translate(m *huma.ErrorModel) *Problem {
	p := &Problem{Status: m.Status, Kind: remuda.Invalid}
	if m.Status >= http.StatusInternalServerError {
		return &Problem{Status: http.StatusInternalServerError, Kind: remuda.Internal, cause: errors.New(m.Detail)}
	}
	for _, e := range m.Errors {
		p.Errors = append(p.Errors, remuda.Field{Location: e.Location, Message: c.explain(e)})
	}
	slices.SortStableFunc(p.Errors, compareFields)
	p.Detail = sentence(p.Errors)
	return p
}

// sentence says of a list of wrong members what to do.
func sentence(fields []remuda.Field) string {
	switch len(fields) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%s: %s; correct it and send the request again", fields[0].Location, fields[0].Message)
	default:
		return fmt.Sprintf("%s: %s; correct it and %d more, then send the request again", fields[0].Location, fields[0].Message, len(fields)-1)
	}
}
