package blocks

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/remuda-dev/remuda"
)

// runWords is a run as the API shows it: to those who may not see runs, where it stands and what it says to them.
func (d UserDoor) runWords(row RunView, whole bool) (remuda.BlockRun, error) {
	words := remuda.BlockRun{
		ID: row.ID, Block: row.BlockID, Number: row.Number, Version: row.Version, Behavior: row.Behavior, Trigger: row.Trigger,
		Status: row.Status, Detail: row.Detail, Approval: row.Approval, ApprovedBy: row.ApprovedBy, PlanOf: row.PlanOf,
		CreatedAt: row.CreatedAt.Time(),
	}
	if row.EndedAt != 0 {
		at := row.EndedAt.Time()
		words.EndedAt = &at
	}
	if err := json.Unmarshal([]byte(row.Author), &words.Author); err != nil {
		return words, fmt.Errorf("read run %s: %w", row.ID, err)
	}
	if whole && row.Messages != "" {
		if err := json.Unmarshal([]byte(row.Messages), &words.Messages); err != nil {
			return words, fmt.Errorf("read run %s: %w", row.ID, err)
		}
	}
	if !d.seesRuns(row.OrganizationID, row.OwnerID, row.Transparent) {
		words.Detail, words.Author, words.ApprovedBy = "", remuda.RunAuthor{}, ""
		return words, nil
	}
	words.Task = row.TaskID
	if row.Changes != 0 {
		changes := row.Changes > 0
		words.Changes = &changes
	}
	var err error
	if words.Outputs, err = readObject[remuda.Value](row.Outputs); err != nil {
		return words, err
	}
	if row.Plan != "" {
		words.Plan = &remuda.PlanSummary{}
		if err := json.Unmarshal([]byte(row.Plan), words.Plan); err != nil {
			return words, fmt.Errorf("read run %s: %w", row.ID, err)
		}
	}
	if !whole && words.Plan != nil {
		words.Plan.Resources = nil // a list of runs tells how much, one run tells what
	}
	return words, nil
}

// run finds one of a block that the caller may see.
func (d UserDoor) run(ctx context.Context, v View, id string) (RunView, error) {
	row, err := v.RunView(ctx, id)
	if err != nil {
		return row, orAbsent(err, "run", id)
	}
	if !d.seesBlock(BlockView{BlockRow: BlockRow{OrganizationID: row.OrganizationID}, OwnerID: row.OwnerID}) {
		return row, absent("run", id)
	}
	return row, nil
}

// Runs lists those that the caller may see, the newest first.
func (d UserDoor) Runs(ctx context.Context, f RunFilter, s Span) (List[remuda.BlockRun], error) {
	p, total := s.page(), 0
	var rows []RunView
	err := d.r.look(ctx, func(v View) error {
		query := RunQuery{Block: f.Block, Status: f.Status, Approval: f.Approval, ByHand: f.ByHand, Page: p}
		if f.Block != "" {
			block, err := d.block(ctx, v, f.Block)
			if err != nil {
				return err
			}
			if !d.seesRuns(block.OrganizationID, block.OwnerID, block.Transparent) {
				return remuda.Fail(remuda.Forbidden, "the runs of this block are its definition's owner's alone")
			}
		} else {
			var err error
			if query.VisibleTo, err = d.user.Sees(remuda.PermitRunList); err != nil {
				return err
			}
			query.Managed = d.user.May(remuda.PermitManagedBlockList, query.VisibleTo)
		}
		if f.Organization != "" {
			owner, err := v.OrganizationByName(ctx, f.Organization)
			if err != nil {
				return orAbsent(err, "organization", f.Organization)
			}
			query.Organization = owner.ID
		}
		var err error
		if rows, err = v.Runs(ctx, query); err != nil {
			return err
		}
		total, err = counted(ctx, s, v.CountRuns, query)
		return err
	})
	if err != nil {
		return List[remuda.BlockRun]{}, err
	}
	return listed(rows, p, total, func(r RunView) string { return r.ID }, func(r RunView) (remuda.BlockRun, error) { return d.runWords(r, false) })
}

// Run is one of them. Those who ordered a block whose runs they may not see learn where a run stands, and what its steps
// say to them.
func (d UserDoor) Run(ctx context.Context, id string) (remuda.BlockRun, error) {
	var row RunView
	err := d.r.look(ctx, func(v View) (err error) {
		row, err = d.run(ctx, v, id)
		return err
	})
	if err != nil {
		return remuda.BlockRun{}, err
	}
	return d.runWords(row, true)
}

// RunOfTask is the run that a task carries out.
func (d UserDoor) RunOfTask(ctx context.Context, task string) (remuda.BlockRun, error) {
	var row RunView
	err := d.r.look(ctx, func(v View) error {
		found, err := v.RunOfTask(ctx, task)
		if err != nil {
			return orAbsent(err, "run of task", task)
		}
		row, err = d.run(ctx, v, found.ID)
		return err
	})
	if err != nil {
		return remuda.BlockRun{}, err
	}
	return d.runWords(row, true)
}

