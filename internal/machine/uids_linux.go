package machine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The users of tasks are numbers without an account, in a range that neither accounts nor subuids, systemd, or the usual
// mapping of directory services take: docs/decisions/0004. Each runner has a block of it.
const (
	firstUID     = 2_100_000_000
	uidsOfRunner = 1000
	mostRunners  = 100
	// blocksDir holds which runner has which block, until the machine starts again.
	blocksDir = "/run/remuda"
)

// uids gives each claim a user of its own.
type uids struct {
	lock  *os.File // of the block; nil where there is no place for one
	first uint32

	mu    sync.Mutex
	taken map[uint32]string // by which claim; by none that we know when empty
	next  uint32
}

// ownUsers is whether each task runs as a user of its own. A working directory that tasks share wants one for all.
func ownUsers(config Config) bool {
	shared := config.WorkingDirectory != "" && !strings.Contains(config.WorkingDirectory, "%s")
	return os.Geteuid() == 0 && config.User == "" && userOfPrefix(config.CommandPrefix) == "" && !shared
}

// someTask is no task's user, and stands for all of them: what it reaches, all reach.
func someTask() account { return taskUser(firstUID - 1) }

func taskUser(uid uint32) account {
	return account{name: "remuda-" + strconv.Itoa(int(uid)), uid: uid, gid: uid, switches: true}
}

func isTaskUser(uid uint32) bool { return uid >= firstUID && uid < firstUID+uidsOfRunner*mostRunners }

// openUIDs takes a block for this runner, and finds what is taken of it; nil when tasks share a user.
func openUIDs(config Config, log *slog.Logger) (*uids, error) {
	if !ownUsers(config) {
		return nil, nil
	}
	// Beginning anywhere, a number that something was left of in /tmp is not the next task's.
	u := &uids{first: firstUID, taken: map[uint32]string{}, next: rand.Uint32N(uidsOfRunner)}
	block, lock, err := takeBlock(config.Dir)
	if err != nil {
		log.Warn("another runner of this machine may run its tasks as the same users", "error", err)
	}
	u.first, u.lock = firstUID+uint32(block)*uidsOfRunner, lock
	processes, err := userProcesses()
	if err != nil {
		return nil, errors.Join(err, u.close())
	}
	for _, p := range processes {
		u.taken[p.uid] = ""
	}
	for _, dir := range []string{claimsDir, readyDir} {
		if err := u.find(config.Dir, dir); err != nil {
			return nil, errors.Join(err, u.close())
		}
	}
	return u, nil
}

// find notes the users of what is left in a folder.
func (u *uids) find(dir, name string) error {
	ids, err := left(dir, name)
	for _, id := range ids {
		p := placeIn(dir, name, id)
		if owner, ok := ownerOf(string(p.folder())); ok {
			u.taken[owner] = p.id
		}
		if r, err := p.read(); err == nil && r.UID != 0 {
			u.taken[r.UID] = p.id
		}
	}
	return err
}

