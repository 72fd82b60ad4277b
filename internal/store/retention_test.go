package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func retentionFacts() []fact {
	return []fact{
		{"tasks are listed from the oldest on, as far as retention needs them", oldestComeFirst},
		{"a task goes with all that belongs to it, a few rows at a time", tasksGoWhole},
		{"a job goes with its last task", jobsGoWithTheirLastTask},
		{"old events go, the newest stays", oldEventsGo},
	}
}

func oldestComeFirst(t *testing.T, s control.Store) {
	w := newTown(t, s)
	first := w.queue(t, func(r *control.TaskRow) {
		r.State, r.SubmittedAt, r.EndedAt, r.Pinned, r.OutputRemovedAt = remuda.Failed, 5, 6, true, 7
	})
	second := w.queue(t, func(r *control.TaskRow) { r.SubmittedAt = 8 })
	listed := func(after string) (found []control.TaskRow) {
		return read(t, s, func(v control.View) ([]control.TaskRow, error) { return v.Oldest(t.Context(), after) })
	}
	want := control.TaskRow{ID: first.ID, State: remuda.Failed, SubmittedAt: 5, EndedAt: 6, Pinned: true, OutputRemovedAt: 7}
	for after := ""; ; {
		page := listed(after)
		if len(page) == 0 {
			t.Fatal("the tasks are not listed")
		}
		for i, row := range page {
			if row.ID <= after {
				t.Fatalf("%s comes after %s", row.ID, after)
			}
			after = row.ID
			if row.ID == first.ID {
				if diff := cmp.Diff(want, page[i]); diff != "" {
					t.Error(diff)
				}
				if next := listed(first.ID); next[0].ID != second.ID {
					t.Errorf("after the first comes %+v", next[0])
				}
				return
			}
		}
	}
}

// forget forgets a task and answers how many transactions that took.
func forget(t *testing.T, s control.Store, id string) (times int) {
	for done := false; !done; times++ {
		write(t, s, func(tx control.Tx) (err error) {
			done, err = tx.ForgetTask(t.Context(), id)
			return err
		})
	}
	return times
}

func gone(t *testing.T, s control.Store, row control.Row, id string) bool {
	t.Helper()
	err := s.Read(t.Context(), func(v control.View) error { return v.Get(t.Context(), row, id) })
	if err != nil && remuda.KindOf(err) != remuda.NotFound {
		t.Fatal(err)
	}
	return err != nil
}

func tasksGoWhole(t *testing.T, s control.Store) {
	w := newTown(t, s)
	task, other := w.queue(t, nil), w.queue(t, nil)
	var rows []control.Row
	for i := range 100 {
		rows = append(rows, &control.AttemptRow{ID: newID(), TaskID: task.ID, Number: i + 1, RunnerID: w.runner.ID, State: remuda.AttemptReturned},
			&control.EventRow{Type: "task.queued", OrganizationID: w.organization.ID, Subject: task.ID})
	}
	kept := &control.AttemptRow{ID: newID(), TaskID: other.ID, Number: 1, RunnerID: w.runner.ID, State: remuda.AttemptReturned}
	insert(t, s, append(rows, kept, &control.EventRow{Type: "task.queued", OrganizationID: w.organization.ID, Subject: other.ID})...)
	if ids := read(t, s, func(v control.View) ([]string, error) { return v.AttemptIDs(t.Context(), task.ID) }); len(ids) != 100 || ids[0] != rows[0].(*control.AttemptRow).ID {
		t.Errorf("it has %d attempts", len(ids))
	}
	if times := forget(t, s, task.ID); times != 3 {
		t.Errorf("200 rows are forgotten in %d transactions", times)
	}
	if again := forget(t, s, task.ID); again != 1 {
		t.Errorf("forgetting it again takes %d transactions", again)
	}
	if !gone(t, s, &control.TaskRow{}, task.ID) || !gone(t, s, &control.AttemptRow{}, rows[0].(*control.AttemptRow).ID) {
		t.Error("something of it is left")
	}
	if gone(t, s, &control.TaskRow{}, other.ID) || gone(t, s, &control.AttemptRow{}, kept.ID) {
		t.Error("another task is gone")
	}
	events := read(t, s, func(v control.View) ([]control.EventView, error) {
		return v.Events(t.Context(), control.EventFilter{Limit: 1000}, w.organization.ID)
	})
	if len(events) != 1 || events[0].Subject != other.ID {
		t.Errorf("left are %d events", len(events))
	}
}

func jobsGoWithTheirLastTask(t *testing.T, s control.Store) {
	w := newTown(t, s)
	one, two := w.queue(t, nil), w.queue(t, nil)
	forget(t, s, one.ID)
	if gone(t, s, &control.JobRow{}, w.job.ID) {
		t.Fatal("the job is gone before its last task")
	}
	forget(t, s, two.ID)
	if !gone(t, s, &control.JobRow{}, w.job.ID) {
		t.Error("the job is there without a task")
	}
}

func oldEventsGo(t *testing.T, s control.Store) {
	w := newTown(t, s)
	var rows []control.Row
	for range 70 {
		rows = append(rows, &control.EventRow{Type: "x", OrganizationID: w.organization.ID, At: 5})
	}
	insert(t, s, append(rows, &control.EventRow{Type: "young", OrganizationID: w.organization.ID, At: 1 << 60})...)
	for most := int64(64); most == 64; {
		write(t, s, func(tx control.Tx) (err error) {
			most, err = tx.ForgetEvents(t.Context(), 1<<59)
			return err
		})
	}
	events := read(t, s, func(v control.View) ([]control.EventView, error) {
		return v.Events(t.Context(), control.EventFilter{Limit: 1000}, w.organization.ID)
	})
	if len(events) != 1 || events[0].Type != "young" {
		t.Errorf("left are %d events", len(events))
	}
}
