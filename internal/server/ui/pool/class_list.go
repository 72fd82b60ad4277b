package pool

import (
	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// classList is what the list of classes shows.
type classList struct {
	Filter      control.ResourceClassFilter
	Classes     []remuda.ResourceClass
	Counts      map[string]map[remuda.RunnerState]int // of those that the visitor's organization owns
	May         bool                                  // whether the visitor may make one
	First, Next string                                // addresses of other pages
}

func (l classList) filtered() bool { return l.Filter != (control.ResourceClassFilter{}) }

func listClasses(v *page.Visit) (page.View, error) {
	l := classList{
		Filter: control.ResourceClassFilter{Namespace: v.Query("namespace"), Organization: v.Query("organization")},
		May:    runsRunners(v, v.User.Organization),
	}
	found, err := v.Door.ResourceClasses(v.Context(), l.Filter, pageOf(v))
	if err != nil {
		return page.View{}, err
	}
	l.Classes = found.Items
	var own []string
	for _, class := range l.Classes {
		if v.Door.May(class.Organization, remuda.RoleViewer) {
			own = append(own, class.Name)
		}
	}
	if l.Counts, err = v.Door.ClassRunnerCounts(v.Context(), own); err != nil {
		return page.View{}, err
	}
	here := func(cursor string) string {
		return page.Address("/resource-classes", "namespace", l.Filter.Namespace, "organization", l.Filter.Organization, "cursor", cursor)
	}
	if v.Query("cursor") != "" {
		l.First = here("")
	}
	if found.Next != "" {
		l.Next = here(found.Next)
	}
	return page.View{Title: "Resource classes", Area: page.Classes, Body: l.body(), Files: styles()}, nil
}
