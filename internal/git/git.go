// Package git checks a repository out with the machine's git, which is let in by what it is given for that alone.
package git

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Process is a git that was started.
type Process interface {
	Done() <-chan struct{}   // closed when it has ended
	State() *os.ProcessState // how, when Done is closed
	End(grace time.Duration) // ends it
}

// Checkout brings a folder to what a ref of a repository means.
//
// Git gets Environment and no more. It reads no system-wide configuration, so that a checkout does the same on every
// machine (proxies are given by environment). No hook runs, nothing stays behind in the background, nothing is asked.
type Checkout struct {
	Program     string // git's path
	Dir         string // exists; holds a work tree or nothing
	Origin      Origin
	Ref         string // branch, tag or commit; the default branch when empty
	Depth       int    // of history; all when 0
	Access      *Access
	Environment map[string]string
	Tmp         string   // for files of ours
	Output      *os.File // what git and we have to say
	Start       func(*exec.Cmd) (Process, error)
	Grace       time.Duration // from TERM to KILL when ctx ends
}

// Failure is a git command that did not succeed. What it had to say is in the output.
type Failure struct {
	Command string
	State   *os.ProcessState
}

func (f *Failure) Error() string { return fmt.Sprintf("git %s: %s", f.Command, f.State) }

// Refusal is a checkout that cannot succeed, in a sentence for its user.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// at is a Checkout while it is carried out.
type at struct {
	Checkout
	ctx context.Context
}

// run runs one command, whose output is the checkout's.
func (g *at) run(arguments ...string) error { return g.start(g.Output, arguments) }

// ask runs one command and gives what it prints.
func (g *at) ask(arguments ...string) (string, error) {
	answer, err := os.CreateTemp(g.Tmp, "answer-")
	if err != nil {
		return "", err
	}
	defer os.Remove(answer.Name())
	defer answer.Close()
	if err := g.start(answer, arguments); err != nil {
		return "", err
	}
	text, err := os.ReadFile(answer.Name())
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(text)), nil
}

func (g *at) start(output *os.File, arguments []string) error {
	if g.ctx.Err() != nil {
		return g.ctx.Err()
	}
	process, err := g.Start(&exec.Cmd{
		Path:   g.Program,
		Args:   slices.Concat([]string{"git"}, settings(), g.Access.arguments(), g.uploading(), arguments),
		Env:    g.variables(),
		Dir:    g.Dir,
		Stdout: output,
		Stderr: g.Output,
	})
	if err != nil {
		return err
	}
	select {
	case <-process.Done():
	case <-g.ctx.Done():
		process.End(g.Grace)
		return g.ctx.Err()
	}
	if state := process.State(); !state.Success() {
		return &Failure{Command: arguments[0], State: state}
	}
	return nil
}

// settings precede each command.
func settings() []string {
	return []string{
		"-c", "core.hooksPath=" + os.DevNull,
		"-c", "init.defaultBranch=main",
		"-c", "gc.auto=0",
		"-c", "maintenance.auto=false",
		"-c", "advice.detachedHead=false",
	}
}

// uploading lets the one process that reads an origin of this machine do so: the task's user has no repository of its
// own here, and git reads no other's unasked. What it may read is what its permissions let everybody read.
func (g *at) uploading() []string {
	if g.Origin.Scheme != "file" {
		return nil
	}
	return []string{"-c", "remote.origin.uploadpack=git -c 'safe.directory=*' upload-pack"}
}

// quiet keeps git from asking, and from what the machine's configuration says.
func quiet() map[string]string {
	return map[string]string{"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
}

func (g *at) variables() []string {
	all := maps.Clone(g.Environment)
	delete(all, "GIT_DIR")
	delete(all, "GIT_WORK_TREE")
	maps.Copy(all, quiet())
	maps.Copy(all, g.Access.environment)
	all["GIT_ALLOW_PROTOCOL"] = g.Origin.protocols
	list := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		// A value with a NUL cannot be told to a process at all.
		if !strings.ContainsRune(all[name], 0) && !strings.ContainsAny(name, "=\x00") && name != "" {
			list = append(list, name+"="+all[name])
		}
	}
	return list
}

func (g *at) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(g.Output, "remuda: "+format+"\n", args...)
}
