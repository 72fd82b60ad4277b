//go:build unix

package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// account is who runs the agents.
type account struct {
	name     string
	uid, gid uint32
	groups   []uint32
	switches bool // we make the process this user: we are root, and it is not
	byPrefix bool // the command prefix makes it this user
}

// agentAccount decides who runs the agents.
func agentAccount(config Config, log *slog.Logger) (account, error) {
	root := os.Geteuid() == 0
	prefixed := userOfPrefix(config.CommandPrefix)
	switch {
	case prefixed != "" && config.User != "" && config.User != prefixed:
		return account{}, fmt.Errorf("the command prefix runs tasks as %s, and user says %s: leave one of them out", prefixed, config.User)
	case prefixed != "" && !root:
		return account{}, errors.New("a command prefix can run tasks as another user only when the runner is root: otherwise nobody could clean up after them")
	case prefixed != "":
		a, err := lookUp(prefixed)
		a.byPrefix = true
		return a, err
	case config.User == "root":
		if !root {
			return account{}, errors.New("only root can run tasks as root")
		}
		log.Warn("tasks run as root, since the configuration says so: they can do anything to this machine")
		return lookUp("root")
	case !root:
		return ownAccount(config.User)
	case config.User != "":
		a, err := lookUp(config.User)
		a.switches = a.uid != 0
		if err == nil && a.uid == 0 {
			err = fmt.Errorf("user %s is root by another name: say root, if that is meant", config.User)
		}
		return a, err
	case ownUsers(config):
		return someTask(), nil
	}
	return unprivileged(log)
}

// unprivileged is who runs the agents of a root that says nothing, where tasks share a user.
func unprivileged(log *slog.Logger) (account, error) {
	a, err := lookUp("remuda-task")
	if err != nil {
		if a, err = lookUp("nobody"); err != nil {
			return a, fmt.Errorf("there is neither a user remuda-task nor nobody to run tasks: %w", err)
		}
		log.Warn("tasks run as nobody, whom other services may share: make a user remuda-task for them alone")
	}
	a.switches = true
	return a, nil
}

// ownAccount is this process's own user, the only one that a runner without privileges can start an agent as.
func ownAccount(wanted string) (account, error) {
	a := account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	if current, err := user.Current(); err == nil {
		a.name = current.Username
	}
	if wanted != "" && wanted != a.name && wanted != strconv.Itoa(int(a.uid)) {
		return a, fmt.Errorf("only root can run tasks as %s: run the runner as root, or as that user", wanted)
	}
	return a, nil
}

func lookUp(name string) (account, error) {
	found, err := user.Lookup(name)
	if err != nil {
		return account{}, fmt.Errorf("the tasks' user: %w", err)
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("the tasks' user: %w", err)
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("the tasks' user: %w", err)
	}
	a := account{name: name, uid: uint32(uid), gid: uint32(gid)}
	ids, err := found.GroupIds()
	if err != nil {
		return account{}, fmt.Errorf("the groups of the tasks' user: %w", err)
	}
	for _, id := range ids {
		if group, err := strconv.ParseUint(id, 10, 32); err == nil {
			a.groups = append(a.groups, uint32(group))
		}
	}
	return a, nil
}

// credential is what a process of this account starts with; nil for our own.
func (a account) credential() *syscall.Credential {
	if !a.switches {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid, Groups: a.groups}
}

// own gives a file of ours to the account. It follows no link.
func (a account) own(path string) error {
	if !a.switches && !a.byPrefix {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// may tells whether the account has all of the wanted permissions (rwx in three bits) on a file.
func (a account) may(info fs.FileInfo, wanted fs.FileMode) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	mode := info.Mode().Perm()
	switch {
	case a.uid == 0:
		return true
	case ok && stat.Uid == a.uid:
		mode >>= 6
	case ok && (stat.Gid == a.gid || slices.Contains(a.groups, stat.Gid)):
		mode >>= 3
	}
	return mode&wanted == wanted
}

// canPass says which folder on the way to and including dir the account cannot pass through.
func (a account) canPass(dir string) error {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		if !a.may(info, 0o1) {
			return fmt.Errorf("user %s may not pass through %s: allow it with chmod o+x, or choose another folder", a.name, at)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

// canExecute says why the account cannot execute a file.
func (a account) canExecute(path string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if err := a.canPass(filepath.Dir(path)); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !a.may(info, 0o1) {
		return fmt.Errorf("user %s may not execute %s", a.name, path)
	}
	return nil
}
