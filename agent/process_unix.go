//go:build unix

package agent

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownSession puts a command into a session of its own: signals reach its whole group, and nothing in it can ask the
// terminal of whoever started the runner for a password.
func ownSession(attr *syscall.SysProcAttr) *syscall.SysProcAttr {
	if attr == nil {
		attr = &syscall.SysProcAttr{}
	}
	attr.Setsid = true
	return attr
}

func terminate(process *os.Process) { _ = unix.Kill(-process.Pid, unix.SIGTERM) }

func interrupt(process *os.Process) { _ = process.Signal(unix.SIGINT) }

func kill(process *os.Process) { _ = unix.Kill(-process.Pid, unix.SIGKILL) }

// groupLeft is whether the group that process led has members, dead ones that nobody waited for included.
func groupLeft(process *os.Process) bool {
	return !errors.Is(unix.Kill(-process.Pid, 0), unix.ESRCH)
}
