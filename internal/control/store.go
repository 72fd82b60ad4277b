package control

import (
	"context"
	"errors"

	"github.com/remuda-dev/remuda"
)

// Store keeps everything. A transition is a function over Tx that is carried out whole or not at all.
type Store interface {
	// Write runs transition in one transaction and returns when it is durable. It may be run again from its start, so
	// it changes nothing but the store until Write returns.
	Write(ctx context.Context, scope Scope, transition func(Tx) error) error
	// Read runs look over one consistent state.
	Read(ctx context.Context, look func(View) error) error
	// Output keeps what steps print.
	Output() OutputStore
	// Tell hands wake-ups to the other planes on this store: how many for each topic, or all when negative. It may
	// lose or merge some, and never waits.
	Tell(topics map[string]int)
	// Listen calls hear with the wake-ups that other planes told, until ctx ends; with AllTopics when some may have been lost.
	// A store of one plane returns nil at once.
	Listen(ctx context.Context, hear func(topic string, n int)) error
}

// Scope is what may be written while a transition is under way. A store with one writer has no need of it.
type Scope int

const (
	// Alone is for configuration, and whatever reads what it does not lock: nothing else is written meanwhile.
	Alone Scope = iota
	// Beside lets transitions of other rows go on at the same time. What the transition reads by Get, Movable, Claimed,
	// TaskView or Attempt stays as it was read until it is durable, and configuration stays as it is altogether; other reads
	// may be old when it writes. Rows are locked in the order runner, task, attempt.
	Beside
	// Claiming is Beside, and no other claim is decided between Claimable and the end. Claimable keeps nobody waiting when
	// there is nothing, and so looks twice when there is something.
	Claiming
	// Taking is Claiming for whoever knows of a task, and so need not look twice.
	Taking
)

// AllTopics stands for every topic, after wake-ups may have been lost.
const AllTopics = "*"

// Tx changes rows. Get and friends answer remuda.NotFound for what is absent; Insert answers remuda.Conflict for
// what is there already.
type Tx interface {
	View
	Insert(ctx context.Context, row Row) error
	// Update writes the named columns of the row with this id.
	Update(ctx context.Context, row Row, columns ...string) error
	Delete(ctx context.Context, row Row) error
	// Together runs change, which inserts and updates many rows alike; the store may write those of a table at once, in
	// the order in which its tables were first written. What change reads has all that was written before.
	Together(ctx context.Context, change func() error) error

	// Lane finds or makes a lane.
	Lane(ctx context.Context, key LaneKey) (LaneRow, error)
	// Count adds to the numbers that limits are held against: queued of the lane; running of lane, group, class, project
	// and organization. A claim, which takes from queued and adds to running, is a turn of its project, at StartedAt.
	Count(ctx context.Context, t TaskRow, queued, running int) error
	// Weigh has the turns of a project go by another weight.
	Weigh(ctx context.Context, project string, weight int) error
	// Sign records a sign of life for those of these claims that are live and this runner's.
	Sign(ctx context.Context, runner string, claims []string, at Micros) error
	// SeeRunner notes that a runner was heard of, unless that is not news or it has gone, and from when on it is silent.
	SeeRunner(ctx context.Context, id string, at, silent Micros) error
	// ForgetRunners deletes at most 64 runners that have gone: before idle, if they were never given a claim, or before
	// used. The answer is how many.
	ForgetRunners(ctx context.Context, idle, used Micros) (int64, error)
	// ReplaceClassAccess says which organizations may use a class whose access is 'some'.
	ReplaceClassAccess(ctx context.Context, class string, organizations []string) error
	// ForgetOldKeys drops idempotency keys made before a time, at most 64; the answer is how many.
	ForgetOldKeys(ctx context.Context, before Micros) (int64, error)
	// ForgetTokens drops API keys that expired before a time, and class tokens that were revoked, used up or expired before
	// it, and with which no runner that is still around registered, at most 64; the answer is how many.
	ForgetTokens(ctx context.Context, before Micros) (int64, error)
	// LeaveSilent has runners leave that hold nothing and were last expected before a time, at most 64; the answer is
	// how many.
	LeaveSilent(ctx context.Context, before, now Micros) (int64, error)
	// ForgetTask deletes at most 64 rows of what belongs to a task, and at last the task, and its job when it was the
	// last of it: then it is done.
	ForgetTask(ctx context.Context, id string) (done bool, err error)
	// RestLanes notes from when on lanes have no live task, unless that is known or one of them has; ForgetLanes deletes
	// those that have had none since before a time, but no main lane before its side lanes; ForgetGroups deletes groups
	// that have no lane. What has a live task by now stays as it is; they are to be asked Alone.
	RestLanes(ctx context.Context, ids []string, now Micros) error
	ForgetLanes(ctx context.Context, ids []string, before Micros) error
	ForgetGroups(ctx context.Context, ids []string) error
	// ForgetEvents drops events of before a time, at most 64 and never the newest; the answer is how many.
	ForgetEvents(ctx context.Context, before Micros) (int64, error)
}

