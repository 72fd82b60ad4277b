package server

import "github.com/danielgtaylor/huma/v2"

// text is what people read about an operation.
type text struct {
	tag         string
	summary     string
	description string
	example     string // of the request's body, as JSON
}

const activityText = `One item for each step of the span of time, also when nothing ended in it, of the tasks that the token may see. The span begins and ends with whole steps; the last one may still be under way. A wait lasts from when a task was submitted until it was claimed last. What is told may be 2 s old.`

const introduction = `The native API of a Remuda control plane: organizations and their namespaces, projects, resource classes, tokens, runners, tasks and events; and what runners and task-agents say.

Send a token as ` + "`Authorization: Bearer rmd_…`" + `. Each operation names the door at which it stands: people and their programs use a userToken, a registered runner its runnerToken, the task-agent of a claim its taskToken.

What fails is answered with a problem document (RFC 9457): kind is for programs, detail is a sentence that says what to do. Requests of people with an unknown member are refused, with its place and the nearest known name; unknown members that runners and agents send are ignored. What is no valid request of HTTP, or has more than 64 KiB of headers, is answered in plain text by the HTTP library (400, 431, 501, 505), before it is known what was asked for; the connection ends with it.

Lists come in pages: give next of one answer as cursor of the next call. Lengths of time are written as 90s, 10m, 5h or 2d.`

func tags() []*huma.Tag {
	return []*huma.Tag{
		{Name: "organizations", Description: "Who owns everything below them."},
		{Name: "namespaces", Description: "Unique names that organizations claim, at most one each: the first part of every resource class's name."},
		{Name: "projects", Description: "What fairness, limits and fork policy count by."},
		{Name: "resource classes", Description: "The labels that tasks ask for, and the pools of runners that serve them."},
		{Name: "tokens", Description: "Credentials of runners' classes, of people and of programs."},
		{Name: "runners", Description: "The machines that carry out tasks."},
		{Name: "tasks", Description: "Work: submitted, watched, cancelled, repeated."},
		{Name: "definitions", Description: "Templates of building blocks, and their versions."},
		{Name: "blocks", Description: "Building blocks: ordered, changed, watched, destroyed."},
		{Name: "runs", Description: "What is done to a block: one APPLY, DETECT, DESTROY or MAINTENANCE each. A run is a task."},
		{Name: "states", Description: "What OpenTofu knows of a block, its versions and its lock."},
		{Name: "integrations", Description: "Other platforms whose pipelines carry out runs, with credentials."},
		{Name: "tenants", Description: "Places of projects on platforms, to which blocks may belong."},
		{Name: "runner entries", Description: "Resource classes that another system's runners serve."},
		{Name: "events", Description: "What changed, in order."},
		{Name: "claims", Description: "What the holder of a lease on one attempt of a task says."},
		{Name: "instance", Description: "This control plane itself."},
	}
}

