//go:build unix

package machine

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

func roomOf(dir string) (room, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return room{}, err
	}
	block := uint64(stat.Bsize)
	// What root alone may use is of no use to tasks.
	return room{
		free: uint64(stat.Bavail) * block, size: stat.Blocks * block,
		freeFiles: uint64(stat.Ffree), mostOfFiles: uint64(stat.Files),
	}, nil
}

// prepareProbe makes it what an agent is: its user and its few variables.
func (e *Executor) prepareProbe(probe *exec.Cmd) {
	probe.Env = []string{"PATH=" + e.config.Environment["PATH"], "LANG=" + e.config.Environment["LANG"]}
	probe.SysProcAttr = &syscall.SysProcAttr{Credential: e.account.credential()}
}
