package simulation

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// The times of the rules that the ledger holds them to; internal/control has them.
const (
	silentAfter = 30 * time.Second
	signEvery   = 5 * time.Second
	pollEvery   = 5 * time.Second
)

// ledger is the truth as the durable transitions tell it, in the order in which they were made, and as clients saw it.
type ledger struct {
	w  *world
	mu sync.Mutex

	tasks    map[string]*taskTruth
	order    []string // of their ids
	attempts map[string]*attemptTruth
	runners  map[string]*control.RunnerRow
	serves   map[string]map[string]string // of each runner its classes, and the tokens by which it serves them
	limits   map[string]int               // of organizations, projects and classes
	running  map[string]int               // of the same
	events   []string                     // of tasks, as "type subject"
	drained  map[string]bool              // runners that know that their drain is known
	open     map[string]int               // syncs that are held now, of each runner
	joined   map[string]bool              // runners whose sync waits for their classes from its arrival
	waits    map[string]time.Time         // since when a class has both a task and an idle runner

	problems []broken
}

// taskTruth is what is known of a task.
type taskTruth struct {
	control.TaskRow
	live      string // its live attempt
	used      int    // attempts that count
	executed  int    // how often something of the user's began
	announced bool   // its submitter knows of it
}

// attemptTruth is what is known of one claim.
type attemptTruth struct {
	control.AttemptRow
	heard    time.Time      // the last call under it that was answered well, or that named it
	finished *remuda.Result // what its runner knows to be acknowledged
	read     []*reading     // of its output, by followers
}

func newLedger(w *world) *ledger {
	return &ledger{
		w: w, tasks: map[string]*taskTruth{}, attempts: map[string]*attemptTruth{},
		runners: map[string]*control.RunnerRow{}, serves: map[string]map[string]string{},
		limits: map[string]int{}, running: map[string]int{}, drained: map[string]bool{}, open: map[string]int{},
		joined: map[string]bool{}, waits: map[string]time.Time{},
	}
}

// breaks notes that a rule does not hold, and ends the run.
func (l *ledger) breaks(r rule, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	l.problems = append(l.problems, broken{r, detail})
	l.w.note("BROKEN: %s: %s", r, detail)
	if l.w.mutation.rule == "" || l.w.mutation.rule == r {
		l.w.stop() // else the rule that must notice has not yet
	}
}

// isBroken is breaks for those who do not hold the lock.
func (l *ledger) isBroken(r rule, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breaks(r, format, args...)
}

// isEnough is true when what was to be found was found before the end.
func (l *ledger) isEnough() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.problems, func(b broken) bool { return l.w.mutation.rule == "" || l.w.mutation.rule == b.rule })
}

func (l *ledger) found() []broken {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.problems)
}

// change is one row that a transition wrote.
type change struct {
	verb    string // insert, update, delete
	row     any    // a copy
	columns []string
}

// sign is what Tx.Sign was asked for.
type sign struct {
	runner string
	claims []string
	at     control.Micros
}

// applies takes a transition in that a replica carried out: one after the other, in the order of the store.
func (l *ledger) applies(c *call, by *replica, changes []change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c == nil {
		c = &call{}
	}
	l.guard(c, changes)
	moves, events := []string(nil), []string(nil)
	for _, ch := range changes {
		switch row := ch.row.(type) {
		case *control.TaskRow:
			if move := l.ofTask(c, row, ch); move != "" {
				moves = append(moves, move)
			}
		case *control.AttemptRow:
			l.ofAttempt(c, by, row, ch)
		case *control.RunnerRow:
			l.ofRunner(row, ch)
		case *control.RunnerClassRow:
			l.served(row.RunnerID)[row.ClassID] = row.TokenID
		case *control.TokenRow:
			l.ofToken(row, ch)
		case *control.OrganizationRow:
			l.ofLimit(row.ID, row.TaskLimit, ch)
		case *control.ProjectRow:
			l.ofLimit(row.ID, row.TaskLimit, ch)
		case *control.ClassRow:
			l.ofLimit(row.ID, row.TaskLimit, ch)
		case *control.GroupRow:
			l.ofLimit(row.ID, row.TaskLimit, ch)
		case *control.EventRow:
			if isMove(row.Type) {
				events = append(events, row.Type+" "+row.Subject)
			}
		}
	}
	slices.Sort(moves)
	slices.Sort(events)
	if !slices.Equal(moves, events) {
		l.breaks(told, "a transition for %s moved %v and told %v", c.what, moves, events)
	}
	l.events = append(l.events, events...)
	if c.replaces {
		l.replaced(changes)
	}
	if c.what == "sync" {
		l.joined[c.runner] = l.takes(c.runner)
	}
}

// replaced holds the tasks of a group against a new job that takes their place.
func (l *ledger) replaced(changes []change) {
	for _, ch := range changes {
		made, of := ch.row.(*control.TaskRow)
		if !of || ch.verb != "insert" {
			continue
		}
		for _, t := range l.tasks {
			if t.GroupID == made.GroupID && t.JobID != made.JobID && !t.State.Ended() && !t.CancelRequested {
				l.breaks(obeyed, "task %s is %s beside job %s, which replaces it", t.ID, t.State, made.JobID)
			}
		}
	}
}

