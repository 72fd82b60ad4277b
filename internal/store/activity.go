package store

import (
	"context"

	"github.com/remuda-dev/remuda/internal/control"
)

// endedWaits has the wait of each task that ended from $1 on and before $2 as text: its first two digits and its length
// are all that is told apart. A task that was never claimed has a wait of -1. In SQLite it reads the index tasks_ended
// alone; over all organizations, cross join holds SQLite to going through that index once for each of them.
const endedWaits = `select t.ended_at, t.state, cast(case when t.started_at = 0 then -1
	when t.started_at < t.submitted_at then 0 else t.started_at - t.submitted_at end as text) as wait from `

func (v view) Activity(_ context.Context, organization string, from, to, step control.Micros) (rows []control.ActivityRow, err error) {
	text, args := activityText(organization, from, to, step)
	return rows, v.all(&rows, text, args...)
}

func activityText(organization string, from, to, step control.Micros) (text string, args []any) {
	c := conditions{args: []any{from, to, step}, parts: []string{"t.ended_at >= $1", "t.ended_at < $2"}}
	tables := "ended_tasks t"
	if organization == "" {
		tables = "organizations o cross join ended_tasks t"
		c.parts = append(c.parts, "t.organization_id = o.id")
	}
	c.where("t.organization_id = $?", organization)
	return `select step, digits, lead, count(*) as ended, cast(sum(failed) as bigint) as failed from (
		select x.ended_at / cast($3 as bigint) as step, length(x.wait) as digits, cast(substr(x.wait, 1, 2) as bigint) as lead,
			case when x.state = 'failed' then 1 else 0 end as failed from (` + endedWaits + tables + c.clause() + `) x) y
		group by step, digits, lead order by step, digits, lead`, c.args
}

func (v view) LastFailed(_ context.Context, organization string, since control.Micros, most int) (rows []control.TaskView, err error) {
	text, args := lastFailed(organization, since, most)
	return rows, v.all(&rows, tasks+` where t.id in (`+text+`) order by t.ended_at desc, t.id desc`, args...)
}

// lastFailed finds their ids in an index alone, which in SQLite is tasks_failed. An organization that is an expression
// keeps SQLite from going through all tasks of it instead.
func lastFailed(organization string, since control.Micros, most int) (text string, args []any) {
	c := conditions{args: []any{since}, parts: []string{"f.state = 'failed'", "f.ended_at >= $1"}}
	c.where("f.organization_id || '' = $?", organization)
	c.args = append(c.args, most)
	return `select f.id from ended_tasks f` + c.clause() + ` order by f.ended_at desc limit cast(` + c.last() + ` as bigint)`, c.args
}

func (v view) ClassesAtWork(_ context.Context, organization string, most int) (rows []control.ClassView, err error) {
	var c conditions
	c.where(`(o.id = $? or c.access = 'all' or c.access = 'some' and exists
		(select 1 from class_access a where a.class_id = c.id and a.organization_id = $?))`, organization)
	c.args = append(c.args, most)
	return rows, v.all(&rows, classColumns+classTables+c.clause()+` order by full_name limit cast(`+c.last()+` as bigint)`, c.args...)
}

// Queues looks at the head of each lane, never at the tasks behind it. An id tells when its task was submitted, so the
// least is the oldest.
func (v view) Queues(_ context.Context) (rows []control.QueueRow, err error) {
	return rows, v.all(&rows, `select x.class_id, x.organization_id, x.queued, coalesce(t.id, '') as head, coalesce(t.submitted_at, 0) as since from (
		select y.class_id, y.organization_id, cast(sum(y.queued) as bigint) as queued, min(y.head) as head from (
			select l.class_id, p.organization_id, l.queued,
				(select q.id from queued_tasks q where q.lane_id = l.id order by q.rank, q.id limit 1) as head
			from lanes l join projects p on p.id = l.project_id where l.queued > 0) y
		group by y.class_id, y.organization_id) x left join tasks t on t.id = x.head`)
}
