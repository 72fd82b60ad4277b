// Package account shows who did what, and the tokens, API keys and sessions with which it is done.
package account

import "github.com/remuda-dev/remuda/internal/server/ui/page"

// Add gives the site these pages.
func Add(s *page.Site) {
	s.Show("GET /audit", func(*page.Visit) (page.View, error) { return page.View{Title: "Audit", Area: page.Audit}, nil })
	s.Show("GET /tokens", func(*page.Visit) (page.View, error) { return page.View{Title: "Tokens", Area: page.Tokens}, nil })
}
