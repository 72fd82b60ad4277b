// Package overview shows how busy everything is, and what needs a person.
package overview

import "github.com/remuda-dev/remuda/internal/server/ui/page"

// Add gives the site these pages.
func Add(s *page.Site) {
	s.Show("GET /{$}", func(*page.Visit) (page.View, error) { return page.View{Title: "Overview", Area: page.Overview}, nil })
}
