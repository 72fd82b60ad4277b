package control

import (
	"time"

	"github.com/remuda-dev/remuda"
)

// Row is a record of the store: its table, and its key as "id". Columns are the db tags.
// Times are microseconds since 1970, zero for never: one form for every database.
type Row interface{ Table() string }

// Micros is a point in time as the store keeps it.
type Micros int64

func micros(t time.Time) Micros { return Micros(t.UnixMicro()) }

// Time is m as people and the API see it.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// Now is the present as the store keeps it.
func Now() Micros { return micros(time.Now()) }

func (m Micros) optional() *time.Time {
	if m == 0 {
		return nil
	}
	t := m.Time()
	return &t
}

func (m Micros) add(d remuda.Duration) Micros { return m.after(d.Std()) }

func (m Micros) after(d time.Duration) Micros { return m + Micros(d.Microseconds()) }

// OrganizationRow is an organization.
type OrganizationRow struct {
	ID        string `db:"id"`
	Name      string `db:"name"`
	VCSName   string `db:"vcs_name"`
	TaskLimit int    `db:"task_limit"`
	Running   int    `db:"running"`
	CreatedAt Micros `db:"created_at"`
	Extra     string `db:"extra"` // JSON
}

// Table names it.
func (OrganizationRow) Table() string { return "organizations" }

// NamespaceRow is a namespace.
type NamespaceRow struct {
	ID             string `db:"id"`
	Name           string `db:"name"`
	OrganizationID string `db:"organization_id"`
	CreatedAt      Micros `db:"created_at"`
}

// Table names it.
func (NamespaceRow) Table() string { return "namespaces" }

// ProjectRow is a project.
type ProjectRow struct {
	ID             string `db:"id"`
	OrganizationID string `db:"organization_id"`
	Name           string `db:"name"`
	Visibility     string `db:"visibility"`
	BuildsForks    bool   `db:"builds_forks"`
	TaskLimit      int    `db:"task_limit"`
	Weight         int    `db:"weight"`
	Running        int    `db:"running"`
	CreatedAt      Micros `db:"created_at"`
	Extra          string `db:"extra"` // JSON
}

// Table names it.
func (ProjectRow) Table() string { return "projects" }

// ClassRow is a resource class. Its owner is whoever owns its namespace.
type ClassRow struct {
	ID          string          `db:"id"`
	NamespaceID string          `db:"namespace_id"`
	Name        string          `db:"name"`
	Description string          `db:"description"`
	Access      remuda.Access   `db:"access"`
	TaskLimit   int             `db:"task_limit"`
	AllowForks  bool            `db:"allow_forks"`
	LostAfter   remuda.Duration `db:"lost_after"`
	Running     int             `db:"running"`
	CreatedAt   Micros          `db:"created_at"`
}

// Table names it.
func (ClassRow) Table() string { return "resource_classes" }

// ClassView is a class with what stands beside it. Queued and Runners are counted only where classes are shown.
type ClassView struct {
	ClassRow
	FullName       string `db:"full_name"`
	OrganizationID string `db:"organization_id"`
	Organization   string `db:"organization"`
	Queued         int    `db:"queued"`
	Runners        int    `db:"runners"`
}

// TokenRow is a token that people made; Hash is all that is kept of its secret.
type TokenRow struct {
	ID             string           `db:"id"`
	Kind           remuda.TokenKind `db:"kind"`
	Hash           []byte           `db:"hash"`
	Nickname       string           `db:"nickname"`
	ClassID        *string          `db:"class_id"`
	OrganizationID *string          `db:"organization_id"`
	Role           remuda.Role      `db:"role"`
	CreatedBy      string           `db:"created_by"`
	CreatedAt      Micros           `db:"created_at"`
	LastUsedAt     Micros           `db:"last_used_at"`
	RevokedAt      Micros           `db:"revoked_at"`  // an admin token's hash is kept, so that no file brings it back
	SingleUse      bool             `db:"single_use"`  // it registers one runner
	ExpiresAt      Micros           `db:"expires_at"`  // it registers nobody from then on; 0 for never
	UsedAt         Micros           `db:"used_at"`     // when a single-use token was used up
	UsedBy         string           `db:"used_by"`     // the runner that it registered
	Permissions    string           `db:"permissions"` // of an API key, separated by spaces
}

// Table names it.
func (TokenRow) Table() string { return "tokens" }

// TokenView is a token with the names beside its ids.
type TokenView struct {
	TokenRow
	Class        string `db:"class"`
	Organization string `db:"organization"`
}

