package page

import (
	"errors"
	"net/http"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// unknown is what is said while one cannot look up who asks.
func unknown(err error) error {
	return &remuda.Error{Kind: remuda.Unavailable, Detail: "Who you are cannot be looked up: the server's log says why. Try again in a moment.", Cause: err}
}

// stillIn is who has signed in, as long as that is so.
func (s *Site) stillIn(v *Visit) (control.User, error) {
	user, err := s.options.Plane.StillSignedIn(v.Context(), v.Session)
	user.Address = v.User.Address
	return user, err
}

func (s *Site) showSignIn(w http.ResponseWriter, r *http.Request) {
	if _, err := s.options.Plane.Session(r.Context(), s.secret(r)); err == nil {
		http.Redirect(w, r, ours(r.URL.Query().Get("to")), http.StatusSeeOther)
		return
	}
	s.answer(w, s.stranger(r), View{Title: "Sign in", Body: signInForm(r.URL.Query().Get("to"), nil), Still: true})
}

// mostSignIn bounds the form that signs in.
const mostSignIn = 4 << 10

func (s *Site) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, mostSignIn)
	token := strings.TrimSpace(r.PostFormValue("token")) // pasting adds spaces
	to := r.PostFormValue("to")
	secret, err := s.options.Plane.BeginSession(r.Context(), token, control.Origin{Address: addressOf(r), Agent: r.UserAgent()})
	v := s.stranger(r)
	switch {
	case errors.Is(err, remuda.Unauthenticated), errors.Is(err, remuda.Forbidden):
		told := problemOf(err)
		s.answer(w, v, View{Title: "Sign in", Body: signInForm(to, &told), Still: true, Code: statusOf(told.Kind)})
		return
	case err != nil:
		s.fail(w, v, unknown(err))
		return
	}
	if err := s.leave(r); err != nil {
		s.options.Log.Warn("end the session before a new one", "err", err)
	}
	s.keep(w, r, secret)
	http.Redirect(w, r, ours(to), http.StatusSeeOther)
}

// leave ends the session that the browser has, if it has one.
func (s *Site) leave(r *http.Request) error {
	secret := s.secret(r)
	if secret == "" {
		return nil
	}
	return s.options.Plane.EndSession(r.Context(), secret, addressOf(r))
}

func (s *Site) signOut(w http.ResponseWriter, r *http.Request) {
	err := s.leave(r)
	s.drop(w, r)
	if err != nil {
		s.fail(w, s.stranger(r), err)
		return
	}
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}

// ours is an address of this site, whatever somebody was made to click on: "//evil.example" and "/\evil" lead elsewhere.
func ours(to string) string {
	if len(to) > 1 && to[0] == '/' && to[1] != '/' && !strings.ContainsAny(to, "\\\r\n\t") {
		return to
	}
	return "/"
}
