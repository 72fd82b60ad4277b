package machinerunner

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
)

// agentName is what the task-agent's binary is called.
func agentName() string {
	if runtime.GOOS == "windows" {
		return "remuda-agent.exe"
	}
	return "remuda-agent"
}

// beside is where remuda-agent stands when it is installed: in the folder of this process's binary.
func beside() (path string, found bool) {
	self, err := os.Executable()
	if err != nil {
		return agentName(), false
	}
	path = filepath.Join(filepath.Dir(self), agentName())
	info, err := os.Stat(path)
	return path, err == nil && info.Mode().IsRegular()
}

// agentCommand finds remuda-agent: in the folder that is named, or beside this binary. Without one standIn takes its
// place, which costs each task some time and memory, so that is said.
func agentCommand(folder string, standIn []string, log *slog.Logger) ([]string, error) {
	if folder != "" {
		path, err := filepath.Abs(filepath.Join(folder, agentName()))
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); err != nil {
			return nil, wrong("there is no task-agent: %w", err)
		}
		return []string{path}, nil
	}
	path, found := beside()
	switch {
	case found:
		return []string{path}, nil
	case len(standIn) == 0:
		return nil, wrong("there is no task-agent at %s", path)
	}
	log.Info("there is no remuda-agent beside remuda: remuda itself stands in for it, which makes each task a little slower", "looked_for", path)
	return standIn, nil
}