// texts has every operation by its id.
var texts = map[string]text{
	"list-organizations":  {tag: "organizations", summary: "List organizations", description: "Those that the token may see."},
	"create-organization": {tag: "organizations", summary: "Create an organization", description: "For the instance's administrator.", example: `{"name": "acme", "vcs_name": "Acme-Inc", "task_limit": 20}`},
	"show-organization":   {tag: "organizations", summary: "Show an organization"},
	"change-organization": {tag: "organizations", summary: "Change an organization", description: "Members that are not said stay as they are.", example: `{"task_limit": 40}`},
	"delete-organization": {tag: "organizations", summary: "Delete an organization", description: "Refused while it owns something."},
	"suggest-namespace":   {tag: "organizations", summary: "Suggest a namespace", description: "The name that the organization has on its version control host, in lower case."},

	"list-namespaces":    {tag: "namespaces", summary: "List namespaces", description: "Those that the token may see."},
	"claim-namespace":    {tag: "namespaces", summary: "Claim a namespace", description: "An organization has at most one, and cannot change it: only the instance's administrator can.", example: `{"name": "acme", "organization": "acme"}`},
	"show-namespace":     {tag: "namespaces", summary: "Show a namespace"},
	"delete-namespace":   {tag: "namespaces", summary: "Delete a namespace", description: "Refused while resource classes carry it."},
	"transfer-namespace": {tag: "namespaces", summary: "Give a namespace to another organization", description: "For the instance's administrator; written to the events.", example: `{"organization": "acme-labs"}`},
	"rename-namespace":   {tag: "namespaces", summary: "Rename a namespace", description: "For the instance's administrator; written to the events. Its resource classes are renamed with it.", example: `{"name": "acme-labs"}`},

	"list-projects":  {tag: "projects", summary: "List an organization's projects"},
	"create-project": {tag: "projects", summary: "Create a project", description: "A submission that names a new project makes it too, with what is usual.", example: `{"name": "app", "visibility": "private", "weight": 2}`},
	"show-project":   {tag: "projects", summary: "Show a project"},
	"change-project": {tag: "projects", summary: "Change a project", description: "Members that are not said stay as they are.", example: `{"task_limit": 5}`},
	"delete-project": {tag: "projects", summary: "Delete a project", description: "Refused while tasks of it have not ended."},

	"list-resource-classes": {tag: "resource classes", summary: "List resource classes", description: "Those that the token may see, with how many tasks wait and run and how many runners are connected."},
	"create-resource-class": {tag: "resource classes", summary: "Create a resource class", description: "In a namespace of the caller's organization.", example: `{"name": "acme/linux", "description": "Linux with 8 cores", "task_limit": 50}`},
	"show-resource-class":   {tag: "resource classes", summary: "Show a resource class"},
	"change-resource-class": {tag: "resource classes", summary: "Change a resource class", description: "Members that are not said stay as they are.", example: `{"access": "some", "organizations": ["acme-labs"]}`},
	"delete-resource-class": {tag: "resource classes", summary: "Delete a resource class", description: "Refused while it has tokens, unless forced, and always while it has tasks that have not ended."},
	"show-scaling":          {tag: "resource classes", summary: "Tell how much there is to do for a class's runners", description: "For whoever starts and stops them, such as KEDA's metrics-api scaler with `valueLocation: runnable`. The class's owner sees it with the role viewer, and a class token sees its own class."},

	"list-tokens":  {tag: "tokens", summary: "List tokens", description: "Without the secrets: those are shown once, when they are made."},
	"create-token": {tag: "tokens", summary: "Create a token", description: "The answer has the secret. It is shown here and never again: only its hash is kept.", example: `{"kind": "class", "nickname": "build machines", "resource_class": "acme/linux"}`},
	"revoke-token": {tag: "tokens", summary: "Revoke a token", description: "It opens nothing from now on. Revoking a class token stops registrations and new claims by it, never tasks that run. A single-use token that was used is not revoked by that: its runner goes on."},

	"register-runner": {tag: "runners", summary: "Register a runner", description: "The class tokens in the body are the credential. The answer has the runner's own token, shown once.", example: `{"tokens": ["rmd_cls_…"], "name": "builder-1", "version": "0.1.0", "slots": 2, "capabilities": ["job"], "public_key": "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="}`},
	"list-runners":    {tag: "runners", summary: "List runners"},
	"show-runner":     {tag: "runners", summary: "Show a runner", description: "With the claims that it holds."},
	"pause-runner":    {tag: "runners", summary: "Pause a runner", description: "It finishes what it has and takes nothing new until it is resumed."},
	"resume-runner":   {tag: "runners", summary: "Resume a runner", description: "It takes tasks again: one that was paused, or that is in quarantine and whose self-check passes."},
	"drain-runner":    {tag: "runners", summary: "Drain a runner", description: "It finishes what it has, takes nothing new, and exits."},
	"sync-runner":     {tag: "runners", summary: "Ask for work and orders", description: "The runner's one open request. It is held up to 10 s while the runner holds claims, up to 50 s otherwise, and answered as soon as there is anything to say. Its arrival extends all claims that the runner holds.", example: `{"holding": [], "ready": true}`},
	"goodbye-runner":  {tag: "runners", summary: "Say goodbye", description: "The runner ends: what it still holds goes back to the queue or is lost, as its task says."},

	"submit-job":    {tag: "tasks", summary: "Submit a job", description: "Makes its tasks, one for each of parallelism. With an Idempotency-Key it can be sent again without harm when the answer was lost.", example: `{"name": "hello", "resource_class": "acme/linux", "job": {"steps": [{"run": {"command": "echo hello"}}]}}`},
	"list-tasks":    {tag: "tasks", summary: "List tasks", description: "The newest first."},
	"show-task":     {tag: "tasks", summary: "Show a task", description: "With its attempts and their steps."},
	"cancel-task":   {tag: "tasks", summary: "Cancel a task", description: "One that waits ends at once; one that runs ends when its runner has ended it."},
	"retry-task":    {tag: "tasks", summary: "Repeat a task", description: "Submits a new task that is like it, with retry_of. Only a task that has ended can be repeated."},
	"explain-task":  {tag: "tasks", summary: "Tell why a task waits", description: "One sentence for each reason, the one to act on first."},
	"show-activity": {tag: "tasks", summary: "Tell what came to an end lately", description: activityText},
	"read-output":   {tag: "tasks", summary: "Read a task's output", description: outputText},

	"list-definitions":  {tag: "definitions", summary: "List definitions", description: "Those that the token may see, the newest first."},
	"create-definition": {tag: "definitions", summary: "Create a definition", description: "With its version 1, an empty draft: change that one next.", example: `{"name": "Object storage", "description": "A bucket with a user of its own", "access": "all", "run_transparency": true}`},
	"show-definition":   {tag: "definitions", summary: "Show a definition"},
	"change-definition": {tag: "definitions", summary: "Change a definition", description: "Replaces all that its owner said of it; what its versions say stays.", example: `{"name": "Object storage", "access": "some", "organizations": ["acme-labs"]}`},
	"delete-definition": {tag: "definitions", summary: "Delete a definition", description: "Refused while a block of it is left."},
	"list-versions":     {tag: "definitions", summary: "List a definition's versions", description: "Those that the token may see, the newest first."},
	"create-version":    {tag: "definitions", summary: "Create the next version", description: "A draft. " + versionText, example: versionExample},
	"show-version":      {tag: "definitions", summary: "Show a version"},
	"change-version":    {tag: "definitions", summary: "Change a draft", description: "Replaces all that it says; a released version is frozen. " + versionText, example: versionExample},
	"delete-version":    {tag: "definitions", summary: "Delete a version", description: "Refused while a block is of it, and for the only one."},
	"release-version":   {tag: "definitions", summary: "Release a version", description: "It is frozen from now on, and new orders are of it unless they say another."},

	"list-blocks":     {tag: "blocks", summary: "List building blocks", description: "Those that the token may see, the newest first: of its own organization, and of definitions that this owns."},
	"order-block":     {tag: "blocks", summary: "Order a building block", description: "Its APPLY is queued as soon as every input has a value. With an Idempotency-Key it can be sent again without harm when the answer was lost. Everything that is wrong with the order is in one answer.", example: `{"name": "uploads", "definition": "0192f0c1-7a3e-7000-8000-5f0d1c2b3a49", "inputs": {"region": {"value": "eu-1"}, "password": {"secret": "correct horse"}}}`},
	"show-block":      {tag: "blocks", summary: "Show or follow a building block", description: followText},
	"change-block":    {tag: "blocks", summary: "Change a building block", description: "What is not said stays. Another version, input or parent queues an APPLY; another name alone does not.", example: `{"inputs": {"region": {"value": "eu-2"}}}`},
	"delete-block":    {tag: "blocks", summary: "Delete a building block", description: "Queues a DESTROY, after whose success the block is deleted; it stays readable. Refused while it has children."},
	"list-block-runs": {tag: "runs", summary: "List a block's runs", description: "Those that the token may see, the newest first."},
	"run-block":       {tag: "runs", summary: "Queue a run of a block", description: "One that changes nothing of what was ordered. A block has one live run: another APPLY meanwhile becomes the one that follows it.", example: `{"behavior": "DETECT"}`},
	"list-runs":       {tag: "runs", summary: "List runs", description: "Those that the token may see, the newest first."},
	"show-run":        {tag: "runs", summary: "Show a run", description: "Its steps and its output are its task's."},
	"read-plan":       {tag: "runs", summary: "Read the plan that a DETECT saved", description: "As OpenTofu wrote it. For the definition's owner."},
	"approve-run":     {tag: "runs", summary: "Approve a plan", description: "Queues an APPLY of that very plan. A conflict when something happened since: then it is stale, and a new one must be made."},
	"reject-run":      {tag: "runs", summary: "Reject a plan", description: "Nothing is applied."},
	"abort-run":       {tag: "runs", summary: "Abort a run", description: "Cancels its task and releases the lock that it holds on the block's state."},
	"finish-run":      {tag: "runs", summary: "Say how a manual run ended", description: "By the definition's owner.", example: `{"status": "succeeded", "outputs": {"address": {"value": "10.0.0.7"}}}`},

	"list-states":        {tag: "states", summary: "List the versions of a block's state", description: "The newest first."},
	"read-state-version": {tag: "states", summary: "Read a version of a block's state", description: "As OpenTofu wrote it, secrets included: for operators of the definition's owner, and written to the events."},
	"roll-back-state":    {tag: "states", summary: "Roll a block's state back", description: "Makes an earlier version the current one, as a new version. For operators of the definition's owner."},
	"show-lock":          {tag: "states", summary: "Tell who holds the lock on a block's state"},
	"force-unlock":       {tag: "states", summary: "Take the lock on a block's state from its holder", description: "For operators of the definition's owner; written to the events."},

	"list-integrations":   {tag: "integrations", summary: "List integrations"},
	"create-integration":  {tag: "integrations", summary: "Create an integration", example: `{"name": "GitHub", "type": "github", "url": "https://api.github.com", "owner": "acme", "app_id": "12345", "credential": {"secret": "-----BEGIN RSA PRIVATE KEY-----…"}}`},
	"show-integration":    {tag: "integrations", summary: "Show an integration"},
	"change-integration":  {tag: "integrations", summary: "Change an integration", description: "Replaces all that it says; a credential that is absent, or given by its hash, stays.", example: `{"name": "GitLab", "type": "gitlab", "url": "https://gitlab.example.com"}`},
	"delete-integration":  {tag: "integrations", summary: "Delete an integration", description: "Refused while a version names it."},
	"list-tenants":        {tag: "tenants", summary: "List tenants"},
	"create-tenant":       {tag: "tenants", summary: "Create a tenant", example: `{"organization": "acme", "project": "app", "platform": "aws.eu", "platform_id": "123456789012"}`},
	"show-tenant":         {tag: "tenants", summary: "Show a tenant"},
	"delete-tenant":       {tag: "tenants", summary: "Delete a tenant", description: "Refused while blocks belong to it."},
	"list-runner-entries": {tag: "runner entries", summary: "List runner entries"},
	"create-runner-entry": {tag: "runner entries", summary: "Create a runner entry", description: "With its resource class, whose name is made of the organization's namespace and the display name.", example: `{"display_name": "Our runners", "implementation": "TERRAFORM", "restricted": true}`},
	"show-runner-entry":   {tag: "runner entries", summary: "Show a runner entry"},
	"change-runner-entry": {tag: "runner entries", summary: "Change a runner entry", description: "Replaces all that it says.", example: `{"display_name": "Our runners", "implementation": "ALL"}`},
	"delete-runner-entry": {tag: "runner entries", summary: "Delete a runner entry", description: "With its resource class."},

	"list-events": {tag: "events", summary: "List events", description: "With `Accept: text/event-stream` it stays open and sends each event as it is written: `event: event`, its id, and the same JSON as data."},

	"begin-claim":   {tag: "claims", summary: "Ask for leave to execute", description: "Nothing of the user's runs before this is granted. Repeating it is harmless.", example: `{"steps": [{"number": 0, "name": "echo hello", "state": "pending"}]}`},
	"report-steps":  {tag: "claims", summary: "Report where steps stand", example: `{"steps": [{"number": 0, "name": "echo hello", "state": "succeeded", "exit_code": 0}]}`},
	"show-stream":   {tag: "claims", summary: "Ask what is held of a step's output", description: "Whoever sends output goes on from here."},
	"append-output": {tag: "claims", summary: "Append a chunk to a step's output", description: "A chunk that does not start at the length held changes nothing. Either way the answer says what is held, so that sending a chunk again is harmless and a gap impossible."},
	"close-stream":  {tag: "claims", summary: "Close a step's output", description: "Says how long it is in all.", example: `{"length": 6}`},

	"read-state":      {tag: "claims", summary: "Read the state of the run's block", description: "As OpenTofu wrote it; 404 when the block has none."},
	"write-state":     {tag: "claims", summary: "Write the state of the run's block", description: "Keeps a new version. While the run holds the lock, any state is taken; without a lock, only one of the same lineage with a greater serial. The same text again changes nothing."},
	"delete-state":    {tag: "claims", summary: "Leave the run's block without a state", description: "Earlier versions are kept."},
	"lock-state":      {tag: "claims", summary: "Take the lock on the state of the run's block", description: "Taking it again with the same id is granted again. It is released when the run ends.", example: `{"ID": "0d5e8a1c-2f7b-4c19-9a3e-61b7d2c40f58", "Operation": "OperationTypeApply", "Who": "run"}`},
	"unlock-state":    {tag: "claims", summary: "Give the lock back", description: "One that is not held any more is given back already."},
	"save-plan":       {tag: "claims", summary: "Save the plan of a DETECT", description: "For the APPLY that may follow."},
	"read-saved-plan": {tag: "claims", summary: "Read the plan that an APPLY is to apply", description: "404 when it is to make its own."},
	"show-run-token":  {tag: "claims", summary: "Read by what others may report of a run", description: "Of a run whose version is asynchronous: what it sets going says how it ended. 403 for others."},
	"report-run":      {tag: "claims", summary: "Say what a run planned, did and gives", description: "Each call replaces what it carries; what it does not carry stays.", example: `{"changes": true, "outputs": {"address": {"type": "string", "value": "10.0.0.7"}}}`},

	"finish-claim":  {tag: "claims", summary: "Say how a task ended", description: "By the runner, when the process tree is dead and the folder clean. Repeated with the same result it answers as the first time; another result is a conflict.", example: `{"state": "succeeded"}`},
	"finish-claims": {tag: "claims", summary: "Say how several tasks ended", description: "Each as if it were said by itself; what is refused of them is named in the answer. A runner whose tasks end faster than one call after the other could say so sends those that wait together.", example: `{"results": [{"claim": "0199e1a0-0000-7000-8000-00000000000a", "result": {"state": "succeeded"}}]}`},
	"return-claim":  {tag: "claims", summary: "Hand a claim back", description: "The runner could not carry it out, which says nothing about the task: it is queued again, or fails when its attempts are used up.", example: `{"detail": "the disk is full"}`},

	"whoami":       {tag: "instance", summary: "Tell who the token acts for"},
	"version":      {tag: "instance", summary: "Tell which version runs here"},
	"openapi-json": {tag: "instance", summary: "This document as JSON"},
	"openapi-yaml": {tag: "instance", summary: "This document as YAML"},
	"docs":         {tag: "instance", summary: "This document as a page to read"},
	"healthz":      {tag: "instance", summary: "Tell that the process is alive"},
	"readyz":       {tag: "instance", summary: "Tell whether requests should be sent here", description: "503 when the store cannot be used, or the server is stopping."},
	"metrics":      {tag: "instance", summary: "Metrics in Prometheus' text format", description: "Asks for an admin token, unless the server was told to show them to everybody: the names of classes, and how busy they are, tell more than a stranger should know."},
}

