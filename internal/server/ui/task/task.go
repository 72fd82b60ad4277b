// Package task shows tasks: their list, and each with its attempts, steps and output.
package task

import "github.com/remuda-dev/remuda/internal/server/ui/page"

// Add gives the site these pages.
func Add(s *page.Site) {
	s.Show("GET /tasks", func(*page.Visit) (page.View, error) { return page.View{Title: "Tasks", Area: page.Tasks}, nil })
}
