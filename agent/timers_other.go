//go:build !linux

package agent

import "os/exec"

// RestTimers is of Linux.
func RestTimers() bool { return false }

func startAwake(cmd *exec.Cmd) error { return cmd.Start() }
