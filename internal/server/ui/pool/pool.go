// Package pool shows resource classes and runners, and walks people through installing one.
package pool

import "github.com/remuda-dev/remuda/internal/server/ui/page"

// Add gives the site these pages.
func Add(s *page.Site) {
	s.Show("GET /resource-classes", func(*page.Visit) (page.View, error) {
		return page.View{Title: "Resource classes", Area: page.Classes}, nil
	})
	s.Show("GET /runners", func(*page.Visit) (page.View, error) { return page.View{Title: "Runners", Area: page.Runners}, nil })
}
