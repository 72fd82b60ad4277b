package page

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
)

// The bounds of sessions.
const (
	sessionTime  = 12 * time.Hour
	mostSessions = 1000
	cookieName   = "remuda_session"
)

// sessions remembers who signed in, in memory alone: a restart signs everybody out. The browser holds a random id, so
// that the token itself lies in no cookie.
type sessions struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]session // by the id's hash: comparing takes as long for a good guess as for a bad one
}

type session struct {
	token remuda.Secret
	until time.Time
}

func newSessions() *sessions { return &sessions{all: map[[sha256.Size]byte]session{}} }

// begin signs in. When there are too many sessions, the one that would end first does.
func (s *sessions) begin(w http.ResponseWriter, token remuda.Secret, secure bool) {
	id := rand.Text()
	now := time.Now()
	s.mu.Lock()
	s.sweep(now)
	s.all[sha256.Sum256([]byte(id))] = session{token, now.Add(sessionTime)}
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: id, Path: "/", MaxAge: int(sessionTime.Seconds()),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode,
	})
}

// sweep makes room. The lock is held.
func (s *sessions) sweep(now time.Time) {
	var first [sha256.Size]byte
	var earliest time.Time
	for id, one := range s.all {
		if !now.Before(one.until) {
			delete(s.all, id)
			continue
		}
		if earliest.IsZero() || one.until.Before(earliest) {
			first, earliest = id, one.until
		}
	}
	if len(s.all) >= mostSessions {
		delete(s.all, first)
	}
}

// token is what the request's session was begun with.
func (s *sessions) token(r *http.Request) (remuda.Secret, bool) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return remuda.Secret{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one, found := s.all[sha256.Sum256([]byte(cookie.Value))]
	return one.token, found && time.Now().Before(one.until)
}

// end signs out.
func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		delete(s.all, sha256.Sum256([]byte(cookie.Value)))
		s.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}
