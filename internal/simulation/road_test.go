package simulation

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/runner"
)

// The times that clients give a call; client has them.
const (
	callTime = 30 * time.Second
	syncHold = 55 * time.Second
)

// nothing is the answer of calls that have none.
type nothing struct{}

// send is exchange for callers that speak to the rules without HTTP.
func send[T any](ctx context.Context, l *line, c call, there func(context.Context, *replica) (T, error)) (T, error) {
	wait := callTime
	if c.what == "sync" {
		wait += syncHold
	}
	ctx, cancel := context.WithTimeoutCause(ctx, wait, unreachable("no answer in time"))
	defer cancel()
	return exchange(ctx, l, c, there, func(code int) (T, error) {
		var none T
		return none, refusal(code)
	})
}

// speaker is a runner's ControlPlane without HTTP.
type speaker struct {
	*line
	id, token string
}

func (s speaker) door(ctx context.Context, r *replica) (control.RunnerDoor, error) {
	who, err := r.plane.Authenticate(ctx, s.token)
	if err == nil && who.Runner != s.id {
		err = remuda.Fail(remuda.Forbidden, "a runner token speaks for its own runner alone")
	}
	return r.plane.AsRunner(who.Runner), err
}

// Sync is held by the far side.
func (s speaker) Sync(ctx context.Context, said remuda.Sync) (remuda.SyncAnswer, error) {
	return send(ctx, s.line, call{what: "sync", runner: s.id}, func(ctx context.Context, r *replica) (answer remuda.SyncAnswer, err error) {
		door, err := s.door(ctx, r)
		if err != nil {
			return answer, err
		}
		return door.Sync(ctx, said)
	})
}

func (s speaker) word(ctx context.Context, c call, say func(context.Context, control.RunnerDoor) error) error {
	c.runner = s.id
	_, err := send(ctx, s.line, c, func(ctx context.Context, r *replica) (nothing, error) {
		door, err := s.door(ctx, r)
		if err != nil {
			return nothing{}, err
		}
		return nothing{}, say(ctx, door)
	})
	return err
}

// Finish says how a claim ended.
func (s speaker) Finish(ctx context.Context, claim string, result remuda.Result, next bool) ([]remuda.Claim, error) {
	c := call{what: "finish", runner: s.id, claim: claim, result: result}
	return send(ctx, s.line, c, func(ctx context.Context, r *replica) ([]remuda.Claim, error) {
		door, err := s.door(ctx, r)
		if err != nil {
			return nil, err
		}
		most := 0
		if next {
			most = 1
		}
		outcomes, claims, err := door.FinishAll(ctx, []remuda.ClaimResult{{Claim: claim, Result: result}}, most)
		return claims, cmp.Or(err, outcomes[0])
	})
}

// Return hands a claim back.
func (s speaker) Return(ctx context.Context, claim string, why remuda.Return) error {
	return s.word(ctx, call{what: "return", claim: claim, draining: why.Draining}, func(ctx context.Context, d control.RunnerDoor) error {
		return d.Return(ctx, claim, why)
	})
}

// Goodbye ends the runner.
func (s speaker) Goodbye(ctx context.Context) error {
	return s.word(ctx, call{what: "goodbye"}, func(ctx context.Context, d control.RunnerDoor) error { return d.Goodbye(ctx) })
}

// Task speaks for one claim.
func (s speaker) Task(claim, token string) taskSpeaker { return taskSpeaker{s.line, claim, token} }

// taskSpeaker is an agent's plane without HTTP.
type taskSpeaker struct {
	*line
	claim, token string
}

func say[T any](ctx context.Context, t taskSpeaker, what string, there func(context.Context, control.TaskDoor) (T, error)) (T, error) {
	return send(ctx, t.line, call{what: what, claim: t.claim}, func(ctx context.Context, r *replica) (T, error) {
		var none T
		who, err := r.plane.Authenticate(ctx, t.token)
		if err != nil {
			return none, err
		}
		return there(ctx, r.plane.AsTask(who.Claim))
	})
}

// Begin asks for leave. What arrives late is what was said, whatever the agent has made of it since.
func (t taskSpeaker) Begin(ctx context.Context, b remuda.Begin) (remuda.Begun, error) {
	b.Steps = slices.Clone(b.Steps)
	return say(ctx, t, "begin", func(ctx context.Context, d control.TaskDoor) (remuda.Begun, error) { return d.Begin(ctx, b) })
}

// Steps reports steps.
func (t taskSpeaker) Steps(ctx context.Context, steps []remuda.Step) error {
	_, err := say(ctx, t, "steps", func(ctx context.Context, d control.TaskDoor) (nothing, error) { return nothing{}, d.Steps(ctx, steps) })
	return err
}

// Stream asks what is held.
func (t taskSpeaker) Stream(ctx context.Context, step int) (remuda.StreamState, error) {
	return say(ctx, t, "stream", func(ctx context.Context, d control.TaskDoor) (remuda.StreamState, error) { return d.Stream(ctx, step) })
}

