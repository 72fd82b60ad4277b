package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// The media types of what is not JSON.
const (
	plainText   = "text/plain"
	eventStream = "text/event-stream"
)

// writeTime is how long a reader may leave a piece of a stream in the pipe before it is given up.
const writeTime = 30 * time.Second

// streams documents that an operation answers with something that is not JSON, too.
func streams(content ...string) option {
	return func(r *route, op *huma.Operation) {
		r.holds = time.Hour // Each write sets a deadline of its own.
		response := &huma.Response{Description: http.StatusText(http.StatusOK), Content: map[string]*huma.MediaType{}}
		for _, one := range content {
			response.Content[one] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		}
		op.Responses = map[string]*huma.Response{"200": response}
	}
}

// wantsEvents reads an Accept header.
func wantsEvents(accept string) bool { return strings.Contains(strings.ToLower(accept), eventStream) }

// eventWriter writes server-sent events (HTML standard, section 9.2). The answer begins with the first of them, so
// that what fails before it is still answered with a problem.
type eventWriter struct {
	mu      sync.Mutex // a heartbeat comes between events, never into one
	out     *responder
	control *http.ResponseController

	patience time.Duration // for each piece
}

// send writes one event with its data as JSON, which has no line ends.
func (e *eventWriter) send(event, id string, data any) error {
	encoded, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode event %s: %w", event, err)
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "event: %s\n", event)
	if id != "" {
		fmt.Fprintf(&text, "id: %s\n", id)
	}
	fmt.Fprintf(&text, "data: %s\n\n", encoded)
	return e.write(text.Bytes())
}

// beat writes a comment: it keeps the connection open where something on the way closes silent ones.
func (e *eventWriter) beat() error { return e.write([]byte(": still here\n\n")) }

func (e *eventWriter) write(text []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.out.code == 0 {
		begin(e.out, eventStream)
	}
	_ = e.control.SetWriteDeadline(time.Now().Add(e.patience))
	if _, err := e.out.Write(text); err != nil {
		return gone{err}
	}
	if err := e.control.Flush(); err != nil {
		return gone{err}
	}
	return nil
}

// gone marks that a reader has left, or reads too slowly: nothing that we could have done better.
type gone struct{ error }

// Unwrap gives the reason.
func (g gone) Unwrap() error { return g.error }

// begin starts an answer that comes in pieces.
func begin(w *responder, content string) {
	header := w.Header()
	header.Set("Content-Type", content+"; charset=utf-8")
	header.Set("X-Accel-Buffering", "no") // nginx would hold pieces back
	w.WriteHeader(http.StatusOK)
}

// stream is an answer of server-sent events that follow writes, with heartbeats between them.
func (s *Server) stream(follow func(context.Context, *eventWriter) error) func(huma.Context) {
	return s.following(func(ctx context.Context, out *responder) error {
		events := &eventWriter{out: out, control: http.NewResponseController(out), patience: s.writeTime}
		ctx, cancel := context.WithCancel(ctx)
		var beats sync.WaitGroup
		beats.Go(func() {
			// A reader that left is found out by the heartbeat, when nothing else is written.
			defer cancel()
			s.beatUntil(ctx, events)
		})
		err := follow(ctx, events)
		cancel()
		beats.Wait()
		return err
	})
}

func (s *Server) beatUntil(ctx context.Context, events *eventWriter) {
	ticker := time.NewTicker(s.heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if events.beat() != nil {
				return
			}
		}
	}
}

// following is an answer that takes as long as do does. When do fails before it wrote anything, the answer is a
// problem; later the only way to say that it is not whole is to break the connection.
func (s *Server) following(do func(context.Context, *responder) error) func(huma.Context) {
	return func(ctx huma.Context) {
		c := ctx.(*call)
		if c.request.Method == http.MethodHead {
			begin(c.out, plainText)
			return
		}
		leave, err := s.followers.take()
		if err != nil {
			s.refuse(c.out, problemOf(err))
			return
		}
		defer leave()
		held, end := s.untilClosing(c.request.Context())
		defer end()
		err = do(held, c.out)
		var left gone
		switch {
		case err == nil, errors.As(err, &left), c.request.Context().Err() != nil:
			return
		case errors.Is(context.Cause(held), errClosing):
			err = errClosing
		}
		begun := c.out.code != 0
		s.refuse(c.out, problemOf(err))
		if begun {
			panic(http.ErrAbortHandler)
		}
	}
}
