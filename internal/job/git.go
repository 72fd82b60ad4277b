package job

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// git runs the machine's git in one work tree.
//
// Its environment is that of a step without the secrets. It reads no system-wide configuration, so that a checkout
// does the same on every machine (proxies are given by environment), and of the user's only what earlier steps of the
// task wrote to their HOME. No hook runs, nothing stays behind in the background, nothing is asked.
type git struct {
	tasks  *run
	ctx    context.Context
	said   *agent.Step
	dir    string
	origin origin
	access *access
}

// run runs one command, whose output is the step's.
func (g *git) run(arguments ...string) error { return g.start(g.said.Output(), arguments) }

// ask runs one command and gives what it prints.
func (g *git) ask(arguments ...string) (string, error) {
	answer, err := os.CreateTemp(g.tasks.task.Folder.Tmp(), "answer-")
	if err != nil {
		return "", fault{err}
	}
	defer os.Remove(answer.Name())
	defer answer.Close()
	if err := g.start(answer, arguments); err != nil {
		return "", err
	}
	text, err := os.ReadFile(answer.Name())
	if err != nil {
		return "", fault{err}
	}
	return strings.TrimSpace(string(text)), nil
}

func (g *git) start(output *os.File, arguments []string) error {
	if g.ctx.Err() != nil {
		return g.ctx.Err()
	}
	all := g.variables()
	program, found := find("git", all["PATH"], "")
	if !found {
		return refusal("there is no git on this machine: install it on the runner")
	}
	process, err := g.tasks.task.Start(&exec.Cmd{
		Path:   program,
		Args:   slices.Concat([]string{"git"}, g.settings(), arguments),
		Env:    all.list(),
		Dir:    g.dir,
		Stdout: output,
		Stderr: g.said.Output(),
	})
	if err != nil {
		return fault{err}
	}
	select {
	case <-process.Done():
	case <-g.ctx.Done():
		process.End(g.tasks.task.Claim.CancelGrace.Std())
		return g.ctx.Err()
	}
	if code, signal := exitOf(process.State()); code != 0 {
		return &gitFailure{command: arguments[0], code: code, how: describe(code, signal)}
	}
	return nil
}

// settings precede each command.
func (g *git) settings() []string {
	return slices.Concat([]string{
		"-c", "core.hooksPath=" + os.DevNull,
		"-c", "init.defaultBranch=main",
		"-c", "gc.auto=0",
		"-c", "maintenance.auto=false",
		"-c", "advice.detachedHead=false",
	}, g.access.settings)
}

func (g *git) variables() variables {
	all := variables{}
	all.set(g.tasks.base)
	all.set(g.tasks.job.Environment)
	g.tasks.mu.Lock()
	all.set(g.tasks.additions)
	g.tasks.mu.Unlock()
	delete(all, "GIT_DIR")
	delete(all, "GIT_WORK_TREE")
	all.set(variables{
		"GIT_TERMINAL_PROMPT": "0",
		"GIT_CONFIG_NOSYSTEM": "1",
		"GIT_ALLOW_PROTOCOL":  g.origin.protocols,
	})
	all.set(g.access.environment)
	return all
}

// gitFailure is a git command that did not succeed. What it had to say is in the step's output.
type gitFailure struct {
	command string
	code    int
	how     string
}

func (f *gitFailure) Error() string { return "git " + f.command + " " + f.how }

// fault is one of this machine.
type fault struct{ error }

func (f fault) Unwrap() error { return f.error }

// outcome tells how a checkout failed.
func (g *git) outcome(err error) outcome {
	var failure *gitFailure
	var refused refusal
	switch {
	case g.ctx.Err() != nil:
		return outcome{state: remuda.StepCanceled}
	case errors.As(err, &failure):
		end := failed(remuda.ReasonStep, "cannot check out %s: %s; its output says why", g.origin.shown, failure)
		end.exitCode = &failure.code
		return end
	case errors.As(err, &refused):
		tell(g.said, "%s", refused)
		return failed(remuda.ReasonStep, "cannot check out: %s", refused)
	default:
		return outcome{fault: fmt.Errorf("check out: %w", err)}
	}
}
