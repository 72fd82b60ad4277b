package meshstack

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

// call is one request about objects of a kind, once it is known who asks, and in which version of the kind.
type call struct {
	face    *Face
	request *http.Request
	out     http.ResponseWriter
	ctx     context.Context //nolint:containedctx // it is one request's
	kind    kind
	edition string // the version of the kind
	user    control.User
	claim   string // of whoever shows a run token
}

// answer is what a handler gives: an object, or nothing for the status alone.
type answer struct {
	status int
	body   any
}

type handler func(*call) (answer, error)

func ok(body any) answer      { return answer{http.StatusOK, body} }
func created(body any) answer { return answer{http.StatusCreated, body} }

func (c *call) plane() control.UserDoor { return c.face.options.Plane.AsUser(c.user) }
func (c *call) blocks() blocks.UserDoor { return c.face.options.Blocks.AsUser(c.user) }
func (c *call) rules() *blocks.Rules    { return c.face.options.Blocks }
func (c *call) door() blocks.RunDoor    { return c.face.options.Blocks.AsRun(c.claim) }
func (c *call) id() string              { return c.request.PathValue("id") }

func (c *call) query(name string) string { return c.request.URL.Query().Get(name) }

// user has a call of people and their programs answered.
func (f *Face) user(method, name, path string, handle handler) {
	k := kinds()[name]
	f.mux.HandleFunc(method+" "+objects+strings.ToLower(name)+"s"+path, func(w http.ResponseWriter, r *http.Request) {
		c := &call{face: f, request: r, out: w, ctx: r.Context(), kind: k}
		who, err := f.who(r)
		switch {
		case err != nil:
		case who.User == nil:
			err = remuda.Fail(remuda.Forbidden, "this call is for people and their programs: use an API key or an organization token")
		default:
			c.user = *who.User
		}
		c.serve(handle, err)
	})
}

// either has a call answered to people, and to whoever carries out the run that it is about.
func (f *Face) either(method, path string, handle, toRun handler) {
	k := kinds()["meshBuildingBlockRun"]
	f.mux.HandleFunc(method+" "+objects+"meshbuildingblockruns"+path, func(w http.ResponseWriter, r *http.Request) {
		c := &call{face: f, request: r, out: w, ctx: r.Context(), kind: k}
		who, err := f.who(r)
		switch {
		case err != nil:
		case who.User != nil:
			c.user = *who.User
		case who.Claim != "":
			c.serve(toRun, c.enterClaim(who.Claim))
			return
		default:
			err = remuda.Fail(remuda.Forbidden, "this call is for people and their programs, and for whoever carries out the run")
		}
		c.serve(handle, err)
	})
}

// run has a call of whoever carries out a run answered.
func (f *Face) run(method, path string, handle handler) {
	k := kinds()["meshBuildingBlockRun"]
	f.mux.HandleFunc(method+" "+objects+"meshbuildingblockruns"+path, func(w http.ResponseWriter, r *http.Request) {
		c := &call{face: f, request: r, out: w, ctx: r.Context(), kind: k}
		c.serve(handle, c.enterRun())
	})
}

// enterRun finds out by which run's token a request comes, and holds it to that run.
func (c *call) enterRun() error {
	who, err := c.face.who(c.request)
	if err != nil {
		return err
	}
	if who.Claim == "" {
		return remuda.Fail(remuda.Forbidden, "this call is for whoever carries out the run: use the run token that came with it")
	}
	return c.enterClaim(who.Claim)
}

// enterClaim holds whoever carries out a claim to its own run.
func (c *call) enterClaim(claim string) error {
	c.claim = claim
	place, err := c.door().Place(c.ctx)
	if err != nil {
		return err
	}
	if id := c.id(); id != "" && id != place.Run {
		return remuda.Fail(remuda.Forbidden, "a run token speaks for its own run alone")
	}
	block, workspace := c.request.PathValue("block"), c.request.PathValue("workspace")
	if block == "" {
		return nil
	}
	namespace, err := c.rules().NamespaceOf(c.ctx, place.Organization)
	if err != nil {
		return err
	}
	if block != place.Block || workspace != namespace {
		return remuda.Fail(remuda.Forbidden, "a run token reads and writes the state of its own block alone")
	}
	return nil
}

// who is whose credential a request carries: a bearer token, or by HTTP Basic a client id with its secret, or any name
// with a token as its password.
func (f *Face) who(r *http.Request) (control.Principal, error) {
	if name, password, basic := r.BasicAuth(); basic {
		return f.byPassword(r, name, password)
	}
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > longestToken {
		return control.Principal{}, remuda.Fail(remuda.Unauthenticated, "sign in with POST /api/login, and send the token as 'Authorization: Bearer …'")
	}
	return f.options.Door.Authenticate(r, token)
}

const longestToken = 512

