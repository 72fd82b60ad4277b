// Package machine is the Executor that starts a task's agent as a process of this machine.
//
// All that it keeps lies in one folder:
//
//	lock                  held by the one process that uses the folder
//	bin/                  the agent's binary, where its user may not reach the original
//	ready/NAME/           an agent that waits for the next claim: as below, becomes claims/ID
//	claims/ID/            one claim; the runner's own, others may pass through
//	    record.json       what a successor must know: the process, its group, how it ended; its last line counts
//	    agent.sock        where the agent speaks; the runner forwards it with the claim's token
//	    agent.log         what the agent says on standard error
//	    passwd            what the task finds as /etc/passwd, when it has a user of its own
//	    task/             the claim folder (see agent.Folder), the agent user's own
//
// The agent gets an environment of three variables, a session and, where the host has cgroup v2, a group of its own, no
// way to gain privileges, and, when the runner is root and nobody said whom to take, a user whom no other task has. Its claim travels on standard input.
//
// When the runner's process ends while tasks run, they run on (unless Config.DieWithParent), and the next process that
// uses the folder adopts them. A service manager must not kill them with the runner: KillMode=process in systemd.
package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/runner"
)

// Config is what a machine's operator decides.
type Config struct {
	// Dir is the folder described above, absolute. One process uses it at a time. The agent's user must be able to pass
	// through the folders above it.
	Dir string
	// Agent is the command that starts a task-agent: the path of remuda-agent, or ["/path/remuda", "agent"].
	Agent []string
	// User runs the agents when the runner is root. When it is empty, each has a user of its own, without an account; or,
	// where there is one WorkingDirectory for all and outside of Linux, remuda-task if it exists, else nobody. Tasks run
	// as root only if this says "root". A runner that is not root runs them as itself.
	User string
	// CommandPrefix stands before the agent's command, such as ["nice", "-n", "10"] or ["sudo", "-niHu", "ci", "--"]. With
	// sudo, doas or runuser and their -u, that user is the agent's, and becomes it by the prefix alone; it may then gain
	// privileges until the agent itself gives them up.
	CommandPrefix []string
	// WorkingDirectory is where steps start. Each %s in it stands for the claim's id. Empty means a folder in the claim's
	// own, which is always removed; another one is kept unless CleanupWorkingDirectory.
	WorkingDirectory        string
	CleanupWorkingDirectory bool
	// Environment is what all steps get, such as HTTPS_PROXY. PATH and LANG have values when it names none.
	Environment map[string]string
	// DieWithParent lets agents end with the runner's process, however that ends, instead of waiting for a successor:
	// they get TERM, and end their steps first. On Linux; a prefix that gains privileges prevents it.
	DieWithParent bool
	// Limits bound each task, where the host has cgroup v2 with these controllers.
	Limits Limits
	// MinFree is what the disks of Dir and WorkingDirectory must have free for a task, in bytes: 1 GiB or a twentieth of
	// the disk, whichever is less, when 0; anything will do when negative.
	MinFree int64

	// SpoolLimit is how many bytes of a task's output may wait on disk to be sent; 256 MiB when 0. Past it, its steps wait.
	SpoolLimit int64

	// ReadyFor is for how long, after a task, an agent waits for the next one: it has started when the claim comes. None does
	// when this is 0, behind a CommandPrefix, which may do more than start an agent, and on Windows.
	ReadyFor time.Duration

	// Beside serves what the agent of a claim asks this machine itself for: the paths below /machine/ of its socket, which
	// are not the control plane's. Nobody does when it is nil, or gives nil.
	Beside func(remuda.Claim) http.Handler
}

// Limits are bounds of one task's processes together; 0 means none.
type Limits struct {
	Memory int64   // bytes
	CPU    float64 // processors
	Pids   int64   // processes and threads
}

// Executor starts agents as processes. It is a runner.Executor.
type Executor struct {
	config  Config
	account account
	log     *slog.Logger
	lock    *os.File
	groups  groups
	uids    *uids  // nil when all tasks are of one user
	boot    string // tells this start of the machine from all others

	nameless, together sync.Once // what is to be said once
	running            atomic.Int32
	proven             atomic.Bool // the folder takes files and the agent starts, as far as is known

	mu     sync.Mutex
	agents map[int]bool      // live children, which nobody else may reap
	over   map[string]record // of claims that ended here, and were not forgotten yet

	next waiting // the agent that is ready
}

