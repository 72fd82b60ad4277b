package remuda

import "time"

// RunnerState is what one sees of a runner.
type RunnerState string

// The states of a runner, computed from its last sync, its claims and its orders.
const (
	RunnerIdle        RunnerState = "idle"
	RunnerBusy        RunnerState = "busy"
	RunnerDraining    RunnerState = "draining"    // finishes what it has, takes nothing new
	RunnerPaused      RunnerState = "paused"      // told to take nothing new until resumed
	RunnerQuarantined RunnerState = "quarantined" // takes nothing new since it finds itself unfit to
	RunnerSilent      RunnerState = "silent"      // no sign for 30 s
	RunnerLost        RunnerState = "lost"        // no sign for 12 h, or it said goodbye
)

// Runner is one running machine runner or container runner.
type Runner struct {
	ID              string      `json:"id"`
	Name            string      `json:"name"`
	Hostname        string      `json:"hostname"`
	ResourceClasses []string    `json:"resource_classes"`
	Version         string      `json:"version"`
	OS              string      `json:"os"`
	Arch            string      `json:"arch"`
	IP              string      `json:"ip"`
	Slots           int         `json:"slots" doc:"How many tasks it carries out at once"`
	Busy            int         `json:"busy" doc:"Claims that it holds"`
	Capabilities    []string    `json:"capabilities"`
	State           RunnerState `json:"state" enum:"idle,busy,draining,paused,quarantined,silent,lost"`
	Reason          string      `json:"reason,omitempty" doc:"Why it takes nothing new, in its own words"`
	Claims          []string    `json:"claims,omitempty" doc:"Only where one runner is shown"`
	RegisteredAt    time.Time   `json:"registered_at"`
	LastSeenAt      time.Time   `json:"last_seen_at"`
	LastUsedAt      *time.Time  `json:"last_used_at,omitempty" doc:"When it last claimed"`
}

// Registration is how a runner introduces itself. The class tokens are its credential.
type Registration struct {
	_            struct{} `json:"-" additionalProperties:"true"`
	Tokens       []Secret `json:"tokens" minItems:"1" maxItems:"64" doc:"Class tokens; write-only"`
	Name         string   `json:"name" minLength:"1" maxLength:"200"`
	Hostname     string   `json:"hostname,omitempty" maxLength:"255"`
	Version      string   `json:"version,omitempty" maxLength:"100"`
	OS           string   `json:"os,omitempty" maxLength:"50"`
	Arch         string   `json:"arch,omitempty" maxLength:"50"`
	Slots        int      `json:"slots,omitempty" minimum:"0" maximum:"10000" doc:"1 when 0"`
	Capabilities []string `json:"capabilities,omitempty" maxItems:"100" doc:"Implementations and features, such as job, docker"`
	PublicKey    []byte   `json:"public_key" doc:"X25519, 32 bytes: secrets are sealed to it"`
}

// Registered is the answer to a Registration. The token is shown once.
type Registered struct {
	ID              string   `json:"id"`
	Token           string   `json:"token" doc:"The runner token: syncs, finishes and returns"`
	ResourceClasses []string `json:"resource_classes"`
}

// Sync is the runner's one open request: what it has, and whether it takes more.
type Sync struct {
	_           struct{} `json:"-" additionalProperties:"true"`
	Holding     []string `json:"holding" maxItems:"10000" doc:"Ids of the claims that it has"`
	Canceling   []string `json:"canceling,omitempty" maxItems:"10000" doc:"Those of them that it knows to be cancelled"`
	Ready       bool     `json:"ready" doc:"Whether it takes new claims"`
	Most        int      `json:"most,omitempty" minimum:"0" doc:"How many new claims it takes at most; 0 for as many as it has free slots"`
	Reason      string   `json:"reason,omitempty" maxLength:"1000" doc:"Why not, or not more, in a sentence"`
	Draining    bool     `json:"draining,omitempty" doc:"It drains; the answer comes at once when the server did not know"`
	Again       bool     `json:"again,omitempty" doc:"It was answered or registered since it started: a drain that is known holds, since a request that says otherwise is an older one that came late"`
	Life        string   `json:"life,omitempty" maxLength:"64" doc:"Tells this start of the runner from others: one that has drained takes nothing more until it is started anew, whatever an older request says that comes late"`
	Quarantined bool     `json:"quarantined,omitempty" doc:"It finds itself unfit: tasks could not be started on it, or its self-check fails"`
	Resumed     int64    `json:"resumed,omitempty" doc:"The last order to leave quarantine that it has carried out, by its number"`
}

// SyncAnswer comes as soon as there is anything to say, or empty when the hold is over.
type SyncAnswer struct {
	Claims  []Claim  `json:"claims,omitempty" doc:"New ones, and live ones that the runner did not name"`
	Cancel  []string `json:"cancel,omitempty" doc:"Claims to cancel that the runner does not know to be cancelled"`
	Lost    []string `json:"lost,omitempty" doc:"Names that are not the runner's any more: end them, say nothing"`
	Drain   bool     `json:"drain,omitempty" doc:"Take nothing new, finish what you have, then exit"`
	Refused string   `json:"refused,omitempty" doc:"Why it gets nothing new, in a sentence: its version is too far from that of the control plane"`
	Resume  int64    `json:"resume,omitempty" doc:"The number of an operator's order to leave quarantine, until the runner says that it resumed"`
	Spread  Duration `json:"spread,omitempty" doc:"When the control plane goes away, come back at any time within this, lest all runners come at once"`
}
