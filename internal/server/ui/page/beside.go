package page

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/a-h/templ"
)

// Part gives the site a piece of pages that is kept up to date apart from what is around it: also on a page that is not,
// such as one that shows a token, which nobody can be shown again. Pages have it by Kept, with the path that it has here.
func (s *Site) Part(path string, show func(*Visit) (templ.Component, error)) {
	s.Stream("GET /live"+path, func(v *Visit, w http.ResponseWriter) error {
		s.live(w, v, func(v *Visit) (View, error) {
			part, err := show(v)
			return View{Body: part, part: true}, err
		})
		return nil // what goes wrong, it tells itself
	})
}

// Address is where this browser reaches the control plane, without a slash at its end: for commands that people copy.
func (v *Visit) Address() string {
	r := v.Request
	// What a browser says of a form names the scheme that it sees, whatever proxies make of it on the way.
	if from, err := url.Parse(r.Header.Get("Origin")); err == nil && from.Host == r.Host {
		return from.Scheme + "://" + r.Host
	}
	if r.TLS != nil || v.Site.options.SecureCookies || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}
