// Package pool shows resource classes and runners, and walks people through installing one.
package pool

import (
	"net/url"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// Add gives the site these pages.
func Add(s *page.Site) {
	s.Show("GET /resource-classes", listClasses)
	s.Show("GET /resource-classes/new", showNewClass)
	s.Do("POST /resource-classes/new", createClass)
	s.Do("POST /resource-classes/namespace", claimNamespace)
	s.Show("GET /resource-classes/{namespace}/{name}", showClass)
	s.Show("GET /resource-classes/{namespace}/{name}/change", showChange)
	s.Do("POST /resource-classes/{namespace}/{name}/change", changeClass)
	s.Do("POST /resource-classes/{namespace}/{name}/delete", deleteClass)

	s.Show("GET /resource-classes/{namespace}/{name}/install", showInstall)
	s.Do("POST /resource-classes/{namespace}/{name}/install", install)
	s.Part("/resource-classes/{namespace}/{name}/arrivals", showArrivals)
	s.Do("POST /resource-classes/{namespace}/{name}/tokens/{token}/revoke", revokeToken)

	s.Show("GET /runners", listRunners)
	s.Show("GET /runners/{runner}", showRunner)
	s.Do("POST /runners/{runner}/pause", orderRunner(pause))
	s.Do("POST /runners/{runner}/resume", orderRunner(resume))
	s.Do("POST /runners/{runner}/drain", orderRunner(drain))
}

// styles are what pages of this package need beside the usual files.
func styles() []string { return []string{"pool.css"} }

// className is the class that an address is about.
func className(v *page.Visit) string { return v.Path("namespace") + "/" + v.Path("name") }

func classPath(name string) string { return "/resource-classes/" + name }

func runnerPath(id string) string { return "/runners/" + url.PathEscape(id) }

func taskPath(id string) string { return "/tasks/" + url.PathEscape(id) }

// runsRunners says whether the visitor may tell runners what to do, make their tokens and change their classes.
func runsRunners(v *page.Visit, organization string) bool {
	return v.Door.May(organization, remuda.RoleAdmin)
}

// most is how many things a page lists, unless it says otherwise.
const most = 50

func pageOf(v *page.Visit) control.PageQuery {
	return control.PageQuery{Cursor: v.Query("cursor"), Limit: most}
}

// trail leads back to the list of classes, and to one of them when it is named.
func trail(class string) []page.Link {
	links := []page.Link{{Text: "Resource classes", To: "/resource-classes"}}
	if class != "" {
		links = append(links, page.Link{Text: class, To: classPath(class)})
	}
	return links
}
