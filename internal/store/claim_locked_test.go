package store_test

import (
	"errors"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
)

// Someone may be changing a task while another claims. It is passed over, and so is its lane when it has no other: the
// runner would wait for the next slow poll although there is work.

// someoneElse is a town in PostgreSQL, and who keeps tasks of it from everybody while the test runs.
func someoneElse(t *testing.T) (w *town, keep func(ids ...string)) {
	t.Helper()
	address := postgrestest.Fresh(t)
	w = newTown(t, openPostgres(t, address))
	beside := connected(t, address)
	if _, err := beside.Exec(t.Context(), "begin"); err != nil {
		t.Fatal(err)
	}
	return w, func(ids ...string) {
		t.Helper()
		tag, err := beside.Exec(t.Context(), "select 1 from tasks where id = any($1) for no key update", ids)
		if err != nil || int(tag.RowsAffected()) != len(ids) {
			t.Fatalf("%d tasks are kept, want %d: %v", tag.RowsAffected(), len(ids), err)
		}
	}
}

// oneClaimed is what a claim with room for one takes: nothing is "".
func (w *town) oneClaimed(t *testing.T) (id string) {
	t.Helper()
	err := w.s.Write(t.Context(), control.Claiming, func(tx control.Tx) error {
		task, _, err := w.take(t.Context(), tx, w.class.ID)
		id = task.ID
		return err
	})
	if err != nil && !errors.Is(err, remuda.NotFound) {
		t.Fatal(err)
	}
	return id
}

func TestAClaimPassesOverLanesWhoseTasksAreBeingChanged(t *testing.T) {
	w, keep := someoneElse(t)
	var kept []string
	for range 40 { // of projects whose turns come first
		project := w.projectIn(t, func(*control.ProjectRow) {})
		kept = append(kept, w.queue(t, func(r *control.TaskRow) { r.ProjectID = project.ID }).ID)
	}
	keep(kept...)
	w.project = w.projectIn(t, func(*control.ProjectRow) {})
	free := []string{w.queue(t, nil).ID, w.queue(t, nil).ID}
	for _, want := range append(free, "") {
		if got := w.oneClaimed(t); got != want {
			t.Errorf("claimed is %q, want %q", got, want)
		}
	}
}

func TestAClaimPassesOverGroupsWhoseTasksAreBeingChanged(t *testing.T) {
	w, keep := someoneElse(t)
	ranked := func(rank int64) func(*control.TaskRow) { return func(r *control.TaskRow) { r.Rank = rank } }
	one, two := w.groupIn(t, w.project.ID, 1), w.groupIn(t, w.project.ID, 1)
	keep(w.queueIn(t, one, ranked(1)), w.queueIn(t, two, ranked(2)))
	three := w.groupIn(t, w.project.ID, 1)
	want := []string{w.queueIn(t, three, ranked(3)), w.queue(t, ranked(4)).ID, w.queue(t, ranked(5)).ID, ""}
	w.queueIn(t, three, ranked(3)) // over the limit of its group
	for _, want := range want {
		if got := w.oneClaimed(t); got != want {
			t.Errorf("claimed is %q, want %q", got, want)
		}
	}
}
