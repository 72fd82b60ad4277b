package task

import (
	"strconv"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// A waterfall shows where the time of an attempt went: a line each for its wait, its start and its steps, with bars on
// one axis. Bars of what goes on end where the axis does, and the browser lets both grow.
type waterfall struct {
	Origin, End time.Time
	Live        bool
	Lines       []line
}

// line is one stretch of time.
type line struct {
	Name, Link string // Link leads to its output, when it has one
	Look       string // a class
	State      string
	Detail     string
	Background bool
	ExitCode   *int
	From, To   *time.Time // To is absent while it goes on, both are before it has begun
	Cut        bool       // it is too long for the axis
}

// Ticks are at these parts of the axis.
func ticks() []float64 { return []float64{0, 0.25, 0.5, 0.75, 1} }

// waterfallOf is nil for a task that nobody has claimed.
func (s sheet) waterfall() *waterfall {
	attempt := s.shown()
	if attempt == nil {
		return nil
	}
	since := s.SubmittedAt
	if n := attempt.Number; n > 1 && n <= len(s.Attempts) && s.Attempts[n-2].EndedAt != nil {
		since = *s.Attempts[n-2].EndedAt
	}
	w := &waterfall{Live: attempt.State.Live()}
	wait := line{Name: "waiting for a runner", Look: "wait", From: &since, To: &attempt.ClaimedAt}
	start := line{Name: "starting", Look: "start", From: &attempt.ClaimedAt, To: or(attempt.BegunAt, attempt.EndedAt)}
	w.Lines = append(w.Lines, wait, start)
	for _, step := range attempt.Steps {
		w.Lines = append(w.Lines, line{
			Name: or(step.Name, "step "+strconv.Itoa(step.Number+1)), Link: "#s" + strconv.Itoa(step.Number), Look: string(step.State),
			State: string(step.State), Detail: step.Detail, Background: step.Background, ExitCode: step.ExitCode,
			From: step.StartedAt, To: step.EndedAt,
		})
	}
	w.Origin, w.End = attempt.ClaimedAt, attempt.ClaimedAt
	for _, l := range w.Lines[1:] {
		w.reach(l.From)
		w.reach(l.To)
	}
	w.reach(attempt.EndedAt)
	// A wait that is much longer than the work would leave no room for it on the axis.
	if waited := attempt.ClaimedAt.Sub(since); waited > 2*w.End.Sub(w.Origin) && waited > 5*time.Second {
		w.Lines[0].Cut = true
	} else {
		w.Origin = since
	}
	if !w.End.After(w.Origin) {
		w.End = w.Origin.Add(time.Second)
	}
	return w
}

// reach makes the axis long enough.
func (w *waterfall) reach(t *time.Time) {
	if t != nil && t.After(w.End) {
		w.End = *t
	}
}

// at is where on the axis a time is, from 0 to 1.
func (w waterfall) at(t time.Time) float64 {
	return min(1, max(0, float64(t.Sub(w.Origin))/float64(w.End.Sub(w.Origin))))
}

// thinnest is how wide a bar is at least, of the axis: what was short is seen, too.
const thinnest = 0.004

// x and width place a line's bar.
func (w waterfall) place(l line) (x, width string) {
	if l.Cut {
		return percent(0), percent(1)
	}
	end := 1.0
	if l.To != nil {
		end = w.at(*l.To)
	}
	start := min(w.at(*l.From), 1-thinnest)
	return percent(start), percent(max(thinnest, end-start))
}

func percent(part float64) string { return strconv.FormatFloat(100*part, 'f', 2, 64) + "%" }

// tick is what stands at a part of the axis.
func (w waterfall) tick(part float64) string {
	return page.Took(time.Duration(part * float64(w.End.Sub(w.Origin))))
}

// moment is a time as the browser counts; empty for none.
func moment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

// or is the first that is there.
func or[T comparable](one, other T) T {
	var none T
	if one == none {
		return other
	}
	return one
}

// lastSign is when an attempt was heard of last, for one that is live.
func lastSign(a remuda.Attempt) *time.Time {
	if !a.State.Live() {
		return nil
	}
	return &a.LastSignAt
}
