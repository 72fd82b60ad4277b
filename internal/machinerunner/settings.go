package machinerunner

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/journal"
	"github.com/remuda-dev/remuda/internal/machine"
	"github.com/remuda-dev/remuda/internal/meshstackplane"
	"github.com/remuda-dev/remuda/internal/seal"
	"github.com/remuda-dev/remuda/internal/taskagent"
	"github.com/remuda-dev/remuda/runner"
)

// Settings are what an operator of a machine decides. The members that CircleCI's machine runner has mean the
// same here.
type Settings struct {
	API       API              `yaml:"api"`
	MeshStack MeshStack        `yaml:"meshstack"`
	Runner    Machine          `yaml:"runner"`
	Logging   journal.Settings `yaml:"logging"`
}

// API is how the runner reaches the control plane.
type API struct {
	URL       string        `yaml:"url" flag:"url" env:"REMUDA_URL" help:"address of the control plane"`
	Token     remuda.Secret `yaml:"auth_token" flag:"token" env:"REMUDA_RUNNER_TOKEN" help:"class token, or several with commas between; a file is safer"`
	TokenFile string        `yaml:"auth_token_file" flag:"token-file" env:"REMUDA_RUNNER_TOKEN_FILE" help:"file that holds the class token"`
	CAFile    string        `yaml:"ca_file" flag:"ca-file" help:"certificates to trust beside the system's, PEM"`
	CertFile  string        `yaml:"client_cert" flag:"client-cert" help:"client certificate, PEM"`
	KeyFile   string        `yaml:"client_key" flag:"client-key" help:"key of the client certificate, PEM"`
	Insecure  bool          `yaml:"insecure" flag:"insecure" help:"allow tokens over plain http to another machine"`
}

// Machine is what it does on this machine.
type Machine struct {
	Name    string          `yaml:"name" flag:"name" help:"what people call this runner; the host's name when left out"`
	Dir     string          `yaml:"dir" flag:"dir" help:"the runner's own folder: its identity, and what its tasks leave when it is restarted; see above when left out"`
	Slots   int             `yaml:"slots" flag:"slots" help:"how many tasks run at once"`
	Has     []string        `yaml:"capabilities" flag:"capability" help:"what this machine has that jobs may ask for, such as docker"`
	Mode    string          `yaml:"mode" flag:"mode" help:"continuous, or single-task: carry out one, then end"`
	MaxRun  remuda.Duration `yaml:"max_run_time" flag:"max-run-time" help:"bounds every task, whatever it asks for"`
	Idle    remuda.Duration `yaml:"idle_timeout" flag:"idle-timeout" help:"end after so long without a task; never when left out"`
	Drain   remuda.Duration `yaml:"drain_timeout" flag:"drain-timeout" help:"once draining, cancel what still runs after so long; never when left out"`
	Working string          `yaml:"working_directory" flag:"working-directory" help:"where steps start, %s stands for the claim; a folder of the task's own when left out"`
	Cleanup bool            `yaml:"cleanup_working_directory" flag:"cleanup-working-directory" help:"empty the working directory after each task"`
	Prefix  []string        `yaml:"command_prefix" flag:"command-prefix" help:"words before the task-agent's command, such as nice,-n,10"`
	Agent   string          `yaml:"task_agent_directory" flag:"task-agent-directory" help:"folder of remuda-agent; beside remuda when left out"`
	User    string          `yaml:"user" flag:"user" help:"one user for all tasks when the runner is root; each has one of its own when left out"`
	Confine int             `yaml:"quarantine_after" flag:"quarantine-after" help:"take nothing new for a while after so many tasks in a row could not be started; 0 for never"`
	MinFree int             `yaml:"min_free" flag:"min-free" help:"how many MiB the disk must have free for a task; 0 for 1024 or 5 % of the disk, whichever is less, -1 for any"`
	Spool   int             `yaml:"spool_limit" flag:"spool-limit" help:"how many MiB of a task's output may wait on disk to be sent while the control plane is away; past it, its steps wait; 256 when 0"`
	Veto    []string        `yaml:"veto" flag:"veto" help:"command that is asked before each task, with the claim on its standard input; it refuses by any exit code but 0"`

	Allow       Allow             `yaml:"allow"`
	Limits      Limits            `yaml:"limits"`
	Tofu        Tofu              `yaml:"tofu"`
	Environment map[string]string `yaml:"environment"` // of every step

	SSH struct {
		AdvertiseAddr string `yaml:"advertise_addr"`
	} `yaml:"ssh"`
}

// Allow bounds what it carries out; an empty list allows everything.
type Allow struct {
	Implementations []string `yaml:"implementations" flag:"allow-implementation" help:"only these kinds of tasks, such as job"`
	Repositories    []string `yaml:"repositories" flag:"allow-repository" help:"only tasks of these repositories; * matches within a path element"`
	Organizations   []string `yaml:"organizations" flag:"allow-organization" help:"only tasks that these organizations submitted"`
}

// Limits bound each task.
type Limits struct {
	Memory int     `yaml:"memory" flag:"limit-memory" help:"memory in MiB for each task, where the host has cgroup v2"`
	CPU    float64 `yaml:"cpu"`
	Pids   int     `yaml:"pids" flag:"limit-pids" help:"processes and threads for each task, where the host has cgroup v2"`
}

// Usual is what holds when nothing is said.
func Usual() Settings {
	return Settings{
		Runner:  Machine{Slots: 1, Mode: string(runner.Continuous), MaxRun: remuda.Duration(runner.DefaultMaxRunTime), Confine: runner.DefaultQuarantineAfter},
		Logging: journal.Usual(), MeshStack: MeshStack{Poll: remuda.Duration(meshstackplane.DefaultPoll)},
	}
}

