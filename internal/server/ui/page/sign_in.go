package page

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// user is whose token it is now: one that was revoked signs its session out.
func (s *Site) user(ctx context.Context, token remuda.Secret) (control.User, error) {
	who, err := s.options.Plane.Authenticate(ctx, token.Reveal())
	switch {
	case errors.Is(err, remuda.Unauthenticated):
		return control.User{}, remuda.Fail(remuda.Unauthenticated, "Nobody has this token: check that it is whole and was not revoked.")
	case errors.Is(err, remuda.Forbidden), err == nil && (who.User == nil || who.User.Permissions != nil):
		return control.User{}, remuda.Fail(remuda.Forbidden, "These pages are for people: use an organization token or an admin token.")
	case err != nil:
		return control.User{}, &remuda.Error{Kind: remuda.Unavailable, Detail: "Who you are cannot be looked up: the server's log says why. Try again in a moment.", Cause: err}
	}
	return *who.User, nil
}

// stillIn is who has signed in, as long as that is so.
func (s *Site) stillIn(v *Visit) (control.User, error) {
	token, found := s.sessions.token(v.Request)
	if !found {
		return control.User{}, remuda.Fail(remuda.Unauthenticated, "The session has ended.")
	}
	return s.user(v.Context(), token)
}

func (s *Site) showSignIn(w http.ResponseWriter, r *http.Request) {
	if _, found := s.sessions.token(r); found {
		http.Redirect(w, r, ours(r.URL.Query().Get("to")), http.StatusSeeOther)
		return
	}
	s.answer(w, s.stranger(r), View{Title: "Sign in", Body: signInForm(r.URL.Query().Get("to"), nil), Still: true})
}

// mostSignIn bounds the form that signs in.
const mostSignIn = 4 << 10

func (s *Site) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, mostSignIn)
	token := remuda.NewSecret(strings.TrimSpace(r.PostFormValue("token"))) // pasting adds spaces
	to := r.PostFormValue("to")
	if _, err := s.user(r.Context(), token); err != nil {
		v := s.stranger(r)
		told := problemOf(err)
		if told.Kind == remuda.Internal || told.Kind == remuda.Unavailable {
			s.fail(w, v, err)
			return
		}
		s.answer(w, v, View{Title: "Sign in", Body: signInForm(to, &told), Still: true, Code: statusOf(told.Kind)})
		return
	}
	s.sessions.begin(w, token, r.TLS != nil || s.options.SecureCookies)
	http.Redirect(w, r, ours(to), http.StatusSeeOther)
}

func (s *Site) signOut(w http.ResponseWriter, r *http.Request) {
	s.sessions.end(w, r)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}

// ours is an address of this site, whatever somebody was made to click on: "//evil.example" and "/\evil" lead elsewhere.
func ours(to string) string {
	if len(to) > 1 && to[0] == '/' && to[1] != '/' && !strings.ContainsAny(to, "\\\r\n\t") {
		return to
	}
	return "/"
}