// View reads rows.
type View interface {
	ActivityView
	sessionsInStore
	eventsInStore

	// Get fills row by its id.
	Get(ctx context.Context, row Row, id string) error

	OrganizationByName(ctx context.Context, name string) (OrganizationRow, error)
	Organizations(ctx context.Context, only string, p Span) ([]OrganizationView, error)
	NamespaceByName(ctx context.Context, name string) (NamespaceRow, error)
	Namespaces(ctx context.Context, only string, p Span) ([]NamespaceView, error)
	ProjectByName(ctx context.Context, organization, name string) (ProjectRow, error)
	Projects(ctx context.Context, organization string, p Span) ([]ProjectRow, error)
	ClassByName(ctx context.Context, full string) (ClassView, error)
	ClassView(ctx context.Context, id string) (ClassView, error)
	CountedClass(ctx context.Context, id string) (ClassView, error)
	Classes(ctx context.Context, f ClassQuery) ([]ClassView, error)
	ClassAccess(ctx context.Context, class string) ([]OrganizationRow, error)
	TokenByHash(ctx context.Context, hash []byte) (TokenView, error)
	Tokens(ctx context.Context, f TokenQuery) ([]TokenView, error)
	RunnerByTokenHash(ctx context.Context, hash []byte) (RunnerRow, error)
	Runners(ctx context.Context, f RunnerQuery) ([]RunnerView, error)
	// RunnerStates counts the runners of a class that were seen since a time, by all that keeps one from claiming.
	RunnerStates(ctx context.Context, class string, since, now Micros) ([]RunnerState, error)
	// RunnerCounts counts all runners that were seen since a time and have not gone, by what one sees of them.
	RunnerCounts(ctx context.Context, since, now Micros) ([]RunnerCount, error)
	// ClassRunnerCounts counts those of some classes so.
	ClassRunnerCounts(ctx context.Context, classes []string, since, now Micros) ([]ClassRunnerCount, error)
	// RunnerAttempts are those of a runner that are live, or those that are over, without their steps.
	RunnerAttempts(ctx context.Context, runner string, live bool, p Span) ([]RunnerAttemptView, error)
	// RunnerClasses are the ids of the classes that a runner may claim from: those of tokens that were not revoked.
	RunnerClasses(ctx context.Context, runner string) ([]string, error)
	// RunnerOwners are the ids of the organizations whose classes a runner serves.
	RunnerOwners(ctx context.Context, runner string) ([]string, error)
	TaskView(ctx context.Context, id string) (TaskView, error)
	// Movable is a task as far as a move needs it; Claimed those of these claims that there are, as far as an end needs them;
	// Deliverable those that are live, as far as their runner needs them. Most queries are one of these, and each column
	// costs.
	Movable(ctx context.Context, id string) (TaskRow, error)
	Claimed(ctx context.Context, claims ...string) ([]Held, error)
	Deliverable(ctx context.Context, claims ...string) ([]TaskView, error)
	Tasks(ctx context.Context, f TaskQuery) ([]TaskView, error)
	GroupByName(ctx context.Context, project, name string) (GroupRow, error)
	// GroupTasks are those of a group that have not ended, as far as a move needs them, in the order in which they were
	// submitted.
	GroupTasks(ctx context.Context, group string) ([]GroupTask, error)
	Attempts(ctx context.Context, task string) ([]AttemptView, error)
	// LiveAttempts are those of a runner, without their steps, which may be much.
	LiveAttempts(ctx context.Context, runner string) ([]AttemptView, error)
	// Attempt is one as far as its end needs it: without its steps and its runner's name.
	Attempt(ctx context.Context, id string) (AttemptView, error)
	Events(ctx context.Context, f EventFilter, organization string) ([]EventView, error)
	// LastEvent is the id of the newest event, 0 when there is none. Newer ones are held back while a transition that
	// began before them is under way, so that whoever reads on from an id misses none.
	LastEvent(ctx context.Context) (id int64, held bool, err error)

	// Claimable answers the next tasks for a runner of these classes with these capabilities under every limit, as far as
	// a claim needs them: at least one when there is any, and at most so many.
	Claimable(ctx context.Context, classes, capabilities []string, most int) ([]TaskRow, error)
	// Waiting names the classes in which a main lane waits, and what capabilities the lane needs; of one organization's
	// lanes, or of all.
	Waiting(ctx context.Context, organization string) ([]LaneKey, error)
	// Demand lists the lanes with queued tasks of a class, or of all; Capacity sums up their runners' slots.
	Demand(ctx context.Context, class string) ([]DemandRow, error)
	Capacity(ctx context.Context, class string, now Micros) ([]CapacityRow, error)
	// Ahead counts the queued tasks of its project and class that come before a task and may run, at most so many; and
	// the other projects that wait in the class.
	Ahead(ctx context.Context, t TaskRow, most int) (Ahead, error)
	// Limited says whether the organization, the project, the class or the group of a task has a limit.
	Limited(ctx context.Context, t TaskRow) (bool, error)
	// Expired lists live attempts whose runner has been silent for too long: since before unbegun when they had not
	// begun, else for as long as their lost_after. No silence began before since. Overdue lists queued tasks that
	// waited for too long. Both at most 64.
	Expired(ctx context.Context, unbegun, since, now Micros) ([]AttemptRow, error)
	Overdue(ctx context.Context, now Micros) ([]TaskRow, error)
	// Oldest lists tasks in the order in which they were submitted, after one of them, as far as retention needs them.
	// At most 256.
	Oldest(ctx context.Context, after string) ([]TaskRow, error)
	// IdleLanes lists lanes without live tasks, EmptyGroups groups without lanes, in the order of their ids after one of
	// them. At most 64.
	IdleLanes(ctx context.Context, after string) ([]LaneRow, error)
	EmptyGroups(ctx context.Context, after string) ([]GroupRow, error)
	// AttemptIDs are the attempts of a task.
	AttemptIDs(ctx context.Context, task string) ([]string, error)
}

