package server

import (
	"context"
	"net/http"
	"time"

	"github.com/remuda-dev/remuda/internal/control"
)

// What faces for other systems' clients ask of this server, so that one address has one account of wrong credentials,
// whichever format it tries them in.

// Authenticate says whose token a request carries, wherever its format has it.
func (s *Server) Authenticate(r *http.Request, token string) (control.Principal, error) {
	return guarded(s, r, token, func() (control.Principal, error) {
		ctx, cancel := context.WithTimeout(r.Context(), s.workTime)
		defer cancel()
		found, err := s.plane.Authenticate(ctx, token)
		if found.User != nil {
			found.User.Address = host(r)
		}
		return found, err
	})
}

// Login gives an access token for an API key, and for how long it is good.
func (s *Server) Login(r *http.Request, clientID, clientSecret string) (token string, expiresIn time.Duration, err error) {
	token, err = guarded(s, r, clientID+" "+clientSecret, func() (string, error) {
		ctx, cancel := context.WithTimeout(r.Context(), s.workTime)
		defer cancel()
		given, until, err := s.plane.Login(ctx, clientID, clientSecret)
		expiresIn = until
		return given, err
	})
	return token, expiresIn, err
}
