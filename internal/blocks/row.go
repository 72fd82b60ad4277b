package blocks

import (
	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// DefinitionRow is a definition. Spec is a remuda.Definition as JSON: what nobody asks for by SQL.
type DefinitionRow struct {
	ID             string         `db:"id"`
	OrganizationID string         `db:"organization_id"`
	Name           string         `db:"name"`
	Access         remuda.Access  `db:"access"`
	Target         remuda.Target  `db:"target"`
	Transparent    bool           `db:"transparent"`
	Spec           string         `db:"spec"`
	CreatedAt      control.Micros `db:"created_at"`
}

// Table names it.
func (DefinitionRow) Table() string { return "definitions" }

// DefinitionView is a definition with what stands beside it.
type DefinitionView struct {
	DefinitionRow
	Organization string `db:"organization"`
	Latest       int    `db:"latest"`
	Released     int    `db:"released"`
	Blocks       int    `db:"blocks"`
}

// VersionRow is a version. Spec is a remuda.Version as JSON, in which a hash stands for each secret.
type VersionRow struct {
	ID           string              `db:"id"`
	DefinitionID string              `db:"definition_id"`
	Number       int                 `db:"number"`
	State        remuda.VersionState `db:"state"`
	ClassID      string              `db:"class_id"` // empty when no runner is needed, or none is named yet
	Spec         string              `db:"spec"`
	Secrets      []byte              `db:"secrets"` // a JSON object, encrypted; empty for none
	CreatedAt    control.Micros      `db:"created_at"`
	ReleasedAt   control.Micros      `db:"released_at"`
}

// Table names it.
func (VersionRow) Table() string { return "versions" }

// VersionView is a version with the name of its class and how many blocks are of it.
type VersionView struct {
	VersionRow
	Class  string `db:"class"`
	Blocks int    `db:"blocks"`
}

// BlockRow is a building block. Given are the inputs that people gave, Resolved all of them as they were looked up last,
// both a JSON object of remuda.Value in which a hash stands for each secret; Outputs likewise.
type BlockRow struct {
	ID             string             `db:"id"`
	OrganizationID string             `db:"organization_id"`
	ProjectID      string             `db:"project_id"` // empty for none
	TenantID       string             `db:"tenant_id"`  // empty for none
	Name           string             `db:"name"`
	DefinitionID   string             `db:"definition_id"`
	VersionID      string             `db:"version_id"`
	Status         remuda.BlockStatus `db:"status"`
	Missing        string             `db:"missing"` // a JSON list
	Detail         string             `db:"detail"`
	Lifecycle      remuda.Lifecycle   `db:"lifecycle"`
	Given          string             `db:"given"`
	Resolved       string             `db:"resolved"`
	Outputs        string             `db:"outputs"`
	Secrets        []byte             `db:"secrets"` // a JSON object, encrypted: input/<key> and output/<key>
	Applied        bool               `db:"applied"` // an APPLY has succeeded
	Drifted        bool               `db:"drifted"`
	ForcePurge     bool               `db:"force_purge"`
	RunCount       int                `db:"run_count"` // the number of its last run
	LiveRun        string             `db:"live_run"`  // the one that was queued and has not ended; empty for none
	NextRun        string             `db:"next_run"`  // the one that waits for it; empty for none
	LatestRun      string             `db:"latest_run"`
	LatestDryRun   string             `db:"latest_dry_run"`
	DriftAt        control.Micros     `db:"drift_at"` // when to look for drift; 0 for never
	Author         string             `db:"author"`   // who ordered it: a remuda.RunAuthor as JSON
	CreatedBy      string             `db:"created_by"`
	CreatedAt      control.Micros     `db:"created_at"`
	DeletionAt     control.Micros     `db:"deletion_at"`
	DeletionBy     string             `db:"deletion_by"`
	DeletedAt      control.Micros     `db:"deleted_at"`
}

// Table names it.
func (BlockRow) Table() string { return "blocks" }

// BlockView is a block with the names beside its ids.
type BlockView struct {
	BlockRow
	Organization   string `db:"organization"`
	Project        string `db:"project"`
	DefinitionName string `db:"definition_name"`
	OwnerID        string `db:"owner_id"` // of its definition
	Transparent    bool   `db:"transparent"`
	Version        int    `db:"version"`
}

// RunRow is a run. Its status is its task's, as it was settled last.
type RunRow struct {
	ID          string            `db:"id"`
	BlockID     string            `db:"block_id"`
	VersionID   string            `db:"version_id"`
	Number      int               `db:"number"`
	Version     int               `db:"version"`
	Behavior    remuda.Behavior   `db:"behavior"`
	Trigger     remuda.RunTrigger `db:"run_trigger"`
	Author      string            `db:"author"` // a remuda.RunAuthor as JSON
	Status      remuda.RunStatus  `db:"status"`
	Detail      string            `db:"detail"`
	TaskID      string            `db:"task_id"` // empty for a manual one, and for one that waits for the run before
	JobID       string            `db:"job_id"`
	Gate        bool              `db:"gate"`         // it is a DETECT that stands before an APPLY
	Changes     int               `db:"changes"`      // 1 when its plan has changes, -1 when it has none, 0 when nobody knows
	Plan        string            `db:"plan"`         // a remuda.PlanSummary as JSON
	Approval    remuda.Approval   `db:"approval"`     // of a gate that has ended
	ApprovedBy  string            `db:"approved_by"`  // or rejected
	PlanOf      string            `db:"plan_of"`      // the run whose plan it applies
	Script      string            `db:"script"`       // of a MAINTENANCE
	Inputs      []byte            `db:"inputs"`       // a MAC of what it was queued with
	StateNumber int               `db:"state_number"` // of the block's state when it ended
	Outputs     string            `db:"outputs"`      // a JSON object of remuda.Value
	Secrets     []byte            `db:"secrets"`      // a JSON object, encrypted: output/<key>
	Messages    string            `db:"messages"`     // a JSON list of remuda.StepMessage
	CreatedAt   control.Micros    `db:"created_at"`
	EndedAt     control.Micros    `db:"ended_at"`
}

// Table names it.
func (RunRow) Table() string { return "runs" }

// RunView is a run with what decides who sees it.
type RunView struct {
	RunRow
	OrganizationID string `db:"organization_id"` // of its block
	OwnerID        string `db:"owner_id"`        // of its definition
	Transparent    bool   `db:"transparent"`
}

// RunSourceRow is one of those who report of a run. Spec is JSON in their own words.
type RunSourceRow struct {
	ID        string           `db:"id"`
	RunID     string           `db:"run_id"`
	Name      string           `db:"name"` // unique in its run
	Position  int              `db:"position"`
	Status    remuda.RunStatus `db:"status"`
	Spec      string           `db:"spec"`
	CreatedAt control.Micros   `db:"created_at"`
	UpdatedAt control.Micros   `db:"updated_at"`
}

// Table names it.
func (RunSourceRow) Table() string { return "run_sources" }

// ReaderRow is how far one who settles things has read the events.
type ReaderRow struct {
	ID      string `db:"id"`
	EventID int64  `db:"event_id"`
}

// Table names it.
func (ReaderRow) Table() string { return "readers" }
