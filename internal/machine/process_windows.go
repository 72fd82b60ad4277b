package machine

import "syscall"

// adopts is whether a successor finds an agent that its runner left.
const adopts = false

// keepsReady is whether an agent can wait for its claim: Windows moves no folder in which a process runs.
const keepsReady = false

// agentEnvironment has what programs of Windows do not start without.
func agentEnvironment(environment map[string]string) []string {
	return []string{"PATH=" + environment["PATH"], `SystemRoot=C:\Windows`}
}

func sessionOf(account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// terminate kills: Windows has no TERM.
func (p *process) terminate(bool) { _ = p.child.Kill() }

func killSession(p *process) { _ = p.child.Kill() }
