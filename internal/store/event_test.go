package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/store"
)

func eventFacts() []fact {
	return []fact{
		{"events are read back by all that is asked", eventsAreReadBack},
		{"a reading back ends somewhere and says where", aReadingBackEnds},
	}
}

// back reads all events that a query asks for, page by page.
func back(t *testing.T, s control.Store, q control.EventQuery) (found []control.EventView, pages int) {
	t.Helper()
	for {
		slice := read(t, s, func(v control.View) (control.EventSlice, error) { return v.EventsBack(t.Context(), q) })
		found = append(found, slice.Events...)
		pages++
		if slice.Next == 0 {
			return found, pages
		}
		if q.Before != 0 && slice.Next >= q.Before || pages > 1000 {
			t.Fatalf("before %d comes %d", q.Before, slice.Next)
		}
		q.Before = slice.Next
	}
}

func eventsAreReadBack(t *testing.T, s control.Store) {
	w, other := newTown(t, s), newTown(t, s)
	subject := newID()
	const begin = control.Micros(1_700_000_000_000_000)
	minute := control.Micros(time.Minute.Microseconds())
	var rows []control.Row
	for i := range 200 { // two minutes apart, some a little out of order
		e := control.EventRow{
			Type: []string{"task.queued", "task.running", "token.created"}[i%3], OrganizationID: []string{w.organization.ID, other.organization.ID}[i%2],
			Subject: []string{subject, newID()}[i%5/4], Actor: []string{"ada", "bob", "cat", "dan"}[i%4], Detail: fmt.Sprint(i),
			At: begin + control.Micros(2*i)*minute + control.Micros(rand.IntN(int(3*minute))), Address: []string{"", "192.0.2.1"}[i%7%2],
		}
		rows = append(rows, &e)
	}
	insert(t, s, rows...)
	for name, q := range map[string]control.EventQuery{
		"of an organization": {OrganizationID: w.organization.ID},
		"of a type":          {OrganizationID: w.organization.ID, Type: "task.running"},
		"of types":           {OrganizationID: other.organization.ID, Type: "task.*"},
		"of all types":       {OrganizationID: other.organization.ID, Type: "*"},
		"of a subject":       {Subject: subject},
		"of somebody":        {OrganizationID: w.organization.ID, Actor: "cat"},
		"from a time":        {Subject: subject, From: begin + 100*minute},
		"until a time":       {Subject: subject, Until: begin + 100*minute},
		"of an hour":         {OrganizationID: w.organization.ID, From: begin + 120*minute, Until: begin + 180*minute},
		"of no time":         {OrganizationID: w.organization.ID, From: begin + 180*minute, Until: begin + 180*minute},
		"of everything":      {OrganizationID: w.organization.ID, Subject: subject, Type: "t*", Actor: "ada", From: begin + 10*minute, Until: begin + 300*minute},
	} {
		var expected []string
		for _, row := range slices.Backward(rows) {
			e := row.(*control.EventRow)
			is := (q.OrganizationID == "" || e.OrganizationID == q.OrganizationID) && (q.Subject == "" || e.Subject == q.Subject) &&
				(q.Actor == "" || e.Actor == q.Actor) && (q.From == 0 || e.At >= q.From) && (q.Until == 0 || e.At < q.Until)
			switch q.Type {
			case "task.running":
				is = is && e.Type == q.Type
			case "task.*":
				is = is && e.Type != "token.created"
			}
			if is {
				expected = append(expected, e.Detail)
			}
		}
		for _, limit := range []int{7, 500} {
			q.Limit = limit
			found, pages := back(t, s, q)
			want(t, fmt.Sprintf("%s by %d", name, limit), ids(found, func(e control.EventView) string { return e.Detail }), expected...)
			if most := len(expected)/limit + 1; pages > most {
				t.Errorf("%s by %d: %d pages, want at most %d", name, limit, pages, most)
			}
		}
	}
	found, _ := back(t, s, control.EventQuery{OrganizationID: w.organization.ID, Limit: 1})
	last := rows[198].(*control.EventRow)
	if diff := cmp.Diff(control.EventView{EventRow: *last, Organization: w.organization.Name}, found[0], cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "EventRow.ID" }, cmp.Ignore())); diff != "" {
		t.Error(diff)
	}
}

func aReadingBackEnds(t *testing.T, s control.Store) {
	w := newTown(t, s)
	var rows []control.Row
	for i := range store.MostLooked + 10 {
		actor := "nobody"
		if i == 5 {
			actor = "ada"
		}
		rows = append(rows, &control.EventRow{Type: "task.queued", OrganizationID: w.organization.ID, Actor: actor, At: control.Micros(1e15 + 1e6*i)})
	}
	insert(t, s, rows...)
	found, pages := back(t, s, control.EventQuery{OrganizationID: w.organization.ID, Actor: "ada", Limit: 10})
	if len(found) != 1 || pages != 2 {
		t.Errorf("%d events on %d pages", len(found), pages)
	}
	_, pages = back(t, s, control.EventQuery{OrganizationID: w.organization.ID, Actor: "ada", Limit: 10, From: 1e15 + 1000*1e6})
	if pages != 1 {
		t.Errorf("it goes on before the time that is asked for: %d pages", pages)
	}
}
