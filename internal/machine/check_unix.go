//go:build unix

package machine

import (
	"os/exec"
	"syscall"
)

// prepareProbe makes it what an agent is: its user and its few variables.
func (e *Executor) prepareProbe(probe *exec.Cmd) {
	probe.Env = []string{"PATH=" + e.config.Environment["PATH"], "LANG=" + e.config.Environment["LANG"]}
	probe.SysProcAttr = &syscall.SysProcAttr{Credential: e.account.credential()}
}