// RunBlock queues a run that changes nothing of what was ordered.
func (d UserDoor) RunBlock(ctx context.Context, id string, r remuda.RunRequest) (remuda.BlockRun, error) {
	if r.Behavior == "" {
		r.Behavior = remuda.Apply
	}
	if err := validRequest(r); err != nil {
		return remuda.BlockRun{}, err
	}
	var run RunRow
	var seen RunView
	err := d.change(ctx, func(t *change) error {
		block, err := d.block(ctx, t.tx, id)
		if err != nil {
			return err
		}
		if err := d.mayRun(block, r); err != nil {
			return err
		}
		s, err := t.r.scene(ctx, t.tx, id)
		if err != nil {
			return err
		}
		if s.version.Implementation.Type == remuda.BlueprintManual && r.Behavior == remuda.Maintenance {
			return remuda.Fail(remuda.Conflict, "a manual block has no module in which a script could run")
		}
		values, err := t.r.resolve(s, d.author())
		if err != nil {
			return err
		}
		if !values.complete() {
			_, missing, detail := values.status()
			return &remuda.Error{Kind: remuda.Conflict, Detail: "block " + block.Name + " cannot run: it " + detail, Fields: lacks(missing)}
		}
		if r.Behavior == remuda.Apply {
			if err := t.stale(ctx, s); err != nil {
				return err
			}
		}
		run, err = t.queue(ctx, s, ask{behavior: r.Behavior, trigger: remuda.TriggerManual, author: d.author(), script: r.Script})
		if err != nil {
			return err
		}
		seen, err = t.tx.RunView(ctx, run.ID)
		return err
	})
	if err != nil {
		return remuda.BlockRun{}, err
	}
	return d.runWords(seen, true)
}

// lacks names the inputs that are missing.
func lacks(keys []string) (fields []remuda.Field) {
	for _, key := range keys {
		fields = append(fields, remuda.Field{Location: "body.inputs." + key, Message: "this has no value yet"})
	}
	return fields
}

func validRequest(r remuda.RunRequest) error {
	switch {
	case r.Behavior != remuda.Apply && r.Behavior != remuda.Detect && r.Behavior != remuda.Maintenance:
		return &remuda.Error{Kind: remuda.Invalid, Detail: "a run that is asked for is APPLY, DETECT or MAINTENANCE; to DESTROY, delete the block",
			Fields: []remuda.Field{{Location: "body.behavior", Message: "this is APPLY, DETECT or MAINTENANCE"}}}
	case (r.Behavior == remuda.Maintenance) != (r.Script != ""):
		return &remuda.Error{Kind: remuda.Invalid, Detail: "a MAINTENANCE has a script, and nothing else has",
			Fields: []remuda.Field{{Location: "body.script", Message: "a MAINTENANCE has it, and nothing else"}}}
	case len(r.Script) > 1<<20:
		return remuda.Fail(remuda.Invalid, "a script has at most 1 MiB")
	}
	return nil
}

// mayRun holds who asks for a run of a block to what they may.
func (d UserDoor) mayRun(block BlockView, r remuda.RunRequest) error {
	if err := d.mayChange(block); err != nil {
		return err
	}
	if r.Behavior == remuda.Maintenance && !d.manages(block.OwnerID) {
		return remuda.Fail(remuda.Forbidden, "a script runs beside a block's state and secrets: only the definition's owner may have it run, with the permission "+remuda.PermitManagedBlockSave)
	}
	if block.Lifecycle == remuda.LifecycleDeleted || block.Lifecycle == remuda.LifecycleDeleting && r.Behavior != remuda.Maintenance {
		return remuda.Fail(remuda.Conflict, "block "+block.Name+" is deleted, or about to be")
	}
	return nil
}

// AbortRun ends a run. The lock that it holds is released when its task has ended.
func (d UserDoor) AbortRun(ctx context.Context, id string) (remuda.BlockRun, error) {
	err := d.change(ctx, func(t *change) error {
		row, err := d.run(ctx, t.tx, id)
		if err != nil {
			return err
		}
		if err := d.maySteer(row); err != nil {
			return err
		}
		if row.Status.Ended() {
			return remuda.Fail(remuda.Conflict, fmt.Sprintf("run %d has ended already: it is %s", row.Number, row.Status))
		}
		s, err := t.r.scene(ctx, t.tx, row.BlockID)
		if err != nil {
			return err
		}
		if err := t.Note(ctx, "run.abort-requested", row.OrganizationID, id, fmt.Sprintf("run %d of block %s", row.Number, s.block.Name)); err != nil {
			return err
		}
		return t.abort(ctx, s, &row.RunRow, "aborted by "+d.user.Name)
	})
	if err != nil {
		return remuda.BlockRun{}, err
	}
	return d.Run(ctx, id)
}

// abort ends a run that has not ended: one that is carried out when its runner has ended it, others at once.
func (t *change) abort(ctx context.Context, s *scene, run *RunRow, detail string) error {
	if s.block.NextRun == run.ID {
		values, err := t.r.resolve(s, system())
		if err != nil {
			return err
		}
		if run.Inputs, err = t.r.print(s, values); err != nil { // so that what it was for does not have another one queued
			return err
		}
		if err := t.Update(ctx, run, "inputs"); err != nil {
			return err
		}
		return t.drop(ctx, s, run, detail)
	}
	if run.TaskID == "" {
		return t.end(ctx, s, run, remuda.RunAborted, detail)
	}
	if err := t.Cancel(ctx, run.TaskID, detail); err != nil {
		return err
	}
	return t.settle(ctx, s, run)
}
