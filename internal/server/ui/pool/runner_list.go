package pool

import (
	"slices"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// runnerList is what the list of runners shows.
type runnerList struct {
	Filter      control.RunnerFilter
	Runners     []remuda.Runner
	Classes     []string // to choose from
	First, Next string
}

func (l runnerList) filtered() bool { return l.Filter != (control.RunnerFilter{}) }

func listRunners(v *page.Visit) (page.View, error) {
	l := runnerList{Filter: control.RunnerFilter{
		ResourceClass: v.Query("class"), Organization: v.Query("organization"), State: remuda.RunnerState(v.Query("state")),
	}}
	if l.Filter.State != "" && l.Filter.State != remuda.RunnerLost && !slices.Contains(statesShown(), l.Filter.State) {
		return page.View{}, remuda.Fail(remuda.Invalid, "No runner is ever "+string(l.Filter.State)+": choose a state on the page Runners.")
	}
	found, err := v.Door.Runners(v.Context(), l.Filter, pageOf(v))
	if err != nil {
		return page.View{}, err
	}
	l.Runners = found.Items
	classes, err := v.Door.ResourceClasses(v.Context(), control.ResourceClassFilter{}, control.PageQuery{Limit: mostChoices})
	if err != nil {
		return page.View{}, err
	}
	for _, class := range classes.Items {
		if v.Door.May(class.Organization, remuda.RoleViewer) {
			l.Classes = append(l.Classes, class.Name)
		}
	}
	slices.Sort(l.Classes)
	here := func(cursor string) string {
		return page.Address("/runners", "class", l.Filter.ResourceClass, "organization", l.Filter.Organization, "state", string(l.Filter.State), "cursor", cursor)
	}
	if v.Query("cursor") != "" {
		l.First = here("")
	}
	if found.Next != "" {
		l.Next = here(found.Next)
	}
	return page.View{Title: "Runners", Area: page.Runners, Body: l.body(), Files: styles()}, nil
}

// mostChoices is how many classes or organizations are offered to choose from; others can be typed.
const mostChoices = 500
