package remuda

import (
	"encoding/json"
	"regexp"
	"time"
)

// State is where a task stands. The moves between states are a table in internal/control; nothing else changes one.
type State string

// The states of a task. The last four are never left.
const (
	Waiting   State = "waiting" // for other jobs, or for what it lacks
	Queued    State = "queued"
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Canceled  State = "canceled"
	Skipped   State = "skipped" // what it needed failed
)

// Ended is true for the states that are never left.
func (s State) Ended() bool {
	return s == Succeeded || s == Failed || s == Canceled || s == Skipped
}

// Reason says why a task failed; the list is closed.
type Reason string

// The reasons of failure.
const (
	ReasonStep           Reason = "step"           // a step of the user's failed
	ReasonTimeout        Reason = "timeout"        // it waited or ran for too long
	ReasonConfig         Reason = "config"         // what was submitted cannot be carried out
	ReasonPolicy         Reason = "policy"         // the class, or the machine's operator, refuses it
	ReasonInfrastructure Reason = "infrastructure" // the runner could not carry it out, max_attempts times
	ReasonLost           Reason = "lost"           // its runner fell silent after it had begun
)

// Source is the revision that a task is about.
type Source struct {
	Repository string `json:"repository,omitempty" maxLength:"2048" doc:"Clone address, such as https://github.com/acme/app.git"`
	Ref        string `json:"ref,omitempty" maxLength:"1024" doc:"Branch, tag or commit"`
	Fork       bool   `json:"fork,omitempty" doc:"Whether the revision comes from a fork: it then gets no secret"`
}

// HasPassword says whether the address carries one, as https://user:password@host does: everyone who may see the task
// would see it.
func (s Source) HasPassword() bool { return passwordInAddress.MatchString(s.Repository) }

var passwordInAddress = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://[^/@]*:[^/@]*@`)

// Submission is a job as it is asked for: n tasks that differ in their index.
type Submission struct {
	Name             string            `json:"name,omitempty" maxLength:"200" doc:"What people call it; the resource class's name when empty"`
	Organization     string            `json:"organization,omitempty" maxLength:"64" doc:"Who submits; the caller's own organization when empty"`
	Project          string            `json:"project,omitempty" maxLength:"200" doc:"What fairness and limits count by; 'default' when empty, made when new"`
	ResourceClass    string            `json:"resource_class" maxLength:"130" doc:"The pool that is asked for, as namespace/name"`
	Source           Source            `json:"source,omitzero"`
	Job              *Job              `json:"job,omitempty" doc:"The steps of implementation 'job'"`
	Secrets          map[string]Secret `json:"secrets,omitempty" doc:"Values by name: environment variables of the steps, hidden in output. Write-only"`
	Timeout          Duration          `json:"timeout,omitempty" doc:"How long one attempt may run; 1h when empty"`
	QueueTimeout     Duration          `json:"queue_timeout,omitempty" doc:"How long it may wait for a runner; 24h when empty"`
	LostAfter        Duration          `json:"lost_after,omitempty" doc:"How long its runner may be silent once it has begun; the class's, else 10m"`
	CancelGrace      Duration          `json:"cancel_grace,omitempty" doc:"From TERM to KILL when it is cancelled; 10s when empty"`
	MaxAttempts      int               `json:"max_attempts,omitempty" minimum:"0" maximum:"10" doc:"Attempts in all, when infrastructure fails; 3 when 0. A failed step is never repeated"`
	RetryInterrupted bool              `json:"retry_interrupted,omitempty" doc:"Whether an attempt that was lost after it had begun may be repeated"`
	Priority         int               `json:"priority,omitempty" minimum:"-100" maximum:"100" doc:"Higher goes first: one step is worth a minute of waiting"`
	Parallelism      int               `json:"parallelism,omitempty" minimum:"0" maximum:"256" doc:"How many tasks; 1 when 0. Each knows its index and the total"`
	Concurrency      *Concurrency      `json:"concurrency,omitempty" doc:"What else of its project it does not run beside"`
	Capabilities     []string          `json:"capabilities,omitempty" maxItems:"20" doc:"What a runner must have to take it, such as docker"`
}

