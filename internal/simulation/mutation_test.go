package simulation

import (
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/runner"
)

// mutation breaks one rule on purpose.
type mutation struct {
	name     string
	rules    []rule // any of them may be the first that notices
	plan     func(*plan)
	deaf     bool // no replica hears the wake-ups of others
	store    func(control.Store) control.Store
	runner   func(*runner.Config)
	executor func(*host) runner.Executor
}