// RunnerRow is a registered runner.
type RunnerRow struct {
	ID           string `db:"id"`
	Name         string `db:"name"`
	Hostname     string `db:"hostname"`
	Version      string `db:"version"`
	OS           string `db:"os"`
	Arch         string `db:"arch"`
	IP           string `db:"ip"`
	Slots        int    `db:"slots"`
	Capabilities string `db:"capabilities"` // separated by spaces
	PublicKey    []byte `db:"public_key"`
	TokenHash    []byte `db:"token_hash"`
	Ready        bool   `db:"ready"`
	Reason       string `db:"reason"`
	Draining     bool   `db:"draining"`    // it said so
	DrainLife    string `db:"drain_life"`  // the start of it that said so last
	DrainAsked   bool   `db:"drain_asked"` // it was told so
	Paused       bool   `db:"paused"`
	RegisteredAt Micros `db:"registered_at"`
	LastSeenAt   Micros `db:"last_seen_at"`
	LastUsedAt   Micros `db:"last_used_at"`
	SilentAt     Micros `db:"silent_at"` // when it is called silent, unless it gives a sign
	GoneAt       Micros `db:"gone_at"`   // it said goodbye
	Quarantined  bool   `db:"quarantined"`
	ResumeAsked  Micros `db:"resume_asked"` // when it was told to leave quarantine; 0 when it has
}

// Table names it.
func (RunnerRow) Table() string { return "runners" }

// RunnerClassRow says that a runner serves a class, and by which token: once that is revoked, it claims no more.
type RunnerClassRow struct {
	RunnerID string `db:"runner_id"`
	ClassID  string `db:"class_id"`
	TokenID  string `db:"token_id"`
}

// Table names it.
func (RunnerClassRow) Table() string { return "runner_classes" }

// JobRow is one submission; what its tasks share.
type JobRow struct {
	ID             string `db:"id"`
	OrganizationID string `db:"organization_id"`
	Name           string `db:"name"`
	Implementation string `db:"implementation"`
	Payload        []byte `db:"payload"`
	Secrets        []byte `db:"secrets"` // a JSON object, encrypted; empty for none
	SubmittedBy    string `db:"submitted_by"`
	ReaderID       string `db:"reader_id"` // another organization that sees its tasks; empty for none
	CreatedAt      Micros `db:"created_at"`

	ConcurrencyGroup string `db:"concurrency_group"` // what it said of its group, which may be gone; empty for none
	ConcurrencyLimit int    `db:"concurrency_limit"`
}

// Table names it.
func (JobRow) Table() string { return "jobs" }

// SubmissionKeyRow remembers an idempotency key and what was asked with it.
type SubmissionKeyRow struct {
	ID        string `db:"id"` // hash of organization, submitter and key
	Request   []byte `db:"request"`
	JobID     string `db:"job_id"`
	CreatedAt Micros `db:"created_at"`
}

// Table names it.
func (SubmissionKeyRow) Table() string { return "submission_keys" }

// GroupRow is a concurrency group of a project: at most so many of its tasks run at once, whatever their classes.
type GroupRow struct {
	ID        string `db:"id"`
	ProjectID string `db:"project_id"`
	Name      string `db:"name"`
	TaskLimit int    `db:"task_limit"`
	Running   int    `db:"running"`
}

// Table names it.
func (GroupRow) Table() string { return "groups" }

// LaneKey is what the tasks of a lane have in common, so that whoever may claim one of them may claim each.
type LaneKey struct {
	ClassID      string `db:"class_id"`
	ProjectID    string `db:"project_id"`
	Group        string `db:"concurrency_group"`
	GroupID      string `db:"group_id"`
	Capabilities string `db:"capabilities"`
}

// LaneRow is the tasks of one project in one class that have the same group and need the same capabilities: what a
// claim looks at instead of the tasks themselves. The main lane, which has no group, stands for the side lanes of its
// groups when it is decided whose turn it is.
type LaneRow struct {
	ID           string `db:"id"`
	ClassID      string `db:"class_id"`
	ProjectID    string `db:"project_id"`
	Group        string `db:"concurrency_group"`
	Queued       int    `db:"queued"`
	Running      int    `db:"running"`
	Capabilities string `db:"capabilities"` // each between two spaces of its own, in order

	GroupID string `db:"group_id"`
	MainID  string `db:"main_id"`
	Head    int64  `db:"head"`   // of a side lane: the rank of its first task
	Closed  bool   `db:"closed"` // of a side lane: its group is full; of a main lane: its project is

	ProjectRunning int    `db:"project_running"` // of a main lane, as all below: in all lanes of its project in the class
	Weight         int    `db:"weight"`          // its project's
	Level          int    `db:"level"`           // ProjectRunning / Weight: the lowest is served first
	Turns          int    `db:"turns"`           // claims since TurnAt was set
	TurnAt         Micros `db:"turn_at"`         // when it had had as many turns as its weight; of a level, the first is served
	Waits          bool   `db:"waits"`           // it or a side lane that is open has a task

	IdleSince Micros `db:"idle_since"` // when it was first seen without live tasks; 0 since one was queued

	OrganizationID string `db:"organization_id"` // its project's, which the database fills in
}

