package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	slashpath "path"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

type whoAmIInput struct{ byUser }

// identity is who a token acts for.
type identity struct {
	Name         string      `json:"name" doc:"The token's nickname: what submitted_by and audit say" example:"ci"`
	Organization string      `json:"organization,omitempty" doc:"Empty for the instance's administrator" example:"acme"`
	Role         remuda.Role `json:"role,omitempty" enum:"viewer,member,admin" doc:"What it may do in its organization"`
	Admin        bool        `json:"admin" doc:"Whether it acts for the instance's administrator"`
	Permissions  []string    `json:"permissions,omitempty" doc:"Of an API key: what it may do"`
}

func whoAmI(_ context.Context, in *whoAmIInput) (identity, error) {
	return identity{
		Name: in.who.Name, Organization: in.who.Organization, Role: in.who.Role, Admin: in.who.Admin, Permissions: in.who.Permissions,
	}, nil
}

// release is what runs here.
type release struct {
	Version string `json:"version" doc:"Of the control plane" example:"0.1.0"`
}

func (s *Server) version(context.Context, *struct{}) (release, error) {
	return release{s.options.Version}, nil
}

// healthz says that the process is alive, whatever else is not.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	writeText(w, "alive\n")
}

// readyTime is how long the store may take to show that it is usable.
const readyTime = 5 * time.Second

// readyz says whether requests should be sent here.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	out := w.(*responder)
	if s.closing.Err() != nil {
		s.refuse(out, problemOf(errClosing))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	if err := s.plane.Ready(ctx); err != nil {
		s.log.Warn("not ready", "request_id", out.id, "error", err)
		s.refuse(out, problemOf(remuda.Fail(remuda.Unavailable, "the store cannot be used now; the server's log says why")))
		return
	}
	text := "ready\n"
	if s.plane.Kept().BucketAway { // tasks go on, and no other control plane would do better
		text += "the bucket for output cannot be used now; the server's log says why\n"
	}
	writeText(w, text)
}

func writeText(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", plainText+"; charset=utf-8")
	_, _ = io.WriteString(w, text) // Nobody is left to tell.
}

// isClean is true for a path that means what it says: without empty elements, . and ..
func isClean(path string) bool {
	return path == "" || path == "*" || path[0] == '/' && (slashpath.Clean(path) == path || path != "/" && slashpath.Clean(path)+"/" == path)
}

func nowhere() *Problem {
	return problemOf(remuda.Fail(remuda.NotFound, "nothing is at this address; /api/v1/docs lists what there is"))
}

// elsewhere answers what no route does: paths that nobody knows, and known ones with another method.
func (s *Server) elsewhere(w http.ResponseWriter, r *http.Request) {
	out := w.(*responder)
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		asked := &http.Request{Method: method, Host: r.Host, URL: r.URL}
		if _, pattern := s.mux.Handler(asked); pattern != "/" && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		s.refuse(out, nowhere())
		return
	}
	out.Header().Set("Allow", strings.Join(allowed, ", "))
	s.refuse(out, &Problem{
		Kind: remuda.Invalid, Status: http.StatusMethodNotAllowed,
		Detail: fmt.Sprintf("this address takes %s only; /api/v1/docs shows for what", strings.Join(allowed, ", ")),
	})
}
