package store

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// Lanes are what a claim looks at instead of the tasks. A main lane stands for its project in a class: the index
// lanes_next has those that wait in the order of their turns, so that the best is found without looking at all. Behind
// it are the side lanes of the project's groups, those of full groups closed, in the order of their first tasks. A main
// lane is closed while its project is at its limit: triggers of the project's row see to that, whoever counts in it.

func (t tx) Lane(_ context.Context, key control.LaneKey) (lane control.LaneRow, err error) {
	const find = `select * from lanes where class_id = $1 and project_id = $2 and concurrency_group = $3 and capabilities = $4`
	err = t.one(&lane, find, key.ClassID, key.ProjectID, "", key.Capabilities)
	if errors.Is(err, remuda.NotFound) {
		err = t.mainLane(&lane, key)
	}
	if err != nil || key.GroupID == "" {
		return lane, err
	}
	err = t.later(false, `insert into lanes (id, class_id, project_id, concurrency_group, queued, running, capabilities, group_id, main_id,
			head, closed, project_running, weight, level, turns, turn_at, waits)
		values ($1, $2, $3, $4, 0, 0, $5, $6, $7, 0, false, 0, 1, 0, 0, 0, false)
		on conflict (class_id, project_id, concurrency_group, capabilities) do nothing`,
		uuid.Must(uuid.NewV7()).String(), key.ClassID, key.ProjectID, key.Group, key.Capabilities, key.GroupID, lane.ID)
	if err != nil {
		return lane, err
	}
	lane = control.LaneRow{}
	return lane, t.one(&lane, find, key.ClassID, key.ProjectID, key.Group, key.Capabilities)
}

// mainLane makes the lane of a project's tasks that are in no group. It begins with the sum of what its sisters run,
// which is one only while nothing else is written: an end at the same moment would see either the sisters or the sum.
func (t tx) mainLane(lane *control.LaneRow, key control.LaneKey) error {
	if t.postgres != nil && t.postgres.defers {
		return errAlone
	}
	id := uuid.Must(uuid.NewV7()).String()
	err := t.later(false, `insert into lanes (id, class_id, project_id, concurrency_group, queued, running, capabilities, group_id, main_id,
			head, closed, project_running, weight, level, turns, turn_at, waits)
		select $1, $2, p.id, '', 0, 0, $4, '', $1, 0, false, s.running, p.weight, s.running / p.weight, 0, 0, false
		from projects p, (select coalesce(sum(l.running), 0) as running from lanes l where l.class_id = $2 and l.project_id = $3) s
		where p.id = $3 and not exists (select 1 from lanes x
			where x.class_id = $2 and x.project_id = $3 and x.concurrency_group = '' and x.capabilities = $4)
		on conflict (class_id, project_id, concurrency_group, capabilities) do nothing`, id, key.ClassID, key.ProjectID, key.Capabilities)
	if err != nil {
		return err
	}
	return t.Get(t.ctx, lane, id)
}

// sideWaits says of a main lane whether a task of one of its groups could be claimed.
const sideWaits = `exists (select 1 from lanes s where s.main_id = lanes.id and s.group_id <> '' and s.queued > 0 and not s.closed)`

// countLane counts a task in the main lane that it lies in.
func (t tx) countLane(task control.TaskRow, queued, running int) {
	if running != 0 {
		t.turn(task, queued, running)
		return
	}
	from := taking{class: task.ClassID, project: task.ProjectID, kind: queuing, lane: task.LaneID}
	t.tally.take(from, taken{queued: queued})
}

// turn has what a project runs counted in each of its main lanes in the class. One of them may be the task's own.
func (t tx) turn(task control.TaskRow, queued, running int) {
	from := taking{class: task.ClassID, project: task.ProjectID, kind: claiming, lane: task.LaneID}
	if running < 0 {
		from.kind = ending
	}
	t.tally.take(from, taken{queued: queued, running: running, at: task.StartedAt})
}

// counting counts what is queued in its own lane, and what runs in each of its project's main lanes in the class, since all
// of them take turns as one: one of weight w is claimed from w times, then the others of its level come first.
func (n taken) counting(from taking) (text string, args []any) {
	const counts = `update lanes set project_running = project_running + $3, level = (project_running + $3) / weight,
			running = running + case when id = $4 then $3 else 0 end,
			queued = queued + case when id = $4 then cast($5 as bigint) else 0 end,`
	const where = ` where class_id = $1 and project_id = $2 and concurrency_group = ''`
	args = []any{from.class, from.project, n.running, from.lane, n.queued}
	switch from.kind {
	case queuing:
		if n.queued > 0 {
			return `update lanes set queued = queued + $2, waits = true, idle_since = 0 where id = $1`, []any{from.lane, n.queued}
		}
		return `update lanes set queued = queued + $2, waits = queued + $2 > 0 or ` + sideWaits + ` where id = $1`, []any{from.lane, n.queued}
	case ending:
		return counts + ` waits = waits or id = $4 and queued + $5 > 0` + where, args
	}
	return counts + ` waits = case when id = $4 then queued + $5 > 0 or ` + sideWaits + ` else waits end, turns = (turns + $3) % weight,
			turn_at = case when turns + $3 >= weight then cast($6 as bigint) else turn_at end` + where, append(args, n.at)
}

// countGroup counts a task of a group: its side lane, its project's turns, the group, and which of the group's lanes
// may be claimed from.
func (t tx) countGroup(task control.TaskRow, queued, running int) error {
	if err := t.countIn("projects"); err != nil { // before any lane is locked
		return err
	}
	head := `head`
	switch {
	case queued > 0:
		head = `case when queued = 0 or $4 < head then $4 else head end, idle_since = 0`
	case queued < 0:
		head = `coalesce((select q.rank from queued_tasks q where q.lane_id = lanes.id order by q.rank, q.id limit 1), head)`
	}
	args := []any{task.LaneID, queued, running}
	if queued > 0 {
		args = append(args, task.Rank)
	}
	err := t.later(false, `update lanes set queued = queued + $2, running = running + $3, head = `+head+` where id = $1`, args...)
	if err != nil {
		return err
	}
	if running != 0 {
		t.turn(task, 0, running)
		if err := t.later(false, `update groups set running = running + $2 where id = $1`, task.GroupID, running); err != nil {
			return err
		}
	}
	return t.reopen(task.GroupID)
}

// reopen brings the lanes of a group up to date with its limit and with what runs.
func (t tx) reopen(group string) error {
	err := t.later(false, `update lanes set closed = (select g.running >= g.task_limit from groups g where g.id = $1) where group_id = $1 and group_id <> ''`, group)
	if err != nil {
		return err
	}
	err = t.later(false, `update lanes set waits = queued > 0 or `+sideWaits+` where id in
		(select s.main_id from lanes s where s.group_id = $1 and s.group_id <> '')`, group)
	return err
}
