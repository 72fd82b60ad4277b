package store

// Which tasks are queued, which attempts live, and the like, is a partial index in SQLite and a table that triggers keep in
// PostgreSQL: there, a row that moves from one partial index to another is written to every index of its table anew. Both
// have them by the same names: queued_tasks, grouped_tasks, ended_tasks and live_attempts. Where a claim or a sync reads
// the rows themselves, SQLite is spared the way from them to themselves.

// keptSets are the tables of PostgreSQL that repeat what others say.
func keptSets() []string {
	return []string{"queued_tasks", "grouped_tasks", "ended_tasks", "live_attempts"}
}

// The row of what is in a set is looked up for each, by a subquery that PostgreSQL does not take apart (offset 0): it would
// rather read all of the other table when it believes it to be small.

// queuedIn reads the first queued tasks of a lane. locking has PostgreSQL pass over those that someone else is changing.
func (q *query) queuedIn(lane, most string, locking bool) string {
	if q.postgres == nil {
		return "select " + claimable + " from tasks t where t.state = 'queued' and t.lane_id = " + lane + " order by t.rank, t.id limit " + most
	}
	lock := ""
	if locking {
		lock = " for no key update skip locked" // and one that was claimed meanwhile is not queued any more
	}
	return "select " + claimable + ` from queued_tasks q
		cross join lateral (select * from tasks x where x.id = q.id and x.state = 'queued' offset 0` + lock + `) t
		where q.lane_id = ` + lane + " order by q.rank, q.id limit " + most
}

// live is where live attempts are read from, as a: those of one runner, or all.
func (q *query) live(runner string) (tables, condition string) {
	if q.postgres == nil {
		tables, condition = "attempts a", "a.state in ('claimed', 'begun')"
		if runner != "" {
			condition += " and a.runner_id = " + runner
		}
		return tables, condition
	}
	tables, condition = "live_attempts l cross join lateral (select * from attempts x where x.id = l.id offset 0) a", "true"
	if runner != "" {
		condition = "l.runner_id = " + runner
	}
	return tables, condition
}
