//go:build unix && !linux

package agent

// adoptOrphans is for Linux: here orphans go to the machine's first process.
func adoptOrphans() error { return nil }

func (ps *processes) reap() {}

// endOrphans kills the process groups of all that was started. What has left its group stays.
func (ps *processes) endOrphans() error {
	for _, process := range ps.started {
		kill(process)
	}
	return nil
}
