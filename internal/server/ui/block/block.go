// Package block shows building blocks with their runs, plans and states.
package block

import (
	"github.com/remuda-dev/remuda/internal/server/ui/output"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// Add gives the site these pages.
func Add(s *page.Site) {
	s.Show("GET /blocks", list)
	s.Show("GET /blocks/{block}", showBlock)
	s.Do("POST /blocks/{block}/plan", plan)
	s.Do("POST /blocks/{block}/apply", apply)
	s.Do("POST /blocks/{block}/destroy", destroy)
	s.Do("POST /blocks/{block}/purge", purge)
	s.Show("GET /blocks/{block}/maintenance", showMaintenance)
	s.Do("POST /blocks/{block}/maintenance", maintain)
	s.Stream("GET /blocks/{block}/states/{number}", downloadState)
	s.Do("POST /blocks/{block}/states/{number}/roll-back", rollBack)
	s.Do("POST /blocks/{block}/unlock", unlock)

	s.Show("GET /runs/{run}", showRun)
	s.Do("POST /runs/{run}/approve", approve)
	s.Do("POST /runs/{run}/reject", reject)
	s.Do("POST /runs/{run}/abort", abort)
	s.Do("POST /runs/{run}/finish", finish)
}

// files are the assets of these pages.
func files() []string { return append([]string{"block.css"}, output.Files()...) }

// at is the address of a block or a run, and of what is below it.
func at(parts ...string) string { return joined("/blocks", parts) }

func atRun(parts ...string) string { return joined("/runs", parts) }
