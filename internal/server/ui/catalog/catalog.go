// Package catalog shows definitions of building blocks with their versions, and takes orders.
package catalog

import "github.com/remuda-dev/remuda/internal/server/ui/page"

// Add gives the site these pages.
func Add(s *page.Site) {
	s.Show("GET /definitions", listDefinitions)
	s.Show("GET /definitions/new", showNew)
	s.Do("POST /definitions/new", makeDefinition)
	s.Show("GET /definitions/{definition}", showDefinition)
	s.Show("GET /definitions/{definition}/edit", showEdit)
	s.Do("POST /definitions/{definition}/edit", editDefinition)
	s.Do("POST /definitions/{definition}/delete", deleteDefinition)
	s.Do("POST /definitions/{definition}/versions/{version}/release", releaseVersion)
	s.Do("POST /definitions/{definition}/versions/{version}/delete", deleteVersion)

	s.Show("GET /definitions/{definition}/order", showOrder)
	s.Do("POST /definitions/{definition}/order", takeOrder)
	s.Show("GET /blocks/{block}/inputs", showInputs)
	s.Do("POST /blocks/{block}/inputs", changeInputs)
}

// files are what these pages need beside the usual.
func files() []string { return []string{"catalog.css"} }
