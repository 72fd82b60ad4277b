package overview

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// plot is a span of time in steps.
type plot struct {
	Steps []remuda.Activity
	Step  time.Duration
}

func plotted(ctx context.Context, door control.UserDoor, now time.Time, span, step time.Duration) (plot, error) {
	steps, err := door.Activity(ctx, now.Truncate(step).Add(step-span), now.Truncate(step).Add(step), step)
	return plot{steps, step}, err
}

// Empty says that nothing ended.
func (p plot) Empty() bool { return len(p.Busy()) == 0 }

// Busy are the steps in which something ended, the last first.
func (p plot) Busy() (busy []remuda.Activity) {
	for i := len(p.Steps) - 1; i >= 0; i-- {
		if p.Steps[i].Ended > 0 {
			busy = append(busy, p.Steps[i])
		}
	}
	return busy
}

// sums is what a headline says of a plot.
func (p plot) sums() string {
	ended, failed := 0, 0
	for _, step := range p.Steps {
		ended, failed = ended+step.Ended, failed+step.Failed
	}
	return page.Counted(ended, "task", "tasks") + " ended, " + strconv.Itoa(failed) + " failed"
}

// drawn is what the script draws.
type drawn struct {
	From   int64      `json:"from"` // seconds since 1970
	Step   int64      `json:"step"` // seconds
	Ended  []int      `json:"ended"`
	Failed []int      `json:"failed"`
	P50    []*float64 `json:"p50"` // seconds; null where nothing was claimed
	P95    []*float64 `json:"p95"`
}

// Data is the plot for the script.
func (p plot) Data() (string, error) {
	d := drawn{Step: int64(p.Step / time.Second)}
	for i, step := range p.Steps {
		if i == 0 {
			d.From = step.At.Unix()
		}
		d.Ended, d.Failed = append(d.Ended, step.Ended), append(d.Failed, step.Failed)
		d.P50, d.P95 = append(d.P50, secondsOf(step, step.WaitP50)), append(d.P95, secondsOf(step, step.WaitP95))
	}
	text, err := json.Marshal(d)
	return string(text), err
}

func secondsOf(step remuda.Activity, wait remuda.Duration) *float64 {
	if step.Claimed == 0 {
		return nil
	}
	seconds := wait.Std().Seconds()
	return &seconds
}

// waited is a wait in a table.
func waited(step remuda.Activity, wait remuda.Duration) string {
	if step.Claimed == 0 {
		return "none was claimed"
	}
	return page.Took(wait.Std())
}
