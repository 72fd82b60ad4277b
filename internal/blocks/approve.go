package blocks

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/remuda-dev/remuda"
)

// ApproveRun queues the APPLY of the very plan that a DETECT saved; a conflict when something happened after it. The
// answer is that APPLY.
func (d UserDoor) ApproveRun(ctx context.Context, id string) (remuda.BlockRun, error) {
	applied, problem := "", ""
	err := d.change(ctx, func(t *change) error {
		applied, problem = "", ""
		row, s, err := d.awaiting(ctx, t, id)
		if err != nil {
			return err
		}
		if problem, err = t.outdated(ctx, s, row); err != nil {
			return err
		}
		if problem != "" {
			row.Approval = remuda.ApprovalStale
			return t.Update(ctx, &row.RunRow, "approval") // which is to be kept, so this transition does not fail
		}
		row.Approval, row.ApprovedBy = remuda.ApprovalApproved, d.user.Name
		if err := t.Update(ctx, &row.RunRow, "approval", "approved_by"); err != nil {
			return err
		}
		if err := t.Note(ctx, "run.approved", row.OrganizationID, id, fmt.Sprintf("run %d of block %s", row.Number, s.block.Name)); err != nil {
			return err
		}
		run, err := t.queue(ctx, s, ask{behavior: remuda.Apply, trigger: remuda.TriggerApproval, author: d.author(), planOf: id})
		applied = run.ID
		return err
	})
	if err != nil {
		return remuda.BlockRun{}, err
	}
	if problem != "" {
		return remuda.BlockRun{}, stalePlan(problem)
	}
	return d.Run(ctx, applied)
}

func stalePlan(problem string) error {
	return remuda.Fail(remuda.Conflict, "this plan is stale: "+problem+"; have the block planned again")
}

// awaiting finds a run whose plan the caller may approve or reject.
func (d UserDoor) awaiting(ctx context.Context, t *change, id string) (RunView, *scene, error) {
	row, err := d.run(ctx, t.tx, id)
	if err != nil {
		return row, nil, err
	}
	if err := d.maySteer(row); err != nil {
		return row, nil, err
	}
	switch {
	case row.Approval == remuda.ApprovalStale:
		return row, nil, stalePlan("something happened after it")
	case row.Approval != "" && row.Approval != remuda.ApprovalWaiting:
		return row, nil, remuda.Fail(remuda.Conflict, fmt.Sprintf("the plan of run %d was %s by %s", row.Number, row.Approval, row.ApprovedBy))
	case row.Approval == "" && row.Gate && !row.Status.Ended():
		return row, nil, remuda.Fail(remuda.Conflict, fmt.Sprintf("run %d has not made its plan yet", row.Number))
	case row.Approval == "" && row.Gate && row.Status == remuda.RunSucceeded:
		return row, nil, remuda.Fail(remuda.Conflict, fmt.Sprintf("the plan of run %d has no changes: there is nothing to approve", row.Number))
	case row.Approval == "":
		return row, nil, remuda.Fail(remuda.Conflict, fmt.Sprintf("run %d has no plan that waits for approval", row.Number))
	}
	s, err := t.r.scene(ctx, t.tx, row.BlockID)
	return row, s, err
}

// outdated says what happened after a plan was made.
func (t *change) outdated(ctx context.Context, s *scene, run RunView) (problem string, err error) {
	if s.block.Lifecycle != remuda.LifecycleActive {
		return "the block is deleted, or about to be", nil
	}
	if s.block.LatestRun != run.ID {
		return "a later run changes the block, or has changed it", nil
	}
	values, err := t.r.resolve(s, system())
	if err != nil {
		return "", err
	}
	return t.departed(ctx, s, run.RunRow, values)
}

// departed says what is not as it was when a plan was made.
func (t *change) departed(ctx context.Context, s *scene, plan RunRow, values resolved) (problem string, err error) {
	number, err := t.tx.StateNumber(ctx, s.block.ID)
	if err != nil {
		return "", err
	}
	if number != plan.StateNumber {
		return "the block's state has changed since", nil
	}
	print, err := t.r.print(s, values)
	if err == nil && !bytes.Equal(print, plan.Inputs) {
		problem = "the block's inputs or its version have changed since"
	}
	return problem, err
}

// RejectRun drops the plan of a DETECT.
func (d UserDoor) RejectRun(ctx context.Context, id string) (remuda.BlockRun, error) {
	err := d.change(ctx, func(t *change) error {
		row, s, err := d.awaiting(ctx, t, id)
		if err != nil {
			return err
		}
		row.Approval, row.ApprovedBy = remuda.ApprovalRejected, d.user.Name
		if err := t.Update(ctx, &row.RunRow, "approval", "approved_by"); err != nil {
			return err
		}
		var plan PlanRow
		if err := t.Get(ctx, &plan, id); err == nil {
			err = t.Delete(ctx, &plan)
			if err != nil {
				return err
			}
		} else if !errors.Is(err, remuda.NotFound) {
			return err
		}
		if s.block.Status == remuda.BlockWaitsForApproval && s.block.LatestRun == id {
			s.block.Status, s.block.Detail = remuda.BlockAborted, "the plan of run "+fmt.Sprint(row.Number)+" was rejected by "+d.user.Name
			if err := t.Update(ctx, &s.block.BlockRow, "status", "detail"); err != nil {
				return err
			}
		}
		return t.Note(ctx, "run.rejected", row.OrganizationID, id, fmt.Sprintf("run %d of block %s", row.Number, s.block.Name))
	})
	if err != nil {
		return remuda.BlockRun{}, err
	}
	return d.Run(ctx, id)
}