// Held is a claim: its attempt, and its task.
type Held struct {
	Attempt AttemptRow
	Task    TaskRow
}

// Span is one part of a list in descending order of id: what comes after an id.
type Span struct {
	After string
	Limit int
}

// OrganizationView is an organization with its namespace.
type OrganizationView struct {
	OrganizationRow
	Namespace string `db:"namespace"`
}

// NamespaceView is a namespace with its organization's name.
type NamespaceView struct {
	NamespaceRow
	Organization string `db:"organization"`
}

// RunnerView is a runner with its classes' names, separated by spaces, and how many claims it holds.
type RunnerView struct {
	RunnerRow
	Classes string `db:"classes"`
	Busy    int    `db:"busy"`
}

// RunnerState is how many runners of a class stand alike.
type RunnerState struct {
	Version      string `db:"version"`
	Capabilities string `db:"capabilities"`
	Reason       string `db:"reason"` // why they are not ready
	Ready        bool   `db:"ready"`
	Draining     bool   `db:"draining"` // or told to
	Paused       bool   `db:"paused"`
	Quarantined  bool   `db:"quarantined"`
	Revoked      bool   `db:"revoked"` // the class token that they registered with
	Silent       bool   `db:"silent"`
	Busy         bool   `db:"busy"` // with as many claims as they have slots
	Count        int    `db:"n"`
}

