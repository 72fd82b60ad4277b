package control

import (
	"context"
	"math"
	"time"

	"github.com/remuda-dev/remuda"
)

const (
	shortestStep = time.Minute
	longestStep  = 24 * time.Hour
	mostSteps    = 1000 // of one answer
)

// ActivityRow is how many tasks of a step ended that had waited alike: the first two digits of their wait in microseconds,
// and how many digits it has. Lead is -1 for those that no runner had claimed. Step counts steps since 1970.
type ActivityRow struct {
	Step   int64 `db:"step"`
	Digits int   `db:"digits"`
	Lead   int64 `db:"lead"`
	Ended  int   `db:"ended"`
	Failed int   `db:"failed"`
}

// wait is what they waited at least.
func (r ActivityRow) wait() remuda.Duration {
	micros := r.Lead
	for range r.Digits - 2 {
		micros *= 10
	}
	return remuda.Duration(time.Duration(micros) * time.Microsecond)
}

// ActivityView reads what is shown of all tasks and classes at once.
type ActivityView interface {
	// Activity counts the tasks of an organization, or of all, that ended from a time on and before another, by step and
	// wait, the shortest first.
	Activity(ctx context.Context, organization string, from, to, step Micros) ([]ActivityRow, error)
	// LastFailed lists those that failed since a time, the last first.
	LastFailed(ctx context.Context, organization string, since Micros, most int) ([]TaskView, error)
	// ClassesAtWork lists the classes that an organization owns or may use, or all, by name and without what is counted.
	ClassesAtWork(ctx context.Context, organization string, most int) ([]ClassView, error)
	// Queues sums up the lanes with queued tasks by class and organization.
	Queues(ctx context.Context) ([]QueueRow, error)
}

// Activity tells what came to an end in each step of a span of time, of the tasks that the user may list. The span begins
// and ends with a whole step; the last one may still be under way.
func (d UserDoor) Activity(ctx context.Context, from, to time.Time, step time.Duration) ([]remuda.Activity, error) {
	only, err := d.only("task")
	if err != nil {
		return nil, err
	}
	if err := validSpan(from, to, step); err != nil {
		return nil, err
	}
	length := Micros(step.Microseconds())
	first, end := int64(micros(from)/length), int64((micros(to)+length-1)/length)
	read := func(ctx context.Context, first, end int64) (rows []ActivityRow, err error) {
		err = d.p.store.Read(ctx, func(v View) (err error) {
			rows, err = v.Activity(ctx, only, Micros(first)*length, Micros(end)*length, length)
			return err
		})
		return rows, err
	}
	return d.p.activities.of(activityKey{only, length}).span(ctx, d.p.now, first, end, read)
}

func validSpan(from, to time.Time, step time.Duration) error {
	wrong := func(location, message string) error {
		return &remuda.Error{Kind: remuda.Invalid, Detail: location + ": " + message, Fields: []remuda.Field{{Location: "query." + location, Message: message}}}
	}
	switch {
	case step < shortestStep || step > longestStep || step%time.Second != 0:
		return wrong("step", "a step is between 1m and 1d, in whole seconds")
	case from.Unix() < 0 || !from.Before(to):
		return wrong("from", "this is before to, and after 1970")
	case to.Sub(from) > (mostSteps-1)*step:
		return wrong("step", "this gives more than 1000 steps: ask for longer ones, or for less time")
	}
	return nil
}

// tellSteps sums up each step.
func tellSteps(rows []ActivityRow, length Micros, first, end int64) map[int64]remuda.Activity {
	told := make(map[int64]remuda.Activity, end-first)
	for step := first; step < end; step++ {
		told[step] = remuda.Activity{At: (Micros(step) * length).Time()}
	}
	for len(rows) > 0 {
		step, n := rows[0].Step, 1
		for n < len(rows) && rows[n].Step == step {
			n++
		}
		words := told[step]
		for _, row := range rows[:n] {
			words.Ended += row.Ended
			words.Failed += row.Failed
			if row.Lead >= 0 {
				words.Claimed += row.Ended
			}
		}
		words.WaitP50, words.WaitP95 = percentile(rows[:n], words.Claimed, 0.5), percentile(rows[:n], words.Claimed, 0.95)
		told[step] = words
		rows = rows[n:]
	}
	return told
}

// percentile is the wait of which so large a part of n tasks was not longer (the nearest rank).
func percentile(rows []ActivityRow, n int, part float64) remuda.Duration {
	left := int(math.Ceil(part * float64(n)))
	for _, row := range rows {
		if row.Lead < 0 {
			continue
		}
		if left -= row.Ended; left <= 0 {
			return row.wait()
		}
	}
	return 0
}