// takeBlock takes the block that this folder's runner had before, or else one that is no other's.
func takeBlock(dir string) (int, *os.File, error) {
	if err := makeAll(blocksDir, 0o755); err != nil {
		return 0, nil, err
	}
	path := func(block int) string { return filepath.Join(blocksDir, "uids-"+strconv.Itoa(block)) }
	holder := func(block int) string {
		data, _ := os.ReadFile(path(block))
		return string(data)
	}
	var blocks []int
	for block := range mostRunners {
		if holder(block) == dir {
			blocks = slices.Insert(blocks, 0, block)
		} else {
			blocks = append(blocks, block)
		}
	}
	for _, block := range blocks {
		lock, err := lockFile(path(block))
		if errors.Is(err, errLocked) {
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		had := holder(block)
		if claims, _ := left(had, claimsDir); had != dir && had != "" && len(claims) > 0 {
			_ = lock.Close() // Its runner is away, and its tasks are not.
			continue
		}
		if err := errors.Join(lock.Truncate(0), writeAt(lock, dir)); err != nil {
			return 0, nil, errors.Join(err, lock.Close())
		}
		return block, lock, nil
	}
	return 0, nil, fmt.Errorf("all %d blocks of users are taken: see %s", mostRunners, blocksDir)
}

func writeAt(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

// take gives a claim a user that no other has. The longest unused comes first.
func (u *uids) take(claimID string) (uint32, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for range uidsOfRunner {
		uid := u.first + u.next
		u.next = (u.next + 1) % uidsOfRunner
		if _, taken := u.taken[uid]; !taken {
			u.taken[uid] = claimID
			return uid, nil
		}
	}
	return 0, fmt.Errorf("all %d users from %d on are taken: something of earlier tasks is left", uidsOfRunner, u.first)
}

// pass gives a claim what another name has taken.
func (u *uids) pass(from, claimID string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for uid, name := range u.taken {
		if name == from {
			u.taken[uid] = claimID
		}
	}
}

// release gives back what a claim took. Nothing of the claim may be left.
func (u *uids) release(claimID string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for uid, claim := range u.taken {
		if claim == claimID {
			delete(u.taken, uid)
		}
	}
}

func (u *uids) close() error {
	if u == nil || u.lock == nil {
		return nil
	}
	return u.lock.Close()
}

// accountOf is whom a claim's agent runs as: as it was when it started, whatever the configuration says now.
func (e *Executor) accountOf(p place, r record) account {
	if isTaskUser(r.UID) {
		return taskUser(r.UID)
	}
	if owner, ok := ownerOf(string(p.folder())); ok && e.uids != nil {
		return account{name: strconv.Itoa(int(owner)), uid: owner, gid: owner, switches: true}
	}
	return e.account
}

// uidOfTask is the user of one task alone that this is; 0 when it is not.
func (a account) uidOfTask() uint32 {
	if !isTaskUser(a.uid) {
		return 0
	}
	return a.uid
}

func ownerOf(path string) (uint32, bool) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return stat.Uid, true
}

// writePasswd writes the accounts that the task sees: the machine's, and its own user. ssh ends at once for a user who
// has none.
func (p place) writePasswd(user account) error {
	accounts, err := os.ReadFile("/etc/passwd")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // Nothing that could be covered, and nobody who looks.
	}
	if err == nil {
		own := fmt.Sprintf("%s:x:%d:%d:a task:%s:/bin/sh\n", user.name, user.uid, user.gid, p.folder().Home())
		err = os.WriteFile(p.passwd(), append(append(bytes.TrimRight(accounts, "\n"), '\n'), own...), 0o600)
	}
	if err == nil {
		err = os.Chmod(p.passwd(), 0o644) // Whatever our umask.
	}
	if err != nil {
		return fmt.Errorf("write the accounts that the task sees: %w", err)
	}
	return nil
}

// showPasswd covers /etc/passwd for the calling thread and what it starts.
func showPasswd(path string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("separate the mounts: %w", err)
	}
	// What the machine mounts later is the task's too, and nothing of the task's is the machine's.
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("separate the mounts: %w", err)
	}
	if err := unix.Mount(path, "/etc/passwd", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("cover /etc/passwd: %w", err)
	}
	return nil
}

// giveName lets a task see its user in /etc/passwd, where the runner may do that.
func (e *Executor) giveName(passwd string) {
	if _, err := os.Stat(passwd); err != nil {
		return
	}
	if err := showPasswd(passwd); err != nil {
		e.nameless.Do(func() {
			e.log.Warn("the users of tasks have no name here, and ssh does not work without: set user where tasks need it", "error", err)
		})
	}
}

// closeWorkspace takes a folder that is kept from a task's user, who will be another task's one day.
func closeWorkspace(dir string, uid uint32) error {
	file, err := os.OpenFile(dir, unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Uid != uid {
		return nil // Somebody else's choice.
	}
	return errors.Join(file.Chown(os.Geteuid(), os.Getegid()), file.Chmod(0o700))
}

// userProcess is a living process of a task's user.
type userProcess struct {
	pid int
	uid uint32
}

// userProcesses lists the processes of all tasks' users.
func userProcesses() ([]userProcess, error) {
	processes, err := allProcesses()
	if err != nil {
		return nil, err
	}
	var found []userProcess
	for _, s := range processes {
		if s.state == 'Z' || s.state == 'X' {
			continue
		}
		if uid, ok := uidOf(s.pid); ok && isTaskUser(uid) {
			found = append(found, userProcess{s.pid, uid})
		}
	}
	return found, nil
}

// uidOf reads a process's real user, which the owner of its folder in /proc is not always.
func uidOf(pid int) (uint32, bool) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(status)) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
			uid, err := strconv.ParseUint(strings.Fields(ids)[0], 10, 32)
			return uint32(uid), err == nil
		}
	}
	return 0, false
}

// killUser kills all processes of a task's user. None of them can have become another: they gain no privileges.
func killUser(uid uint32) error {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(killingTook); time.Now().Before(deadline); <-ticker.C {
		processes, err := userProcesses()
		if err != nil {
			return err
		}
		none := true
		for _, p := range processes {
			if p.uid == uid {
				none = false
				_ = unix.Kill(p.pid, unix.SIGKILL)
			}
		}
		if none {
			return nil
		}
	}
	return fmt.Errorf("the processes of user %d cannot be killed: they go on being started, or the kernel holds them", uid)
}
