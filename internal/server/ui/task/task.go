// Package task shows tasks: their list, and each with its attempts, steps and output.
package task

import (
	"net/url"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// Add gives the site these pages.
func Add(s *page.Site) {
	s.Show("GET /tasks", list)
	s.Show("GET /tasks/new", form)
	s.Do("POST /tasks/new", submit)

	for _, verb := range []verb{cancelling(), retrying()} {
		s.Show("GET /tasks/"+verb.path, verb.ask)
		s.Do("POST /tasks/"+verb.path, verb.doAll)
		s.Do("POST /tasks/{task}/"+verb.path, verb.doOne)
	}

	s.Show("GET /tasks/{task}", show)
	s.Show("GET /tasks/{task}/job", showJob)
}

func files(more ...string) []string { return append([]string{"task.css", "task.js"}, more...) }

// trail leads back from a task's page.
func trail(more ...page.Link) []page.Link {
	return append([]page.Link{{Text: "Tasks", To: "/tasks"}}, more...)
}

// address is where a task is shown.
func address(id string) string { return "/tasks/" + url.PathEscape(id) }

// classAddress is where a resource class is shown; the slash in its name is one of the address.
func classAddress(name string) string { return "/resource-classes/" + name }

func runnerAddress(id string) string { return "/runners/" + url.PathEscape(id) }

// canCancel says whether it is of use to cancel a task.
func canCancel(t remuda.Task) bool { return !t.State.Ended() && !t.CancelRequested }

// canRetry says whether a task can be submitted once more: runs of building blocks cannot.
func canRetry(t remuda.Task) bool { return t.State.Ended() && t.Implementation == "job" }
