// Package output shows the output of a task as it comes, with its colours, however long it is.
package output

import "github.com/remuda-dev/remuda/internal/server/ui/page"

// Add gives the site what a Viewer asks for.
func Add(s *page.Site) {
	s.Stream("GET /follow/tasks/{task}/output", follow)
	s.Stream("GET /tasks/{task}/output.txt", download)
	s.Show("GET /tasks/{task}/output", showText)
}
