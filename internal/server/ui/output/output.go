// Package output shows the output of a task as it comes, with its colours, however long it is.
package output

import "github.com/remuda-dev/remuda/internal/server/ui/page"

// Add gives the site these pages.
func Add(s *page.Site) {
	_ = s
}