// Append adds output.
func (t taskSpeaker) Append(ctx context.Context, c remuda.Chunk) (remuda.StreamState, error) {
	return say(ctx, t, "append", func(ctx context.Context, d control.TaskDoor) (remuda.StreamState, error) { return d.Append(ctx, c) })
}

// CloseStream ends a stream.
func (t taskSpeaker) CloseStream(ctx context.Context, step int, c remuda.StreamClose) (remuda.StreamState, error) {
	return say(ctx, t, "close", func(ctx context.Context, d control.TaskDoor) (remuda.StreamState, error) {
		return d.CloseStream(ctx, step, c)
	})
}

// ServeHTTP is for agents behind a socket; those of the simulation have none.
func (t taskSpeaker) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// ears notes what a runner heard. One that was killed says and hears nothing.
type ears struct {
	runner.ControlPlane
	w    *world
	id   string
	life *life
}

// alive ends with ctx, and with the runner that speaks.
func (e ears) alive(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(e.life.dead, func() { cancel(errDead) })
	return ctx, func() { stop(); cancel(nil) }
}

// Sync notes when a runner hears that its drain is known.
func (e ears) Sync(ctx context.Context, said remuda.Sync) (remuda.SyncAnswer, error) {
	ctx, done := e.alive(ctx)
	defer done()
	answer, err := e.ControlPlane.Sync(ctx, said)
	if err == nil && said.Draining && ctx.Err() == nil {
		e.w.ledger.knowsDrain(e.id, true)
	}
	return answer, err
}

// Finish notes what was acknowledged.
func (e ears) Finish(ctx context.Context, claim string, result remuda.Result, next bool) ([]remuda.Claim, error) {
	ctx, done := e.alive(ctx)
	defer done()
	claims, err := e.ControlPlane.Finish(ctx, claim, result, next)
	if err == nil {
		e.w.ledger.knowsFinish(claim, result)
	}
	return claims, err
}

// Return says nothing when the runner is dead.
func (e ears) Return(ctx context.Context, claim string, why remuda.Return) error {
	ctx, done := e.alive(ctx)
	defer done()
	return e.ControlPlane.Return(ctx, claim, why)
}

// Goodbye says nothing when the runner is dead.
func (e ears) Goodbye(ctx context.Context) error {
	ctx, done := e.alive(ctx)
	defer done()
	return e.ControlPlane.Goodbye(ctx)
}

// road is a line as an HTTP client sees it.
type road struct{ *line }

// answered is an answer over HTTP.
type answered struct{ *http.Response }

func (a answered) failure() error {
	if a.Response == nil || a.StatusCode < 300 {
		return nil
	}
	if a.StatusCode == 499 { // its caller had left, and nothing was done for it
		return context.Canceled
	}
	kinds := map[int]remuda.Kind{
		400: remuda.Invalid, 401: remuda.Unauthenticated, 403: remuda.Forbidden, 404: remuda.NotFound, 409: remuda.Conflict,
		410: remuda.Gone, 503: remuda.Unavailable,
	}
	if kind, known := kinds[a.StatusCode]; known {
		return kind
	}
	return fmt.Errorf("status %s", a.Status)
}

// RoundTrip sends a request.
func (r road) RoundTrip(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	answer, err := exchange(request.Context(), r.line, callIn(request, body), func(ctx context.Context, r *replica) (answered, error) {
		out := httptest.NewRecorder()
		again := request.Clone(ctx)
		again.Body = io.NopCloser(bytes.NewReader(body))
		r.handler.ServeHTTP(out, again)
		return answered{out.Result()}, nil
	}, func(code int) (answered, error) {
		out := httptest.NewRecorder()
		if code == http.StatusTooManyRequests {
			out.Header().Set("Retry-After", "2")
		}
		out.WriteHeader(code)
		_, _ = out.WriteString("<html>something in between</html>")
		return answered{out.Result()}, nil
	})
	if answer.Response != nil {
		answer.Request = request
	}
	return answer.Response, err
}

// callIn reads from a request what it says.
func callIn(request *http.Request, body []byte) call {
	parts := strings.Split(strings.TrimPrefix(request.URL.Path, "/api/v1/"), "/")
	c := call{what: request.Method + " " + parts[len(parts)-1]}
	switch last := parts[len(parts)-1]; {
	case parts[0] == "claims":
		c.what, c.claim = last, parts[1]
		if last == "output" {
			c.what = map[string]string{"GET": "stream", "POST": "append"}[request.Method]
		}
		if last == "finish" {
			_ = json.Unmarshal(body, &c.result) // our own client wrote it
		}
		if last == "return" {
			var why remuda.Return
			_ = json.Unmarshal(body, &why)
			c.draining = why.Draining
		}
	case parts[0] == "runners" && len(parts) == 1 && request.Method == http.MethodPost:
		c.what = "register"
	case parts[0] == "runners" && len(parts) > 1:
		c.runner = parts[1]
		if last == "sync" {
			c.what = "sync"
		}
	}
	return c
}

// client is the real client on this road.
func (l *line) client() *client.Client {
	c, err := client.New("http://127.0.0.1:1", client.Options{Transport: road{l}})
	if err != nil {
		panic(err) // the address is ours
	}
	return c
}
