package store_test

import (
	"slices"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func idleFacts() []fact {
	return []fact{
		{"a lane goes when it was idle for long, and its group after it", idleLanesGo},
		{"a lane with a live task stays, whatever was thought of it", liveLanesStay},
		{"what is queued in the same transaction keeps its lane", lanesOfTheSameBatchStay},
		{"a main lane goes after its side lanes", mainLanesGoLast},
	}
}

// tidy rests and forgets lanes as if they had been idle for long, and groups.
func (w *town) tidy(t testing.TB, group string, lanes ...string) {
	t.Helper()
	write(t, w.s, func(tx control.Tx) error {
		if err := tx.RestLanes(t.Context(), lanes, 5); err != nil {
			return err
		}
		if err := tx.ForgetLanes(t.Context(), lanes, 6); err != nil {
			return err
		}
		return tx.ForgetGroups(t.Context(), []string{group})
	})
}

func (w *town) lane(t testing.TB, task string) control.LaneRow {
	t.Helper()
	return read(t, w.s, func(v control.View) (row control.LaneRow, err error) {
		view, err := v.TaskView(t.Context(), task)
		if err != nil {
			return row, err
		}
		return row, v.Get(t.Context(), &row, view.LaneID)
	})
}

func idleLanesGo(t *testing.T, s control.Store) {
	w := newTown(t, s)
	group := w.groupIn(t, w.project.ID, 1)
	task := w.queueIn(t, group, nil)
	lane := w.lane(t, task).ID
	w.taken(t, w.class.ID)
	w.ended(t, task)
	write(t, s, func(tx control.Tx) error { return tx.RestLanes(t.Context(), []string{lane}, 5) })
	write(t, s, func(tx control.Tx) error {
		if err := tx.RestLanes(t.Context(), []string{lane}, 7); err != nil { // it is known since 5
			return err
		}
		return tx.ForgetLanes(t.Context(), []string{lane}, 5) // not before 5
	})
	if got := w.lane(t, task).IdleSince; got != 5 {
		t.Errorf("it is idle since %d", got)
	}
	again := w.queueIn(t, group, nil)
	if got := w.lane(t, again); got.ID != lane || got.IdleSince != 0 {
		t.Errorf("with a task it is %+v", got)
	}
	w.taken(t, w.class.ID)
	w.ended(t, again)
	w.tidy(t, group.ID, lane)
	if !gone(t, s, &control.LaneRow{}, lane) || !gone(t, s, &control.GroupRow{}, group.ID) {
		t.Error("it is still there")
	}
	view := read(t, s, func(v control.View) (control.TaskView, error) { return v.TaskView(t.Context(), task) })
	if view.GroupID != group.ID || view.State != remuda.Succeeded {
		t.Errorf("its task is %+v", view)
	}
}

func liveLanesStay(t *testing.T, s control.Store) {
	w := newTown(t, s)
	for _, live := range []remuda.State{remuda.Queued, remuda.Running} {
		group := w.groupIn(t, w.project.ID, 1)
		task := w.queueIn(t, group, nil)
		lane := w.lane(t, task)
		if live == remuda.Running {
			want(t, "claimed", w.taken(t, w.class.ID), task)
		}
		lane.IdleSince = 1
		for _, counted := range []bool{true, false} {
			if !counted { // a counter that were wrong must not cost a task
				lane.Queued, lane.Running = 0, 0
				group.Running = 0
				write(t, s, func(tx control.Tx) error { return tx.Update(t.Context(), &group, "running") })
			}
			write(t, s, func(tx control.Tx) error {
				if counted {
					return tx.Update(t.Context(), &lane, "idle_since")
				}
				return tx.Update(t.Context(), &lane, "idle_since", "queued", "running")
			})
			w.tidy(t, group.ID, lane.ID)
			if gone(t, s, &control.LaneRow{}, lane.ID) || gone(t, s, &control.GroupRow{}, group.ID) {
				t.Errorf("the lane of a task that is %s is gone; counted is %v", live, counted)
			}
		}
		write(t, s, func(tx control.Tx) error { // out of the way
			return tx.Update(t.Context(), &control.TaskRow{ID: task, State: remuda.Canceled}, "state")
		})
	}
}

// On SQLite, many changes are one transaction, which counts at its end: what was queued before is to be seen all the same.
func lanesOfTheSameBatchStay(t *testing.T, s control.Store) {
	w := newTown(t, s)
	first := w.queue(t, nil)
	w.taken(t, w.class.ID)
	w.ended(t, first.ID)
	second := first
	second.ID, second.State = newID(), remuda.Queued
	write(t, s, func(tx control.Tx) error {
		ctx := t.Context()
		if err := tx.RestLanes(ctx, []string{first.LaneID}, 5); err != nil {
			return err
		}
		if err := tx.Insert(ctx, &second); err != nil {
			return err
		}
		if err := tx.Count(ctx, second, 1, 0); err != nil {
			return err
		}
		return tx.ForgetLanes(ctx, []string{first.LaneID}, 6)
	})
	want(t, "claimed", w.taken(t, w.class.ID), second.ID)
}

func mainLanesGoLast(t *testing.T, s control.Store) {
	w := newTown(t, s)
	group := w.groupIn(t, w.project.ID, 1)
	task := w.queueIn(t, group, nil)
	side := w.lane(t, task)
	w.taken(t, w.class.ID)
	w.ended(t, task)
	idle := func() (ids []string) {
		for _, row := range read(t, s, func(v control.View) ([]control.LaneRow, error) { return v.IdleLanes(t.Context(), "") }) {
			ids = append(ids, row.ID)
		}
		return ids
	}
	listed := idle()
	if len(listed) == 0 || len(listed) > 64 {
		t.Errorf("listed are %d", len(listed))
	}
	w.tidy(t, "", side.MainID)
	if gone(t, s, &control.LaneRow{}, side.MainID) {
		t.Error("the main lane went first")
	}
	w.tidy(t, group.ID, side.ID)
	w.tidy(t, "", side.MainID)
	if !gone(t, s, &control.LaneRow{}, side.ID) || !gone(t, s, &control.LaneRow{}, side.MainID) {
		t.Error("they are still there")
	}
	next := w.queue(t, nil).ID
	if !slices.Contains(w.taken(t, w.class.ID), next) {
		t.Error("nothing is claimed from the lane that comes after it")
	}
}
