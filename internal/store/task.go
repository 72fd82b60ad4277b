package store

import (
	"context"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

const tasks = `select t.*, o.name as organization, p.name as project, n.name || '/' || c.name as class,
	j.implementation, j.reader_id, coalesce(a.last_sign_at, 0) as last_sign_at, coalesce(g.name, j.concurrency_group) as concurrency_group,
	coalesce(a.runner_id, '') as runner_id, coalesce(r.name, '') as runner
	from tasks t join organizations o on o.id = t.organization_id join projects p on p.id = t.project_id
	join resource_classes c on c.id = t.class_id join namespaces n on n.id = c.namespace_id join jobs j on j.id = t.job_id
	left join attempts a on a.id = t.attempt_id left join groups g on g.id = t.group_id
	left join runners r on r.id = a.runner_id`

func (v view) TaskView(_ context.Context, id string) (row control.TaskView, err error) {
	return row, v.row(&row, v.locked(tasks+` where t.id = $1`, " of t"), id)
}

// movable are the columns that a move needs.
const movable = `t.id, t.job_id, t.organization_id, t.project_id, t.class_id, t.lane_id, t.group_id, t.capabilities, t.rank, t.state, t.detail, t.queue_timeout, t.queue_until,
	t.lost_after, t.max_attempts, t.retry_interrupted, t.attempts, t.attempts_used, t.attempt_id, t.cancel_requested`

// Each column costs, so a claim reads what it needs of a task that is queued, and an end of one that runs.
const (
	claimable = `t.id, t.organization_id, t.project_id, t.class_id, t.lane_id, t.group_id, t.rank, t.state, t.lost_after, t.attempts, t.attempts_used`
	endable   = `t.id, t.organization_id, t.project_id, t.class_id, t.lane_id, t.group_id, t.capabilities, t.rank, t.state, t.detail, t.queue_timeout,
	t.max_attempts, t.retry_interrupted, t.attempts_used, t.cancel_requested`
)

func (v view) Movable(_ context.Context, id string) (row control.TaskRow, err error) {
	return row, v.row(&row, v.locked(`select `+movable+` from tasks t where t.id = $1`, " of t"), id)
}

func (v view) Deliverable(_ context.Context, claims ...string) (rows []control.TaskView, err error) {
	return rows, v.ofEach(&rows, deliverable, "", claims)
}

const deliverable = `select t.id, t.job_id, t.attempt_id, t.name, o.name as organization, p.name as project, t.submitted_by, t.repository, t.ref,
	t.fork, n.name || '/' || c.name as class, j.implementation, t.task_index, t.task_total, t.timeout, t.cancel_grace, t.cancel_requested
	from attempts a cross join tasks t cross join organizations o cross join projects p
	cross join resource_classes c cross join namespaces n cross join jobs j
	where a.state in ('claimed', 'begun') and t.id = a.task_id and t.attempt_id = a.id
		and o.id = t.organization_id and p.id = t.project_id and c.id = t.class_id and n.id = c.namespace_id and j.id = t.job_id
		and a.id`

func (v view) Tasks(_ context.Context, f control.TaskQuery) (rows []control.TaskView, err error) {
	var c conditions
	c.where("t.organization_id = $?", f.Organization)
	c.where("t.project_id = $?", f.Project)
	c.where("t.class_id = $?", f.ClassID)
	c.where("t.job_id = $?", f.JobID)
	c.where("t.id >= $?", f.From)
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
	from, live := v.live("$1")
	return rows, v.rows(&rows, `select a.id, a.task_id, a.number, a.runner_id, a.state, a.lost_after, a.claimed_at, a.begun_at,
		a.last_sign_at, t.cancel_requested from `+from+` join tasks t on t.id = a.task_id
		where `+live+` order by a.id`, runner)
}

func (v view) Attempt(_ context.Context, id string) (row control.AttemptView, err error) {
	return row, v.row(&row, v.locked(`select a.id, a.task_id, a.runner_id, a.state, a.reason, a.detail, a.begun_at, a.ended_at, a.last_sign_at,
		t.cancel_requested from attempts a join tasks t on t.id = a.task_id where a.id = $1`, " of t, a"), id)
}

// claimed is a task with the attempt of one of its claims.
type claimed struct {
	control.TaskRow
	ClaimID    string              `db:"claim_id"`
	RunnerID   string              `db:"claim_runner_id"`
	ClaimState remuda.AttemptState `db:"claim_state"`
	Why        remuda.Reason       `db:"claim_reason"`
	Said       string              `db:"claim_detail"`
	BegunAt    control.Micros      `db:"claim_begun_at"`
}

func (r claimed) split() control.Held {
	return control.Held{Task: r.TaskRow, Attempt: control.AttemptRow{
		ID: r.ClaimID, TaskID: r.ID, RunnerID: r.RunnerID, State: r.ClaimState, Reason: r.Why, Detail: r.Said,
		BegunAt: r.BegunAt,
	}}
}

func (v view) Claimed(_ context.Context, claims ...string) (held []control.Held, err error) {
	var rows []claimed
	err = v.ofEach(&rows, claimedTask, " of t, a", claims)
	for _, row := range rows {
		held = append(held, row.split())
	}
	return held, err
}

// ofEach adds the rows of a query that ends with the name of a column, for each of its values.
func (v view) ofEach(rows any, text, locking string, values []string) error {
	lock := func(text string) string {
		if locking == "" {
			return text
		}
		return v.locked(text, locking)
	}
	if v.postgres != nil && len(values) > 1 {
		return v.rows(rows, lock(text+` = any($1)`), values)
	}
	for _, value := range values {
		if err := v.rows(rows, lock(text+` = $1`), value); err != nil {
			return err
		}
	}
	return nil
}

const claimedTask = `select ` + endable + `, a.id as claim_id, a.runner_id as claim_runner_id, a.state as claim_state, a.reason as claim_reason,
	a.detail as claim_detail, a.begun_at as claim_begun_at
	from attempts a join tasks t on t.id = a.task_id where a.id`

func (v view) Waiting(_ context.Context, organization string) (rows []control.LaneKey, err error) {
	var c conditions
	c.where("l.organization_id = $?", organization)
	c.parts = append(c.parts, "l.waits", "not l.closed")
	return rows, v.all(&rows, `select distinct l.class_id, l.capabilities from lanes l`+c.clause(), c.args...)
}

func (v view) Ahead(_ context.Context, t control.TaskRow, most int) (ahead control.Ahead, err error) {
	return ahead, v.one(&ahead, `select
		(select count(*) from (select 1 as one from lanes l join queued_tasks q on q.lane_id = l.id
			where l.class_id = $1 and l.project_id = $6 and l.queued > 0 and (l.group_id = '' or not l.closed or l.id = $4)
				and (q.rank < $2 or q.rank = $2 and q.id < $3) limit cast($5 as bigint)) x) as tasks,
		(select count(distinct w.project_id) from lanes w where w.class_id = $1 and w.waits and not w.closed and w.project_id <> $6) as projects`,
		t.ClassID, t.Rank, t.ID, t.LaneID, most, t.ProjectID)
}

func (v view) Limited(_ context.Context, t control.TaskRow) (limited bool, err error) {
	if t.GroupID != "" {
		return true, nil
	}
	return limited, v.one(&limited, `select o.task_limit + p.task_limit + c.task_limit > 0
		from organizations o, projects p, resource_classes c where o.id = $1 and p.id = $2 and c.id = $3`,
		t.OrganizationID, t.ProjectID, t.ClassID)
}

func (v view) GroupByName(_ context.Context, project, name string) (row control.GroupRow, err error) {
	return row, v.one(&row, `select * from groups where project_id = $1 and name = $2`, project, name)
}

func (v view) GroupTasks(_ context.Context, group string) (rows []control.GroupTask, err error) {
	return rows, v.all(&rows, `select `+movable+`, j.name as job from grouped_tasks g join tasks t on t.id = g.id
		join jobs j on j.id = t.job_id where g.group_id = $1 order by g.id`, group)
}

func (v view) Expired(_ context.Context, unbegun, since, now control.Micros) (rows []control.AttemptRow, err error) {
	from, live := v.live("")
	return rows, v.all(&rows, `select a.* from `+from+` where `+live+` and a.last_sign_at < $1
		and (a.state = 'claimed' and $2 < $1 or a.state = 'begun' and a.last_sign_at + a.lost_after / 1000 < $3 and $2 + a.lost_after / 1000 < $3)
		order by a.last_sign_at limit 64`, unbegun, since, now)
}

func (v view) Overdue(_ context.Context, now control.Micros) (rows []control.TaskRow, err error) {
	return rows, v.all(&rows, `select t.* from queued_tasks q join tasks t on t.id = q.id
		where q.queue_until < $1 order by q.queue_until limit 64`, now)
}
