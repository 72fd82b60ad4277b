// Package block shows building blocks with their runs, plans and states.
package block

import "github.com/remuda-dev/remuda/internal/server/ui/page"

// Add gives the site these pages.
func Add(s *page.Site) {
	s.Show("GET /blocks", func(*page.Visit) (page.View, error) {
		return page.View{Title: "Building blocks", Area: page.Blocks}, nil
	})
}
