package store

import (
	"slices"
	"strings"

	"github.com/remuda-dev/remuda/internal/control"
)

// taking is a main lane to which, or from which, tasks went in one way.
type taking struct {
	class, project string
	kind           string
	lane           string
}

// The ways of tasks, in the order in which transactions lock lanes: the first two lock all main lanes of a project.
const (
	claiming = "1 claiming"
	ending   = "2 ending"
	queuing  = "3 queuing"
)

// taken is how many they were.
type taken struct {
	queued, running int
	at              control.Micros
}

// tally is what is still to be counted. It is gathered until somebody goes by it, or to the end of the transaction: a row
// that everybody counts in is written once for all that are carried out together, and held for as short as can be.
type tally struct {
	running map[string]map[string]int // by table and id
	lanes   map[taking]taken
}

// count counts running tasks in the row of a table.
func (t *tally) count(table, id string, running int) {
	if t.running == nil {
		t.running = map[string]map[string]int{"projects": {}, "organizations": {}, "resource_classes": {}}
	}
	t.running[table][id] += running
}

func (t *tally) take(from taking, n taken) {
	if t.lanes == nil {
		t.lanes = map[taking]taken{}
	}
	known := t.lanes[from]
	t.lanes[from] = taken{known.queued + n.queued, known.running + n.running, max(known.at, n.at)}
}

// add takes in what another one gathered.
func (t *tally) add(other tally) {
	for table, counters := range other.running {
		for id, running := range counters {
			t.count(table, id, running)
		}
	}
	for from, n := range other.lanes {
		t.take(from, n)
	}
}

func (t *tally) clear() {
	for _, counters := range t.running {
		clear(counters)
	}
	clear(t.lanes)
}

// counters are the rows of a table to which something is to be added, in the order in which they are locked.
func (t *tally) counters(table string) []string {
	var sorted []string
	for id, running := range t.running[table] {
		if running != 0 {
			sorted = append(sorted, id)
		}
	}
	slices.Sort(sorted)
	return sorted
}

// takings are the lanes in the order in which they are locked.
func (t *tally) takings() []taking {
	sorted := make([]taking, 0, len(t.lanes))
	for from := range t.lanes {
		sorted = append(sorted, from)
	}
	slices.SortFunc(sorted, func(a, b taking) int {
		return strings.Compare(a.class+a.project+a.kind+a.lane, b.class+b.project+b.kind+b.lane)
	})
	return sorted
}

// gather makes what others had counted one with what this change counts.
func (q *query) gather() {
	if q.others.running == nil && q.others.lanes == nil {
		return
	}
	q.tally.add(q.others)
	q.others = tally{}
	q.changes++
}

// Transactions lock what they count in in one order, so that none waits for another that waits for it: projects, whose
// lanes close and open with them, then lanes, organizations and classes.

// countLanes writes what was gathered of projects and lanes.
func (q *query) countLanes() error {
	q.gather()
	if err := q.countIn("projects"); err != nil {
		return err
	}
	for _, from := range q.tally.takings() {
		text, args := q.tally.lanes[from].counting(from)
		if err := q.later(false, text, args...); err != nil {
			return err
		}
	}
	clear(q.tally.lanes)
	return nil
}

// counts writes all that was gathered.
func (q *query) counts() error {
	if err := q.countLanes(); err != nil {
		return err
	}
	if err := q.countIn("organizations"); err != nil {
		return err
	}
	return q.countIn("resource_classes")
}

// countIn writes what was gathered of the counters of a table.
func (q *query) countIn(table string) error {
	for _, id := range q.tally.counters(table) {
		err := q.later(false, "update "+table+" set running = running + $2 where id = $1", id, q.tally.running[table][id])
		if err != nil {
			return err
		}
	}
	clear(q.tally.running[table])
	return nil
}

// settle has the next statement see what was counted. PostgreSQL holds the rows that everybody counts in, those of
// organizations and classes, only at the end: whoever goes by them adds what was gathered.
func (q *query) settle() error {
	if q.postgres != nil {
		return q.countLanes()
	}
	return q.counts()
}

// running is what a row counts as running, with what this transaction has gathered for it: the rows themselves are not
// to be locked before the end. mark adds an argument to the text.
func (q *query) running(table, alias string, mark func(any) string) string {
	q.gather()
	var more strings.Builder
	for _, id := range q.tally.counters(table) {
		more.WriteString(" when " + mark(id) + " then cast(" + mark(q.tally.running[table][id]) + " as bigint)")
	}
	if more.Len() == 0 {
		return alias + ".running"
	}
	return "(" + alias + ".running + case " + alias + ".id" + more.String() + " else 0 end)"
}

// claiming has no claim decided from here to the transaction's end.
func (q *query) claiming() {
	if q.postgres != nil && q.postgres.locks {
		q.postgres.claim()
	}
}
