package architecture

// A layer says which way the arrows of a room may point: wiring → adapters → rules → words.
type layer string

const (
	words    layer = "words"    // what everybody speaks
	tool     layer = "tool"     // one small thing done well; knows nothing of tasks' rules
	public   layer = "public"   // what others build runners and clients from
	rules    layer = "rules"    // what may happen, and when; knows neither HTTP nor SQL
	adapter  layer = "adapter"  // joins the rules, or a public interface, to something outside
	wiring   layer = "wiring"   // main packages, and what two of them share: puts the others together
	watchman layer = "watchman" // tests of the house itself
)

// mayImport is the picture of the house. A layer that is not named for another may not be imported by it.
var mayImport = map[layer][]layer{
	words:    {},
	tool:     {words, tool},
	public:   {words, tool, public},
	rules:    {words, tool, rules},
	adapter:  {words, tool, public, rules, adapter},
	wiring:   {words, tool, public, rules, adapter, wiring},
	watchman: {},
}

// A room is a package of this module. Its purpose is one sentence; a package whose purpose nobody can say in one
// sentence should not exist, so a package that is missing here fails the test.
type room struct {
	layer   layer
	purpose string
}

// rooms has every package by its path below the module, those that are planned included.
var rooms = map[string]room{
	"": {words, "The words that every other room speaks: task, claim, runner, class, result, error, secret."},

	"runner":            {public, "The runner's loop: registers, keeps one request open, hands claims to an Executor, says how they ended."},
	"runner/runnertest": {public, "The suite that an Executor must pass."},
	"agent":             {public, "The task-agent's loop: begins, runs an Implementation, sends its output."},
	"agent/agenttest":   {public, "The suite that an Implementation must pass."},
	"agent/redact":      {public, "Keeps secrets out of a stream, wherever it is cut into chunks."},
	"client":            {public, "Speaks the native API over HTTP for runner, agent and command line."},

	"internal/control":  {rules, "The rules of tasks, and of the organizations, classes, tokens and limits around them."},
	"internal/blocks":   {rules, "The rules of building blocks: definitions, inputs, runs, outputs."},
	"internal/pipeline": {rules, "The rules of CI: a config becomes a graph of jobs."},

	"internal/oidc":       {tool, "Issues and checks identity tokens."},
	"internal/seal":       {tool, "Closes a message so that only the runner that holds a claim can open it."},
	"internal/seal/vault": {tool, "Encrypts what lies at rest and signs, with keys from one file."},
	"internal/archive":    {tool, "The form of a backup: members, rows, their sums, and the key's part."},
	"internal/jobfile":    {tool, "Turns the job file that a person writes into a submission, or says where it is wrong."},
	"internal/yaml":       {tool, "Strict YAML with positions, behind one package."},
	"internal/herd":       {tool, "The load of many runners on a control plane, for tests and bench."},
	"internal/aside":      {tool, "Does deep work on a goroutine of its own, so that one that waits keeps a small stack."},
	"internal/together":   {tool, "Carries out as one what is asked for while others are under way."},
	"internal/journal":    {tool, "Opens the log of a long-running command, and says why one ended."},
	"internal/secretfile": {tool, "Writes a file that only its owner reads, whole or not at all."},
	"internal/nearest":    {tool, "Finds the known name that somebody probably meant."},

	"internal/git": {tool, "Checks a repository out with the machine's git, let in by what it is given for that alone."},

	"internal/toolshed":       {tool, "Keeps OpenTofu and Terraform on a machine, fetched once, for tasks that can read and not write there."},
	"internal/toolshed/fetch": {adapter, "Gets OpenTofu and Terraform from their vendors, and checks their signatures."},

	"internal/bucket": {tool, "Keeps objects in a folder or in S3, durable when it says so."},

	"internal/store":              {adapter, "Keeps everything that must survive a restart, in SQL."},
	"internal/server":             {adapter, "The native API over HTTP: decodes, calls one rule, encodes."},
	"internal/server/circleci":    {adapter, "Lets CircleCI's clients speak to the same rules."},
	"internal/server/meshstack":   {adapter, "Lets meshStack's clients speak to the same rules."},
	"internal/server/ui":          {adapter, "The pages that people look at in a browser, put together."},
	"internal/server/ui/page":     {adapter, "The frame of all pages: who has signed in, what is kept up to date, the parts they share."},
	"internal/server/ui/output":   {adapter, "A task's output in the browser, as it comes and however long it is."},
	"internal/server/ui/overview": {adapter, "How busy everything is, and what needs a person."},
	"internal/server/ui/task":     {adapter, "Tasks: their list, and each with attempts and steps."},
	"internal/server/ui/pool":     {adapter, "Resource classes and runners, and how to install one."},
	"internal/server/ui/catalog":  {adapter, "Definitions of building blocks and their versions, and the form that orders one."},
	"internal/server/ui/block":    {adapter, "Building blocks with their runs, plans and states."},
	"internal/server/ui/account":  {adapter, "Who did what, and the tokens, keys and sessions with which it is done."},
	"internal/machine":            {adapter, "The Executor that starts an agent as a process of this machine."},
	"internal/container":          {adapter, "The Executor that starts an agent in a pod or a container."},
	"internal/meshstackplane":     {adapter, "A meshStack as a runner's control plane: claims runs and tells of them by the vendor's protocol."},
	"internal/job":                {adapter, "The Implementation that runs the steps of a job in a shell."},
	"internal/tofu":               {adapter, "The Implementation that runs OpenTofu."},
	"internal/remote":             {adapter, "The Implementations that start a pipeline on another platform and wait for it."},

	"internal/taskagent":     {wiring, "Puts the task-agent together, for its own binary and for the fallback in remuda."},
	"internal/machinerunner": {wiring, "Puts the machine runner together, for a process of its own and for those that have one within."},
	"cmd/remuda":             {wiring, "All that a person types."},
	"cmd/remuda-agent":       {wiring, "The small binary: in every task it reads one claim and runs it; on every machine it is the runner."},
	"bench":                  {wiring, "Measures what docs/performance.md speaks of."},

	"internal/server/ui/browsertest": {wiring, "Gives tests a control plane with its pages, and a Chromium that looks at them."},

	"internal/proof": {wiring, "Kills what Remuda is made of, as real processes, and looks whether anything is lost."},

	"internal/postgrestest": {tool, "Gives tests a PostgreSQL of their own, which ends with them."},
	"internal/s3test":       {tool, "Gives tests a bucket that speaks S3, which ends with them."},

	"internal/storetest": {wiring, "Gives tests a store that is migrated already."},

	"internal/simulation": {wiring, "Tries the rules, the store and real runners over a road that loses, delays and repeats, in fake time."},

	"internal/architecture": {watchman, "Holds the tables you are reading against the code."},
}
