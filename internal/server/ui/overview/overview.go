// Package overview shows how busy everything is, and what needs a person.
package overview

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// Add gives the site these pages.
func Add(s *page.Site) {
	known := newLooks()
	s.Show("GET /{$}", func(v *page.Visit) (page.View, error) { return show(v, known) })
}

const (
	mostClasses = 100 // of the table; the page of classes has all
	mostFailed  = 10
)

// seen is all that the page shows, which is the same for everybody who may see the same.
type seen struct {
	Classes []control.ClassSight
	More    bool // there are more classes
	Needs   []need
	Failed  []remuda.Task
	Hour    plot
	Day     plot
}

// Quiet says that no task waits or runs, and that none has ended lately.
func (s seen) Quiet() bool {
	busy := slices.ContainsFunc(s.Classes, func(c control.ClassSight) bool { return c.Queued+c.Running > 0 })
	return !busy && len(s.Failed) == 0 && s.Day.Empty()
}

// Manned says whether any class has a runner.
func (s seen) Manned() bool {
	return slices.ContainsFunc(s.Classes, func(c control.ClassSight) bool { return len(c.Runners) > 0 })
}

// First is the class with which somebody begins.
func (s seen) First() string {
	for _, class := range s.Classes {
		if class.Own {
			return class.Name
		}
	}
	return s.Classes[0].Name
}

func show(v *page.Visit, known *looks) (page.View, error) {
	found, err := known.of(v.Context(), scopeOf(v.User), func(ctx context.Context) (seen, error) { return look(ctx, v) })
	if err != nil {
		return page.View{}, err
	}
	return page.View{
		Title: "Overview", Area: page.Overview, Body: body(found, rightsOf(v, found)),
		Files: []string{"uPlot.min.css", "overview.css", "uPlot.iife.min.js", "overview.js"},
	}, nil
}

// rights are what somebody may do of what the page offers.
type rights struct{ Found, Open, Install, Submit bool }

func rightsOf(v *page.Visit, found seen) rights {
	own := v.User.Organization
	r := rights{Found: v.User.Admin, Open: v.User.Admin || v.Door.May(own, remuda.RoleAdmin), Submit: v.User.Admin || v.Door.May(own, remuda.RoleMember)}
	r.Install = r.Open && slices.ContainsFunc(found.Classes, func(c control.ClassSight) bool { return c.Own })
	return r
}

// look reads all that the page shows.
func look(ctx context.Context, v *page.Visit) (found seen, err error) {
	if found.Classes, err = v.Door.Sights(ctx, mostClasses+1); err != nil {
		return found, err
	}
	found.More = len(found.Classes) > mostClasses
	found.Classes = found.Classes[:min(len(found.Classes), mostClasses)]
	slices.SortStableFunc(found.Classes, func(a, b control.ClassSight) int { return urgency(b) - urgency(a) })
	if found.Failed, err = v.Door.LastFailed(ctx, mostFailed); err != nil {
		return found, err
	}
	now := time.Now()
	if found.Hour, err = plotted(ctx, v.Door, now, time.Hour, time.Minute); err != nil {
		return found, err
	}
	if found.Day, err = plotted(ctx, v.Door, now, 24*time.Hour, 15*time.Minute); err != nil {
		return found, err
	}
	found.Needs, err = needs(ctx, v, found.Classes, now)
	return found, err
}

// urgency puts classes that need somebody first, then those in which something goes on.
func urgency(c control.ClassSight) int {
	switch {
	case c.Stuck():
		return 2
	case c.Queued+c.Running > 0:
		return 1
	default:
		return 0
	}
}

// scopeOf is whose page it is: two users of one scope may see the same.
func scopeOf(u control.User) scope {
	s := scope{admin: u.Admin, organization: u.OrganizationID, role: u.Role}
	if u.Permissions != nil {
		words := slices.Sorted(slices.Values(u.Permissions))
		s.permissions = "key " + strings.Join(words, " ")
	}
	return s
}
