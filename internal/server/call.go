package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// humaContext lets call embed a Context beside a method of that name.
type humaContext = huma.Context

// call is one request to an operation, once it is known who asks and what the body says.
type call struct {
	humaContext
	server    *Server
	route     *route
	request   *http.Request
	out       *responder
	ctx       context.Context //nolint:containedctx // it is one request's, as huma's own is
	principal control.Principal
	body      []byte
}

// Unwrap lets humago find the request.
func (c *call) Unwrap() huma.Context { return c.humaContext }

// SetReadDeadline does nothing: the body was read before huma asks for it.
func (c *call) SetReadDeadline(time.Time) error { return nil }

// Context is the request's, with a bound on how long it may wait for the store.
func (c *call) Context() context.Context { return c.ctx }

// enter is the way into every operation: who asks, may they stand at this door and ask now, what do they send. Nothing
// of a body is read before its sender is known.
func (s *Server) enter(r *route) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		request, writer := humago.Unwrap(ctx)
		c := &call{humaContext: ctx, server: s, route: r, request: request, out: writer.(*responder), ctx: request.Context()}
		if err := c.pass(next); err != nil {
			s.refuse(c.out, failed(request.Context(), err))
		}
	}
}

// pass goes through the door and calls next, or says why not.
func (c *call) pass(next func(huma.Context)) error {
	if err := c.admit(); err != nil {
		return err
	}
	leave, err := c.share()
	if err != nil {
		return err
	}
	defer leave()
	if err := c.readBody(); err != nil {
		return err
	}
	if c.route.holds > 0 {
		_ = http.NewResponseController(c.out).SetWriteDeadline(time.Now().Add(c.route.holds + answerTime))
	}
	if !c.streams() && !c.route.waits {
		ctx, cancel := context.WithTimeout(c.ctx, c.server.workTime)
		defer cancel()
		c.ctx = ctx
	}
	if c.route.lists() && !c.streams() {
		leave, err := c.server.lists.await(c.ctx)
		if err != nil {
			return err
		}
		defer leave()
	}
	next(c)
	c.letGo()
	return nil
}

// streams says whether the answer takes as long as there is something to follow.
func (c *call) streams() bool {
	return c.route.holds > 0 && !c.route.waits && (c.route.answers == nil || wantsEvents(c.request.Header.Get("Accept")))
}

// admit finds out who asks, and whether this is their door.
func (c *call) admit() error {
	if c.route.door == anyone {
		return nil
	}
	var err error
	if c.principal, err = c.server.authenticate(c.request); err != nil {
		return err
	}
	return c.route.door.admits(c.principal, c.Param)
}

// authenticate says whose token a request carries.
func (s *Server) authenticate(r *http.Request) (control.Principal, error) {
	bearer, err := bearerOf(r.Header)
	if err != nil {
		return control.Principal{}, err
	}
	return s.Authenticate(r, bearer)
}

// guarded asks whether tokens are good, unless too many from the same address were not.
func guarded[T any](s *Server, r *http.Request, tokens string, ask func() (T, error)) (T, error) {
	from, digest := origin(r), sha256.Sum256([]byte(tokens))
	key := string(digest[:16])
	if err := s.gate.check(from, key); err != nil {
		var none T
		return none, err
	}
	found, err := ask()
	switch {
	case err == nil:
		s.gate.good(key)
	case errors.Is(err, remuda.Unauthenticated):
		s.gate.bad(from)
	}
	return found, err
}

// share takes the request's part of what its token may ask at once.
func (c *call) share() (leave func(), err error) {
	s, who := c.server, c.principal
	var name string
	most := s.limits.TokenRequests
	switch {
	case who.User != nil:
		name = "user/" + who.User.Token
	case c.route.waits:
		name, most = "sync/"+who.Runner, runnerSyncs
	case who.Runner != "":
		name = "runner/" + who.Runner
	case who.Class != "":
		name = "class/" + who.Class
	case who.Claim != "":
		name = "claim/" + who.Claim
		wait := s.reports.take(who.Claim)
		if wait == 0 && c.route.id == "report-steps" {
			wait = s.steps.take(who.Claim)
		}
		if wait > 0 {
			return nil, limited(reasonPace, "this claim reports too often and nothing was changed; wait for as long as Retry-After says", wait)
		}
	default:
		return func() {}, nil
	}
	if c.streams() {
		if leave = s.streams.take(name, s.limits.TokenStreams); leave == nil {
			return nil, limited(reasonStreams, fmt.Sprintf("this token follows %d streams already; end one of them first", s.limits.TokenStreams), 5*time.Second)
		}
		return leave, nil
	}
	if leave = s.requests.take(name, most); leave == nil {
		return nil, limited(reasonRequests, fmt.Sprintf("%d requests of this token are under way already; wait for one of them to be answered", most), time.Second)
	}
	return leave, nil
}

