package machinerunner

import (
	"testing"

	"github.com/remuda-dev/remuda/runner"
)

func TestARunnerThatEndsWithItsTaskHasNoAgentWaitForAnother(t *testing.T) {
	var s Settings
	if s.readyFor(Program{}) <= 0 {
		t.Error("no agent waits for the tasks of a runner that stays")
	}
	if s.readyFor(Program{DieWithParent: true}) > 0 {
		t.Error("one waits in a runner that ends with its parent")
	}
	s.Runner.Mode = string(runner.SingleTask)
	if s.readyFor(Program{}) > 0 {
		t.Error("one waits in a runner for one task")
	}
}
