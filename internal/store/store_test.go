package store_test

import (
	"cmp"
	"context"
	"os"
	"testing"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
	"github.com/remuda-dev/remuda/internal/store"
)

// opened is a store that can be closed.
type opened interface {
	control.Store
	Close() error
}

// database is one that a store may lie in. Every fact below holds in each of them.
type database struct {
	name  string
	fresh func(testing.TB) string // the address of an empty one
	open  func(context.Context, string) (opened, error)
}

func databases() []database {
	return []database{
		{"sqlite", func(t testing.TB) string { return t.TempDir() }, open},
		{"postgres", postgrestest.Fresh, open},
	}
}

func open(ctx context.Context, address string) (opened, error) { return store.Open(ctx, address) }

// fact is something that holds of every store. Facts share one store, so each makes what it needs, under names of its
// own, and says nothing of what others made.
type fact struct {
	name string
	hold func(*testing.T, control.Store)
}

func TestStore(t *testing.T) {
	facts := [][]fact{rowFacts(), listFacts(), absentFacts(), eventFacts(), poolFacts(), taskListFacts(), transitionFacts(), claimFacts(), laneFacts(), closedFacts(), timeFacts(), scalingFacts(), outputFacts(), outputLimitFacts(), retentionFacts(), idleFacts()}
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			s := d.opened(t, d.fresh(t))
			for _, room := range facts {
				for _, f := range room {
					t.Run(f.name, func(t *testing.T) { f.hold(t, s) })
				}
			}
		})
	}
}

