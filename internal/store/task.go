package store

import (
	"context"
	"strings"

	"github.com/remuda-dev/remuda/internal/control"
)

const tasks = `select t.*, o.name as organization, p.name as project, n.name || '/' || c.name as class,
	j.implementation, coalesce(a.last_sign_at, 0) as last_sign_at
	from tasks t join organizations o on o.id = t.organization_id join projects p on p.id = t.project_id
	join resource_classes c on c.id = t.class_id join namespaces n on n.id = c.namespace_id join jobs j on j.id = t.job_id
	left join attempts a on a.id = t.attempt_id`

func (v view) TaskView(_ context.Context, id string) (row control.TaskView, err error) {
	return row, v.one(&row, v.locked(tasks+` where t.id = $1`, " of t"), id)
}

// movable are the columns that a move needs.
const movable = `t.id, t.job_id, t.organization_id, t.project_id, t.class_id, t.lane_id, t.state, t.queue_timeout, t.queue_until,
	t.lost_after, t.max_attempts, t.retry_interrupted, t.attempts, t.attempts_used, t.attempt_id, t.cancel_requested`

func (v view) Movable(_ context.Context, id string) (row control.TaskRow, err error) {
	return row, v.one(&row, v.locked(`select `+movable+` from tasks t where t.id = $1`, " of t"), id)
}

func (v view) Deliverable(_ context.Context, id string) (row control.TaskView, err error) {
	return row, v.one(&row, `select t.id, t.job_id, t.name, o.name as organization, p.name as project, t.submitted_by, t.repository, t.ref,
		t.fork, n.name || '/' || c.name as class, j.implementation, t.task_index, t.task_total, t.timeout, t.cancel_grace, t.cancel_requested
		from tasks t join organizations o on o.id = t.organization_id join projects p on p.id = t.project_id
		join resource_classes c on c.id = t.class_id join namespaces n on n.id = c.namespace_id join jobs j on j.id = t.job_id
		where t.id = $1`, id)
}

func (v view) Tasks(_ context.Context, f control.TaskQuery) (rows []control.TaskView, err error) {
	var c conditions
	c.where("t.organization_id = $?", f.Organization)
	c.where("t.project_id = $?", f.Project)
	c.where("t.class_id = $?", f.ClassID)
	c.where("t.job_id = $?", f.JobID)
	in(&c, "t.state", f.States)
	if f.Search != "" {
		escaped := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(f.Search))
		c.where(`lower(t.name) like $? escape '\'`, "%"+escaped+"%")
	}
	return rows, v.all(&rows, tasks+c.page("t", f.Span), c.args...)
}

const attempts = `select a.*, coalesce(r.name, '') as runner, t.cancel_requested
	from attempts a join tasks t on t.id = a.task_id left join runners r on r.id = a.runner_id`

func (v view) Attempts(_ context.Context, task string) (rows []control.AttemptView, err error) {
	return rows, v.all(&rows, attempts+` where a.task_id = $1 order by a.number`, task)
}

func (v view) LiveAttempts(_ context.Context, runner string) (rows []control.AttemptView, err error) {
	return rows, v.all(&rows, `select a.id, a.task_id, a.number, a.runner_id, a.state, a.lost_after, a.claimed_at, a.begun_at,
		a.last_sign_at, t.cancel_requested from attempts a join tasks t on t.id = a.task_id
		where a.runner_id = $1 and a.state in ('claimed', 'begun') order by a.id`, runner)
}

func (v view) Attempt(_ context.Context, id string) (row control.AttemptView, err error) {
	return row, v.one(&row, v.locked(`select a.id, a.task_id, a.runner_id, a.state, a.reason, a.detail, a.begun_at, a.ended_at, a.last_sign_at,
		t.cancel_requested from attempts a join tasks t on t.id = a.task_id where a.id = $1`, " of t, a"), id)
}

// Claimable looks at lanes, of which there are few, and at the head of one: never at the tasks behind a limit.
func (v view) Claimable(_ context.Context, classes []string) (row control.TaskRow, err error) {
	var c conditions
	in(&c, "l.class_id", classes)
	if len(classes) == 0 {
		c.parts = []string{"1 = 0"}
	}
	return row, v.claimable(&row, `select `+movable+` from tasks t where t.state = 'queued' and t.lane_id = (
		select l.id from lanes l join projects p on p.id = l.project_id join organizations o on o.id = p.organization_id
			join resource_classes c on c.id = l.class_id join namespaces n on n.id = c.namespace_id`+c.clause()+`
			and l.queued > 0
			and (n.organization_id = p.organization_id or c.access = 'all' or c.access = 'some' and exists
				(select 1 from class_access a where a.class_id = c.id and a.organization_id = p.organization_id))
			and (o.task_limit = 0 or o.running < o.task_limit)
			and (p.task_limit = 0 or p.running < p.task_limit)
			and (c.task_limit = 0 or c.running < c.task_limit)
			and (c.allow_forks or not (p.visibility = 'public' and p.builds_forks))
		order by l.running * 1.0 / p.weight,
			(select q.rank from tasks q where q.lane_id = l.id and q.state = 'queued' order by q.rank, q.id limit 1), l.id
		limit 1)
		order by t.rank, t.id limit 1`, c.args...)
}

func (v view) QueuedClasses(_ context.Context, organization string) (map[string]int, error) {
	var c conditions
	c.where("p.organization_id = $?", organization)
	c.parts = append(c.parts, "l.queued > 0")
	var rows []struct {
		ClassID string `db:"class_id"`
		Queued  int    `db:"queued"`
	}
	err := v.all(&rows, `select l.class_id, cast(sum(l.queued) as bigint) as queued from lanes l join projects p on p.id = l.project_id`+
		c.clause()+` group by l.class_id`, c.args...)
	queued := make(map[string]int, len(rows))
	for _, row := range rows {
		queued[row.ClassID] = row.Queued
	}
	return queued, err
}

func (v view) Ahead(_ context.Context, t control.TaskRow) (n int, err error) {
	return n, v.one(&n, `select count(*) from tasks q join lanes l on l.id = q.lane_id
		where l.class_id = $1 and q.state = 'queued' and (q.rank < $2 or q.rank = $2 and q.id < $3)`, t.ClassID, t.Rank, t.ID)
}

func (v view) Limited(_ context.Context, t control.TaskRow) (limited bool, err error) {
	return limited, v.one(&limited, `select o.task_limit + p.task_limit + c.task_limit > 0
		from organizations o, projects p, resource_classes c where o.id = $1 and p.id = $2 and c.id = $3`,
		t.OrganizationID, t.ProjectID, t.ClassID)
}

func (v view) Expired(_ context.Context, unbegun, since, now control.Micros) (rows []control.AttemptRow, err error) {
	return rows, v.all(&rows, `select * from attempts where state in ('claimed', 'begun') and last_sign_at < $1
		and (state = 'claimed' and $2 < $1 or state = 'begun' and last_sign_at + lost_after / 1000 < $3 and $2 + lost_after / 1000 < $3)
		order by last_sign_at limit 64`, unbegun, since, now)
}

func (v view) Overdue(_ context.Context, now control.Micros) (rows []control.TaskRow, err error) {
	return rows, v.all(&rows, `select * from tasks where state = 'queued' and queue_until < $1 order by queue_until limit 64`, now)
}
