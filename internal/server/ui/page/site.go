// Package page is the frame of what browsers are shown: who has signed in, how a page is answered and kept up to date
// while somebody looks at it, and the parts that pages are put together from. What is on the pages is not its business.
package page

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

// Options is what pages are made of. Plane and Log are needed; without Blocks there are no pages of building blocks.
type Options struct {
	Plane   *control.Plane
	Blocks  *blocks.Rules
	Log     *slog.Logger
	Version string

	// SecureCookies says that browsers reach this server over TLS even where it does not see it: behind a proxy.
	SecureCookies bool
}

// Site is all pages. Make one with New, give it pages with Show, Do and Stream, then let it answer.
type Site struct {
	options  Options
	mux      *http.ServeMux
	origins  *http.CrossOriginProtection
	files    files
	pages    []string
	streams  []string
	liveness time.Duration // between two looks at whether a page that is open has changed
	pause    time.Duration // after a change was sent, before the next
}

// New makes a site that has nothing but the way in.
func New(o Options) (*Site, error) {
	files, err := readFiles()
	if err != nil {
		return nil, err
	}
	s := &Site{
		options: o, mux: http.NewServeMux(), origins: http.NewCrossOriginProtection(), files: files,
		liveness: 5 * time.Second, pause: 700 * time.Millisecond,
	}
	s.page("GET /assets/{file}", s.asset)
	s.page("GET /sign-in", s.showSignIn)
	s.page("POST /sign-in", s.signIn)
	s.page("POST /sign-out", s.signOut)
	return s, nil
}

// View is what a page shows. Every page has an address worth sharing: what it shows follows from that alone.
type View struct {
	Title string // in the browser's tab and as its headline, such as "Tasks"
	Area  Area   // the entry of the menu that it belongs to
	Trail []Link // the pages above it, outermost first
	Body  templ.Component
	Files []string // of assets, that the page needs beside the usual ones: style sheets and scripts
	Still bool     // it does not change while somebody looks, such as a form that is being filled in
	Code  int      // 200 when 0
	Task  string   // whose steps it shows: no event tells of them

	part bool // without a headline: it is a piece of a page
}

// Link leads to a page.
type Link struct{ Text, To string }

// Answer is what becomes of something done: the browser is sent on to another page, or shown one at once.
type Answer struct {
	To     string // a path of ours
	Notice string // what the next page says at its top, such as "The task is being cancelled."
	View   *View  // shown in place of going on: a form again, with what is wrong with it; a token that is shown once
}

// Visit is one request of somebody who has signed in.
type Visit struct {
	Request *http.Request
	User    control.User
	Session string // the id of the session, which opens nothing
	Door    control.UserDoor
	Blocks  blocks.UserDoor // absent when the site has no building blocks
	Site    *Site
}

// Context ends when the browser has left or has waited for too long.
func (v *Visit) Context() context.Context { return v.Request.Context() }

// Path is a part of the address, by its name in the pattern.
func (v *Visit) Path(name string) string { return v.Request.PathValue(name) }

// Query is a parameter of the address.
func (v *Visit) Query(name string) string { return v.Request.URL.Query().Get(name) }

// Form is a field of the form that was sent, without the spaces around it.
func (v *Visit) Form(name string) string { return strings.TrimSpace(v.Request.PostFormValue(name)) }

// HasBlocks says whether the site has building blocks.
func (v *Visit) HasBlocks() bool { return v.Site.options.Blocks != nil }

// Plane is the control plane itself, for what no door has.
func (v *Visit) Plane() *control.Plane { return v.Site.options.Plane }

// Log is where faults of ours are told.
func (v *Visit) Log() *slog.Logger { return v.Site.options.Log }

// Show gives the site a page at a pattern such as "GET /tasks/{task}". While somebody looks at it, it is kept up to date
// from an address below /live, unless it is still.
func (s *Site) Show(pattern string, show func(*Visit) (View, error)) {
	path := strings.TrimPrefix(pattern, "GET ")
	s.page(pattern, func(w http.ResponseWriter, r *http.Request) {
		v := s.visit(w, r)
		if v == nil {
			return
		}
		view, err := show(v)
		if err != nil {
			s.fail(w, v, err)
			return
		}
		s.answer(w, v, view)
	})
	s.stream("GET /live"+path, func(w http.ResponseWriter, r *http.Request) {
		if v := s.onlooker(w, r); v != nil {
			s.live(w, v, show)
		}
	})
}

// mostForm bounds a form that is sent.
const mostForm = 4 << 20