func (f *Face) byPassword(r *http.Request, name, password string) (control.Principal, error) {
	if len(name) > longestToken || len(password) > longestToken {
		return control.Principal{}, remuda.Fail(remuda.Unauthenticated, "nobody has this name and password")
	}
	who, err := f.options.Door.Authenticate(r, password)
	if err != nil || who.User == nil || who.User.Permissions == nil {
		return who, err // a token of another kind says by itself whose it is
	}
	if who.User.Token != name {
		return control.Principal{}, remuda.Fail(remuda.Unauthenticated, "no API key has this client id and this secret")
	}
	return who, nil
}

// serve chooses the version, has the call answered, and writes what came of it.
func (c *call) serve(handle handler, err error) {
	if err == nil {
		err = c.choose()
	}
	var given answer
	if err == nil {
		given, err = handle(c)
	}
	if err != nil {
		c.face.refuse(c.out, c.request, err)
		return
	}
	if bytes, raw := given.body.([]byte); raw {
		c.out.Header().Set("Content-Type", "application/octet-stream")
		c.out.WriteHeader(given.status)
		_, _ = c.out.Write(bytes) // Nobody is left to tell.
		return
	}
	if given.body == nil {
		c.out.WriteHeader(given.status)
		return
	}
	write(c.out, given.status, mediaType(c.kind.name, c.edition), given.body)
}

func write(w http.ResponseWriter, status int, media string, body any) {
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // Nobody is left to tell.
}

func mediaType(name, version string) string {
	return "application/vnd.meshcloud.api." + strings.ToLower(name) + "." + version + ".hal+json"
}

// choose takes the version of the kind from the media types that the request names. A client that names none, or any
// JSON, gets the first.
func (c *call) choose() error {
	c.edition = c.kind.versions[0]
	for _, header := range []string{"Content-Type", "Accept"} { // what is wanted counts more than what is sent
		for _, value := range c.request.Header.Values(header) {
			for media := range strings.SplitSeq(value, ",") {
				if err := c.take(media); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *call) take(media string) error {
	media, _, _ = strings.Cut(strings.ToLower(media), ";")
	named, is := strings.CutPrefix(strings.TrimSpace(media), "application/vnd.meshcloud.api.")
	if !is {
		return nil
	}
	name, version, _ := strings.Cut(strings.TrimSuffix(named, ".hal+json"), ".")
	if name != strings.ToLower(c.kind.name) {
		return nil // one that a client sends along with all it asks for
	}
	if !slices.Contains(c.kind.versions, version) {
		return remuda.Fail(remuda.Invalid, c.kind.name+" is served as "+strings.Join(c.kind.versions, " and ")+", not as "+version)
	}
	c.edition = version
	return nil
}

// problem is how a call that failed is answered.
type problem struct {
	Type   string         `json:"type"`
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Detail string         `json:"detail"`
	Kind   remuda.Kind    `json:"kind"`
	Errors []remuda.Field `json:"errors,omitempty"`
}

// statusOf is the one table from a Kind to this format's status.
func statusOf(k remuda.Kind) int {
	switch k {
	case remuda.Invalid:
		return http.StatusBadRequest
	case remuda.Unauthenticated:
		return http.StatusUnauthorized
	case remuda.Forbidden:
		return http.StatusForbidden
	case remuda.NotFound:
		return http.StatusNotFound
	case remuda.Conflict:
		return http.StatusConflict
	case remuda.Gone:
		return http.StatusGone
	case remuda.TooLarge:
		return http.StatusRequestEntityTooLarge
	case remuda.Limited:
		return http.StatusTooManyRequests
	case remuda.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// refuse answers what went wrong; a fault of ours it logs, and tells nothing of.
func (f *Face) refuse(w http.ResponseWriter, r *http.Request, err error) {
	kind := remuda.KindOf(err)
	if errors.Is(err, context.DeadlineExceeded) {
		kind = remuda.Unavailable
	}
	p := problem{Type: "about:blank", Status: statusOf(kind), Kind: kind, Detail: "this did not work; try again in a few seconds"}
	var known *remuda.Error
	switch {
	case kind == remuda.Internal:
		p.Detail = "a fault of ours: the server's log tells more"
		if r.Context().Err() == nil {
			f.options.Log.Error("request failed", "route", r.Pattern, "err", err)
		}
	case errors.As(err, &known):
		p.Detail, p.Errors = known.Detail, known.Fields
		if known.Retry > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(known.Retry.Seconds()))))
		}
	}
	if kind == remuda.Unauthenticated {
		w.Header().Set("WWW-Authenticate", `Basic realm="remuda"`)
	}
	p.Title = http.StatusText(p.Status)
	write(w, p.Status, "application/problem+json", p)
}

// nowhere answers for what is not here: platforms, landing zones, tags, payment methods, and what nobody knows.
func (f *Face) nowhere(w http.ResponseWriter, r *http.Request) {
	f.refuse(w, r, remuda.Fail(remuda.NotFound, "there is nothing here for "+r.Method+" "+r.URL.Path+"; what this control plane serves of meshStack's API stands in its documentation"))
}