// Concurrency is the group of a job. A group is of one project, whatever the classes: at most so many tasks of all its
// jobs run at once.
type Concurrency struct {
	Group  string            `json:"group" minLength:"1" maxLength:"200" doc:"Its name in the project, such as deploy-prod; made when new"`
	Limit  int               `json:"limit,omitempty" minimum:"0" maximum:"10000" doc:"How many tasks of it run at once; 1 when 0. What the newest job says holds for all"`
	Policy ConcurrencyPolicy `json:"policy,omitempty" enum:"queue,replace,reject" doc:"What becomes of this job while older tasks of the group have not ended: it waits, it has them cancelled, or it is refused as a conflict; queue when empty"`
}

// ConcurrencyPolicy says what becomes of a job whose group has tasks that have not ended.
type ConcurrencyPolicy string

// The policies.
const (
	ConcurrencyQueue   ConcurrencyPolicy = "queue"   // it waits for its turn
	ConcurrencyReplace ConcurrencyPolicy = "replace" // it has the older ones cancelled, and waits for those that run
	ConcurrencyReject  ConcurrencyPolicy = "reject"  // it is refused
)

// JobSubmitted is what a submission became.
type JobSubmitted struct {
	ID    string `json:"id" doc:"The job"`
	Name  string `json:"name"`
	Tasks []Task `json:"tasks"`
}

// Task is the smallest unit of work: one part of a job.
type Task struct {
	ID               string     `json:"id"`
	JobID            string     `json:"job_id"`
	Name             string     `json:"name"`
	Organization     string     `json:"organization" doc:"Who submitted it; its limits count"`
	Project          string     `json:"project"`
	SubmittedBy      string     `json:"submitted_by"`
	Source           Source     `json:"source,omitzero"`
	ResourceClass    string     `json:"resource_class"`
	Implementation   string     `json:"implementation" doc:"What carries it out, such as job or opentofu"`
	Index            int        `json:"index" doc:"From 0"`
	Total            int        `json:"total"`
	State            State      `json:"state" enum:"waiting,queued,running,succeeded,failed,canceled,skipped"`
	Reason           Reason     `json:"reason,omitempty" enum:"step,timeout,config,policy,infrastructure,lost" doc:"Why it failed"`
	Detail           string     `json:"detail,omitempty" doc:"The same in a sentence"`
	Priority         int        `json:"priority"`
	Timeout          Duration   `json:"timeout"`
	QueueTimeout     Duration   `json:"queue_timeout"`
	LostAfter        Duration   `json:"lost_after"`
	CancelGrace      Duration   `json:"cancel_grace"`
	MaxAttempts      int        `json:"max_attempts"`
	RetryInterrupted bool       `json:"retry_interrupted"`
	CancelRequested  bool       `json:"cancel_requested,omitempty" doc:"It was cancelled; its runner has not said yet that it ended"`
	RetryOf          string     `json:"retry_of,omitempty" doc:"The task that this one repeats"`
	ConcurrencyGroup string     `json:"concurrency_group,omitempty" doc:"The group of its project of which only so many run at once"`
	Capabilities     []string   `json:"capabilities,omitempty" doc:"What a runner must have to take it"`
	RunnerID         string     `json:"runner_id,omitempty" doc:"The runner of its present or last attempt"`
	Runner           string     `json:"runner,omitempty" doc:"That runner's name"`
	SubmittedAt      time.Time  `json:"submitted_at"`
	StartedAt        *time.Time `json:"started_at,omitempty" doc:"When its present or last attempt was claimed"`
	EndedAt          *time.Time `json:"ended_at,omitempty"`
	OutputRemovedAt  *time.Time `json:"output_removed_at,omitempty" doc:"When retention removed its output; the task itself is kept for longer"`
	SilentSince      *time.Time `json:"silent_since,omitempty" doc:"Its runner has given no sign since, for 30 s or more"`
	Attempts         []Attempt  `json:"attempts,omitempty" doc:"Only where one task is shown"`
	Job              *Job       `json:"job,omitempty" doc:"Its steps as submitted, only where one task is shown"`
}

