package store

import "slices"

// counter is a row that counts tasks.
type counter struct{ table, id string }

// number is what is added to one. Only lanes count the queued.
type number struct{ queued, running int }

// counted are the tables with counters, in the order in which transactions lock their rows: none waits for another
// that waits for it.
func counted() []string { return []string{"organizations", "projects", "resource_classes", "lanes"} }

// count adds to a counter; nothing when there is nothing to add. PostgreSQL gathers, so that a row that everybody
// counts in is held only at the very end.
func (q *query) count(c counter, by number) error {
	if c.table != "lanes" {
		by.queued = 0
	}
	switch {
	case by == number{}:
		return nil
	case q.postgres != nil && q.postgres.defers:
		q.postgres.gather(c, by)
		return nil
	}
	text, args := counting(c, by)
	_, err := q.exec(text, args...)
	return err
}

func counting(c counter, by number) (string, []any) {
	if c.table == "lanes" {
		return "update lanes set queued = queued + $2, running = running + $3 where id = $1", []any{c.id, by.queued, by.running}
	}
	return "update " + c.table + " set running = running + $2 where id = $1", []any{c.id, by.running}
}

// gather adds to what is to be counted.
func (s *postgresSession) gather(c counter, by number) {
	if s.counts == nil {
		s.counts = map[counter]number{}
	}
	sum := s.counts[c]
	s.counts[c] = number{sum.queued + by.queued, sum.running + by.running}
}

// counts writes what was gathered, ahead of what reads it, and at the end.
func (q *query) counts() {
	if q.postgres == nil || len(q.postgres.counts) == 0 {
		return
	}
	sorted := make([]counter, 0, len(q.postgres.counts))
	for c := range q.postgres.counts {
		sorted = append(sorted, c)
	}
	order := counted()
	slices.SortFunc(sorted, func(a, b counter) int {
		if a.table != b.table {
			return slices.Index(order, a.table) - slices.Index(order, b.table)
		}
		if a.id < b.id {
			return -1
		}
		return 1
	})
	for _, c := range sorted {
		if by := q.postgres.counts[c]; by != (number{}) {
			text, args := counting(c, by)
			q.postgres.later(false, text, args)
		}
	}
	clear(q.postgres.counts)
}
