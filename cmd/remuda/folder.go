package main

import (
	"os"
	"path/filepath"
)

// dataFolder is where a control plane keeps its data when nothing is said.
func (p *program) dataFolder() string {
	if base, _ := p.env("XDG_DATA_HOME"); base != "" {
		return filepath.Join(base, "remuda")
	}
	return "remuda-data"
}

// runnerFolder is where a runner keeps its state when nothing is said. Root's tasks run as another user, who cannot
// pass through most folders that belong to root.
func (p *program) runnerFolder() string {
	if base, _ := p.env("XDG_STATE_HOME"); base != "" {
		return filepath.Join(base, "remuda", "runner")
	}
	if os.Geteuid() == 0 {
		return "/var/lib/remuda-runner"
	}
	return "remuda-runner"
}
