package main

import (
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// keepSettings say how much is kept, and for how long.
type keepSettings struct {
	OutputLimit     int             `yaml:"output_limit" flag:"output-limit" help:"how many MiB of output are kept of each attempt: head and tail"`
	RetentionAge    remuda.Duration `yaml:"retention_age" flag:"retention-age" help:"delete tasks, and all that belongs to them, so long after their end, 2d at least; 0 keeps them for ever"`
	RetentionSize   int             `yaml:"retention_size" flag:"retention-size" help:"how many GiB all output may take up before that of the oldest tasks is removed; 0 for any size"`
	RetentionEvents remuda.Duration `yaml:"retention_events" flag:"retention-events" help:"delete events after so long, 2d at least; 0 keeps them for ever"`
}

const day = remuda.Duration(24 * time.Hour)

func usualKeep() keepSettings {
	return keepSettings{OutputLimit: 64, RetentionAge: 90 * day, RetentionEvents: 365 * day}
}

// check says what cannot be meant.
func (k keepSettings) check() error {
	switch {
	case k.OutputLimit < 1:
		return wrong("--output-limit %d: expected how many MiB of output are kept, 1 at least", k.OutputLimit)
	case k.RetentionSize < 0:
		return wrong("--retention-size %d: expected how many GiB all output may take up, or 0", k.RetentionSize)
	case k.RetentionAge != 0 && k.RetentionAge < 2*day:
		return wrong("--retention-age %s: expected 2d or more, or 0 to keep tasks for ever", k.RetentionAge)
	case k.RetentionEvents != 0 && k.RetentionEvents < 2*day:
		return wrong("--retention-events %s: expected 2d or more, or 0 to keep events for ever", k.RetentionEvents)
	}
	return nil
}

func (k keepSettings) retention() control.Retention {
	return control.Retention{Age: k.RetentionAge, Size: int64(k.RetentionSize) << 30, Events: k.RetentionEvents}
}
