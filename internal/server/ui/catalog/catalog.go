// Package catalog shows definitions of building blocks with their versions, and takes orders.
package catalog

import "github.com/remuda-dev/remuda/internal/server/ui/page"

// Add gives the site these pages.
func Add(s *page.Site) {
	s.Show("GET /definitions", func(*page.Visit) (page.View, error) {
		return page.View{Title: "Definitions", Area: page.Definitions}, nil
	})
}
