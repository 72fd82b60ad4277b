package store

import (
	"slices"
	"strings"

	"github.com/remuda-dev/remuda/internal/control"
)

// counter is a row that counts running tasks.
type counter struct{ table, id string }

// counted are the tables with counters, in the order in which transactions lock their rows: none waits for another
// that waits for it. Lanes are counted before them.
func counted() []string { return []string{"organizations", "projects", "resource_classes"} }

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
	running map[counter]int
	lanes   map[taking]taken
}

func (t *tally) count(c counter, running int) {
	if t.running == nil {
		t.running = map[counter]int{}
	}
	t.running[c] += running
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
	for c, running := range other.running {
		t.count(c, running)
	}
	for from, n := range other.lanes {
		t.take(from, n)
	}
}

func (t *tally) clear() {
	clear(t.running)
	clear(t.lanes)
}

// counters are those to which something is to be added, in the order in which they are locked.
func (t *tally) counters() []counter {
	sorted := make([]counter, 0, len(t.running))
	for c, running := range t.running {
		if running != 0 {
			sorted = append(sorted, c)
		}
	}
	order := counted()
	slices.SortFunc(sorted, func(a, b counter) int {
		if a.table != b.table {
			return slices.Index(order, a.table) - slices.Index(order, b.table)
		}
		return strings.Compare(a.id, b.id)
	})
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
	if len(q.others.running)+len(q.others.lanes) == 0 {
		return
	}
	q.tally.add(q.others)
	q.others.clear()
	q.changes++
}

// countLanes writes what was gathered of lanes.
func (q *query) countLanes() error {
	q.gather()
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
	for _, c := range q.tally.counters() {
		err := q.later(false, "update "+c.table+" set running = running + $2 where id = $1", c.id, q.tally.running[c])
		if err != nil {
			return err
		}
	}
	clear(q.tally.running)
	return nil
}

// settle has the next statement see what was counted. PostgreSQL holds the rows that everybody counts in only at the end:
// whoever goes by them adds what was gathered.
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
	for _, c := range q.tally.counters() {
		if c.table == table {
			more.WriteString(" when " + mark(c.id) + " then cast(" + mark(q.tally.running[c]) + " as bigint)")
		}
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
