package store_test

import (
	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

// fullBlocks is one row of each table of building blocks, each of its members set.
func fullBlocks(organization, project, class string) []control.Row {
	definition := &blocks.DefinitionRow{
		ID: newID(), OrganizationID: organization, Name: "d", Access: remuda.AccessSome, Target: remuda.TargetTenant, Transparent: true,
		Spec: "{}", CreatedAt: 1,
	}
	version := &blocks.VersionRow{
		ID: newID(), DefinitionID: definition.ID, Number: 1, State: remuda.VersionReleased, ClassID: class, Spec: "{}", Secrets: []byte{0, 255},
		CreatedAt: 1, ReleasedAt: 2,
	}
	block := &blocks.BlockRow{
		ID: newID(), OrganizationID: organization, ProjectID: project, TenantID: "t", Name: "b", DefinitionID: definition.ID, VersionID: version.ID,
		Status: remuda.BlockFailed, Missing: "[]", Detail: "d", Lifecycle: remuda.LifecycleDeleting, Given: "{}", Resolved: "{}", Outputs: "{}",
		Secrets: []byte{0, 255}, Applied: true, Drifted: true, ForcePurge: true, RunCount: 1, LiveRun: "l", NextRun: "n", LatestRun: "r",
		LatestDryRun: "y", DriftAt: 1, Author: "{}", CreatedBy: "c", CreatedAt: 2, DeletionAt: 3, DeletionBy: "d", DeletedAt: 4,
	}
	run := &blocks.RunRow{
		ID: newID(), BlockID: block.ID, VersionID: version.ID, Number: 1, Version: 2, Behavior: remuda.Detect, Trigger: remuda.TriggerManual,
		Author: "{}", Status: remuda.RunFailed, Detail: "d", TaskID: "t", JobID: "j", Gate: true, Changes: -1, Plan: "{}",
		Approval: remuda.ApprovalStale, ApprovedBy: "a", PlanOf: "p", Script: "s", Inputs: []byte{0, 255}, StateNumber: 3, Outputs: "{}",
		Secrets: []byte{1}, Messages: "[]", CreatedAt: 1, EndedAt: 2,
	}
	return []control.Row{
		definition, version, block, run,
		&blocks.RunSourceRow{
			ID: newID(), RunID: run.ID, Name: "s", Position: 1, Status: remuda.RunPending, Spec: "{}", CreatedAt: 1, UpdatedAt: 2,
		},
		&blocks.StateRow{
			ID: newID(), BlockID: block.ID, Number: 1, Serial: 1 << 40, Lineage: "l", Size: 2, MAC: []byte{1}, RunID: run.ID, Deleted: true,
			CreatedBy: "c", CreatedAt: 3, Body: []byte{0, 255},
		},
		&blocks.StateLockRow{ID: block.ID, LockID: "l", RunID: run.ID, ClaimID: "c", Info: "{}", CreatedAt: 1},
		&blocks.PlanRow{ID: run.ID, BlockID: block.ID, Size: 1, CreatedAt: 2, Body: []byte{0, 255}},
		&blocks.IntegrationRow{
			ID: newID(), OrganizationID: organization, Name: "i", Type: "github", URL: "https://x", Owner: "o", AppID: "a", ClassID: class,
			Hash: "h", Secrets: []byte{0, 255}, CreatedAt: 1,
		},
		&blocks.TenantRow{ID: newID(), OrganizationID: organization, ProjectID: project, Platform: "p", PlatformID: "i", CreatedAt: 1},
		&blocks.ReaderRow{ID: newID(), EventID: 1 << 40},
	}
}
