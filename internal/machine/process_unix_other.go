//go:build unix && !linux

package machine

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// adopts is whether a successor finds an agent that its runner left.
const adopts = false

// keepsReady is whether an agent can wait for its claim.
const keepsReady = true

func agentEnvironment(environment map[string]string) []string {
	return []string{"PATH=" + environment["PATH"], "LANG=" + environment["LANG"]}
}

func sessionOf(a account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Credential: a.credential()}
}

func (p *process) terminate(bool) { _ = unix.Kill(p.pid, unix.SIGTERM) }

// killSession kills the agent's group. Steps have sessions of their own, which the agent ends before itself.
func killSession(p *process) { _ = unix.Kill(-p.pid, unix.SIGKILL) }
