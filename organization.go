package remuda

import "time"

// Organization is the owner of everything below it.
type Organization struct {
	Name      string    `json:"name" doc:"Unique; a-z, 0-9 and '-'"`
	VCSName   string    `json:"vcs_name,omitempty" maxLength:"200" doc:"Its name on its version control host; suggests the namespace"`
	Namespace string    `json:"namespace,omitempty" doc:"The one that it claimed"`
	TaskLimit int       `json:"task_limit" minimum:"0" doc:"How many of its tasks run at once; 0 for no limit"`
	Running   int       `json:"running"`
	CreatedAt time.Time `json:"created_at"`
}

// Namespace is a unique name that one organization claims, at most one each.
type Namespace struct {
	Name         string    `json:"name"`
	Organization string    `json:"organization"`
	CreatedAt    time.Time `json:"created_at"`
}

// Project is what fairness, limits and fork policy count by.
type Project struct {
	Name         string    `json:"name"`
	Organization string    `json:"organization"`
	Visibility   string    `json:"visibility" enum:"private,public"`
	BuildsForks  bool      `json:"builds_forks"`
	TaskLimit    int       `json:"task_limit" minimum:"0" doc:"How many of its tasks run at once; 0 for no limit"`
	Weight       int       `json:"weight" minimum:"1" maximum:"1000" doc:"Its share beside other projects; 1 when nothing is said"`
	Running      int       `json:"running"`
	CreatedAt    time.Time `json:"created_at"`
}

// Access says which organizations may use a resource class beside its owner.
type Access string

// The accesses of a resource class.
const (
	AccessOwner Access = "owner"
	AccessSome  Access = "some" // those listed
	AccessAll   Access = "all"  // a hosted class
)

// ResourceClass is the label that a task asks for, and the pool of runners that serves it.
type ResourceClass struct {
	Name          string    `json:"name" doc:"namespace/name"`
	Organization  string    `json:"organization" doc:"Its owner"`
	Description   string    `json:"description,omitempty" maxLength:"1000"`
	Access        Access    `json:"access" enum:"owner,some,all"`
	Organizations []string  `json:"organizations,omitempty" maxItems:"1000" doc:"Who may use it when access is 'some'"`
	TaskLimit     int       `json:"task_limit" minimum:"0" doc:"How many tasks run on it at once; 0 for no limit"`
	AllowForks    bool      `json:"allow_forks" doc:"Whether public projects that build forks may use it"`
	LostAfter     Duration  `json:"lost_after,omitempty" doc:"How long a runner may be silent; 10m when empty"`
	Queued        int       `json:"queued"`
	Running       int       `json:"running"`
	Runners       int       `json:"runners" doc:"Connected ones"`
	CreatedAt     time.Time `json:"created_at"`
}

// Scaling is what whoever starts and stops runners needs to know of a resource class.
type Scaling struct {
	ResourceClass string `json:"resource_class" doc:"namespace/name"`
	Queued        int    `json:"queued" doc:"Tasks that wait"`
	Runnable      int    `json:"runnable" doc:"Of them, those for which limits, access and fork policy leave room: they wait for a runner alone"`
	Running       int    `json:"running" doc:"Tasks that run"`
	OldestAge     int    `json:"oldest_age" doc:"For how many seconds the oldest of the tasks that are next in line has waited; 0 when none waits"`
	Idle          int    `json:"idle" doc:"Free slots of the runners that take tasks"`
	Capacity      int    `json:"capacity" doc:"All their slots. Those of runners that are silent, paused, draining or in quarantine do not count; a runner of several classes counts in each"`
}

// TokenKind says at which door a token opens.
type TokenKind string

// The kinds of tokens that people make. Runner and task tokens are made by registering and claiming.
const (
	ClassToken        TokenKind = "class"        // lets runners register for one class
	OrganizationToken TokenKind = "organization" // acts for a person or program in one organization, by role
	AdminToken        TokenKind = "admin"        // acts for the instance's administrator
	APIKey            TokenKind = "api-key"      // acts for a program in one organization, by permissions; its id is the client id
)

// Role is what an organization token may do.
type Role string

// The roles, each including the ones before it.
const (
	RoleViewer Role = "viewer" // reads
	RoleMember Role = "member" // submits, cancels, retries
	RoleAdmin  Role = "admin"  // classes, tokens, projects, runners
)

// Token is a credential. Only its hash is stored; Token is filled once, in the answer that made it.
type Token struct {
	ID            string     `json:"id"`
	Kind          TokenKind  `json:"kind" enum:"class,organization,admin,api-key"`
	Nickname      string     `json:"nickname"`
	ResourceClass string     `json:"resource_class,omitempty"`
	Organization  string     `json:"organization,omitempty"`
	Role          Role       `json:"role,omitempty" enum:"viewer,member,admin"`
	Token         string     `json:"token,omitempty" doc:"The secret, shown once"`
	SingleUse     bool       `json:"single_use,omitempty" doc:"Of a class token: it registers one runner, once"`
	ExpiresAt     *time.Time `json:"expires_at,omitempty" doc:"Of a class token: it registers nobody from then on; its runners go on. Of an API key: it opens nothing from then on"`
	Permissions   []string   `json:"permissions,omitempty" doc:"Of an API key: what it may do"`
	UsedAt        *time.Time `json:"used_at,omitempty" doc:"When a single-use token was used up"`
	UsedBy        string     `json:"used_by,omitempty" doc:"The id of the runner that a single-use token registered"`
	CreatedAt     time.Time  `json:"created_at"`
	CreatedBy     string     `json:"created_by"`
	LastUsedAt    *time.Time `json:"last_used_at,omitempty"`
}

// Event is one transition, written in the transaction that made it. Blocks, pipelines, webhooks and audit read on
// from the last ID that they saw.
type Event struct {
	ID           int64     `json:"id" doc:"Ascending"`
	Type         string    `json:"type" doc:"noun.verb, such as task.finished"`
	Organization string    `json:"organization,omitempty"`
	Subject      string    `json:"subject" doc:"Id or name of what changed"`
	Actor        string    `json:"actor" doc:"Who did it"`
	Detail       string    `json:"detail,omitempty"`
	At           time.Time `json:"at"`
	Address      string    `json:"address,omitempty" doc:"From where it was asked for; told to admins alone, and absent of what nobody asked for"`
}

// Page is one part of a list, and where the next one starts.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"Cursor of the next page; absent on the last"`
}
