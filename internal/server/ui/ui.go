// Package ui is what people see in a browser: for now one plain status page. It shows nothing to who has not signed in
// with a token.
package ui

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

//go:embed page.html style.css
var files embed.FS

// Options is what the pages are made of. Plane and Log are needed.
type Options struct {
	Plane   *control.Plane
	Log     *slog.Logger
	Version string

	// SecureCookies says that browsers reach this server over TLS even where it does not see it: behind a proxy.
	SecureCookies bool
}

// Pages answers what browsers ask for.
type Pages struct {
	options  Options
	page     *template.Template
	mux      *http.ServeMux
	origins  *http.CrossOriginProtection
	sessions *sessions
}

// The bounds of what one page shows.
const (
	mostTasks   = 50
	mostClasses = 200
	mostRunners = 200
)

// New makes the pages.
func New(o Options) (*Pages, error) {
	page, err := template.New("page.html").Funcs(template.FuncMap{"when": when, "took": took}).ParseFS(files, "page.html")
	if err != nil {
		return nil, err
	}
	p := &Pages{
		options: o, page: page, mux: http.NewServeMux(),
		origins: http.NewCrossOriginProtection(), sessions: newSessions(),
	}
	p.mux.HandleFunc("GET /{$}", p.home)
	p.mux.HandleFunc("POST /sign-in", p.signIn)
	p.mux.HandleFunc("POST /sign-out", p.signOut)
	p.mux.HandleFunc("GET /style.css", p.style)
	return p, nil
}

// ServeHTTP answers one request.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	// With no referrer at all, browsers would call the origin of our own forms null.
	w.Header().Set("Referrer-Policy", "same-origin")
	if err := p.origins.Check(r); err != nil {
		p.show(w, http.StatusForbidden, status{Message: "This request came from another site. Open this page itself and try again."})
		return
	}
	p.mux.ServeHTTP(w, r)
}

// status is what the page shows.
type status struct {
	Version string
	Message string // what went wrong
	User    *control.User
	Classes []remuda.ResourceClass
	Runners []remuda.Runner
	Tasks   []remuda.Task
}

func (p *Pages) home(w http.ResponseWriter, r *http.Request) {
	token, found := p.sessions.token(r)
	if !found {
		p.show(w, http.StatusOK, status{})
		return
	}
	user, code, message := p.user(r, token)
	if user == nil {
		if code != http.StatusServiceUnavailable {
			p.sessions.end(w, r)
		}
		p.show(w, code, status{Message: message})
		return
	}
	now, err := p.read(r.Context(), *user)
	if err != nil {
		p.fault(w, r, err)
		return
	}
	p.show(w, http.StatusOK, now)
}

// user is whose token it is now: one that was revoked signs its session out.
func (p *Pages) user(r *http.Request, token remuda.Secret) (user *control.User, code int, message string) {
	who, err := p.options.Plane.Authenticate(r.Context(), token.Reveal())
	switch {
	case errors.Is(err, remuda.Unauthenticated):
		return nil, http.StatusUnauthorized, "Nobody has this token: check that it is whole and was not revoked."
	case errors.Is(err, remuda.Forbidden), err == nil && who.User == nil:
		return nil, http.StatusForbidden, "This page is for people: use an organization token or an admin token."
	case err != nil:
		p.options.Log.Error("sign in", "error", err)
		return nil, http.StatusServiceUnavailable, "Signing in is not possible right now: the server's log says why."
	}
	return who.User, http.StatusOK, ""
}

func (p *Pages) read(ctx context.Context, user control.User) (status, error) {
	door := p.options.Plane.AsUser(user)
	classes, err := door.ResourceClasses(ctx, control.ResourceClassFilter{}, control.PageQuery{Limit: mostClasses})
	if err != nil {
		return status{}, err
	}
	runners, err := door.Runners(ctx, control.RunnerFilter{}, control.PageQuery{Limit: mostRunners})
	if err != nil {
		return status{}, err
	}
	tasks, err := door.Tasks(ctx, control.TaskFilter{}, control.PageQuery{Limit: mostTasks})
	if err != nil {
		return status{}, err
	}
	return status{User: &user, Classes: classes.Items, Runners: runners.Items, Tasks: tasks.Items}, nil
}

// mostForm bounds the form that signs in.
const mostForm = 4 << 10

func (p *Pages) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, mostForm)
	token := remuda.NewSecret(strings.TrimSpace(r.PostFormValue("token"))) // Pasting adds spaces.
	user, code, message := p.user(r, token)
	if user == nil {
		p.show(w, code, status{Message: message})
		return
	}
	p.sessions.begin(w, token, r.TLS != nil || p.options.SecureCookies)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (p *Pages) signOut(w http.ResponseWriter, r *http.Request) {
	p.sessions.end(w, r)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (p *Pages) style(w http.ResponseWriter, _ *http.Request) {
	text, _ := files.ReadFile("style.css") // It is built in.
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(text) // Nobody is left to tell.
}

func (p *Pages) show(w http.ResponseWriter, code int, s status) {
	s.Version = p.options.Version
	var text bytes.Buffer
	if err := p.page.Execute(&text, s); err != nil {
		p.options.Log.Error("show the status page", "error", err)
		http.Error(w, "The page cannot be shown: the server's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(text.Bytes()) // Nobody is left to tell.
}

func (p *Pages) fault(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // The browser has left.
	}
	p.options.Log.Error("read the status", "error", err)
	p.show(w, http.StatusServiceUnavailable, status{Message: "The status cannot be read right now: the server's log says why."})
}

// when tells a time as people read it, in the one zone that everybody can compare.
func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// took is how long a task's last attempt has run, to the tenth of a second while that matters.
func took(t remuda.Task) string {
	if t.StartedAt == nil {
		return ""
	}
	end := time.Now()
	if t.EndedAt != nil {
		end = *t.EndedAt
	}
	passed := end.Sub(*t.StartedAt)
	if passed < 10*time.Second {
		return passed.Round(100 * time.Millisecond).String()
	}
	return passed.Round(time.Second).String()
}