// Do gives the site something that can be done there, at a pattern such as "POST /tasks/{task}/cancel".
func (s *Site) Do(pattern string, do func(*Visit) (Answer, error)) {
	s.page(pattern, func(w http.ResponseWriter, r *http.Request) {
		v := s.visit(w, r)
		if v == nil {
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, mostForm)
		if err := r.ParseForm(); err != nil {
			s.fail(w, v, unreadable(err))
			return
		}
		answer, err := do(v)
		switch {
		case err != nil:
			s.fail(w, v, err)
		case answer.View != nil:
			s.answer(w, v, *answer.View)
		default:
			leaveNotice(w, answer.Notice)
			http.Redirect(w, r, answer.To, http.StatusSeeOther)
		}
	})
}

// Stream gives the site an answer that takes as long as it takes: events, a download. When it fails before it wrote
// anything, the answer is a page that says so.
func (s *Site) Stream(pattern string, write func(*Visit, http.ResponseWriter) error) {
	s.stream(pattern, func(w http.ResponseWriter, r *http.Request) {
		v := s.onlooker(w, r)
		if v == nil {
			return
		}
		out := &begun{ResponseWriter: w}
		err := write(v, out)
		switch {
		case err == nil || r.Context().Err() != nil:
		case out.wrote:
			s.options.Log.Debug("a stream was cut off", "path", r.URL.Path, "error", err)
			panic(http.ErrAbortHandler) // the only way left to say that it is not whole
		default:
			s.fail(w, v, err)
		}
	})
}

// begun knows whether an answer has begun.
type begun struct {
	http.ResponseWriter
	wrote bool
}

// Write begins it.
func (b *begun) Write(data []byte) (int, error) {
	b.wrote = true
	return b.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController find what can flush and hold deadlines.
func (b *begun) Unwrap() http.ResponseWriter { return b.ResponseWriter }

func (s *Site) page(pattern string, handle http.HandlerFunc) {
	s.pages = append(s.pages, pattern)
	s.mux.Handle(pattern, compressed(handle))
}

func (s *Site) stream(pattern string, handle http.HandlerFunc) {
	s.streams = append(s.streams, pattern)
	s.mux.HandleFunc(pattern, handle)
}

// Patterns are the addresses of all pages, and of what stays open for long.
func (s *Site) Patterns() (pages, streams []string) { return s.pages, s.streams }

// policy is what pages may load and where forms may go: this site alone. Pictures in the style sheet are data.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// ServeHTTP answers one request.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", policy)
	// With no referrer at all, browsers would call the origin of our own forms null.
	w.Header().Set("Referrer-Policy", "same-origin")
	if err := s.origins.Check(r); err != nil {
		s.answer(w, s.stranger(r), problemView(remuda.Fail(remuda.Forbidden,
			"This request came from another site. Open this page itself and try again.")))
		return
	}
	s.mux.ServeHTTP(w, r)
}

// visit is who asks. Who has not signed in is sent to where that is done, and is told so by a nil.
func (s *Site) visit(w http.ResponseWriter, r *http.Request) *Visit {
	return s.admit(w, r, s.options.Plane.UseSession)
}

// onlooker is a visit that comes of a page that is open, and not of somebody who does something.
func (s *Site) onlooker(w http.ResponseWriter, r *http.Request) *Visit {
	return s.admit(w, r, s.options.Plane.Session)
}

// admit is who asks, as look finds it.
func (s *Site) admit(w http.ResponseWriter, r *http.Request, look func(context.Context, string) (control.SignedIn, error)) *Visit {
	secret := s.secret(r)
	if secret == "" {
		s.sendToSignIn(w, r)
		return nil
	}
	in, err := look(r.Context(), secret)
	switch {
	case errors.Is(err, remuda.Unauthenticated):
		s.drop(w, r)
		s.sendToSignIn(w, r)
		return nil
	case err != nil:
		s.fail(w, s.stranger(r), unknown(err))
		return nil
	case in.Renewed != "":
		s.keep(w, r, in.Renewed)
	}
	v := s.stranger(r)
	v.Session = in.Session
	v.enter(in.User)
	return v
}

// enter opens the doors for somebody.
func (v *Visit) enter(user control.User) {
	user.Address = addressOf(v.Request)
	v.User, v.Door = user, v.Plane().AsUser(user)
	if v.Site.options.Blocks != nil {
		v.Blocks = v.Site.options.Blocks.AsUser(user)
	}
}

// stranger is a visit of nobody in particular.
func (s *Site) stranger(r *http.Request) *Visit { return &Visit{Request: r, Site: s} }

// sendToSignIn remembers where somebody wanted to go. A stream is refused: its page finds out and goes there itself.
func (s *Site) sendToSignIn(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/live/") {
		http.Error(w, "Sign in first.", http.StatusUnauthorized)
		return
	}
	to := "/sign-in"
	if r.Method == http.MethodGet && r.URL.Path != "/" {
		to += "?to=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}
