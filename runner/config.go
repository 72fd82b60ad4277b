package runner

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/seal"
)

// Mode says how many tasks a runner carries out in its life.
type Mode string

// The modes.
const (
	Continuous Mode = "continuous"  // one after the other, until it is told to end
	SingleTask Mode = "single-task" // one, then it drains and ends
)

// What holds when nothing is said.
const (
	DefaultMaxRunTime  = 5 * time.Hour
	DefaultCancelGrace = 10 * time.Second
	// DefaultQuarantineAfter is how many tasks in a row may fail to start.
	DefaultQuarantineAfter = 3
)

// Config is what a runner's operator decides.
type Config struct {
	// Slots is how many tasks run at once: 1 when 0, and always 1 for a single task. Register the same number: it is the
	// control plane that counts.
	Slots int
	Mode  Mode // Continuous when empty
	// IdleTimeout is how long the runner waits without a task before it ends. 0 means for ever.
	IdleTimeout time.Duration
	// MaxRunTime bounds every task, whatever it asks for.
	MaxRunTime time.Duration
	// CancelGrace is from TERM to KILL, where the claim does not say.
	CancelGrace time.Duration
	// DrainTimeout is how long what runs may go on once the runner drains, before it is cancelled. 0 means until it
	// ends, which MaxRunTime bounds.
	DrainTimeout time.Duration
	// QuarantineAfter is how many tasks in a row may fail to start before the runner takes nothing new for a while:
	// 3 when 0, never when negative.
	QuarantineAfter int
	// Key opens what is sealed to this runner. It must be the one whose public half was registered.
	Key *seal.Key
	// Register makes the runner known (again) and gives what to speak to from then on. It is called at first when New
	// was given no ControlPlane, and whenever the control plane does not know the runner any more. Its claims are then
	// nobody's, which the first answer says. Without it, Run returns the error.
	Register func(ctx context.Context) (ControlPlane, error)
	// Veto is the operator's last word on each claim before it starts; see VetoCommand.
	Veto func(ctx context.Context, claim remuda.Claim) error
	// Allow bounds what the runner carries out, whatever it is sent.
	Allow Allow
}

// Allow are lists of what may run; an empty list allows everything.
type Allow struct {
	Implementations []string // such as job
	// Repositories are patterns as path.Match reads them: a * does not match a slash. A trailing .git in the task's
	// repository may be left out. A task that names no repository is refused.
	Repositories  []string
	Organizations []string // who submitted the task
}

// complete fills in what was not said and refuses what cannot be meant.
func (c Config) complete() (Config, error) {
	switch c.Mode {
	case "":
		c.Mode = Continuous
	case Continuous, SingleTask:
	default:
		return c, fmt.Errorf("mode %q: it is %q or %q", c.Mode, Continuous, SingleTask)
	}
	if c.Slots < 0 {
		return c, fmt.Errorf("slots %d: it is at least 1", c.Slots)
	}
	if c.Slots == 0 || c.Mode == SingleTask {
		c.Slots = 1
	}
	if c.Key == nil {
		return c, errors.New("a runner needs its sealing key")
	}
	for _, pattern := range c.Allow.Repositories {
		if _, err := path.Match(pattern, ""); err != nil {
			return c, fmt.Errorf("allowed repository %q: %w", pattern, err)
		}
	}
	for _, length := range []time.Duration{c.IdleTimeout, c.MaxRunTime, c.CancelGrace, c.DrainTimeout} {
		if length < 0 {
			return c, fmt.Errorf("a length of time may not be negative: %s", length)
		}
	}
	if c.QuarantineAfter == 0 {
		c.QuarantineAfter = DefaultQuarantineAfter
	}
	if c.MaxRunTime == 0 {
		c.MaxRunTime = DefaultMaxRunTime
	}
	if c.CancelGrace == 0 {
		c.CancelGrace = DefaultCancelGrace
	}
	return c, nil
}