// New takes hold of the folder: a second runner on the same one is refused.
func New(config Config, log *slog.Logger) (*Executor, error) {
	if !filepath.IsAbs(config.Dir) {
		return nil, fmt.Errorf("the runner's folder %q is not absolute", config.Dir)
	}
	if len(config.Agent) == 0 || !filepath.IsAbs(config.Agent[0]) {
		return nil, fmt.Errorf("the agent's command %q does not begin with an absolute path", config.Agent)
	}
	if d := config.WorkingDirectory; d != "" && !filepath.IsAbs(d) {
		return nil, fmt.Errorf("the working directory %q is not absolute", d)
	}
	account, err := agentAccount(config, log)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{claimsDir, readyDir} {
		// Others pass through these folders and cannot list them.
		if err := makeAll(filepath.Join(config.Dir, name), 0o711); err != nil {
			return nil, fmt.Errorf("make the runner's folder: %w", err)
		}
		spread(filepath.Join(config.Dir, name))
	}
	lock, err := lockFile(filepath.Join(config.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("the runner's folder %s: %w", config.Dir, err)
	}
	e := &Executor{
		config: config, account: account, log: log, lock: lock, boot: bootID(),
		agents: map[int]bool{}, over: map[string]record{},
	}
	if e.uids, err = openUIDs(config, log); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	if err := e.prepare(); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// prepare makes sure, once, of what each task needs.
func (e *Executor) prepare() error {
	if err := e.account.canPass(filepath.Join(e.config.Dir, claimsDir)); err != nil {
		return fmt.Errorf("tasks cannot reach their folders: %w", err)
	}
	binary, err := e.reachableAgent()
	if err != nil {
		return err
	}
	e.config.Agent = append([]string{binary}, e.config.Agent[1:]...)
	environment := map[string]string{"PATH": defaultPath, "LANG": "C.UTF-8"}
	maps.Copy(environment, e.config.Environment)
	e.config.Environment = environment
	e.groups = findGroups(e.config.Limits, e.log)
	if !e.groups.found() {
		e.log.Info("no cgroup v2 that this runner may write: a task's processes are found by their descent")
		if err := becomeSubreaper(); err != nil {
			return err
		}
	}
	return e.forgetReady()
}

// Close lets another process use the folder. No Execute may be under way.
func (e *Executor) Close() error {
	e.noneReady()
	if err := errors.Join(e.uids.close(), e.lock.Close()); err != nil {
		return fmt.Errorf("let go of the runner's folder: %w", err)
	}
	return nil
}

// Left are the claims of which something is here.
func (e *Executor) Left(context.Context) ([]string, error) {
	return left(e.config.Dir, claimsDir)
}

// left are the names of the places in a folder of a runner's.
func left(dir, name string) (ids []string, err error) {
	entries, err := os.ReadDir(filepath.Join(dir, name))
	if err != nil {
		return nil, fmt.Errorf("look for claims that are left: %w", err)
	}
	for _, entry := range entries {
		ids = append(ids, entry.Name())
	}
	return ids, nil
}

// Forget kills what runs of a claim, and removes what is left of it.
func (e *Executor) Forget(_ context.Context, claimID string) error {
	p, err := e.place(claimID)
	if err != nil {
		return err
	}
	ended, err := e.forget(p)
	if err != nil {
		return fmt.Errorf("forget claim %s: %w", claimID, err)
	}
	if ended {
		e.readyAnother()
	}
	return nil
}

// forget is Forget for any place; ended says that a task lay there that had ended.
func (e *Executor) forget(p place) (ended bool, err error) {
	r, found := e.recall(p)
	if !found {
		e.release(p.id)
		return false, nil
	}
	if !r.Ended {
		if err := e.end(r, findProcess(r)); err != nil {
			return false, err
		}
	}
	if !r.Ended || r.Unclean {
		if err := e.clean(p, r); err != nil {
			return false, err
		}
	}
	if err := p.remove(r); err != nil {
		return false, err
	}
	e.release(p.id)
	return r.Ended, nil
}

// recall gives the record of a claim: as it is in memory or as it was left here; found is false when nothing was.
func (e *Executor) recall(p place) (r record, found bool) {
	e.mu.Lock()
	r, found = e.over[p.id]
	delete(e.over, p.id)
	e.mu.Unlock()
	if found {
		return r, true
	}
	if _, err := os.Lstat(p.dir); errors.Is(err, fs.ErrNotExist) {
		return r, false
	}
	r, err := p.read()
	if err != nil {
		e.log.Warn("the record of a claim cannot be read", "claim", p.id, "error", err)
	}
	if r.UID == 0 { // Of a runner that died before it could note it; the same goes for the group.
		r.UID = e.accountOf(p, r).uidOfTask()
	}
	if r.Pid == 0 && r.Group == "" {
		r.Group = e.groups.left(p.id)
	}
	return r, true
}

// isOver notes how a claim ended, so that Forget need not read it.
func (e *Executor) isOver(p place, r record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over[p.id] = r
}

func (e *Executor) release(claimID string) {
	if e.uids != nil {
		e.uids.release(claimID)
	}
}

// place is where a claim lies. An id that is no plain name is refused: it comes from outside.
func (e *Executor) place(claimID string) (place, error) {
	if claimID == "" || claimID == "." || claimID == ".." || strings.ContainsAny(claimID, "/\\\x00") || len(claimID) > 100 {
		return place{}, fmt.Errorf("the claim's id %q is no name for a folder", claimID)
	}
	return placeIn(e.config.Dir, claimsDir, claimID), nil
}

var _ runner.Executor = (*Executor)(nil)
