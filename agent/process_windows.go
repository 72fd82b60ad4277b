package agent

import (
	"os"
	"syscall"
)

// Windows has neither groups of processes to signal nor TERM: commands are ended at once, and alone.

func adoptOrphans() error { return nil }

func ownSession(attr *syscall.SysProcAttr) *syscall.SysProcAttr { return attr }

func terminate(process *os.Process) { _ = process.Kill() }

func interrupt(process *os.Process) { _ = process.Kill() }

func kill(process *os.Process) { _ = process.Kill() }

func groupLeft(*os.Process) bool { return false }

func (ps *processes) reap() {}

func (ps *processes) endOrphans() error { return nil }
