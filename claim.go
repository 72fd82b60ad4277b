package remuda

import "time"

// Claim is one runner's lease on one attempt of a task; its ID fences every later call.
// Programs send and read it, so unknown members are ignored.
type Claim struct {
	ID              string    `json:"id"`
	Attempt         int       `json:"attempt" doc:"From 1"`
	Task            ClaimTask `json:"task"`
	Payload         Payload   `json:"payload" doc:"What the implementation carries out, in its own shape"`
	Token           string    `json:"token,omitempty" doc:"The task token: reports for this attempt and nothing else"`
	Sealed          []byte    `json:"sealed,omitempty" doc:"The job's secrets by name as a JSON object, sealed to the runner's public key: HPKE (X25519, HKDF-SHA256, AES-256-GCM), the claim's id as info. Absent when it has none"`
	Timeout         Duration  `json:"timeout" doc:"How long this attempt may run"`
	CancelGrace     Duration  `json:"cancel_grace" doc:"From TERM to KILL"`
	OutputLimit     int64     `json:"output_limit" doc:"Bytes of output that are kept"`
	Begun           bool      `json:"begun,omitempty" doc:"It was delivered before and has begun: adopt it or give it up, never start it again"`
	CancelRequested bool      `json:"cancel_requested,omitempty"`
	ClaimedAt       time.Time `json:"claimed_at"`
}

// ClaimTask is what a runner and its agent know of the task.
type ClaimTask struct {
	ID             string `json:"id"`
	JobID          string `json:"job_id"`
	Name           string `json:"name"`
	Organization   string `json:"organization"`
	Project        string `json:"project"`
	SubmittedBy    string `json:"submitted_by"`
	Source         Source `json:"source,omitzero"`
	ResourceClass  string `json:"resource_class"`
	Implementation string `json:"implementation"`
	Index          int    `json:"index"`
	Total          int    `json:"total"`
}

// Begin asks for leave to execute: nothing of the user's runs before it is granted.
type Begin struct {
	_     struct{} `json:"-" additionalProperties:"true"`
	Steps []Step   `json:"steps" maxItems:"1000" doc:"All steps, in order"`
}

// Begun grants a Begin.
type Begun struct {
	BegunAt time.Time `json:"begun_at"`
}

// Chunk is a piece of a step's output at an offset.
type Chunk struct {
	Step   int    `json:"step"`
	Offset int64  `json:"offset" doc:"Of its first byte in the step's stream"`
	Source int64  `json:"-"`
	Data   []byte `json:"data"`
}

// StreamState is what the control plane holds of a step's stream: the answer to every append.
// A chunk that does not start at Length changes nothing; the sender goes on from this state.
type StreamState struct {
	Length    int64 `json:"length" doc:"Bytes held"`
	Source    int64 `json:"source" doc:"How many bytes of the unfiltered spool file they stand for"`
	Closed    bool  `json:"closed,omitempty"`
	Following bool  `json:"following,omitempty" doc:"Someone watches: send every 200 ms; every second otherwise"`
}

// StreamClose ends a step's stream.
type StreamClose struct {
	_        struct{} `json:"-" additionalProperties:"true"`
	Length   int64    `json:"length" minimum:"0" doc:"Bytes in all"`
	Checksum uint32   `json:"checksum,omitempty" doc:"CRC-32C of them; 0 when the closer did not see them all"`
}

// ClaimResult is how the task of one claim ended.
type ClaimResult struct {
	_      struct{} `json:"-" additionalProperties:"true"`
	Claim  string   `json:"claim" doc:"The claim's id"`
	Result Result   `json:"result"`
}

// Refused is one of several things that was not done, and why.
type Refused struct {
	Claim  string `json:"claim" doc:"The claim's id"`
	Kind   Kind   `json:"kind" doc:"As in problem documents"`
	Detail string `json:"detail"`
}

// Return hands a claim back: the runner could not carry it out, which says nothing about the task.
type Return struct {
	_        struct{} `json:"-" additionalProperties:"true"`
	Detail   string   `json:"detail" maxLength:"4096" doc:"What went wrong on the runner"`
	Draining bool     `json:"draining,omitempty" doc:"Handed back since the runner takes nothing new, as when it drains: not counted as an attempt"`
}
