package remuda

import (
	"encoding/json"
	"time"
)

// Block is a building block: an instance of a definition's version.
type Block struct {
	ID             string               `json:"id"`
	Organization   string               `json:"organization" doc:"Who ordered it; the caller's own organization when empty"`
	Project        string               `json:"project,omitempty" doc:"Of its tenant, or what its runs count by"`
	Tenant         string               `json:"tenant,omitempty" doc:"Id of the tenant that it belongs to"`
	Name           string               `json:"name" minLength:"1" maxLength:"200"`
	Definition     string               `json:"definition" doc:"Id of its definition"`
	DefinitionName string               `json:"definition_name"`
	Version        int                  `json:"version" doc:"Number of its version; the newest released one when 0 in an order"`
	Status         BlockStatus          `json:"status" enum:"waiting_for_dependent_input,waiting_for_operator_input,waiting_for_user_input,waiting_for_approval,pending,in_progress,succeeded,failed,aborted"`
	Missing        []string             `json:"missing,omitempty" doc:"Keys of the inputs that it waits for"`
	Detail         string               `json:"detail,omitempty" doc:"The same, or why it failed, in a sentence"`
	Lifecycle      Lifecycle            `json:"lifecycle" enum:"active,marked_for_deletion,deleted"`
	Inputs         map[string]Value     `json:"inputs,omitempty"`
	Outputs        map[string]Value     `json:"outputs,omitempty" doc:"Of its last successful APPLY"`
	Parents        []string             `json:"parents,omitempty" maxItems:"100" doc:"Ids of the blocks whose outputs it takes, or after which it runs"`
	Children       []string             `json:"children,omitempty" doc:"Only where one block is shown"`
	Drifted        bool                 `json:"drifted,omitempty" doc:"The last DETECT found changes"`
	ForcePurge     bool                 `json:"force_purge,omitempty"`
	LatestRun      string               `json:"latest_run,omitempty" doc:"Id; absent for those who may not see runs"`
	LatestDryRun   string               `json:"latest_dry_run,omitempty" doc:"Id of the last DETECT"`
	Types          map[string]InputKind `json:"types,omitempty" doc:"What its version says of each input, by key; only where one block is shown"`
	CreatedBy      string               `json:"created_by"`
	CreatedAt      time.Time            `json:"created_at"`
	DeletionAt     *time.Time           `json:"deletion_at,omitempty" doc:"When it was marked for deletion"`
	DeletionBy     string               `json:"deletion_by,omitempty"`
	DeletedAt      *time.Time           `json:"deleted_at,omitempty"`
}

// InputKind is what one must know of an input to show its value.
type InputKind struct {
	Type       ValueType  `json:"type"`
	Assignment Assignment `json:"assignment"`
	Sensitive  bool       `json:"sensitive,omitempty"`
}

// BlockStatus is where a block stands.
type BlockStatus string

// The statuses of a block.
const (
	BlockWaitsForParent   BlockStatus = "waiting_for_dependent_input"
	BlockWaitsForOperator BlockStatus = "waiting_for_operator_input"
	BlockWaitsForUser     BlockStatus = "waiting_for_user_input"
	BlockWaitsForApproval BlockStatus = "waiting_for_approval"
	BlockPending          BlockStatus = "pending" // its run is queued
	BlockInProgress       BlockStatus = "in_progress"
	BlockSucceeded        BlockStatus = "succeeded"
	BlockFailed           BlockStatus = "failed"
	BlockAborted          BlockStatus = "aborted"
)

// Lifecycle is whether a block is still wanted.
type Lifecycle string

// The lifecycles. A deleted block stays readable.
const (
	LifecycleActive   Lifecycle = "active"
	LifecycleDeleting Lifecycle = "marked_for_deletion"
	LifecycleDeleted  Lifecycle = "deleted"
)

