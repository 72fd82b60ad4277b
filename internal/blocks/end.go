package blocks

import (
	"bytes"
	"context"
	"fmt"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// statusOf is what a task's state means for its run.
func statusOf(s remuda.State) remuda.RunStatus {
	switch s {
	case remuda.Running:
		return remuda.RunInProgress
	case remuda.Succeeded:
		return remuda.RunSucceeded
	case remuda.Failed:
		return remuda.RunFailed
	case remuda.Canceled, remuda.Skipped:
		return remuda.RunAborted
	default:
		return remuda.RunPending
	}
}

// blockStatus is what a run that changes its block means for it.
func blockStatus(s remuda.RunStatus) remuda.BlockStatus {
	switch s {
	case remuda.RunInProgress:
		return remuda.BlockInProgress
	case remuda.RunSucceeded:
		return remuda.BlockSucceeded
	case remuda.RunFailed:
		return remuda.BlockFailed
	case remuda.RunAborted:
		return remuda.BlockAborted
	default:
		return remuda.BlockPending
	}
}

// move brings a run where its task is, and its block with it. What was settled before changes nothing.
func (t *change) move(ctx context.Context, s *scene, run *RunRow, to remuda.RunStatus, detail string) error {
	if run.Status == to || run.Status.Ended() {
		return nil
	}
	if to.Ended() {
		return t.end(ctx, s, run, to, detail)
	}
	run.Status = to
	if err := t.Update(ctx, run, "status"); err != nil {
		return err
	}
	if changes(*run) && s.block.LiveRun == run.ID {
		s.block.Status = blockStatus(to)
		if err := t.Update(ctx, &s.block.BlockRow, "status"); err != nil {
			return err
		}
	}
	return t.Note(ctx, "run."+string(to), s.block.OrganizationID, run.ID, s.block.Name)
}

// end writes down that a run is over, with all that follows from it: for its block, for those whose parent that is, and
// for the run that waited for it.
func (t *change) end(ctx context.Context, s *scene, run *RunRow, to remuda.RunStatus, detail string) error {
	run.Status, run.Detail, run.EndedAt = to, detail, t.Now()
	number, err := t.tx.StateNumber(ctx, s.block.ID)
	if err != nil {
		return err
	}
	run.StateNumber = number
	if run.Gate && to == remuda.RunSucceeded && run.Changes >= 0 {
		run.Approval = remuda.ApprovalWaiting
	}
	if err := t.Update(ctx, run, "status", "detail", "ended_at", "state_number", "approval"); err != nil {
		return err
	}
	if err := releaseLock(ctx, t, run.ID); err != nil {
		return err
	}
	if run.Behavior == remuda.Apply || run.Behavior == remuda.Destroy {
		if err := dropPlans(ctx, t, s.block.ID); err != nil {
			return err
		}
	}
	if err := t.Note(ctx, "run."+string(to), s.block.OrganizationID, run.ID, detail); err != nil {
		return err
	}
	if s.block.LiveRun == run.ID {
		s.block.LiveRun = ""
	}
	if err := t.outcome(ctx, s, run); err != nil {
		return err
	}
	if s.block.Lifecycle == remuda.LifecycleDeleted {
		return t.forgetTasks(ctx, s)
	}
	if s.block.NextRun != "" {
		if err := t.startNext(ctx, s); err != nil {
			return err
		}
	}
	if !changes(*run) || s.block.LiveRun != "" {
		return nil
	}
	if err := t.reconsider(ctx, s.block.ID); err != nil { // what it takes may have changed while it ran
		return err
	}
	return t.children(ctx, s.block.ID)
}

// outcome is what the end of a run means for its block.
func (t *change) outcome(ctx context.Context, s *scene, run *RunRow) error {
	b := &s.block.BlockRow
	columns := []string{"live_run"}
	succeeded := run.Status == remuda.RunSucceeded
	if changes(*run) {
		b.Status, b.Missing, b.Detail = blockStatus(run.Status), "", run.Detail
		columns = append(columns, "status", "missing", "detail")
	}
	switch {
	case !succeeded:
	case run.Gate && run.Approval == remuda.ApprovalWaiting:
		b.Status, b.Detail = remuda.BlockWaitsForApproval, "waits until the plan of run "+fmt.Sprint(run.Number)+" is approved"
	case run.Gate: // no changes: it is as it should be
		b.Applied, b.Drifted = true, false
		columns = append(columns, "applied", "drifted")
	case run.Behavior == remuda.Apply:
		if err := t.takeOutputs(ctx, s, run); err != nil {
			return err
		}
		b.Applied, b.Drifted = true, false
		columns = append(columns, "applied", "drifted", "outputs", "secrets")
	case run.Behavior == remuda.Detect:
		if b.Drifted = run.Changes > 0; b.Drifted && run.Trigger == remuda.TriggerSchedule {
			if err := t.Note(ctx, "block.drifted", b.OrganizationID, b.ID, b.Name); err != nil {
				return err
			}
		}
		columns = append(columns, "drifted")
	case run.Behavior == remuda.Destroy && b.Lifecycle != remuda.LifecycleDeleted:
		b.Lifecycle, b.DeletedAt = remuda.LifecycleDeleted, t.Now()
		columns = append(columns, "lifecycle", "deleted_at")
		if err := t.Note(ctx, "block.deleted", b.OrganizationID, b.ID, b.Name); err != nil {
			return err
		}
	}
	b.DriftAt = s.driftAt(t.Now())
	return t.Update(ctx, b, append(columns, "drift_at")...)
}

// driftAt is when a block is to be looked at for drift next.
func (s *scene) driftAt(now control.Micros) control.Micros {
	if s.version.DriftEvery == 0 || !s.block.Applied || s.block.Lifecycle != remuda.LifecycleActive {
		return 0
	}
	return now + control.Micros(s.version.DriftEvery.Std().Microseconds())
}

// takeOutputs makes a run's outputs the block's.
func (t *change) takeOutputs(ctx context.Context, s *scene, run *RunRow) error {
	secrets, err := t.r.openSecrets("runs", run.ID, run.Secrets)
	if err != nil {
		return err
	}
	s.secrets = without(s.secrets, "output/")
	for name, secret := range secrets {
		s.secrets[name] = secret
	}
	s.block.Outputs = run.Outputs
	if s.block.Secrets, err = t.r.closeSecrets("blocks", s.block.ID, s.secrets); err != nil {
		return err
	}
	return t.nameTenant(ctx, s)
}

// nameTenant notes what the platform calls the block's tenant, when an output says it.
func (t *change) nameTenant(ctx context.Context, s *scene) error {
	if s.tenant.ID == "" {
		return nil
	}
	outputs, err := readObject[remuda.Value](s.block.Outputs)
	if err != nil {
		return err
	}
	for key, out := range s.version.Outputs {
		if out.Assignment == remuda.AssignOutputTenant && !isNull(outputs[key].Value) {
			s.tenant.PlatformID = plainText(outputs[key].Value)
			return t.Update(ctx, &s.tenant, "platform_id")
		}
	}
	return nil
}

// startNext begins the run that waited for the live one to end.
func (t *change) startNext(ctx context.Context, s *scene) error {
	var next RunRow
	if err := t.Get(ctx, &next, s.block.NextRun); err != nil {
		return err
	}
	s.block.NextRun = ""
	if err := t.Update(ctx, &s.block.BlockRow, "next_run"); err != nil {
		return err
	}
	again, err := t.r.scene(ctx, t.tx, s.block.ID) // it may have been changed meanwhile
	if err != nil {
		return err
	}
	if err := t.start(ctx, again, &next); err != nil {
		return err
	}
	s.block = again.block
	return nil
}

// children looks at those whose parent a block is, after a run of it: one that waited may go on, and one that takes an
// output that changed gets a run.
func (t *change) children(ctx context.Context, parent string) error {
	ids, err := t.tx.Children(ctx, parent)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := t.reconsider(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// reconsider queues a run of a block when what its parents give makes that needed.
func (t *change) reconsider(ctx context.Context, id string) error {
	s, err := t.r.scene(ctx, t.tx, id)
	if err != nil || s.block.Lifecycle != remuda.LifecycleActive {
		return err
	}
	values, err := t.r.resolve(s, system())
	if err != nil {
		return err
	}
	waited := s.block.Status == remuda.BlockWaitsForParent
	changed, err := t.changed(ctx, s, values)
	if err != nil || !waited && !changed && len(values.missing) == 0 {
		return err
	}
	if !values.complete() {
		if s.block.LiveRun != "" {
			return nil // when that ends, the block is looked at again
		}
		return t.wait(ctx, s, values)
	}
	if err := t.stale(ctx, s); err != nil {
		return err
	}
	before, err := readObject[remuda.Value](s.block.Resolved)
	if err != nil {
		return err
	}
	a := ask{behavior: remuda.Apply, trigger: remuda.TriggerInputs, author: system()}
	switch {
	case waited:
		a.trigger = remuda.TriggerParentSuccess
	case !sameValues(s.taken(before), s.taken(values.values)):
		a.trigger = remuda.TriggerParentOutput
	}
	_, err = t.queue(ctx, s, a)
	return err
}

// changed says whether a block's last run went by something else than what there is now.
func (t *change) changed(ctx context.Context, s *scene, values resolved) (bool, error) {
	if s.block.LatestRun == "" {
		return false, nil // it has had none: if it waits, it is looked at for that
	}
	var last RunRow
	if err := t.Get(ctx, &last, s.block.LatestRun); err != nil {
		return false, err
	}
	now, err := t.r.print(s, values)
	return !bytes.Equal(last.Inputs, now), err
}

// forgetTasks lets retention have the tasks of a block that is no more.
func (t *change) forgetTasks(ctx context.Context, s *scene) error {
	last, err := t.tx.LastRuns(ctx, s.block.ID, 2)
	for _, run := range last {
		if err == nil {
			err = t.tx.Pin(ctx, run.TaskID, false)
		}
	}
	return err
}