// AttemptState is where one claim of a task stands.
type AttemptState string

// The states of an attempt. Claimed and begun are live; the others are never left.
const (
	AttemptClaimed   AttemptState = "claimed"
	AttemptBegun     AttemptState = "begun"
	AttemptSucceeded AttemptState = "succeeded"
	AttemptFailed    AttemptState = "failed"
	AttemptCanceled  AttemptState = "canceled"
	AttemptReturned  AttemptState = "returned" // handed back by its runner
	AttemptLost      AttemptState = "lost"     // taken from a silent runner
)

// Live is true while the claim may still change its task.
func (s AttemptState) Live() bool { return s == AttemptClaimed || s == AttemptBegun }

// Attempt is one claim of a task. Its id is the claim's.
type Attempt struct {
	ID         string       `json:"id" doc:"The claim's id, which fences every call"`
	Number     int          `json:"number" doc:"From 1"`
	State      AttemptState `json:"state" enum:"claimed,begun,succeeded,failed,canceled,returned,lost"`
	Reason     Reason       `json:"reason,omitempty"`
	Detail     string       `json:"detail,omitempty"`
	RunnerID   string       `json:"runner_id"`
	Runner     string       `json:"runner" doc:"The runner's name"`
	ClaimedAt  time.Time    `json:"claimed_at"`
	BegunAt    *time.Time   `json:"begun_at,omitempty"`
	EndedAt    *time.Time   `json:"ended_at,omitempty"`
	LastSignAt time.Time    `json:"last_sign_at" doc:"The last call under this claim, from runner or agent"`
	Steps      []Step       `json:"steps"`
	Output     int64        `json:"output" doc:"Bytes of output produced so far"`
}

// StepState is where a step stands.
type StepState string

// The states of a step.
const (
	StepPending   StepState = "pending"
	StepRunning   StepState = "running"
	StepSucceeded StepState = "succeeded"
	StepFailed    StepState = "failed"
	StepCanceled  StepState = "canceled"
	StepSkipped   StepState = "skipped" // its `when` did not hold
)

// Ended is true for the states that are never left.
func (s StepState) Ended() bool { return s != StepPending && s != StepRunning }

// Step is a part of a task, with an output stream of its own.
type Step struct {
	_          struct{}   `json:"-" additionalProperties:"true"`
	Number     int        `json:"number" minimum:"0" maximum:"9999" doc:"From 0"`
	Name       string     `json:"name" maxLength:"500"`
	Background bool       `json:"background,omitempty"`
	State      StepState  `json:"state" enum:"pending,running,succeeded,failed,canceled,skipped"`
	ExitCode   *int       `json:"exit_code,omitempty"`
	Detail     string     `json:"detail,omitempty" maxLength:"4096"`
	StartedAt  *time.Time `json:"started_at,omitempty"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
}

// Result is how a task ended, as its runner says it. An error is not a result: it hands the task back.
type Result struct {
	_      struct{} `json:"-" additionalProperties:"true"`
	State  State    `json:"state" enum:"succeeded,failed,canceled"`
	Reason Reason   `json:"reason,omitempty" doc:"Why it failed"`
	Detail string   `json:"detail,omitempty" maxLength:"4096"`
	// External is for a run of a building block that goes on without its runner, by what it set going.
	External bool `json:"external,omitempty" doc:"Of one that succeeded: something else reports how the task ends, by the task token, until its timeout"`

	Steps []Step `json:"steps,omitempty" maxItems:"1000" doc:"All steps, in order, as they stood at the end; absent when no agent tells"`
}

// Why answers why a task waits: one sentence each, the most important first.
type Why struct {
	TaskID  string   `json:"task_id"`
	State   State    `json:"state"`
	Reasons []string `json:"reasons" doc:"Sentences, the one to act on first; empty when it does not wait"`
}

// Payload is what an implementation carries out, in its own shape.
type Payload = json.RawMessage
