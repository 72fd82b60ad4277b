package store

import (
	"context"

	"github.com/remuda-dev/remuda/internal/control"
)

// Demand looks at lanes and at the head of each, never at the tasks behind it.
func (v view) Demand(_ context.Context, class string) (rows []control.DemandRow, err error) {
	if err := v.counts(); err != nil {
		return nil, err
	}
	var c conditions
	c.parts = []string{"l.queued > 0"}
	c.where("l.class_id = $?", class)
	return rows, v.all(&rows, `select l.class_id, l.group_id, l.project_id, p.organization_id, l.queued,
		coalesce(g.task_limit, 0) as group_limit, coalesce(g.running, 0) as group_running,
		p.task_limit as project_limit, p.running as project_running,
		o.task_limit as organization_limit, o.running as organization_running,
		c.task_limit as class_limit, c.running as class_running,
		(n.organization_id = p.organization_id or c.access = 'all' or c.access = 'some' and exists
			(select 1 from class_access a where a.class_id = c.id and a.organization_id = p.organization_id))
			and (c.allow_forks or not (p.visibility = 'public' and p.builds_forks)) as allowed,
		coalesce((select t.submitted_at from queued_tasks q join tasks t on t.id = q.id where q.lane_id = l.id order by q.rank, q.id limit 1), 0) as oldest_at
		from lanes l join projects p on p.id = l.project_id join organizations o on o.id = p.organization_id
		join resource_classes c on c.id = l.class_id join namespaces n on n.id = c.namespace_id
		left join groups g on g.id = l.group_id`+c.clause(), c.args...)
}

func (v view) Capacity(_ context.Context, class string, now control.Micros) (rows []control.CapacityRow, err error) {
	c := conditions{args: []any{now}, parts: []string{
		"r.gone_at = 0", "r.silent_at >= $1", "not (r.paused or r.draining or r.drain_asked or r.quarantined)", "t.revoked_at = 0",
	}}
	c.where("rc.class_id = $?", class)
	return rows, v.all(&rows, `select x.class_id, cast(sum(x.slots) as bigint) as capacity,
		cast(sum(case when x.ready and x.slots > x.busy then x.slots - x.busy else 0 end) as bigint) as idle
		from (select rc.class_id, r.slots, r.ready,
			(select count(*) from live_attempts a where a.runner_id = r.id) as busy
			from runners r cross join runner_classes rc cross join tokens t`+
		c.clause()+` and rc.runner_id = r.id and t.id = rc.token_id) x group by x.class_id`, c.args...)
}
