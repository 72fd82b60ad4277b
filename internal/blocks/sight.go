package blocks

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// What pages show of blocks and runs beyond the API's words, with what the caller may do: so that nobody is offered what
// would be refused. Each method still asks for itself.

// Sight is a block as pages show it.
type Sight struct {
	Outline
	Owner          string // organization that owns the definition
	Implementation string // the type of its version's Blueprint
	Approval       bool   // its changes wait for somebody to approve their plan
	Deletion       remuda.Deletion
	DriftEvery     time.Duration // 0 for never
	DriftAt        *time.Time    // when it is looked at for drift next
	LiveRun        string        // the run that was queued and has not ended; absent for those who may not see runs
	NextRun        string        // the one that waits for it, likewise

	SeesRuns bool // the caller sees what its runs plan, do and print
	Changes  bool // may change it and have it run
	Deletes  bool // may delete it
	Manages  bool // is of those who own its definition: gives operator inputs, runs maintenance
	Operates bool // may read its states, roll them back and take the lock
}

// Sight is a block with what the caller may do with it.
func (d UserDoor) Sight(ctx context.Context, id string) (Sight, error) {
	outline, err := d.Outline(ctx, id)
	if err != nil {
		return Sight{}, err
	}
	s := Sight{Outline: outline}
	err = d.r.look(ctx, func(v View) error {
		row, err := d.block(ctx, v, id)
		if err != nil {
			return err
		}
		definition, err := v.DefinitionView(ctx, row.DefinitionID)
		if err := ignoreAbsent(err); err != nil {
			return fmt.Errorf("read definition %s: %w", row.DefinitionID, err)
		}
		s.Owner = definition.Organization
		s.rights(d, row)
		if row.DriftAt != 0 {
			at := row.DriftAt.Time()
			s.DriftAt = &at
		}
		version, err := v.VersionView(ctx, row.VersionID)
		if err != nil {
			return ignoreAbsent(err)
		}
		said, err := readVersion(version.VersionRow)
		s.Implementation, s.Approval, s.Deletion, s.DriftEvery = said.Implementation.Type, said.Approval, said.Deletion, said.DriftEvery.Std()
		return err
	})
	return s, err
}

func (s *Sight) rights(d UserDoor, row BlockView) {
	s.Manages, s.Operates = d.manages(row.OwnerID), d.operates(row.OwnerID)
	s.Changes = d.mayChange(row) == nil
	s.Deletes = d.user.May(remuda.PermitBlockDelete, row.OrganizationID)
	if s.SeesRuns = d.seesRuns(row.OrganizationID, row.OwnerID, row.Transparent); s.SeesRuns {
		s.LiveRun, s.NextRun = row.LiveRun, row.NextRun
	}
}

// RunSight is a run as pages show it.
type RunSight struct {
	remuda.BlockRun
	BlockName  string
	Definition string // its name
	Owner      string // organization that owns it

	// What it was queued with, for those who see runs; absent for a manual run and once its task is kept no longer.
	Inputs  []remuda.RunInput
	Script  string                  // of a MAINTENANCE, for those who manage the block
	Given   map[string]remuda.Input // what its version says of inputs
	Gives   map[string]remuda.Output
	Manual  bool
	Waits   bool   // for the block's live run to end
	Applied string // of a plan that was approved: the run that applies it

	SeesRuns bool // the caller sees what it plans, does and prints
	Steers   bool // may approve, reject and abort it
	Finishes bool // may say how it ended: it is manual and has begun
}

// RunSight is a run with what the caller may do with it.
func (d UserDoor) RunSight(ctx context.Context, id string) (RunSight, error) {
	run, err := d.Run(ctx, id)
	if err != nil {
		return RunSight{}, err
	}
	s := RunSight{BlockRun: run}
	err = d.r.look(ctx, func(v View) error {
		row, err := d.run(ctx, v, id)
		if err != nil {
			return err
		}
		block, err := v.BlockView(ctx, row.BlockID)
		if err != nil {
			return orAbsent(err, "run", id)
		}
		definition, err := v.DefinitionView(ctx, block.DefinitionID)
		if err := ignoreAbsent(err); err != nil {
			return fmt.Errorf("read definition %s: %w", block.DefinitionID, err)
		}
		s.BlockName, s.Definition, s.Owner = block.Name, block.DefinitionName, definition.Organization
		s.SeesRuns = d.seesRuns(row.OrganizationID, row.OwnerID, row.Transparent)
		s.Steers = d.maySteer(row) == nil
		s.Waits = block.NextRun == id
		return d.tell(ctx, v, &s, row, block)
	})
	return s, err
}

// tell adds what only those who see runs are told.
func (d UserDoor) tell(ctx context.Context, v View, s *RunSight, row RunView, block BlockView) error {
	version, err := v.VersionView(ctx, row.VersionID)
	if err := ignoreAbsent(err); err != nil {
		return err
	}
	if err == nil {
		said, err := readVersion(version.VersionRow)
		if err != nil {
			return err
		}
		s.Given, s.Gives, s.Manual = said.Inputs, said.Outputs, said.Implementation.Type == remuda.BlueprintManual
	}
	s.Finishes = s.Manual && row.TaskID == "" && !row.Status.Ended() && block.LiveRun == row.ID && d.manages(row.OwnerID)
	if !s.SeesRuns {
		return nil
	}
	if d.manages(row.OwnerID) {
		s.Script = row.Script
	}
	if row.Approval == remuda.ApprovalApproved {
		if s.Applied, err = appliedBy(ctx, v, row); err != nil {
			return err
		}
	}
	if row.JobID == "" {
		return nil
	}
	var job control.JobRow
	if err := v.Get(ctx, &job, row.JobID); err != nil {
		return ignoreAbsent(err)
	}
	var order remuda.RunOrder
	if err := json.Unmarshal(job.Payload, &order); err != nil {
		return fmt.Errorf("read job %s: %w", row.JobID, err)
	}
	s.Inputs = order.Inputs
	return nil
}

// nearby is how many of a block's newest runs are looked through for the one that applies a plan.
const nearby = 50

// appliedBy is the run that applies a plan; empty when it is long ago.
func appliedBy(ctx context.Context, v View, plan RunView) (string, error) {
	runs, err := v.Runs(ctx, RunQuery{Block: plan.BlockID, Page: Page{Limit: nearby}})
	for _, run := range runs {
		if run.PlanOf == plan.ID {
			return run.ID, err
		}
	}
	return "", err
}

// LatestRuns are the last runs of blocks, by block, without their plans: of those whose runs the caller may see.
func (d UserDoor) LatestRuns(ctx context.Context, of []remuda.Block) (map[string]remuda.BlockRun, error) {
	latest := make(map[string]remuda.BlockRun, len(of))
	err := d.r.look(ctx, func(v View) error {
		for _, block := range of {
			if block.LatestRun == "" {
				continue
			}
			row, err := v.RunView(ctx, block.LatestRun)
			if err := ignoreAbsent(err); err != nil {
				return err
			}
			if err != nil || !d.seesRuns(row.OrganizationID, row.OwnerID, row.Transparent) {
				continue
			}
			row.Plan = ""
			if latest[block.ID], err = d.runWords(row, false); err != nil {
				return err
			}
		}
		return nil
	})
	return latest, err
}
