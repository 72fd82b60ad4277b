package page

import (
	"net"
	"net/http"
	"time"
)

// cookieTime is for how long a browser keeps a session's secret: no session lasts longer, and the control plane may end
// it before.
const cookieTime = 12 * time.Hour

const cookieName = "remuda_session"

// secure says whether the browser reaches us over TLS.
func (s *Site) secure(r *http.Request) bool { return r.TLS != nil || s.options.SecureCookies }

// cookie is the one that holds a session's secret. Over TLS its name says to browsers that only this very host may set it
// (RFC 6265bis, section 4.1.3.2), so that no neighbour in the same domain puts in a session of its own.
func (s *Site) cookie(r *http.Request) *http.Cookie {
	c := &http.Cookie{Name: cookieName, Path: "/", HttpOnly: true, Secure: s.secure(r), SameSite: http.SameSiteStrictMode} //nolint:gosec // Secure where there is TLS
	if c.Secure {
		c.Name = "__Host-" + cookieName
	}
	return c
}

// keep has the browser send a secret from now on.
func (s *Site) keep(w http.ResponseWriter, r *http.Request, secret string) {
	c := s.cookie(r)
	c.Value, c.MaxAge = secret, int(cookieTime.Seconds())
	http.SetCookie(w, c)
}

// drop has the browser forget it.
func (s *Site) drop(w http.ResponseWriter, r *http.Request) {
	c := s.cookie(r)
	c.MaxAge = -1
	http.SetCookie(w, c)
}

// secret is what the browser sends, empty when that is nothing.
func (s *Site) secret(r *http.Request) string {
	c, err := r.Cookie(s.cookie(r).Name)
	if err != nil {
		return ""
	}
	return c.Value
}

// addressOf is from where a request came, without its port.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr // a unix socket has no port
	}
	return host
}
