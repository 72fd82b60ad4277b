package machine

import (
	"os/exec"

	"golang.org/x/sys/windows"
)

func roomOf(dir string) (room, error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return room{}, err
	}
	var r room
	err = windows.GetDiskFreeSpaceEx(path, &r.free, &r.size, nil)
	return r, err
}

func (e *Executor) prepareProbe(probe *exec.Cmd) { probe.Env = agentEnvironment(e.config.Environment) }