// options say how requests get there.
func (a API) options(program Program) client.Options {
	return client.Options{
		UserAgent: "remuda/" + program.Version, CAFile: a.CAFile, CertFile: a.CertFile, KeyFile: a.KeyFile, Insecure: a.Insecure,
	}
}

func (a API) client(program Program) (*client.Client, error) {
	if a.URL == "" {
		return nil, wrong("which control plane? Give --url or REMUDA_URL")
	}
	c, err := client.New(a.URL, a.options(program))
	if err != nil {
		return nil, Failure{ExitUsage, err}
	}
	return c, nil
}

// tokens are the class tokens. With them a runner may be started that has none in its settings once it is registered.
func (a API) tokens() ([]remuda.Secret, error) {
	text := a.Token.Reveal()
	if a.TokenFile != "" {
		data, err := os.ReadFile(a.TokenFile)
		if err != nil {
			return nil, wrong("read the class token: %w", err)
		}
		text = string(data)
	}
	var tokens []remuda.Secret
	for _, token := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' || r == '\r' }) {
		tokens = append(tokens, remuda.NewSecret(token))
	}
	return tokens, nil
}

func (s Settings) registration(version string, tokens []remuda.Secret, public []byte) remuda.Registration {
	host, _ := os.Hostname() // It only tells people which machine it is.
	name := s.Runner.Name
	if name == "" {
		name = host
	}
	if name == "" {
		name = "runner"
	}
	return remuda.Registration{
		Tokens: tokens, Name: name, Hostname: host, Version: version, OS: runtime.GOOS, Arch: runtime.GOARCH,
		Slots: s.slots(), Capabilities: s.capabilities(), PublicKey: public,
	}
}

// capabilities are what it can carry out, and what its operator says that the machine has.
func (s Settings) capabilities() []string {
	all := taskagent.Implementations()
	for _, capability := range s.Runner.Has {
		if !slices.Contains(all, capability) {
			all = append(all, capability)
		}
	}
	return all
}

// slots is what the runner's loop makes of the setting.
func (s Settings) slots() int {
	if s.Runner.Mode == string(runner.SingleTask) || s.Runner.Slots < 1 {
		return 1
	}
	return s.Runner.Slots
}

// loop is the configuration of the runner's loop, but for its key and how it registers.
func (s Settings) loop() runner.Config {
	c := runner.Config{
		Slots: s.Runner.Slots, Mode: runner.Mode(s.Runner.Mode),
		IdleTimeout: s.Runner.Idle.Std(), MaxRunTime: s.Runner.MaxRun.Std(), DrainTimeout: s.Runner.Drain.Std(),
		QuarantineAfter: s.Runner.Confine,
		Allow: runner.Allow{
			Implementations: s.Runner.Allow.Implementations,
			Repositories:    s.Runner.Allow.Repositories,
			Organizations:   s.Runner.Allow.Organizations,
		},
	}
	if c.QuarantineAfter == 0 {
		c.QuarantineAfter = -1 // said by a person, it means never
	}
	if len(s.Runner.Veto) > 0 {
		c.Veto = runner.VetoCommand(s.Runner.Veto)
	}
	return c
}

// check refuses settings that the runner's loop will not take, before the machine is looked at.
func (s Settings) check(log *slog.Logger) error {
	if err := s.checkCredentials(); err != nil {
		return err
	}
	config := s.loop()
	var err error
	if config.Key, err = seal.NewKey(); err != nil {
		return err
	}
	config.Register = func(context.Context) (runner.ControlPlane, error) { return nil, nil }
	if _, err := runner.New(config, nil, nil, log); err != nil {
		return Failure{ExitUsage, err}
	}
	return nil
}

func (s Settings) checkCredentials() error {
	if s.MeshStack.URL != "" {
		return s.MeshStack.check()
	}
	tokens, err := s.API.tokens()
	if err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(s.Runner.Dir, identityFile))
	if len(tokens) == 0 && errors.Is(err, fs.ErrNotExist) {
		return errNoToken()
	}
	return nil
}

// readyFor is for how long an agent waits for the next task: an idle runner has none after that, and one that ends with
// what it was started for has none at all.
func (s Settings) readyFor(program Program) time.Duration {
	if program.DieWithParent || s.Runner.Mode == string(runner.SingleTask) {
		return 0
	}
	return time.Minute
}

// executor takes hold of the runner's folder.
func (s Settings) executor(program Program, log *slog.Logger) (*machine.Executor, error) {
	agent, err := agentCommand(s.Runner.Agent, program.StandIn, log)
	if err != nil {
		return nil, err
	}
	working := s.Runner.Working
	if working != "" {
		if working, err = filepath.Abs(working); err != nil {
			return nil, err
		}
	}
	shed, err := s.Runner.Tofu.shed(program.Fetch, log)
	if err != nil {
		return nil, err
	}
	executor, err := machine.New(machine.Config{
		Beside: shed.For,
		Dir:    s.Runner.Dir, Agent: agent, User: s.Runner.User, CommandPrefix: s.Runner.Prefix,
		WorkingDirectory: working, CleanupWorkingDirectory: s.Runner.Cleanup,
		Environment: s.Runner.Environment, DieWithParent: program.DieWithParent, MinFree: int64(s.Runner.MinFree) << 20,
		SpoolLimit: int64(s.Runner.Spool) << 20, ReadyFor: s.readyFor(program),
		Limits: machine.Limits{Memory: int64(s.Runner.Limits.Memory) << 20, CPU: s.Runner.Limits.CPU, Pids: int64(s.Runner.Limits.Pids)},
	}, log)
	if err != nil {
		return nil, Failure{ExitUsage, err}
	}
	return executor, nil
}