// bearerOf reads the credential of a request.
func bearerOf(header http.Header) (string, error) {
	values := header.Values("Authorization")
	if len(values) == 0 {
		return "", remuda.Fail(remuda.Unauthenticated, "this call needs a token; send it as 'Authorization: Bearer rmd_…'")
	}
	scheme, bearer, found := strings.Cut(values[0], " ")
	bearer = strings.TrimSpace(bearer)
	if len(values) > 1 || !found || !strings.EqualFold(scheme, "Bearer") || bearer == "" || len(bearer) > maxToken {
		return "", remuda.Fail(remuda.Unauthenticated, "the Authorization header must be one 'Bearer rmd_…', with a token of this control plane")
	}
	return bearer, nil
}

// maxToken is far beyond any token of ours: more is not worth asking the store about.
const maxToken = 512

// admits tells whether a principal may stand at this door.
func (d door) admits(p control.Principal, param func(string) string) error {
	if p.Class != "" && d != scaler {
		return remuda.Fail(remuda.Forbidden, "a class token only registers runners and reads the scaling of its class; use an organization token here")
	}
	switch d {
	case scaler:
		if p.User != nil || p.Class != "" {
			return nil
		}
		return remuda.Fail(remuda.Forbidden, "this call is for whoever starts runners: use the class token, an organization token or an admin token")
	case user:
		if p.User != nil {
			return nil
		}
		return remuda.Fail(remuda.Forbidden, "this call is for people and their programs: use an organization token or an admin token")
	case runner:
		if p.Runner == "" {
			return remuda.Fail(remuda.Forbidden, "this call is for runners: use the runner token that registering gave")
		}
		if id := param("runner"); id != "" && id != p.Runner {
			return remuda.Fail(remuda.Forbidden, "a runner token speaks for its own runner alone; use the id that came with the token")
		}
		return nil
	case task:
		if p.Claim == "" {
			return remuda.Fail(remuda.Forbidden, "this call is for the task-agent: use the task token that came with the claim")
		}
		if param("claim") != p.Claim {
			return remuda.Fail(remuda.Forbidden, "a task token speaks for its own claim alone; use the id that came with the token")
		}
		return nil
	}
	return nil
}

// byUser is embedded in the input of operations at the users' door.
type byUser struct {
	door control.UserDoor
	who  control.User
}

// Resolve opens the door: huma calls it when the request was understood.
func (b *byUser) Resolve(ctx huma.Context) []error {
	c := ctx.(*call)
	b.who = *c.principal.User
	b.door = c.server.plane.AsUser(b.who)
	return nil
}

// byScaler is embedded in the input of operations at the scalers' door.
type byScaler struct {
	scaling func(ctx context.Context, class string) (remuda.Scaling, error)
}

// Resolve opens the door, which is another one for users than for holders of a class token.
func (b *byScaler) Resolve(ctx huma.Context) []error {
	c := ctx.(*call)
	if c.principal.User != nil {
		b.scaling = c.server.plane.AsUser(*c.principal.User).Scaling
	} else {
		b.scaling = c.server.plane.AsScaler(c.principal.Class).Scaling
	}
	return nil
}

// byRunner is embedded in the input of operations at the runners' door.
type byRunner struct{ door control.RunnerDoor }

// Resolve opens the door.
func (b *byRunner) Resolve(ctx huma.Context) []error {
	c := ctx.(*call)
	b.door = c.server.plane.AsRunner(c.principal.Runner)
	return nil
}

// byTask is embedded in the input of operations at the task-agents' door.
type byTask struct {
	door control.TaskDoor
	sent []byte // the body of an operation that takes bytes; its memory is used again after the call
}

// Resolve opens the door.
func (b *byTask) Resolve(ctx huma.Context) []error {
	c := ctx.(*call)
	b.door = c.server.plane.AsTask(c.principal.Claim)
	if c.route.content == rawContent {
		b.sent = c.body
	}
	return nil
}

// host is the address that a request came from, without its port.
func host(r *http.Request) string {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr // A unix socket has no port.
	}
	return address
}

// untilClosing is ctx, ended also when the server stops: for requests that are held open.
func (s *Server) untilClosing(ctx context.Context) (context.Context, context.CancelFunc) {
	held, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.closing, func() { cancel(errClosing) })
	return held, func() {
		stop()
		cancel(nil)
	}
}

// errClosing is what held requests are told when the control plane stops.
var errClosing = &remuda.Error{
	Kind:   remuda.Unavailable,
	Detail: "this control plane is stopping and nothing was changed; connect again in a second",
	Retry:  time.Second,
}