// isMove is true for events that tell a task's state.
func isMove(kind string) bool {
	switch kind {
	case "task.waiting", "task.queued", "task.running", "task.succeeded", "task.failed", "task.canceled", "task.skipped":
		return true
	}
	return false
}

// guard looks at a transition that a claim asked for, before it is taken in.
func (l *ledger) guard(c *call, changes []change) {
	a := l.attempts[c.claim]
	if c.claim == "" || a == nil || a.State.Live() {
		return
	}
	if len(changes) > 0 {
		l.breaks(fenced, "%s for claim %s, which is %s, changed %v", c.what, c.claim, a.State, changes)
	}
	switch c.what {
	case "begin", "steps":
		l.breaks(fenced, "%s was granted to claim %s, which is %s", c.what, c.claim, a.State)
	case "finish":
		if string(a.State) != string(c.result.State) || a.Reason != c.result.Reason || a.Detail != c.result.Detail {
			l.breaks(fenced, "claim %s is %s, and could be finished as %+v", c.claim, a.State, c.result)
		}
	case "return":
		if a.State != remuda.AttemptReturned {
			l.breaks(fenced, "claim %s is %s, and could be returned", c.claim, a.State)
		}
	}
}

// ofTask takes a task's row in; the answer is its move as an event would tell it.
func (l *ledger) ofTask(c *call, row *control.TaskRow, ch change) string {
	if ch.verb == "insert" {
		l.tasks[row.ID] = &taskTruth{TaskRow: *row}
		l.order = append(l.order, row.ID)
		return "task." + string(row.State) + " " + row.ID
	}
	task := l.tasks[row.ID]
	if task == nil {
		l.breaks(sound, "task %s is changed before it is there", row.ID)
		return ""
	}
	if a := l.attempts[c.claim]; a != nil && (a.TaskID != row.ID || task.AttemptID != a.ID) && !l.isNext(c, a, row) {
		l.breaks(fenced, "%s for claim %s changed task %s, whose claim is %s", c.what, c.claim, row.ID, task.AttemptID)
	}
	before := task.TaskRow
	merge(&task.TaskRow, row, ch.columns)
	if !slices.Contains(ch.columns, "state") {
		return ""
	}
	if before.State.Ended() {
		l.breaks(oneEnd, "task %s was %s and became %s, by %s of %s", row.ID, before.State, task.State, c.what, c.from)
	}
	l.count(task.TaskRow, before.State, -1)
	if task.State == remuda.Running {
		l.holdsLimits(task)
	}
	l.count(task.TaskRow, task.State, 1)
	if task.State != remuda.Running && task.live != "" {
		l.breaks(oneClaim, "task %s is %s, and its claim %s lives", row.ID, task.State, task.live)
	}
	if task.State.Ended() && c.what == "finish" && !agrees(*task, c.result) {
		l.breaks(obeyed, "task %s is %s (%s) after its runner finished it as %+v", row.ID, task.State, task.Reason, c.result)
	}
	return "task." + string(task.State) + " " + row.ID
}

// isNext is true for a task that a runner is given in the place of the one that it finishes.
func (l *ledger) isNext(c *call, ended *attemptTruth, row *control.TaskRow) bool {
	next := l.attempts[row.AttemptID]
	return c.what == "finish" && !ended.State.Live() && row.State == remuda.Running && next != nil && next.RunnerID == ended.RunnerID
}

// agrees is true when a task ended as its runner said; that it was cancelled meanwhile may say more.
func agrees(t taskTruth, r remuda.Result) bool {
	if t.State == r.State && t.Reason == r.Reason {
		return true
	}
	infrastructure := r.State == remuda.Canceled || r.Reason == remuda.ReasonInfrastructure
	return infrastructure && (t.State == remuda.Failed || t.State == remuda.Canceled)
}

func (l *ledger) count(t control.TaskRow, s remuda.State, by int) {
	if s != remuda.Running {
		return
	}
	for _, id := range countedBy(t) {
		l.running[id] += by
	}
}

// countedBy are the ids of what counts a task when it runs.
func countedBy(t control.TaskRow) []string {
	ids := []string{t.OrganizationID, t.ProjectID, t.ClassID}
	if t.GroupID != "" {
		ids = append(ids, t.GroupID)
	}
	return ids
}

func (l *ledger) holdsLimits(t *taskTruth) {
	for _, id := range countedBy(t.TaskRow) {
		if most := l.limits[id]; most > 0 && l.running[id] >= most {
			l.breaks(limited, "task %s runs beside %d others, and %s has a limit of %d", t.ID, l.running[id], id, most)
		}
	}
}

