package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

const tasks = `select t.*, o.name as organization, p.name as project, n.name || '/' || c.name as class,
	j.implementation, j.reader_id, coalesce(a.last_sign_at, 0) as last_sign_at, coalesce(g.name, '') as concurrency_group
	from tasks t join organizations o on o.id = t.organization_id join projects p on p.id = t.project_id
	join resource_classes c on c.id = t.class_id join namespaces n on n.id = c.namespace_id join jobs j on j.id = t.job_id
	left join attempts a on a.id = t.attempt_id left join groups g on g.id = t.group_id`

func (v view) TaskView(_ context.Context, id string) (row control.TaskView, err error) {
	return row, v.one(&row, v.locked(tasks+` where t.id = $1`, " of t"), id)
}

// movable are the columns that a move needs.
const movable = `t.id, t.job_id, t.organization_id, t.project_id, t.class_id, t.lane_id, t.group_id, t.capabilities, t.rank, t.state, t.detail, t.queue_timeout, t.queue_until,
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

// Claimable looks at the main lanes of each class in the order of their turns, until one is under every limit; then at
// the first tasks of its own and of the groups behind it: never at what waits behind those, or at a group that is full.
func (v view) Claimable(_ context.Context, classes, capabilities []string) (row control.TaskRow, err error) {
	if len(classes) == 0 {
		return row, remuda.NotFound
	}
	var args []any
	mark := func(value any) string {
		args = append(args, value)
		return fmt.Sprintf("$%d", len(args))
	}
	met := `l.capabilities`
	for _, capability := range capabilities {
		met = `replace(` + met + `, ` + mark(" "+capability+" ") + `, '')`
	}
	running := strings.NewReplacer("$met", met, "o.running", v.running("organizations", "o", mark),
		"p.running", v.running("projects", "p", mark), "c.running", v.running("resource_classes", "c", mark)).Replace(bestLane)
	best := make([]string, len(classes))
	for i, class := range classes {
		best[i] = `select * from (` + strings.ReplaceAll(running, "$class", "cast("+mark(class)+" as text)") + `) b`
	}
	return row, v.claimable(&row, `select `+movable+` from tasks t where t.state = 'queued' and t.id = (
		select f.id from tasks f where f.state = 'queued' and f.lane_id = (
			select case when m.side is null or m.own <= m.side then m.id else
				(select s.id from lanes s where s.main_id = m.id and s.group_id <> '' and s.queued > 0 and not s.closed order by s.head, s.id limit 1) end
			from (select b.id,
				(select q.rank from tasks q where q.lane_id = b.id and q.state = 'queued' order by q.rank, q.id limit 1) as own,
				(select s.head from lanes s where s.main_id = b.id and s.group_id <> '' and s.queued > 0 and not s.closed order by s.head, s.id limit 1) as side
				from (`+strings.Join(best, " union all ")+` order by level, turn_at, id limit 1) b) m)
		order by f.rank, f.id limit 1)`, args...)
}

// bestLane is the main lane of a class whose turn it is. Its form holds SQLite to one way, whatever it knows of the tables:
// the lanes come alone, so that they come in their order; casts keep it from planning anew for every value; and where the
// other tables were joined, it would first read one whole into a filter.
const bestLane = `select l.id, l.level, l.turn_at from lanes l
	where l.class_id = $class and l.waits and (l.capabilities = '' or $met = '')
		and (select c.task_limit = 0 or c.running < c.task_limit from resource_classes c where c.id = $class)
		and 1 = (select 1 from projects p cross join organizations o cross join resource_classes c cross join namespaces n
			where p.id = l.project_id and (p.task_limit = 0 or p.running < p.task_limit)
				and o.id = p.organization_id and (o.task_limit = 0 or o.running < o.task_limit)
				and c.id = l.class_id and (c.allow_forks or not (p.visibility = 'public' and p.builds_forks))
				and n.id = c.namespace_id
				and (n.organization_id = p.organization_id or c.access = 'all' or c.access = 'some' and exists
					(select 1 from class_access a where a.class_id = c.id and a.organization_id = p.organization_id)))
	order by l.level, l.turn_at, l.id limit 1`

func (v view) Waiting(_ context.Context, organization string) (rows []control.LaneKey, err error) {
	var c conditions
	c.where("p.organization_id = $?", organization)
	c.parts = append(c.parts, "l.waits")
	return rows, v.all(&rows, `select distinct l.class_id, l.capabilities from lanes l join projects p on p.id = l.project_id`+c.clause(), c.args...)
}

func (v view) Ahead(_ context.Context, t control.TaskRow, most int) (ahead control.Ahead, err error) {
	return ahead, v.one(&ahead, `select
		(select count(*) from (select 1 as one from lanes l join tasks q on q.lane_id = l.id
			where l.class_id = $1 and l.project_id = $6 and l.queued > 0 and (not l.closed or l.id = $4) and q.state = 'queued'
				and (q.rank < $2 or q.rank = $2 and q.id < $3) limit cast($5 as bigint)) x) as tasks,
		(select count(distinct w.project_id) from lanes w where w.class_id = $1 and w.waits and w.project_id <> $6) as projects`,
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
	return rows, v.all(&rows, `select `+movable+`, j.name as job from tasks t join jobs j on j.id = t.job_id
		where t.group_id = $1 and t.group_id <> '' and t.state in ('waiting', 'queued', 'running') order by t.id`, group)
}

func (v view) Expired(_ context.Context, unbegun, since, now control.Micros) (rows []control.AttemptRow, err error) {
	return rows, v.all(&rows, `select * from attempts where state in ('claimed', 'begun') and last_sign_at < $1
		and (state = 'claimed' and $2 < $1 or state = 'begun' and last_sign_at + lost_after / 1000 < $3 and $2 + lost_after / 1000 < $3)
		order by last_sign_at limit 64`, unbegun, since, now)
}

func (v view) Overdue(_ context.Context, now control.Micros) (rows []control.TaskRow, err error) {
	return rows, v.all(&rows, `select * from tasks where state = 'queued' and queue_until < $1 order by queue_until limit 64`, now)
}
