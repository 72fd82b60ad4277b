package blocks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// planLife is for how long a plan is kept that nobody applied.
const planLife = 7 * 24 * time.Hour

// SavePlan keeps the plan of a DETECT for the APPLY that may follow.
func (d RunDoor) SavePlan(ctx context.Context, plan []byte) error {
	if len(plan) == 0 {
		return remuda.Fail(remuda.Invalid, "a plan is not empty")
	}
	var run RunView
	err := d.r.look(ctx, func(v View) (err error) {
		run, _, err = d.live(ctx, v)
		return err
	})
	if err != nil {
		return err
	}
	if run.Behavior != remuda.Detect {
		return remuda.Fail(remuda.Conflict, "only a DETECT saves a plan; this run is "+string(run.Behavior))
	}
	row := PlanRow{ID: run.ID, BlockID: run.BlockID, Size: len(plan)}
	if row.Body, err = d.r.closeBody(row.Table(), row.ID, plan); err != nil {
		return err
	}
	return d.hold(ctx, func(t *change, _ holding) error {
		row.CreatedAt = t.Now()
		err := t.tx.Get(ctx, &PlanRow{}, row.ID)
		if errors.Is(err, remuda.NotFound) {
			return t.tx.Insert(ctx, &row)
		}
		if err != nil {
			return err
		}
		return t.tx.Update(ctx, &row, "size", "created_at", "body")
	})
}

// SavedPlan is the plan that an APPLY is to apply; remuda.NotFound when it is to make its own.
func (d RunDoor) SavedPlan(ctx context.Context) ([]byte, error) {
	var row PlanRow
	err := d.r.look(ctx, func(v View) error {
		run, _, err := d.live(ctx, v)
		if err != nil {
			return err
		}
		if run.PlanOf == "" {
			return remuda.Fail(remuda.NotFound, "this run makes its own plan")
		}
		err = v.Get(ctx, &row, run.PlanOf)
		if errors.Is(err, remuda.NotFound) {
			return remuda.Fail(remuda.NotFound, "the plan that this run is to apply is not kept any more")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return d.r.openBody(row.Table(), row.ID, row.Body)
}

// Plan is the plan that a DETECT saved, for the block's operators: it may hold secrets. That it was read is written down.
func (d UserDoor) Plan(ctx context.Context, run string) ([]byte, error) {
	var row PlanRow
	err := d.changeIn(ctx, control.Beside, func(t *change) error {
		view, err := t.tx.RunView(ctx, run)
		if errors.Is(err, remuda.NotFound) || err == nil && !d.operates(view.OwnerID) && !d.seesRuns(view.OrganizationID, view.OwnerID, view.Transparent) {
			return absent("run", run)
		}
		if err != nil {
			return err
		}
		if !d.operates(view.OwnerID) {
			return control.Lacks(d.user, remuda.PermitManagedBlockSave)
		}
		err = t.tx.Get(ctx, &row, run)
		if errors.Is(err, remuda.NotFound) {
			return remuda.Fail(remuda.NotFound, "no plan of run "+run+" is kept")
		}
		if err != nil {
			return err
		}
		return t.Note(ctx, "plan.read", view.OwnerID, view.BlockID, "plan of run "+run)
	})
	if err != nil {
		return nil, err
	}
	return d.r.openBody(row.Table(), row.ID, row.Body)
}

// dropPlans drops the plans of a block when an APPLY of it has ended: what they planned for is not there any more.
func dropPlans(ctx context.Context, t *change, block string) error {
	if err := t.tx.ForgetPlans(ctx, block); err != nil {
		return fmt.Errorf("drop the plans of block %s: %w", block, err)
	}
	return nil
}

// forgetPlans drops plans that nobody applied for long, at most so many at once; whoever tends things calls it again.
func (r *Rules) forgetPlans(ctx context.Context) error {
	return r.changeIn(ctx, control.Beside, "system", func(t *change) error {
		_, err := t.tx.ForgetOldPlans(ctx, t.Now()-control.Micros(planLife.Microseconds()))
		return err
	})
}