// ofAttempt takes an attempt's row in.
func (l *ledger) ofAttempt(c *call, by *replica, row *control.AttemptRow, ch change) {
	if ch.verb == "insert" {
		l.claimed(row)
		return
	}
	a := l.attempts[row.ID]
	if a == nil {
		l.breaks(sound, "attempt %s is changed before it is there", row.ID)
		return
	}
	before := a.AttemptRow
	merge(&a.AttemptRow, row, ch.columns)
	if !before.State.Live() {
		l.breaks(fenced, "claim %s was %s and was changed to %+v", row.ID, before.State, a.AttemptRow)
	}
	task := l.tasks[a.TaskID]
	if !a.State.Live() {
		if task.live == a.ID {
			task.live = ""
		}
		if c.what == "return" && c.draining {
			task.used--
		}
		l.lostInTime(a, by)
	}
}

func (l *ledger) claimed(row *control.AttemptRow) {
	task, runner := l.tasks[row.TaskID], l.runners[row.RunnerID]
	l.attempts[row.ID] = &attemptTruth{AttemptRow: *row, heard: time.Now()}
	if task == nil || runner == nil {
		l.breaks(sound, "claim %s of nothing: task %v, runner %v", row.ID, task, runner)
		return
	}
	switch {
	case task.live != "":
		l.breaks(oneClaim, "task %s has claim %s and gets %s", task.ID, task.live, row.ID)
	case task.State.Ended():
		l.breaks(oneEnd, "task %s is %s and gets claim %s", task.ID, task.State, row.ID)
	}
	task.live = row.ID
	if task.used++; task.used > task.MaxAttempts {
		l.breaks(bounded, "task %s has its attempt %d of %d", task.ID, task.used, task.MaxAttempts)
	}
	switch {
	case l.drained[row.RunnerID]:
		l.breaks(quiet, "runner %s knows that it drains, and got claim %s", row.RunnerID, row.ID)
	case runner.Paused || runner.DrainAsked:
		l.breaks(rested, "runner %s is paused %v, told to drain %v, and got claim %s", row.RunnerID, runner.Paused, runner.DrainAsked, row.ID)
	case task.CancelRequested:
		l.breaks(obeyed, "task %s was cancelled, and gets claim %s", task.ID, row.ID)
	case l.holds(row.RunnerID) > runner.Slots:
		l.breaks(roomy, "runner %s has %d slots, and holds %d claims", row.RunnerID, runner.Slots, l.holds(row.RunnerID))
	case !isSubset(task.Capabilities, runner.Capabilities):
		l.breaks(rested, "runner %s has %q, task %s needs %q, and got claim %s", row.RunnerID, runner.Capabilities, task.ID, task.Capabilities, row.ID)
	case l.served(row.RunnerID)[task.ClassID] == "":
		l.breaks(rested, "runner %s does not serve class %s, and got claim %s", row.RunnerID, task.ClassID, row.ID)
	}
	clear(l.waits)
	l.joined[row.RunnerID] = l.joined[row.RunnerID] && l.takes(row.RunnerID)
}

// lostInTime holds the loss of a claim to its time of silence. A sign is written down each signEvery only, by the clock
// of one replica, and counted by another's. Time in which the replica that takes the claim could write nothing, as it
// had to notice, does not count.
func (l *ledger) lostInTime(a *attemptTruth, by *replica) {
	if a.State != remuda.AttemptLost {
		return
	}
	patience := silentAfter
	if a.BegunAt != 0 {
		patience = a.LostAfter.Std()
	}
	since, deaf := a.heard, by.deafUntil()
	if deaf.After(since) {
		since = deaf
	}
	if silent := time.Since(since); silent < patience-signEvery-l.w.plan.apart() {
		l.breaks(heard, "claim %s was lost %s after its last sign, at %s, or the last time of no writes, at %s; it has %s",
			a.ID, silent, a.heard.Sub(l.w.began), deaf.Sub(l.w.began), patience)
	}
}

func (l *ledger) ofRunner(row *control.RunnerRow, ch change) {
	if ch.verb == "insert" {
		copied := *row
		l.runners[row.ID] = &copied
		return
	}
	if known := l.runners[row.ID]; known != nil {
		merge(known, row, ch.columns)
	}
}

func (l *ledger) ofLimit(id string, most int, ch change) {
	if ch.verb == "insert" || slices.Contains(ch.columns, "task_limit") {
		l.limits[id] = most
	}
}

// ofToken takes the classes from runners that registered with a token that is no more.
func (l *ledger) ofToken(row *control.TokenRow, ch change) {
	if ch.verb == "insert" || ch.verb == "update" && !slices.Contains(ch.columns, "revoked_at") {
		return
	}
	for _, classes := range l.serves {
		maps.DeleteFunc(classes, func(_, token string) bool { return token == row.ID })
	}
}

func (l *ledger) served(runner string) map[string]string {
	if l.serves[runner] == nil {
		l.serves[runner] = map[string]string{}
	}
	return l.serves[runner]
}

// states counts the tasks by state, for notes.
func (l *ledger) states() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := map[remuda.State]int{}
	for _, task := range l.tasks {
		n[task.State]++
	}
	text := ""
	for _, state := range slices.Sorted(maps.Keys(n)) {
		text += fmt.Sprintf(" %s %d", state, n[state])
	}
	return text
}
