package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// endingTook is for how long what is left of a task is killed again and again, should it go on forking. What is left
// then is left to the executor, who has cgroups.
const endingTook = 5 * time.Second

// adoptOrphans makes this process the parent of every descendant whose own parent ends, so that none gets lost, and
// keeps them all from gaining privileges.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("adopt orphans: %w", err)
	}
	if set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil && set == 1 {
		return nil
	}
	// Each thread has a mark of its own, and a process is started from any. With cgo there are threads that Go does
	// not know; such an agent (a test's) leaves it to the executor.
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
	if errno != 0 && errno != syscall.ENOTSUP {
		return fmt.Errorf("give up gaining privileges: %w", errno)
	}
	return nil
}

// reap takes leave of orphans that have ended, so that a task that makes many does not run out of process ids.
func (ps *processes) reap() {
	if !ps.alone {
		return // who knows whose children they are
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for {
		pid := deadChild()
		if pid == 0 || ps.living[pid] {
			return // the latter is taken by its own waiter in a moment
		}
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
	}
}

// deadChild is a child that has ended and that nobody has waited for, or 0.
func deadChild() int {
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); err != nil {
		return 0
	}
	// The process id follows three numbers of 32 bits, and where pointers have 64 bits, padding. See sigaction(2).
	words := (*[5]int32)(unsafe.Pointer(&info))
	if unsafe.Sizeof(uintptr(0)) == 8 {
		return int(words[4])
	}
	return int(words[3])
}

// endOrphans kills all descendants that are left and returns when they are gone.
func (ps *processes) endOrphans() error {
	if !ps.alone {
		for _, process := range ps.started {
			kill(process)
		}
		return nil
	}
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(endingTook); time.Now().Before(deadline); <-ticker.C {
		if noChildren() {
			return nil
		}
		descendants, err := livingDescendants(os.Getpid())
		if err != nil {
			return fmt.Errorf("find what the task left running: %w", err)
		}
		for _, pid := range descendants {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	return errors.New("processes go on being started")
}

// noChildren takes leave of all that have ended and is true when there is nobody left.
func noChildren() bool {
	for {
		switch pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return true // ECHILD: the usual case, and one call only
		case pid == 0:
			return false
		}
	}
}

// livingDescendants finds the children of root, theirs, and so on.
func livingDescendants(root int) ([]int, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it has ended meanwhile
		}
		if parent, alive := parentOf(stat); alive {
			children[parent] = append(children[parent], pid)
		}
	}
	var found []int
	for next := children[root]; len(next) > 0; {
		pid := next[0]
		found = append(found, pid)
		next = append(next[1:], children[pid]...)
	}
	return found, nil
}

// parentOf reads a line of /proc/PID/stat: "12 (any name) S 1 …".
func parentOf(stat []byte) (parent int, alive bool) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 || fields[0][0] == 'Z' || fields[0][0] == 'X' {
		return 0, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return parent, err == nil
}
