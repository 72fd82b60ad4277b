package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/aside"
	"github.com/remuda-dev/remuda/internal/control"
)

type registerRunnerInput struct {
	request *http.Request
	server  *Server
	Body    remuda.Registration
}

// Resolve notes where the runner is.
func (in *registerRunnerInput) Resolve(ctx huma.Context) []error {
	c := ctx.(*call)
	in.request, in.server = c.request, c.server
	return nil
}

func (s *Server) registerRunner(ctx context.Context, in *registerRunnerInput) (remuda.Registered, error) {
	var tokens strings.Builder
	for _, token := range in.Body.Tokens {
		tokens.WriteString(token.Reveal() + "\n")
	}
	return guarded(s, in.request, tokens.String(), func() (remuda.Registered, error) {
		return s.plane.Register(ctx, in.Body, host(in.request))
	})
}

type listRunnersInput struct {
	byUser
	ResourceClass string             `query:"resource_class" maxLength:"130" doc:"Only those that serve this class, as namespace/name"`
	Organization  string             `query:"organization" maxLength:"64" doc:"Only those of this organization's classes"`
	State         remuda.RunnerState `query:"state" enum:"idle,busy,draining,paused,quarantined,silent,lost" doc:"Only those in this state"`
	Paging
}

func listRunners(ctx context.Context, in *listRunnersInput) (remuda.Page[remuda.Runner], error) {
	filter := control.RunnerFilter{ResourceClass: in.ResourceClass, Organization: in.Organization, State: in.State}
	return listed(in.door.Runners(ctx, filter, in.query()))
}

type runnerInput struct {
	byUser
	Runner string `path:"runner" doc:"The runner's id"`
}

func showRunner(ctx context.Context, in *runnerInput) (remuda.Runner, error) {
	return in.door.Runner(ctx, in.Runner)
}

func pauseRunner(ctx context.Context, in *runnerInput) (remuda.Runner, error) {
	return in.door.PauseRunner(ctx, in.Runner, true)
}

func resumeRunner(ctx context.Context, in *runnerInput) (remuda.Runner, error) {
	return in.door.PauseRunner(ctx, in.Runner, false)
}

func drainRunner(ctx context.Context, in *runnerInput) (remuda.Runner, error) {
	return in.door.DrainRunner(ctx, in.Runner)
}

type syncRunnerInput struct {
	byRunner
	Runner string `path:"runner" doc:"The runner's own id"`
	Body   remuda.Sync
}

// syncRunner leaves the runner's one request to be held when huma has understood it.
func (s *Server) syncRunner(_ context.Context, in *syncRunnerInput) (func(huma.Context), error) {
	door, said := in.door, in.Body
	return func(ctx huma.Context) {
		c := ctx.(*call)
		out, request := c.out, c.request
		out.later = func() { s.holdSync(out, request, door, said) }
	}, nil
}

// heldSync is a runner's one request, once it was understood.
type heldSync struct {
	server *Server
	door   control.RunnerDoor
	said   remuda.Sync
	leave  func() // its place among those that are held
}

// holdSync holds the runner's one request. It ends early when the control plane stops, so that the runner asks
// again where somebody answers.
func (s *Server) holdSync(out *responder, request *http.Request, door control.RunnerDoor, said remuda.Sync) {
	leave, err := s.syncs.take()
	if err != nil {
		s.refuse(out, problemOf(err))
		return
	}
	held := heldSync{s, door, said, leave}
	if !s.parking.take(out, request, held) {
		request.Header = nil // It was understood; while many wait, theirs would be megabytes.
		held.first(request.Context(), out)
	}
}

// first holds it and answers. It is idle when there was nothing to say.
func (h *heldSync) first(ctx context.Context, out *responder) (idle bool) {
	defer h.leave()
	var answer remuda.SyncAnswer
	err := h.server.closing.Err()
	if err == nil {
		answer, err = h.door.Sync(ctx, h.said)
	}
	aside.Do(func() { idle = h.server.answerSync(ctx, out, answer, err) })
	return idle
}

// resume begins the same once more, if there is a place for it and the rules have nothing against it. Else the ordinary
// road tells why.
func (h *heldSync) resume() (again control.Resumed, resumed bool) {
	leave, err := h.server.syncs.take()
	if err != nil {
		return again, false
	}
	if again, resumed = h.door.Resume(h.said); resumed {
		h.leave = leave
		return again, true
	}
	leave()
	return again, false
}

// answerSync is idle when there was nothing to say.
func (s *Server) answerSync(ctx context.Context, out *responder, answer remuda.SyncAnswer, err error) (idle bool) {
	if !out.parked {
		_ = http.NewResponseController(out).SetWriteDeadline(time.Now().Add(answerTime))
	}
	saysNothing := len(answer.Claims)+len(answer.Cancel)+len(answer.Lost) == 0
	if (err != nil || saysNothing) && s.closing.Err() != nil {
		err = errClosing // it asks the next server, and not at once this one again
	}
	if err != nil {
		s.refuse(out, failed(ctx, err))
		return false
	}
	out.Header().Set("Content-Type", jsonType)
	_ = json.NewEncoder(out).Encode(answer) // Nobody is left to tell.
	return saysNothing
}

type goodbyeRunnerInput struct {
	byRunner
	Runner string `path:"runner" doc:"The runner's own id"`
}

func goodbyeRunner(ctx context.Context, in *goodbyeRunnerInput) (nothing, error) {
	return nothing{}, in.door.Goodbye(ctx)
}
