package simulation

import (
	"context"
	"errors"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// spoils are the places at which a mutation reaches into the store. What is nil stays as it is.
type spoils struct {
	group     func([]control.GroupTask) []control.GroupTask
	attempt   func(ctx context.Context, a *control.AttemptView)
	movable   func(*control.TaskRow)
	taskView  func(*control.TaskView)
	live      func([]control.AttemptView) []control.AttemptView
	classes   func(ctx context.Context, v control.View, found []string) []string
	claimable func(ctx context.Context, v control.View, classes []string, found control.TaskRow, err error) (control.TaskRow, error)
	waiting   func([]control.LaneKey) []control.LaneKey
	expired   func(found []control.AttemptRow) []control.AttemptRow
	key       func(*control.SubmissionKeyRow) bool // whether it is written
	event     func(*control.EventRow) bool         // whether it is written
	update    func(ctx context.Context, row control.Row, columns []string) ([]string, error)
	runner    func(ctx context.Context, r *control.RunnerRow)
	count     func(t control.TaskRow, queued, running int) (int, int)
	timeless  bool // silence counts from before the time in which signs were taken
	deaf      bool // no sign of life is written down
	output    func(control.OutputStore) control.OutputStore
}

// store is a mutation by these.
func (s spoils) store() func(control.Store) control.Store {
	return func(below control.Store) control.Store { return spoiledStore{below, s} }
}

type spoiledStore struct {
	control.Store
	s spoils
}

// Write spoils a transition.
func (s spoiledStore) Write(ctx context.Context, scope control.Scope, transition func(control.Tx) error) error {
	return s.Store.Write(ctx, scope, func(tx control.Tx) error { return transition(spoiledTx{tx, spoiledView{tx, s.s}, s.s}) })
}

// Read spoils a look.
func (s spoiledStore) Read(ctx context.Context, look func(control.View) error) error {
	return s.Store.Read(ctx, func(v control.View) error { return look(spoiledView{v, s.s}) })
}

// Output may be spoiled whole.
func (s spoiledStore) Output() control.OutputStore {
	if s.s.output == nil {
		return s.Store.Output()
	}
	return s.s.output(s.Store.Output())
}

type spoiledView struct {
	control.View
	s spoils
}

// Attempt is spoiled.
func (v spoiledView) Attempt(ctx context.Context, id string) (control.AttemptView, error) {
	a, err := v.View.Attempt(ctx, id)
	if err == nil && v.s.attempt != nil {
		v.s.attempt(ctx, &a)
	}
	return a, err
}

// Claimed is spoiled as both of what it reads.
func (v spoiledView) Claimed(ctx context.Context, claims ...string) ([]control.Held, error) {
	held, err := v.View.Claimed(ctx, claims...)
	for i := range held {
		if v.s.attempt != nil {
			view := control.AttemptView{AttemptRow: held[i].Attempt}
			v.s.attempt(ctx, &view)
			held[i].Attempt = view.AttemptRow
		}
		if v.s.movable != nil {
			v.s.movable(&held[i].Task)
		}
	}
	return held, err
}

// Get is spoiled for runners.
func (v spoiledView) Get(ctx context.Context, row control.Row, id string) error {
	err := v.View.Get(ctx, row, id)
	if r, of := row.(*control.RunnerRow); of && err == nil && v.s.runner != nil {
		v.s.runner(ctx, r)
	}
	return err
}

// Movable is spoiled.
func (v spoiledView) Movable(ctx context.Context, id string) (control.TaskRow, error) {
	t, err := v.View.Movable(ctx, id)
	if err == nil && v.s.movable != nil {
		v.s.movable(&t)
	}
	return t, err
}

// TaskView is spoiled.
func (v spoiledView) TaskView(ctx context.Context, id string) (control.TaskView, error) {
	t, err := v.View.TaskView(ctx, id)
	if err == nil && v.s.taskView != nil {
		v.s.taskView(&t)
	}
	return t, err
}

// LiveAttempts is spoiled.
func (v spoiledView) LiveAttempts(ctx context.Context, runner string) ([]control.AttemptView, error) {
	found, err := v.View.LiveAttempts(ctx, runner)
	if v.s.live != nil {
		found = v.s.live(found)
	}
	return found, err
}

// RunnerClasses is spoiled.
func (v spoiledView) RunnerClasses(ctx context.Context, runner string) ([]string, error) {
	found, err := v.View.RunnerClasses(ctx, runner)
	if err == nil && v.s.classes != nil {
		found = v.s.classes(ctx, v.View, found)
	}
	return found, err
}

// Claimable is spoiled.
func (v spoiledView) Claimable(ctx context.Context, classes, capabilities []string, most int) ([]control.TaskRow, error) {
	if v.s.claimable == nil {
		return v.View.Claimable(ctx, classes, capabilities, most)
	}
	found, err := v.View.Claimable(ctx, classes, capabilities, 1)
	var first control.TaskRow
	switch {
	case len(found) > 0:
		first = found[0]
	case err == nil:
		err = remuda.NotFound
	}
	if first, err = v.s.claimable(ctx, v.View, classes, first, err); errors.Is(err, remuda.NotFound) {
		return nil, nil
	}
	return []control.TaskRow{first}, err
}

// Waiting is spoiled.
func (v spoiledView) Waiting(ctx context.Context, organization string) ([]control.LaneKey, error) {
	found, err := v.View.Waiting(ctx, organization)
	if v.s.waiting != nil {
		found = v.s.waiting(found)
	}
	return found, err
}

// Expired is spoiled.
func (v spoiledView) Expired(ctx context.Context, unbegun, since, now control.Micros) ([]control.AttemptRow, error) {
	if v.s.timeless {
		since = 0
	}
	found, err := v.View.Expired(ctx, unbegun, since, now)
	if err == nil && v.s.expired != nil {
		found = v.s.expired(found)
	}
	return found, err
}

// spoiledTx has the spoiled view beside what it changes.
type spoiledTx struct {
	control.Tx
	v spoiledView
	s spoils
}

// The reads of a transition are those of the spoiled view.
func (t spoiledTx) Attempt(ctx context.Context, id string) (control.AttemptView, error) {
	return t.v.Attempt(ctx, id)
}

// Claimed is spoiled.
func (t spoiledTx) Claimed(ctx context.Context, claims ...string) ([]control.Held, error) {
	return t.v.Claimed(ctx, claims...)
}

// Get is spoiled.
func (t spoiledTx) Get(ctx context.Context, row control.Row, id string) error {
	return t.v.Get(ctx, row, id)
}

// Movable is spoiled.
func (t spoiledTx) Movable(ctx context.Context, id string) (control.TaskRow, error) {
	return t.v.Movable(ctx, id)
}

// TaskView is spoiled.
func (t spoiledTx) TaskView(ctx context.Context, id string) (control.TaskView, error) {
	return t.v.TaskView(ctx, id)
}

// LiveAttempts is spoiled.
func (t spoiledTx) LiveAttempts(ctx context.Context, runner string) ([]control.AttemptView, error) {
	return t.v.LiveAttempts(ctx, runner)
}

// RunnerClasses is spoiled.
func (t spoiledTx) RunnerClasses(ctx context.Context, runner string) ([]string, error) {
	return t.v.RunnerClasses(ctx, runner)
}

// Claimable is spoiled.
func (t spoiledTx) Claimable(ctx context.Context, classes, capabilities []string, most int) ([]control.TaskRow, error) {
	return t.v.Claimable(ctx, classes, capabilities, most)
}

// GroupTasks is spoiled.
func (t spoiledTx) GroupTasks(ctx context.Context, group string) ([]control.GroupTask, error) {
	found, err := t.Tx.GroupTasks(ctx, group)
	if t.s.group != nil {
		found = t.s.group(found)
	}
	return found, err
}

// Insert may leave a row out.
func (t spoiledTx) Insert(ctx context.Context, row control.Row) error {
	switch row := row.(type) {
	case *control.SubmissionKeyRow:
		if t.s.key != nil && !t.s.key(row) {
			return nil
		}
	case *control.EventRow:
		if t.s.event != nil && !t.s.event(row) {
			return nil
		}
	}
	return t.Tx.Insert(ctx, row)
}

// Update may leave columns out.
func (t spoiledTx) Update(ctx context.Context, row control.Row, columns ...string) error {
	if t.s.update != nil {
		var err error
		if columns, err = t.s.update(ctx, row, columns); err != nil || len(columns) == 0 {
			return err
		}
	}
	return t.Tx.Update(ctx, row, columns...)
}

// Count may count wrong.
func (t spoiledTx) Count(ctx context.Context, task control.TaskRow, queued, running int) error {
	if t.s.count != nil {
		queued, running = t.s.count(task, queued, running)
	}
	return t.Tx.Count(ctx, task, queued, running)
}

// Sign may forget.
func (t spoiledTx) Sign(ctx context.Context, runner string, claims []string, at control.Micros) error {
	if t.s.deaf {
		return nil
	}
	return t.Tx.Sign(ctx, runner, claims, at)
}

// oldest is the first task of some classes in a state, as a claim needs it.
func oldest(ctx context.Context, v control.View, classes []string, state remuda.State) (control.TaskRow, error) {
	for _, class := range classes {
		found, err := v.Tasks(ctx, control.TaskQuery{ClassID: class, States: []remuda.State{state}, Span: control.Span{Limit: 100}})
		if err != nil {
			return control.TaskRow{}, err
		}
		if len(found) > 0 {
			return v.Movable(ctx, found[len(found)-1].ID)
		}
	}
	return control.TaskRow{}, remuda.NotFound
}
