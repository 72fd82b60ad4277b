package simulation

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// arrives notes that a call has reached a control plane.
func (l *ledger) arrives(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.what == "sync" {
		l.open[c.runner]++
	}
}

// leaves notes that a call was carried out.
func (l *ledger) leaves(c *call, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.what == "sync" {
		l.open[c.runner]--
	}
	if err != nil {
		if remuda.KindOf(err) == remuda.Internal && !errors.Is(err, context.Canceled) && !l.w.isOver() {
			l.breaks(sound, "%s of %s fails: %v", c.what, c.from, err)
		}
		l.wasFinished(c, err)
		return
	}
	switch c.what {
	case "begin", "steps", "stream", "append", "close":
		l.hears(c.claim, "")
	}
}

// wasFinished holds a refused Finish against one that was acknowledged.
func (l *ledger) wasFinished(c *call, err error) {
	a := l.attempts[c.claim]
	if c.what != "finish" || a == nil || a.finished == nil || !reflect.DeepEqual(*a.finished, c.result) {
		return
	}
	switch remuda.KindOf(err) {
	case remuda.Gone, remuda.Conflict, remuda.NotFound, remuda.Invalid:
		l.breaks(repeated, "claim %s was finished as %+v, and saying so again is answered %v", c.claim, c.result, err)
	}
}

// signed notes that a sign of life was written down, with the sync that brought it.
func (l *ledger) signed(s sign) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, claim := range s.claims {
		l.hears(claim, s.runner)
	}
}

// hears notes a sign of life of a claim; a runner may speak for its own alone.
func (l *ledger) hears(claim, runner string) {
	if a := l.attempts[claim]; a != nil && (runner == "" || a.RunnerID == runner) {
		a.heard = time.Now()
	}
}

// knowsDrain notes that a runner heard that its drain is known.
func (l *ledger) knowsDrain(runner string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drained[runner] = known
}

// knowsFinish notes that a runner heard that its Finish was taken.
func (l *ledger) knowsFinish(claim string, r remuda.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.attempts[claim]; a != nil {
		a.finished = &r
	}
}

// knowsTasks notes that a submitter was told of tasks.
func (l *ledger) knowsTasks(tasks []remuda.Task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, task := range tasks {
		truth := l.tasks[task.ID]
		if truth == nil {
			l.breaks(submitted, "task %s was acknowledged, and is not there", task.ID)
			return
		}
		truth.announced = true
	}
}

// executes notes that something of the user's begins.
func (l *ledger) executes(task, claim string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	truth := l.tasks[task]
	if truth == nil {
		l.breaks(submitted, "task %s begins, and nobody made it", task)
		return
	}
	truth.executed++
	if truth.executed > 1 && !truth.RetryInterrupted {
		l.breaks(onlyOnce, "task %s begins for the %dth time, under claim %s", task, truth.executed, claim)
	}
}

// someTask draws a task that its submitter knows; empty for none.
func (l *ledger) someTask(draw func(n int) int, fits func(taskTruth) bool) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for _, id := range l.order {
		if t := l.tasks[id]; t.announced && fits(*t) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return ids[draw(len(ids))]
}

// unfinished are the tasks that have not ended.
func (l *ledger) unfinished() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range l.order {
		if !l.tasks[id].State.Ended() {
			ids = append(ids, id)
		}
	}
	return ids
}

// lookForIdlers is called each second while the road is good: a class may have a task that could run and a runner
// that could take it for no longer than the slow poll needs.
func (l *ledger) lookForIdlers() {
	l.mu.Lock()
	defer l.mu.Unlock()
	hearsAll := l.w.site.hearsAll()
	still := map[string]bool{}
	for _, id := range l.order {
		t := l.tasks[id]
		if t.State != remuda.Queued || !l.underLimits(t) {
			continue
		}
		runner := l.idler(t, hearsAll)
		if runner == "" {
			continue
		}
		what := t.ClassID + t.Capabilities
		still[what] = true
		since, known := l.waits[what]
		if !known {
			l.waits[what] = time.Now()
		} else if time.Since(since) > pollEvery+2*time.Second {
			l.breaks(prompt, "task %s waits, and runner %s that could take it idles, for %s", id, runner, time.Since(since))
		}
	}
	maps.DeleteFunc(l.waits, func(what string, _ time.Time) bool { return !still[what] })
}

// idler is a runner that could take a task, and has a request open. Where wake-ups are lost only the poll is left, and
// it wakes those that took tasks when they asked.
func (l *ledger) idler(t *taskTruth, hearsAll bool) string {
	for id, r := range l.runners {
		if l.open[id] > 0 && l.takes(id) && l.serves[id][t.ClassID] != "" && isSubset(t.Capabilities, r.Capabilities) && (hearsAll || l.joined[id]) {
			return id
		}
	}
	return ""
}

// isSubset says whether every word of one text is in the other.
func isSubset(needs, has string) bool {
	had := strings.Fields(has)
	return !slices.ContainsFunc(strings.Fields(needs), func(word string) bool { return !slices.Contains(had, word) })
}

// forgetIdlers is called while the road is bad.
func (l *ledger) forgetIdlers() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.waits)
}

func (l *ledger) underLimits(t *taskTruth) bool {
	for _, id := range countedBy(t.TaskRow) {
		if most := l.limits[id]; most > 0 && l.running[id] >= most {
			return false
		}
	}
	return true
}

// takes is true when a runner may be given a task.
func (l *ledger) takes(runner string) bool {
	r := l.runners[runner]
	return r != nil && r.Ready && r.Reason == "" && !r.Paused && !r.Draining && !r.DrainAsked && r.GoneAt == 0 && l.holds(runner) < r.Slots
}

func (l *ledger) holds(runner string) int {
	n := 0
	for _, a := range l.attempts {
		if a.RunnerID == runner && a.State.Live() {
			n++
		}
	}
	return n
}

// limitsOf reads what was configured before the run.
func (l *ledger) limitsOf(organizations []control.OrganizationView, projects []control.ProjectRow, classes []control.ClassView) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range organizations {
		l.limits[o.ID] = o.TaskLimit
	}
	for _, p := range projects {
		l.limits[p.ID] = p.TaskLimit
	}
	for _, c := range classes {
		l.limits[c.ID] = c.TaskLimit
	}
}

// pausedRunners are those that somebody has to resume.
func (l *ledger) pausedRunners() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, r := range l.runners {
		if r.Paused && r.GoneAt == 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// hasMore says whether a task has, or may still get, an attempt after this one.
func (l *ledger) hasMore(task string, attempt int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tasks[task]
	return t.Attempts > attempt || !t.State.Ended()
}

func (l *ledger) isEnded(task string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tasks[task].State.Ended()
}

// wasRead holds what a follower read against what was written.
func (l *ledger) wasRead(task string, attempt int, seen *reading) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, a := range l.attempts {
		if a.TaskID == task && a.Number == attempt {
			a.read = append(a.read, seen)
			l.w.note("claim %s was read up to byte %d", id, seen.next)
		}
	}
}

// has says whether a job of this name was made.
func (l *ledger) has(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tasks {
		if t.Name == name {
			return true
		}
	}
	return false
}
