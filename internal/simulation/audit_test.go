package simulation

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// audit holds the store, when all has ended, against what was seen and what was written.
func (w *world) audit(held control.Store) {
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	ctx := context.Background()
	if err := awaitEvents(ctx, held); err != nil {
		w.ledger.breaks(told, "%v", err)
	}
	err := held.Read(ctx, func(v control.View) error {
		tasks, err := v.Tasks(ctx, control.TaskQuery{Span: control.Span{Limit: 10000}})
		if err != nil {
			return err
		}
		w.auditTasks(tasks)
		if err := w.auditCounters(ctx, v, tasks); err != nil {
			return err
		}
		return w.auditEvents(ctx, v)
	})
	if err != nil {
		w.ledger.breaks(sound, "the store cannot be read: %v", err)
	}
	for _, h := range w.hosts {
		for id := range h.agents {
			w.ledger.breaks(tidy, "%s still has claim %s", h.name, id)
		}
		for id, a := range h.wrote {
			if err := w.auditOutput(ctx, held.Output(), id, a); err != nil {
				w.ledger.breaks(kept, "the output of claim %s cannot be read: %v", id, err)
			}
		}
	}
	if err := w.auditBucket(ctx, held.Output()); err != nil {
		w.ledger.breaks(sound, "output cannot be removed: %v", err)
	}
}

func (w *world) auditTasks(tasks []control.TaskView) {
	l := w.ledger
	there := map[string]bool{}
	for _, task := range tasks {
		there[task.ID] = true
		truth := l.tasks[task.ID]
		if truth == nil {
			l.breaks(submitted, "task %s is there, and nobody made it", task.ID)
			continue
		}
		if truth.State != task.State || truth.Reason != task.Reason {
			l.breaks(oneEnd, "task %s was last seen %s (%s), and is %s (%s)", task.ID, truth.State, truth.Reason, task.State, task.Reason)
		}
		if task.State == remuda.Succeeded && truth.executed == 0 {
			l.breaks(obeyed, "task %s succeeded, and nothing of it began", task.ID)
		}
	}
	jobs := map[string]int{}
	for id, truth := range l.tasks {
		if truth.announced && !there[id] {
			l.breaks(submitted, "task %s was acknowledged, and is not there any more", id)
		}
		if truth.RetryOf == "" {
			jobs[truth.Name]++
			if jobs[truth.Name] > truth.Total {
				l.breaks(submitted, "what was submitted with the key %q is there more than once", truth.Name)
			}
		}
	}
}

// auditCounters holds the numbers that limits and lanes go by against the tasks.
func (w *world) auditCounters(ctx context.Context, v control.View, tasks []control.TaskView) error {
	queued, running := map[string]int{}, map[string]int{}
	for _, t := range tasks {
		by, on := 0, 0
		switch t.State {
		case remuda.Queued:
			by = 1
		case remuda.Running:
			on = 1
		}
		queued[t.LaneID] += by
		for _, id := range append(countedBy(t.TaskRow), t.LaneID) {
			running[id] += on
		}
	}
	check := func(what, id string, has, want int) {
		if has != want {
			w.ledger.breaks(counted, "%s %s counts %d, and it is %d", what, id, has, want)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(running)) {
		for _, row := range []control.Row{&control.LaneRow{}, &control.OrganizationRow{}, &control.ProjectRow{}, &control.ClassRow{}, &control.GroupRow{}} {
			if err := v.Get(ctx, row, id); remuda.KindOf(err) == remuda.NotFound {
				continue
			} else if err != nil {
				return err
			}
			switch row := row.(type) {
			case *control.LaneRow:
				check("running of lane", id, row.Running, running[id])
				check("queued of lane", id, row.Queued, queued[id])
			case *control.OrganizationRow:
				check("organization", id, row.Running, running[id])
			case *control.ProjectRow:
				check("project", id, row.Running, running[id])
			case *control.GroupRow:
				check("group", id, row.Running, running[id])
			case *control.ClassRow:
				check("class", id, row.Running, running[id])
			}
		}
	}
	return nil
}

// awaitEvents waits until no event is held back. Nothing is under way in this world, but another one's transactions, on
// the same server of PostgreSQL, count there, too. They go on in real time, as each of these looks does.
func awaitEvents(ctx context.Context, held control.Store) error {
	for range 10_000 {
		var back bool
		err := held.Read(ctx, func(v control.View) (err error) {
			_, back, err = v.LastEvent(ctx)
			return err
		})
		if err != nil || !back {
			return err
		}
	}
	return errors.New("events are held back for good")
}

// auditEvents reads the events of tasks as a settler does, on from where it was.
func (w *world) auditEvents(ctx context.Context, v control.View) error {
	var read []string
	for last := int64(0); ; {
		events, err := v.Events(ctx, control.EventFilter{After: last, Limit: 50}, "")
		if err != nil {
			return err
		}
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			if last = e.ID; isMove(e.Type) {
				read = append(read, e.Type+" "+e.Subject)
			}
		}
	}
	written := slices.Clone(w.ledger.events)
	slices.Sort(read)
	slices.Sort(written)
	if !slices.Equal(read, written) {
		w.ledger.breaks(told, "%d events are read, and %d were written", len(read), len(written))
	}
	return nil
}