// opened opens a store for as long as the test runs.
func (d database) opened(t testing.TB, address string) control.Store {
	t.Helper()
	s, err := d.open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// writeUntilKilled is set in the environment of a copy of this program that writes until it is killed.
const writeUntilKilled = "REMUDA_TEST_WRITE_UNTIL_KILLED"

func TestMain(m *testing.M) {
	if address := os.Getenv(writeUntilKilled); address != "" {
		writeAndTell(address)
		return
	}
	if where := os.Getenv(appendUntilKilled); where != "" {
		appendAndTell(where)
		return
	}
	goleak.VerifyTestMain(m)
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func pointer[T any](value T) *T { return &value }

func write(t testing.TB, s control.Store, transition func(control.Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), control.Alone, transition); err != nil {
		t.Fatal(err)
	}
}

// insert writes rows in one transition.
func insert(t testing.TB, s control.Store, rows ...control.Row) {
	t.Helper()
	write(t, s, func(tx control.Tx) error {
		for _, row := range rows {
			if err := tx.Insert(t.Context(), row); err != nil {
				return err
			}
		}
		return nil
	})
}

// read answers what look finds.
func read[T any](t testing.TB, s control.Store, look func(control.View) (T, error)) T {
	t.Helper()
	var found T
	err := s.Read(t.Context(), func(v control.View) (err error) {
		found, err = look(v)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// missing answers the error with which look finds nothing.
func missing[T any](t testing.TB, s control.Store, look func(control.View) (T, error)) {
	t.Helper()
	err := s.Read(t.Context(), func(v control.View) error {
		_, err := look(v)
		return err
	})
	wantKind(t, err, remuda.NotFound)
}

func wantKind(t testing.TB, err error, want remuda.Kind) {
	t.Helper()
	if err == nil || remuda.KindOf(err) != want {
		t.Fatalf("error = %v (%s), want %s", err, remuda.KindOf(err), want)
	}
}

// town is an organization with all that a task needs.
type town struct {
	s            control.Store
	organization control.OrganizationRow
	namespace    control.NamespaceRow
	class        control.ClassRow
	project      control.ProjectRow
	job          control.JobRow
	runner       control.RunnerRow
	clock        control.Micros // of claims
}

func newTown(t testing.TB, s control.Store) *town {
	t.Helper()
	w := &town{s: s, organization: control.OrganizationRow{ID: newID(), Name: "o-" + newID()}}
	w.namespace = control.NamespaceRow{ID: newID(), Name: "n-" + newID(), OrganizationID: w.organization.ID}
	w.class = control.ClassRow{ID: newID(), NamespaceID: w.namespace.ID, Name: "linux", Access: remuda.AccessOwner}
	w.project = newProject(w.organization.ID)
	w.job = control.JobRow{ID: newID(), OrganizationID: w.organization.ID, Implementation: "job", Payload: []byte("{}")}
	w.runner = newRunner()
	insert(t, s, &w.organization, &w.namespace, &w.class, &w.project, &w.job, &w.runner)
	return w
}

func newProject(organization string) control.ProjectRow {
	return control.ProjectRow{ID: newID(), OrganizationID: organization, Name: "p-" + newID(), Visibility: "private", Weight: 1}
}

func newRunner() control.RunnerRow {
	return control.RunnerRow{ID: newID(), Name: "r", PublicKey: []byte{1}, TokenHash: []byte(newID())}
}

// classIn adds a class to the town.
func (w *town) classIn(t testing.TB) control.ClassRow {
	t.Helper()
	class := control.ClassRow{ID: newID(), NamespaceID: w.namespace.ID, Name: "c-" + newID(), Access: remuda.AccessOwner}
	insert(t, w.s, &class)
	return class
}

// open lets every organization use the town's class.
func (w *town) open(t testing.TB) {
	t.Helper()
	w.class.Access = remuda.AccessAll
	write(t, w.s, func(tx control.Tx) error { return tx.Update(t.Context(), &w.class, "access") })
}

// projectIn adds a project to the town.
func (w *town) projectIn(t testing.TB, change func(*control.ProjectRow)) control.ProjectRow {
	t.Helper()
	project := newProject(w.organization.ID)
	change(&project)
	insert(t, w.s, &project)
	return project
}

// queue adds a queued task of the town's project and class; change may alter it.
func (w *town) queue(t testing.TB, change func(*control.TaskRow)) control.TaskRow {
	t.Helper()
	task := control.TaskRow{
		ID: newID(), JobID: w.job.ID, OrganizationID: w.organization.ID, ProjectID: w.project.ID, ClassID: w.class.ID,
		Name: "task", Total: 1, State: remuda.Queued,
	}
	if change != nil {
		change(&task)
	}
	write(t, w.s, func(tx control.Tx) error {
		key := control.LaneKey{ClassID: task.ClassID, ProjectID: task.ProjectID, GroupID: task.GroupID, Capabilities: task.Capabilities}
		if task.GroupID != "" {
			var group control.GroupRow
			if err := tx.Get(t.Context(), &group, task.GroupID); err != nil {
				return err
			}
			key.Group = group.Name
		}
		lane, err := tx.Lane(t.Context(), key)
		if err != nil {
			return err
		}
		task.LaneID = lane.ID
		if err := tx.Insert(t.Context(), &task); err != nil {
			return err
		}
		return tx.Count(t.Context(), task, 1, 0)
	})
	return task
}

// take claims the next task of some classes for the town's runner, as the rules do.
func (w *town) take(ctx context.Context, tx control.Tx, classes ...string) (control.TaskRow, control.AttemptRow, error) {
	return w.takeWith(ctx, tx, nil, classes...)
}

// claimable is the next task alone, or remuda.NotFound.
func claimable(ctx context.Context, v control.View, classes, capabilities []string) (control.TaskRow, error) {
	found, err := v.Claimable(ctx, classes, capabilities, 1)
	if err != nil || len(found) == 0 {
		return control.TaskRow{}, cmp.Or(err, error(remuda.NotFound))
	}
	return found[0], nil
}

func (w *town) takeWith(ctx context.Context, tx control.Tx, capabilities []string, classes ...string) (control.TaskRow, control.AttemptRow, error) {
	task, err := claimable(ctx, tx, classes, capabilities)
	if err != nil {
		return task, control.AttemptRow{}, err
	}
	attempt := control.AttemptRow{ID: newID(), TaskID: task.ID, Number: task.Attempts + 1, RunnerID: w.runner.ID, State: remuda.AttemptClaimed}
	if err := tx.Insert(ctx, &attempt); err != nil {
		return task, attempt, err
	}
	w.clock++
	task.State, task.Attempts, task.AttemptID, task.StartedAt = remuda.Running, task.Attempts+1, attempt.ID, w.clock
	if err := tx.Update(ctx, &task, "state", "attempts", "attempt_id"); err != nil {
		return task, attempt, err
	}
	return task, attempt, tx.Count(ctx, task, -1, 1)
}

// taken claims until nothing is left to claim and answers the tasks in that order.
func (w *town) taken(t testing.TB, classes ...string) (ids []string) {
	t.Helper()
	return w.takenWith(t, nil, classes...)
}

func (w *town) takenWith(t testing.TB, capabilities []string, classes ...string) (ids []string) {
	t.Helper()
	write(t, w.s, func(tx control.Tx) error {
		ids = nil
		for {
			task, _, err := w.takeWith(t.Context(), tx, capabilities, classes...)
			if remuda.KindOf(err) == remuda.NotFound {
				return nil
			}
			if err != nil {
				return err
			}
			ids = append(ids, task.ID)
		}
	})
	return ids
}

// ended ends a running task.
func (w *town) ended(t testing.TB, id string) {
	t.Helper()
	write(t, w.s, func(tx control.Tx) error {
		task, err := tx.Movable(t.Context(), id)
		if err != nil {
			return err
		}
		task.State = remuda.Succeeded
		attempt := control.AttemptRow{ID: task.AttemptID, State: remuda.AttemptSucceeded}
		if err := tx.Update(t.Context(), &attempt, "state"); err != nil {
			return err
		}
		if err := tx.Update(t.Context(), &task, "state"); err != nil {
			return err
		}
		return tx.Count(t.Context(), task, 0, -1)
	})
}