// BlockChange changes a block; what is absent stays as it is.
type BlockChange struct {
	Name    *string          `json:"name,omitempty" maxLength:"200"`
	Version *int             `json:"version,omitempty" doc:"Another version of its definition"`
	Inputs  map[string]Value `json:"inputs,omitempty" doc:"Those that change"`
	Parents *[]string        `json:"parents,omitempty" maxItems:"100"`
}

// Behavior is what a run does.
type Behavior string

// The behaviors. A maintenance run carries out a script beside the block's state and inputs.
const (
	Apply       Behavior = "APPLY"
	Detect      Behavior = "DETECT"
	Destroy     Behavior = "DESTROY"
	Maintenance Behavior = "MAINTENANCE"
)

// RunTrigger is why a run was queued.
type RunTrigger string

// The triggers.
const (
	TriggerCreation      RunTrigger = "BUILDING_BLOCK_CREATION"
	TriggerManual        RunTrigger = "MANUAL_EXECUTION"
	TriggerUpgrade       RunTrigger = "BUILDING_BLOCK_UPGRADE"
	TriggerInputs        RunTrigger = "BUILDING_BLOCK_INPUTS_UPDATE"
	TriggerDeletion      RunTrigger = "BUILDING_BLOCK_DELETION"
	TriggerPurge         RunTrigger = "BUILDING_BLOCK_PURGE"
	TriggerParentOutput  RunTrigger = "DEPENDENCY_OUTPUT_CHANGED"
	TriggerParentSuccess RunTrigger = "PARENT_RUN_SUCCEEDED"
	TriggerApproval      RunTrigger = "PREFLIGHT_SUCCEEDED" // its plan was approved
	TriggerSchedule      RunTrigger = "SCHEDULE"            // for drift
)

// RunAuthor is who had a run queued.
type RunAuthor struct {
	Kind        string `json:"kind" enum:"User,ApiKey,System"`
	Name        string `json:"name"`
	DisplayName string `json:"display_name,omitempty"`
}

// RunRequest asks for a run of a block.
type RunRequest struct {
	Behavior Behavior `json:"behavior,omitempty" enum:"APPLY,DETECT,MAINTENANCE" doc:"APPLY when empty; to DESTROY, delete the block"`
	Script   string   `json:"script,omitempty" maxLength:"1048576" doc:"Of a MAINTENANCE: bash in the initialised module, by the definition's owner"`
}

// BlockRun is one APPLY, DETECT or DESTROY of a block. It is a task: where it stands, its steps and its output are the
// task's.
type BlockRun struct {
	ID         string           `json:"id"`
	Block      string           `json:"block" doc:"Id of its block"`
	Task       string           `json:"task,omitempty" doc:"Id of its task; absent for a manual run, which needs none"`
	Number     int              `json:"number" doc:"From 1, of its block"`
	Version    int              `json:"version" doc:"Number of the version that it carries out"`
	Behavior   Behavior         `json:"behavior" enum:"APPLY,DETECT,DESTROY,MAINTENANCE"`
	Trigger    RunTrigger       `json:"trigger"`
	Author     RunAuthor        `json:"author"`
	Status     RunStatus        `json:"status" enum:"pending,in_progress,succeeded,failed,aborted"`
	Detail     string           `json:"detail,omitempty" doc:"How it ended, in a sentence"`
	Changes    *bool            `json:"changes,omitempty" doc:"Whether its plan has changes"`
	Plan       *PlanSummary     `json:"plan,omitempty" doc:"What it plans or did; for those who may see runs"`
	Approval   Approval         `json:"approval,omitempty" enum:"waiting,approved,rejected,stale" doc:"Of a DETECT that stands before an APPLY"`
	ApprovedBy string           `json:"approved_by,omitempty" doc:"Who approved or rejected it"`
	PlanOf     string           `json:"plan_of,omitempty" doc:"Of an APPLY: the run whose plan it applies"`
	Outputs    map[string]Value `json:"outputs,omitempty"`
	Messages   []StepMessage    `json:"messages,omitempty" doc:"What steps say to whoever ordered; only where one run is shown"`
	CreatedAt  time.Time        `json:"created_at"`
	EndedAt    *time.Time       `json:"ended_at,omitempty"`
}