// RunnerCount is how many runners look alike.
type RunnerCount struct {
	Silent      bool `db:"silent"`
	Draining    bool `db:"draining"` // or told to
	Paused      bool `db:"paused"`
	Quarantined bool `db:"quarantined"`
	Busy        bool `db:"busy"` // with any claim
	Count       int  `db:"n"`
}

// Ahead is what comes before a task.
type Ahead struct {
	Tasks    int `db:"tasks"`
	Projects int `db:"projects"`
}

// ClassQuery asks for classes; VisibleTo is an organization's id.
type ClassQuery struct {
	Namespace, Organization, VisibleTo string
	Span
}

// TokenQuery asks for tokens; Organization is an id: its own tokens and those of its classes.
type TokenQuery struct {
	Kind         remuda.TokenKind
	ClassID      string
	Organization string
	Span
}

// RunnerQuery asks for runners; Organization is the id of the owner of a class that they serve.
type RunnerQuery struct {
	ID, ClassID, Organization string
	TokenID                   string // registered with this class token
	Since                     Micros // seen since
	Span
}

// TaskQuery asks for tasks, by ids.
type TaskQuery struct {
	Organization, Project, ClassID, JobID, Search string
	States                                        []remuda.State
	From                                          string // only those with this id or a later one
	Span
}

// OutputStore keeps the bytes that steps print. Offsets of an attempt count the bytes of all its steps in the order
// in which they arrived; offsets of a stream those of one step.
type OutputStore interface {
	// Append adds a chunk if it starts where its stream ends and the stream is open; the answer is what is held then.
	// It keeps at most limit bytes of an attempt: head and tail.
	Append(ctx context.Context, attempt string, c remuda.Chunk, limit int64) (remuda.StreamState, error)
	Stream(ctx context.Context, attempt string, step int) (remuda.StreamState, error)
	// Close ends a stream: remuda.Conflict when length or checksum are not those of what is held.
	Close(ctx context.Context, attempt string, step int, c remuda.StreamClose) (remuda.StreamState, error)
	// Length is how many bytes an attempt has produced.
	Length(ctx context.Context, attempt string) (int64, error)
	// Chunks reads from an offset of the attempt's stream, or of one step's, at most max bytes; a first chunk that
	// starts later says that what lies before it was dropped.
	Chunks(ctx context.Context, attempt string, step *int, offset int64, max int) ([]remuda.Chunk, error)

	// Tend does what was put off: it moves output to where it belongs, and deletes what nothing refers to. It is called
	// every few seconds. ErrBucketAway says that the bucket cannot be used.
	Tend(ctx context.Context) error
	// Remove deletes what attempts printed; how much it was, stays. Forget deletes that, too. Both go in small
	// transactions and may be repeated; of these attempts, no output may arrive any more.
	// Remove answers how many bytes it freed.
	Remove(ctx context.Context, attempts []string) (int64, error)
	Forget(ctx context.Context, attempts []string) error
	// Held counts what all output takes up.
	Held(ctx context.Context) (OutputHeld, error)
}

// ErrBucketAway is wrapped in what Tend answers while the bucket for output cannot be used.
var ErrBucketAway = errors.New("the bucket for output cannot be used")

// OutputHeld is what output takes up.
type OutputHeld struct {
	Store   int64 // bytes in the store
	Bucket  int64 // bytes in the bucket, compressed
	Objects int64 // in the bucket
}
