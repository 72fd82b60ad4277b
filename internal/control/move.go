package control

import (
	"context"
	"fmt"
	"slices"

	"github.com/remuda-dev/remuda"
)

// next lists every road between the states of a task; nothing else may change one.
func next(s remuda.State) []remuda.State {
	switch s {
	case remuda.Waiting:
		return []remuda.State{remuda.Queued, remuda.Skipped, remuda.Canceled}
	case remuda.Queued:
		return []remuda.State{remuda.Running, remuda.Canceled, remuda.Failed}
	case remuda.Running:
		return []remuda.State{remuda.Succeeded, remuda.Failed, remuda.Canceled, remuda.Queued}
	default:
		return nil
	}
}

// mayFail lists the reasons for which a task may fail from a state: one that waits fails only by what it asked for.
func mayFail(from remuda.State) []remuda.Reason {
	switch from {
	case remuda.Queued:
		return []remuda.Reason{remuda.ReasonPolicy, remuda.ReasonConfig, remuda.ReasonTimeout}
	case remuda.Running:
		return []remuda.Reason{
			remuda.ReasonStep, remuda.ReasonTimeout, remuda.ReasonConfig, remuda.ReasonPolicy,
			remuda.ReasonInfrastructure, remuda.ReasonLost,
		}
	default:
		return nil
	}
}

// counted is what a state adds to the numbers of queued and of running tasks.
func counted(s remuda.State) (queued, running int) {
	switch s {
	case remuda.Queued:
		return 1, 0
	case remuda.Running:
		return 0, 1
	default:
		return 0, 0
	}
}

// changed is what a move into a state writes of a task.
func changed(to remuda.State) []string {
	switch to {
	case remuda.Running:
		return []string{"state", "reason", "detail", "attempts", "attempts_used", "attempt_id", "started_at"}
	case remuda.Queued:
		return []string{"state", "reason", "detail", "attempts_used", "queue_until"}
	default:
		return []string{"state", "reason", "detail", "attempts_used", "ended_at"}
	}
}

// move brings a task into another state, with all that goes with it: the counts that limits are held against, its
// event, and the wake-ups of whom it concerns.
func (t *transition) move(ctx context.Context, task *TaskRow, to remuda.State, reason remuda.Reason, detail string) error {
	from := task.State
	if !slices.Contains(next(from), to) {
		return fmt.Errorf("task %s cannot go from %s to %s", task.ID, from, to)
	}
	if to == remuda.Failed && !slices.Contains(mayFail(from), reason) || to != remuda.Failed && reason != "" {
		return fmt.Errorf("task %s cannot go from %s to %s for the reason %q", task.ID, from, to, reason)
	}
	task.State, task.Reason, task.Detail = to, reason, detail
	if to.Ended() {
		task.EndedAt = t.now
	}
	if err := t.Update(ctx, task, changed(to)...); err != nil {
		return fmt.Errorf("move task %s to %s: %w", task.ID, to, err)
	}
	queuedBefore, runningBefore := counted(from)
	queuedAfter, runningAfter := counted(to)
	if err := t.Count(ctx, *task, queuedAfter-queuedBefore, runningAfter-runningBefore); err != nil {
		return fmt.Errorf("count task %s: %w", task.ID, err)
	}
	if to == remuda.Queued {
		t.wake(workTopic(task.ClassID, task.Capabilities), 1)
	}
	if from == remuda.Running {
		t.freed = append(t.freed, *task)
	}
	t.wake(taskTopic(task.ID), everyone)
	return t.event(ctx, "task."+string(to), task.OrganizationID, task.ID, detail)
}

// wakeLimited wakes runners for what may have waited for a limit, under which there is room since a task has ended. It
// looks outside the transaction: if it fails, the slow poll makes up for it.
func (p *Plane) wakeLimited(ctx context.Context, task TaskRow) {
	topics := map[string]bool{}
	err := p.store.Read(ctx, func(v View) error {
		limited, err := v.Limited(ctx, task)
		if err != nil || !limited {
			return err
		}
		waiting, err := v.Waiting(ctx, task.OrganizationID)
		for _, lane := range waiting {
			topics[workTopic(lane.ClassID, lane.Capabilities)] = true
		}
		topics[classTopic(task.ClassID)] = true // another organization's tasks may have waited for the class's own limit
		return err
	})
	if err != nil && ctx.Err() == nil {
		p.log.Warn("look for tasks at a limit", "err", err)
	}
	for topic := range topics {
		p.wake(topic, 1)
	}
}