// RunStatus is where a run stands.
type RunStatus string

// The statuses of a run.
const (
	RunPending    RunStatus = "pending"
	RunInProgress RunStatus = "in_progress"
	RunSucceeded  RunStatus = "succeeded"
	RunFailed     RunStatus = "failed"
	RunAborted    RunStatus = "aborted"
)

// Ended is true for the statuses that are never left.
func (s RunStatus) Ended() bool { return s == RunSucceeded || s == RunFailed || s == RunAborted }

// Approval is where the approval of a plan stands.
type Approval string

// The approvals. A stale plan is one that something happened after.
const (
	ApprovalWaiting  Approval = "waiting"
	ApprovalApproved Approval = "approved"
	ApprovalRejected Approval = "rejected"
	ApprovalStale    Approval = "stale"
)

// StepMessage is what a step of a run says to whoever ordered the block.
type StepMessage struct {
	Step    string `json:"step"`
	Message string `json:"message"`
}

// PlanSummary is what a plan is about to do, or an APPLY did.
type PlanSummary struct {
	Add       int              `json:"add"`
	Change    int              `json:"change"`
	Destroy   int              `json:"destroy"`
	Import    int              `json:"import,omitempty"`
	Resources []ResourceChange `json:"resources,omitempty" maxItems:"2000" doc:"At most 2000 of them; sensitive values are hidden"`
	Outputs   []string         `json:"outputs,omitempty" maxItems:"1000" doc:"Keys of outputs that change"`
	Cut       bool             `json:"cut,omitempty" doc:"There are more"`
}

// ResourceChange is what becomes of one resource.
type ResourceChange struct {
	Address string                     `json:"address"`
	Type    string                     `json:"type"`
	Actions []string                   `json:"actions" doc:"Such as create, update, delete; delete and create for a replacement"`
	Drift   bool                       `json:"drift,omitempty" doc:"It changed outside"`
	Before  map[string]json.RawMessage `json:"before,omitempty" doc:"The members that change, as they were"`
	After   map[string]json.RawMessage `json:"after,omitempty" doc:"As they will be; absent when known after the APPLY alone"`
}

// BlockState is one version of a block's OpenTofu state.
type BlockState struct {
	ID        string    `json:"id"`
	Number    int       `json:"number" doc:"From 1: how the control plane counts them"`
	Serial    int64     `json:"serial" doc:"As the state itself says"`
	Lineage   string    `json:"lineage"`
	Size      int       `json:"size" doc:"Bytes"`
	Run       string    `json:"run,omitempty" doc:"The run that wrote it"`
	Current   bool      `json:"current"`
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
}

// StateLock is who holds a block's state. Its members are OpenTofu's own.
type StateLock struct {
	_         struct{}  `json:"-" additionalProperties:"true"`
	ID        string    `json:"ID"`
	Operation string    `json:"Operation,omitempty"`
	Info      string    `json:"Info,omitempty"`
	Who       string    `json:"Who,omitempty"`
	Version   string    `json:"Version,omitempty"`
	Created   time.Time `json:"Created,omitzero"`
	Path      string    `json:"Path,omitempty"`
	Run       string    `json:"-"`
}

// RunOrder is the payload of a run's task: what an implementation carries out. Secret values are in the claim's sealed
// secrets, under the names that stand here.
type RunOrder struct {
	Run            string            `json:"run" doc:"Id"`
	Number         int               `json:"number"`
	Behavior       Behavior          `json:"behavior"`
	Trigger        RunTrigger        `json:"trigger"`
	Author         RunAuthor         `json:"author"`
	Block          RunOrderBlock     `json:"block"`
	Definition     RunOrderVersion   `json:"definition"`
	Inputs         []RunInput        `json:"inputs,omitempty"`
	Parents        []RunParent       `json:"parents,omitempty"`
	Outputs        map[string]Output `json:"outputs,omitempty" doc:"That the version declares, by key"`
	Implementation Blueprint         `json:"implementation" doc:"Each secret in it has its name in the claim's secrets as its hash"`
	Integration    *Integration      `json:"integration,omitempty" doc:"Of a pipeline; its credential likewise"`
	Plan           bool              `json:"plan,omitempty" doc:"An APPLY applies the plan that was saved for it"`
	Script         string            `json:"script,omitempty" doc:"Of a MAINTENANCE"`
}

