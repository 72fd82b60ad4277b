//go:build unix

package agenttest

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

const stopSignal = unix.SIGTERM

// alive is whether a process is there.
func alive(pid int) bool { return !errors.Is(unix.Kill(pid, 0), unix.ESRCH) }

// killSession kills a process and all in its process group.
func killSession(t testing.TB, pid int) {
	if err := unix.Kill(-pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
