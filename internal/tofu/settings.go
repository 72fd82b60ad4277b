package tofu

import "fmt"

// settingsPath is where tofu finds its own configuration, which a module cannot change.
func (r *run) settingsPath() string { return r.task.Folder.Beside("tofurc") }

func (r *run) writeSettings() error {
	if err := create(r.settingsPath(), []byte("disable_checkpoint = true\n")); err != nil {
		return fmt.Errorf("write tofu's own configuration: %w", err)
	}
	return nil
}