// RunOrderBlock is what a run knows of its block.
type RunOrderBlock struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Organization string `json:"organization"`
	Project      string `json:"project,omitempty"`
	Platform     string `json:"platform,omitempty"`
}

// RunOrderVersion is what a run knows of its definition.
type RunOrderVersion struct {
	ID           string `json:"id"`
	Organization string `json:"organization"`
	Version      int    `json:"version"`
}

// RunParent is a parent of a run's block.
type RunParent struct {
	Block      string `json:"block"`
	Definition string `json:"definition"`
}

// RunInput is an input with its value.
type RunInput struct {
	Key         string          `json:"key"`
	Type        ValueType       `json:"type"`
	Value       json.RawMessage `json:"value,omitempty" doc:"Absent for a secret"`
	Secret      string          `json:"secret,omitempty" doc:"Its name in the claim's secrets: text as it is, anything else as JSON"`
	Environment bool            `json:"environment,omitempty"`
}

// RunReport is what a run's agent says of it beside its steps. Each call replaces what it carries.
type RunReport struct {
	_        struct{}             `json:"-" additionalProperties:"true"`
	Changes  *bool                `json:"changes,omitempty" doc:"Whether the plan has changes"`
	Plan     *PlanSummary         `json:"plan,omitempty"`
	Outputs  map[string]RunOutput `json:"outputs,omitempty" maxProperties:"1000"`
	Messages []StepMessage        `json:"messages,omitempty" maxItems:"100"`
}

// RunToken lets something else report of a run that it is a part of.
type RunToken struct {
	Token string `json:"token" doc:"The task token of the claim"`
	URL   string `json:"url" doc:"The address at which the control plane was reached"`
}

// RunOutput is an output of a run, as the agent says it: the one place where a secret one has its value open, on its way
// to be encrypted.
type RunOutput struct {
	Type      ValueType       `json:"type" enum:"string,code,integer,boolean"`
	Value     json.RawMessage `json:"value"`
	Sensitive bool            `json:"sensitive,omitempty"`
}

// Tenant is a project's place on a platform: what blocks of tenant level belong to.
type Tenant struct {
	ID           string    `json:"id"`
	Organization string    `json:"organization"`
	Project      string    `json:"project"`
	Platform     string    `json:"platform" maxLength:"200" doc:"The platform's full identifier"`
	PlatformID   string    `json:"platform_id,omitempty" maxLength:"1000" doc:"What the platform calls it"`
	CreatedAt    time.Time `json:"created_at"`
}

// BlockRunnerEntry is what another system's format says of a resource class beside what it is.
type BlockRunnerEntry struct {
	ResourceClass  string     `json:"resource_class" doc:"namespace/name"`
	ID             string     `json:"id" doc:"The class's"`
	DisplayName    string     `json:"display_name" maxLength:"200"`
	Organization   string     `json:"organization"`
	PublicKey      string     `json:"public_key,omitempty" maxLength:"20000" doc:"PEM: secrets are sealed to it for runners that have no key of their own"`
	Implementation string     `json:"implementation" maxLength:"50" doc:"What its runners carry out, in that format's words"`
	Restricted     bool       `json:"restricted" doc:"Whether its owner alone may use it"`
	SelfHosted     bool       `json:"self_hosted,omitempty"`
	Extra          Extra      `json:"extra,omitempty"`
	CreatedAt      time.Time  `json:"created_at"`
	LastSeenAt     *time.Time `json:"last_seen_at,omitempty"`
}