// Table names it.
func (LaneRow) Table() string { return "lanes" }

// TaskRow is a task. Rank orders the queued ones of a lane: when it was submitted, earlier by its priority.
type TaskRow struct {
	ID               string          `db:"id"`
	JobID            string          `db:"job_id"`
	OrganizationID   string          `db:"organization_id"`
	ProjectID        string          `db:"project_id"`
	ClassID          string          `db:"class_id"`
	LaneID           string          `db:"lane_id"`
	GroupID          string          `db:"group_id"`     // the concurrency group's; empty for none
	Capabilities     string          `db:"capabilities"` // that it needs, as its lane has them
	Name             string          `db:"name"`
	Index            int             `db:"task_index"`
	Total            int             `db:"task_total"`
	SubmittedBy      string          `db:"submitted_by"`
	Repository       string          `db:"repository"`
	Ref              string          `db:"ref"`
	Fork             bool            `db:"fork"`
	State            remuda.State    `db:"state"`
	Reason           remuda.Reason   `db:"reason"`
	Detail           string          `db:"detail"`
	Priority         int             `db:"priority"`
	Rank             int64           `db:"rank"`
	Timeout          remuda.Duration `db:"timeout"`
	QueueTimeout     remuda.Duration `db:"queue_timeout"`
	LostAfter        remuda.Duration `db:"lost_after"`
	CancelGrace      remuda.Duration `db:"cancel_grace"`
	MaxAttempts      int             `db:"max_attempts"`
	RetryInterrupted bool            `db:"retry_interrupted"`
	Attempts         int             `db:"attempts"`      // claims so far
	AttemptsUsed     int             `db:"attempts_used"` // of them, those that count towards MaxAttempts
	AttemptID        string          `db:"attempt_id"`    // the live or last claim
	CancelRequested  bool            `db:"cancel_requested"`
	RetryOf          string          `db:"retry_of"`
	SubmittedAt      Micros          `db:"submitted_at"`
	QueueUntil       Micros          `db:"queue_until"`
	StartedAt        Micros          `db:"started_at"`
	EndedAt          Micros          `db:"ended_at"`
	Pinned           bool            `db:"pinned"`            // retention leaves it alone
	OutputRemovedAt  Micros          `db:"output_removed_at"` // by retention
}

// Table names it.
func (TaskRow) Table() string { return "tasks" }

// TaskView is a task with the names beside its ids.
type TaskView struct {
	TaskRow
	Organization   string `db:"organization"`
	Project        string `db:"project"`
	Class          string `db:"class"`
	Implementation string `db:"implementation"`
	Group          string `db:"concurrency_group"`
	ReaderID       string `db:"reader_id"`    // its job's
	LastSignAt     Micros `db:"last_sign_at"` // of the live attempt, zero when there is none
	RunnerID       string `db:"runner_id"`    // of the live or last attempt
	Runner         string `db:"runner"`       // its name
}

// GroupTask is a task of a group that has not ended, with its job's name.
type GroupTask struct {
	TaskRow
	Job string `db:"job"`
}

// AttemptRow is one claim of a task.
type AttemptRow struct {
	ID         string              `db:"id"`
	TaskID     string              `db:"task_id"`
	Number     int                 `db:"number"`
	RunnerID   string              `db:"runner_id"`
	State      remuda.AttemptState `db:"state"`
	Reason     remuda.Reason       `db:"reason"`
	Detail     string              `db:"detail"`
	Steps      string              `db:"steps"` // JSON list of remuda.Step
	LostAfter  remuda.Duration     `db:"lost_after"`
	ClaimedAt  Micros              `db:"claimed_at"`
	BegunAt    Micros              `db:"begun_at"`
	EndedAt    Micros              `db:"ended_at"`
	LastSignAt Micros              `db:"last_sign_at"`
}

// Table names it.
func (AttemptRow) Table() string { return "attempts" }

// AttemptView is an attempt with its runner's name and its task's order to end.
type AttemptView struct {
	AttemptRow
	Runner          string `db:"runner"`
	CancelRequested bool   `db:"cancel_requested"`
}

// EventRow is one transition. The store numbers it.
type EventRow struct {
	ID             int64  `db:"id"`
	Type           string `db:"type"`
	OrganizationID string `db:"organization_id"`
	Subject        string `db:"subject"`
	Actor          string `db:"actor"`
	Detail         string `db:"detail"`
	At             Micros `db:"at"`
	Address        string `db:"address"` // from where it was asked for; empty when nobody did
}

// Table names it.
func (EventRow) Table() string { return "events" }

// EventView is an event with its organization's name.
type EventView struct {
	EventRow
	Organization string `db:"organization"`
}
