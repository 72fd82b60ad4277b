package agent

import (
	"context"

	"github.com/remuda-dev/remuda"
)

// Runs is what a Plane offers beside where a task is a run of a building block: the block's state and its lock, the
// plan that a DETECT leaves to an APPLY, and what the run has to say of itself. Each call may be repeated.
type Runs interface {
	// State is the block's current state; remuda.NotFound when it has none.
	State(ctx context.Context) ([]byte, error)

	// WriteState keeps a new version of it. lock is the id that the run took, empty when it took none.
	WriteState(ctx context.Context, lock string, state []byte) error

	// DeleteState leaves the block without a state.
	DeleteState(ctx context.Context, lock string) error

	// LockState takes the state's lock; remuda.Conflict and who it is when somebody else holds it.
	LockState(ctx context.Context, lock remuda.StateLock) (holder remuda.StateLock, err error)

	// UnlockState gives it back; remuda.Conflict and who holds it when the id is another one.
	UnlockState(ctx context.Context, id string) (holder remuda.StateLock, err error)

	// SavePlan keeps a DETECT's plan.
	SavePlan(ctx context.Context, plan []byte) error

	// SavedPlan is the plan that an APPLY is to apply.
	SavedPlan(ctx context.Context) ([]byte, error)

	// ReportRun says what the report carries; what it does not carry stays as it was.
	ReportRun(ctx context.Context, report remuda.RunReport) error

	// RunToken is what something that the run sets going reports by; remuda.Forbidden when the run is to end by itself.
	RunToken(ctx context.Context) (remuda.RunToken, error)
}

// Runs is the control plane for a run of a building block, found where this task's Plane has it. Each call is made
// until it is answered, as all that an agent says is.
func (t *Task) Runs() (runs Runs, found bool) {
	asked, found := t.plane.(forsaken)
	if !found {
		return nil, false
	}
	plane, found := asked.plane.(Runs)
	return persistentRuns{task: t, asked: asked, plane: plane}, found
}

type persistentRuns struct {
	task  *Task
	asked forsaken
	plane Runs
}

func (r persistentRuns) persist(ctx context.Context, what string, call func(context.Context) error) error {
	return persist(ctx, r.task.Log, what, func(ctx context.Context) error { return r.asked.judge(call(ctx)) })
}

// State implements Runs.
func (r persistentRuns) State(ctx context.Context) (state []byte, err error) {
	err = r.persist(ctx, "read the state", func(ctx context.Context) error {
		state, err = r.plane.State(ctx)
		return err
	})
	return state, err
}

// WriteState implements Runs.
func (r persistentRuns) WriteState(ctx context.Context, lock string, state []byte) error {
	return r.persist(ctx, "write the state", func(ctx context.Context) error { return r.plane.WriteState(ctx, lock, state) })
}

// DeleteState implements Runs.
func (r persistentRuns) DeleteState(ctx context.Context, lock string) error {
	return r.persist(ctx, "delete the state", func(ctx context.Context) error { return r.plane.DeleteState(ctx, lock) })
}

// LockState implements Runs.
func (r persistentRuns) LockState(ctx context.Context, lock remuda.StateLock) (holder remuda.StateLock, err error) {
	err = r.persist(ctx, "lock the state", func(ctx context.Context) error {
		holder, err = r.plane.LockState(ctx, lock)
		return err
	})
	return holder, err
}

// UnlockState implements Runs.
func (r persistentRuns) UnlockState(ctx context.Context, id string) (holder remuda.StateLock, err error) {
	err = r.persist(ctx, "unlock the state", func(ctx context.Context) error {
		holder, err = r.plane.UnlockState(ctx, id)
		return err
	})
	return holder, err
}

// SavePlan implements Runs.
func (r persistentRuns) SavePlan(ctx context.Context, plan []byte) error {
	return r.persist(ctx, "save the plan", func(ctx context.Context) error { return r.plane.SavePlan(ctx, plan) })
}

// SavedPlan implements Runs.
func (r persistentRuns) SavedPlan(ctx context.Context) (plan []byte, err error) {
	err = r.persist(ctx, "read the saved plan", func(ctx context.Context) error {
		plan, err = r.plane.SavedPlan(ctx)
		return err
	})
	return plan, err
}

// ReportRun implements Runs.
func (r persistentRuns) ReportRun(ctx context.Context, report remuda.RunReport) error {
	return r.persist(ctx, "report the run", func(ctx context.Context) error { return r.plane.ReportRun(ctx, report) })
}

// RunToken implements Runs.
func (r persistentRuns) RunToken(ctx context.Context) (token remuda.RunToken, err error) {
	err = r.persist(ctx, "ask for the run token", func(ctx context.Context) error {
		token, err = r.plane.RunToken(ctx)
		return err
	})
	return token, err
}
