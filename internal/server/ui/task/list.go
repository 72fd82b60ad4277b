package task

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// rowsPerPage is how many tasks a page of the list has, and so how many can be chosen at once.
const rowsPerPage = 50

// mostSearch bounds what is searched for, as in the API.
const mostSearch = 200

// filter is which tasks the address asks for.
type filter struct {
	States                                           []string
	Class, Organization, Project, Job, Search, Since string
	Cursor                                           string
}

func filterOf(query url.Values) filter {
	one := func(name string) string { return strings.TrimSpace(query.Get(name)) }
	return filter{
		States: slices.DeleteFunc(slices.Clone(query["state"]), func(s string) bool { return s == "" }),
		Class:  one("class"), Organization: one("organization"), Project: one("project"), Job: one("job"),
		Search: one("search"), Since: one("since"), Cursor: one("cursor"),
	}
}

// query is the filter as an address has it, in one order.
func (f filter) query() url.Values {
	query := url.Values{}
	for _, one := range []struct{ name, value string }{
		{"class", f.Class}, {"organization", f.Organization}, {"project", f.Project}, {"job", f.Job},
		{"search", f.Search}, {"since", f.Since}, {"cursor", f.Cursor},
	} {
		if one.value != "" {
			query.Set(one.name, one.value)
		}
	}
	for _, state := range f.States {
		query.Add("state", state)
	}
	return query
}

// address is where the tasks that the filter asks for are listed.
func (f filter) address() string { return listAddress(f.query()) }

func listAddress(query url.Values) string {
	if len(query) == 0 {
		return "/tasks"
	}
	return "/tasks?" + query.Encode()
}

// at is the same list from another place on.
func (f filter) at(cursor string) filter {
	f.Cursor = cursor
	return f
}

// asks says whether anything is filtered.
func (f filter) asks() bool { return len(f.at("").query()) > 0 }

func (f filter) has(state remuda.State) bool { return slices.Contains(f.States, string(state)) }

// rule is the filter as the rule takes it.
func (f filter) rule(now time.Time) (control.TaskFilter, error) {
	asked := control.TaskFilter{
		Organization: f.Organization, Project: f.Project, ResourceClass: f.Class, JobID: f.Job, Search: f.Search,
	}
	for _, state := range f.States {
		if !slices.Contains(states(), remuda.State(state)) {
			return asked, remuda.Fail(remuda.Invalid, fmt.Sprintf("There is no state %q: choose among those below.", state))
		}
		asked.States = append(asked.States, remuda.State(state))
	}
	if len(f.Search) > mostSearch {
		return asked, remuda.Fail(remuda.Invalid, fmt.Sprintf("Search for at most %d bytes of a name.", mostSearch))
	}
	if f.Since != "" {
		length, err := remuda.ParseDuration(f.Since)
		if err != nil {
			return asked, remuda.Fail(remuda.Invalid, "Since is "+err.Error()+".")
		}
		asked.Since = now.Add(-time.Duration(length))
	}
	return asked, nil
}

// states are those of a task in the order in which it meets them.
func states() []remuda.State {
	return []remuda.State{
		remuda.Waiting, remuda.Queued, remuda.Running, remuda.Succeeded, remuda.Failed, remuda.Canceled, remuda.Skipped,
	}
}

// choice is one of a list of values that people choose from.
type choice struct{ Value, Text string }

// spans are the choices of when tasks were submitted. Another one that the address has is among them.
func (f filter) spans() []choice {
	all := []choice{{"", "at any time"}, {"1h", "in the last hour"}, {"24h", "in the last 24 hours"}, {"7d", "in the last 7 days"}}
	if !slices.ContainsFunc(all, func(c choice) bool { return c.Value == f.Since }) {
		all = append(all, choice{f.Since, "in the last " + f.Since})
	}
	return all
}

// shortcuts lead to what people look for most.
func shortcuts() []page.Link {
	return []page.Link{
		{Text: "All", To: filter{}.address()},
		{Text: "Queued", To: filter{States: []string{"waiting", "queued"}}.address()},
		{Text: "Running", To: filter{States: []string{"running"}}.address()},
		{Text: "Failed in the last 24 hours", To: filter{States: []string{"failed"}, Since: "24h"}.address()},
	}
}

// listing is a page of the list.
type listing struct {
	filter
	Tasks   []remuda.Task
	Next    string        // where the next page begins; empty on the last
	Wrong   *remuda.Error // what is wrong with the filter
	Classes []string      // to choose from
	Several bool          // whether tasks of several organizations may be among them
	Acts    bool          // whether the visitor may do anything with any of them
	door    control.UserDoor
}

// may says whether a task can be chosen.
func (l listing) may(t remuda.Task) bool { return l.door.May(t.Organization, remuda.RoleMember) }

func list(v *page.Visit) (page.View, error) {
	l := listing{
		filter: filterOf(v.Request.URL.Query()), door: v.Door, Several: v.User.Admin,
		Acts: v.Door.May(v.User.Organization, remuda.RoleMember),
	}
	view := page.View{Title: "Tasks", Area: page.Tasks, Files: files()}
	found, err := l.find(v)
	if view.Code = l.note(err); err != nil && l.Wrong == nil {
		return view, err
	}
	l.Tasks, l.Next = found.Items, found.Next
	classes, err := v.Door.ResourceClasses(v.Context(), control.ResourceClassFilter{}, control.PageQuery{Limit: 100})
	if err != nil {
		return view, err
	}
	for _, class := range classes.Items {
		l.Classes = append(l.Classes, class.Name)
	}
	if l.Class != "" && !slices.Contains(l.Classes, l.Class) {
		l.Classes = append(l.Classes, l.Class)
	}
	slices.Sort(l.Classes)
	view.Body = tasks(l)
	return view, nil
}

func (l listing) find(v *page.Visit) (remuda.Page[remuda.Task], error) {
	asked, err := l.rule(time.Now())
	if err != nil {
		return remuda.Page[remuda.Task]{}, err
	}
	return v.Door.Tasks(v.Context(), asked, control.PageQuery{Cursor: l.Cursor, Limit: rowsPerPage})
}

// note keeps what is wrong with the filter, to be shown with it again, and answers the page's code.
func (l *listing) note(err error) int {
	var told *remuda.Error
	if !errors.As(err, &told) || told.Kind != remuda.Invalid && told.Kind != remuda.NotFound {
		return 0
	}
	l.Wrong = told
	if told.Kind == remuda.NotFound {
		return http.StatusNotFound
	}
	return http.StatusUnprocessableEntity
}
