package simulation

import (
	"bytes"
	"context"
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
				w.ledger.breaks(sound, "the output of claim %s cannot be read: %v", id, err)
			}
		}
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

// auditOutput holds what is held of a claim's output against what its agent wrote.
func (w *world) auditOutput(ctx context.Context, held control.OutputStore, claim string, a *agent) error {
	whole := int64(0)
	for n, out := range a.streams {
		data, err := readAll(ctx, held, claim, &n)
		if err != nil {
			return err
		}
		whole += int64(len(data))
		state, err := held.Stream(ctx, claim, n)
		if err != nil {
			return err
		}
		switch {
		case !bytes.HasPrefix(out.data, data):
			w.ledger.breaks(kept, "step %d of claim %s wrote other bytes than the %d that are held", n, claim, len(data))
		case int64(len(data)) < out.acked:
			w.ledger.breaks(kept, "step %d of claim %s: %d bytes were acknowledged, %d are held", n, claim, out.acked, len(data))
		case state.Length != int64(len(data)):
			w.ledger.breaks(kept, "step %d of claim %s has %d bytes, and says %d", n, claim, len(data), state.Length)
		case out.closed && (!state.Closed || len(data) < len(out.data)):
			w.ledger.breaks(kept, "step %d of claim %s was closed at %d bytes; %d are held, closed %v", n, claim, len(out.data), len(data), state.Closed)
		}
	}
	all, err := readAll(ctx, held, claim, nil)
	if err != nil {
		return err
	}
	length, err := held.Length(ctx, claim)
	if err != nil {
		return err
	}
	if int64(len(all)) != whole || length != whole {
		w.ledger.breaks(kept, "claim %s has %d bytes by its steps, %d in all, and says %d", claim, whole, len(all), length)
	}
	if truth := w.ledger.attempts[claim]; truth != nil {
		for _, read := range truth.read {
			if !bytes.HasPrefix(all, read) {
				w.ledger.breaks(kept, "a follower read other bytes of claim %s than are held", claim)
			}
		}
	}
	return nil
}

func readAll(ctx context.Context, held control.OutputStore, claim string, step *int) ([]byte, error) {
	var data []byte
	for {
		chunks, err := held.Chunks(ctx, claim, step, int64(len(data)), 1<<20)
		if err != nil || len(chunks) == 0 {
			return data, err
		}
		for _, chunk := range chunks {
			if chunk.Offset != int64(len(data)) {
				return data, remuda.Fail(remuda.Internal, "a chunk is missing")
			}
			data = append(data, chunk.Data...)
		}
	}
}
