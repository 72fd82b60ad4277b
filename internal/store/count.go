package store

import (
	"slices"
	"strings"
)

// counter is a row that counts running tasks.
type counter struct{ table, id string }

// counted are the tables with counters, in the order in which transactions lock their rows: none waits for another
// that waits for it. Lanes, by which the next claim of the same transaction goes, are counted before, and at once.
func counted() []string { return []string{"organizations", "projects", "resource_classes"} }

// count adds to a counter; nothing when there is nothing to add. PostgreSQL gathers, so that a row that everybody
// counts in is held only at the very end.
func (q *query) count(c counter, running int) error {
	switch {
	case running == 0:
		return nil
	case q.postgres != nil && q.postgres.defers:
		q.postgres.gather(c, running)
		return nil
	}
	_, err := q.exec(counting(c), c.id, running)
	return err
}

func counting(c counter) string {
	return "update " + c.table + " set running = running + $2 where id = $1"
}

// gather adds to what is to be counted.
func (s *postgresSession) gather(c counter, running int) {
	if s.counts == nil {
		s.counts = map[counter]int{}
	}
	s.counts[c] += running
}

// counts writes what was gathered, at the end.
func (q *query) counts() {
	if q.postgres == nil {
		return
	}
	for _, c := range q.postgres.gathered() {
		q.postgres.later(false, counting(c), []any{c.id, q.postgres.counts[c]})
	}
	clear(q.postgres.counts)
}

// gathered are the counters to which something is to be added, in the order in which they are locked.
func (s *postgresSession) gathered() []counter {
	sorted := make([]counter, 0, len(s.counts))
	for c, running := range s.counts {
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

// running is what a row counts as running, with what this transaction has gathered for it: the rows themselves are not
// to be locked before the end. mark adds an argument to the text.
func (q *query) running(table, alias string, mark func(any) string) string {
	if q.postgres == nil {
		return alias + ".running"
	}
	var more strings.Builder
	for _, c := range q.postgres.gathered() {
		if c.table == table {
			more.WriteString(" when " + mark(c.id) + " then cast(" + mark(q.postgres.counts[c]) + " as bigint)")
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
