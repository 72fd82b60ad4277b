//go:build unix

package tofu

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func signalOf(status syscall.WaitStatus) string { return unix.SignalName(status.Signal()) }
