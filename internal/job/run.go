package job

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// The shells of steps that name none.
const (
	bash = "bash -eo pipefail"
	sh   = "sh -e"
)

// run is one task's steps on their way.
type run struct {
	task       *agent.Task
	job        remuda.Job
	ctx        context.Context // the task's
	directory  string          // the job's working directory
	base       variables       // of every step, before the job's own
	background sync.WaitGroup

	mu          sync.Mutex
	additions   variables // what steps wrote to $REMUDA_ENV so far
	failure     *remuda.Result
	interrupted bool // a step was ended, or not started, because the task was
	broken      error
}

func newRun(ctx context.Context, task *agent.Task, job remuda.Job) (*run, error) {
	r := &run{task: task, job: job, ctx: ctx, additions: variables{}}
	r.directory = r.resolve(task.Workspace, job.WorkingDirectory)
	// Each bash sources it, and complains when it is not there.
	if err := os.WriteFile(r.bashEnv(), nil, 0o600); err != nil {
		return nil, fmt.Errorf("prepare the steps: %w", err)
	}
	r.base = base(task)
	r.base["BASH_ENV"] = r.bashEnv()
	return r, nil
}

// over is whether the task is to end before its last step.
func (r *run) over() bool { return r.ctx.Err() != nil }

func (r *run) bashEnv() string { return r.task.Folder.Beside("bash-env") }

func (r *run) additionsOf(n int) string { return r.task.Folder.Beside(strconv.Itoa(n) + ".env") }

func (r *run) script(n int) string { return r.task.Folder.Beside(strconv.Itoa(n) + ".sh") }

// resolve is a folder that somebody named, relative to dir. ~ is the steps' HOME, as a shell would have it.
func (r *run) resolve(dir, name string) string {
	if rest, ok := strings.CutPrefix(name, "~"); ok && (rest == "" || rest[0] == '/') {
		return filepath.Join(r.task.Folder.Home(), rest)
	}
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(dir, name)
}

// add takes up what a step leaves to those after it.
func (r *run) add(additions variables) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.additions.set(additions)
}

// variables of a step: what is more specific wins. First what Remuda sets (see base), then the job's environment, the
// secrets, what earlier steps left in $REMUDA_ENV, and the step's own. Values are taken as they are: a $NAME in one
// is for the shell to expand, in a command.
func (r *run) variables(n int, own map[string]string) variables {
	all := variables{}
	all.set(r.base)
	all.set(r.job.Environment)
	all.set(r.task.Secrets)
	r.mu.Lock()
	all.set(r.additions)
	r.mu.Unlock()
	all.set(own)
	all["REMUDA_ENV"] = r.additionsOf(n)
	return all
}

// shell starts a step's command, or tells why it cannot.
//
// The command is a file that the shell reads, since an argument ends at 128 KiB, and since a command that reads its
// standard input, which is empty, must not eat the rest of its script.
func (r *run) shell(n int) (*agent.Process, outcome) {
	step, said := r.job.Steps[n].Run, r.task.Step(n)
	refuse := func(format string, args ...any) (*agent.Process, outcome) {
		end := failed(remuda.ReasonConfig, format, args...)
		tell(said, "this step %s", end.detail)
		return nil, end
	}
	all := r.variables(n, step.Environment)
	dir := r.resolve(r.directory, step.WorkingDirectory)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return refuse("cannot start in its working directory %s: %s", shown(step.WorkingDirectory), missing(err))
	}
	words := strings.Fields(firstOf(step.Shell, r.job.Shell))
	if len(words) == 0 {
		words = defaultShell(all["PATH"])
	}
	program, found := find(words[0], all["PATH"], dir)
	if !found {
		return refuse("cannot start: its shell %s is not to be found on this machine", words[0])
	}
	if err := r.write(n, step.Command); err != nil {
		return nil, outcome{fault: err}
	}
	cmd := &exec.Cmd{
		Path:   program,
		Args:   append(words, r.script(n)),
		Env:    all.list(),
		Dir:    dir,
		Stdout: said.Output(),
		Stderr: said.Output(),
	}
	process, err := r.task.Start(cmd)
	if err != nil {
		return refuse("cannot start: %s", reasonOf(err))
	}
	return process, outcome{}
}

// write makes the files that a step is started with.
func (r *run) write(n int, command string) error {
	if !strings.HasSuffix(command, "\n") {
		command += "\n"
	}
	// Executable, for a shell that is given as "bash -c".
	err := os.WriteFile(r.script(n), []byte(command), 0o700)
	if err == nil {
		err = os.WriteFile(r.additionsOf(n), nil, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write the command: %w", err)
	}
	return nil
}

func defaultShell(path string) []string {
	if _, found := find("bash", path, ""); found {
		return strings.Fields(bash)
	}
	return strings.Fields(sh)
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func shown(directory string) string {
	if directory == "" {
		return "(the job's)"
	}
	return strconv.Quote(directory)
}

func missing(err error) string {
	switch {
	case err == nil:
		return "it is no folder"
	case errors.Is(err, os.ErrNotExist):
		return "it does not exist"
	default:
		return rootOf(err).Error()
	}
}

// reasonOf is why a process could not be started.
func reasonOf(err error) string {
	if text := rootOf(err).Error(); text != "argument list too long" {
		return text
	}
	return "its environment is too large: a variable may have 128 KiB, all of them about 2 MiB"
}
