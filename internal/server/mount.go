package server

import (
	"context"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/remuda-dev/remuda"
)

// Mount gives addresses to a face, which answers another system's clients there. Its requests are bounded as all others
// are: by token, and by how long they may wait for the store.
func (s *Server) Mount(face http.Handler, patterns ...string) {
	for _, pattern := range patterns {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			digest := sha256.Sum256([]byte(r.Header.Get("Authorization")))
			name := "face/" + string(digest[:16])
			if r.Header.Get("Authorization") == "" {
				name = "face/" + origin(r) // whoever logs in has no token yet
			}
			leave := s.requests.take(name, s.limits.TokenRequests)
			if leave == nil {
				s.refuse(w.(*responder), limited(reasonRequests, "too many requests of this token are under way already; wait for one of them to be answered", time.Second))
				return
			}
			defer leave()
			ctx, cancel := context.WithTimeout(r.Context(), s.workTime)
			defer cancel()
			face.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// Ignored counts members of a face's request that nobody knows.
func (s *Server) Ignored(operation string, members int) {
	s.metrics.ignored.WithLabelValues(operation).Add(float64(members))
}

// Unwrap tells a face what a refusal is in the words of the rules.
func (p *Problem) Unwrap() error {
	return &remuda.Error{Kind: p.Kind, Detail: p.Detail, Fields: p.Errors, Retry: p.retry}
}