const outputText = "As `text/plain`: the bytes from the offset on, as they were written. With `follow=true` it stays open until the task has ended. A marker in brackets stands where output is not kept.\n\n" +
	"As `text/event-stream`: `event: task` with the task as JSON, at once and whenever it or its steps change; `event: output` with `{\"step\", \"offset\", \"data\"}`, data in base64, its id being `attempt:offset` of the byte after it; `event: skipped` with `{\"from\", \"next\"}` where output is not kept, and `\"removed_at\"` where retention removed it; and `event: end` when the task has ended and all was sent. Comments keep the connection open. Send the last id as `Last-Event-ID` to go on without a gap or a repetition."

const followText = "As JSON, it is answered at once. With `Accept: text/event-stream` it stays open: `event: block` with the block as JSON, at once and whenever it changes; `event: run` with its latest APPLY or DETECT, likewise; and `event: end` when the block is deleted. A run's output is that of its task."

const versionText = "All inputs and outputs go by key. A secret is given as `{\"secret\": …}`, answered as `{\"hash\": …}`, and kept by sending that hash back."

const versionExample = `{"resource_class": "acme/linux", "implementation": {"type": "opentofu", "opentofu": {"version": "1.10.10", "repository": "https://git.example.com/blocks.git", "path": "bucket", "ref": "main"}}, "inputs": {"region": {"type": "single_select", "assignment": "user", "choices": ["eu-1", "eu-2"]}, "password": {"type": "string", "assignment": "user", "sensitive": true}}, "outputs": {"address": {"type": "string", "assignment": "resource_url"}}}`
