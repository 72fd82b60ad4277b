package runner

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// A Checker is an Executor that can tell whether it could carry out a task now. An Executor need not be one.
type Checker interface {
	// Check is nil when a task could be carried out, else its error says to the machine's operator why not. It is asked
	// before the runner takes anything, before each task is started, and every half minute: what costs much, and what
	// writes, it does the first time and again only after something went wrong.
	Check(ctx context.Context) error
}

const (
	// looksEvery is how often the machine is looked at while nothing happens.
	looksEvery = 30 * time.Second
	// checkTime is how long one look may take.
	checkTime = 30 * time.Second
	// firstLook is how long a runner waits for the first look before it speaks: what it holds cannot wait for more.
	firstLook = 5 * time.Second
	// firstQuarantine and longestQuarantine bound how long a runner waits before it tries a task again.
	firstQuarantine   = 30 * time.Second
	longestQuarantine = 15 * time.Minute
	// longestCause is how much of an error becomes part of a reason, of which the control plane takes 1000 bytes.
	longestCause = 600
)

// health is what a runner knows of its fitness to start tasks. A task that did not start says something about the
// machine; how one ends that started is its own affair, and its steps could pretend anything.
type health struct {
	looked bool   // the self-check was made
	unfit  string // why it failed; empty when it passed

	failures int    // tasks in a row that could not be started
	last     string // why, the last time
	rounds   int    // how often in a row it went into quarantine
	confined bool   // it is in quarantine, and takes nothing
	until    time.Time
	probing  bool   // it is in quarantine, and takes one task to see how that goes
	probe    string // the claim of that task
	resumed  int64  // the last order to leave quarantine
}

// say adds to what the runner says of itself.
func (h *health) say(said *remuda.Sync) {
	said.Resumed = h.resumed
	said.Quarantined = h.quarantined()
	switch {
	case !h.looked:
		said.Ready, said.Reason = false, "the runner looks whether its machine can carry out tasks"
	case h.unfit != "":
		said.Ready, said.Reason = false, "the self-check fails: "+h.unfit
	case h.confined:
		said.Ready = false
		said.Reason = fmt.Sprintf("%s; it tries one again at %s", h.story(), h.until.UTC().Format("15:04:05 MST"))
	case h.probe != "":
		said.Ready, said.Reason = false, h.story()+"; it tries one now"
	case h.probing:
		said.Most, said.Reason = 1, h.story()+"; it takes one to try"
	}
}

func (h *health) quarantined() bool { return h.unfit != "" || h.confined || h.probing }

// takes is false when a claim that comes now crossed the word that none is wanted.
func (h *health) takes() bool {
	return h.looked && h.unfit == "" && !h.confined && h.probe == ""
}

func (h *health) story() string {
	if h.failures == 1 {
		return "a task could not be started: " + h.last
	}
	return fmt.Sprintf("%d tasks in a row could not be started, the last one: %s", h.failures, h.last)
}

// keepFit looks at the machine when there is a reason to, and every half minute, until ctx ends. looked is closed after
// the first time.
func (r *Runner) keepFit(ctx context.Context, looked chan<- struct{}) {
	for first := true; ; first = false {
		r.look(ctx)
		if first {
			close(looked)
		}
		next := time.NewTimer(r.nextLook())
		select {
		case <-next.C:
		case <-r.doubts:
			next.Stop()
		case <-ctx.Done():
			next.Stop()
			return
		}
	}
}

func (r *Runner) nextLook() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if left := time.Until(r.health.until); r.health.confined && left > 0 {
		return min(left, looksEvery)
	}
	return looksEvery
}

// look makes the self-check, and lets a runner try a task whose quarantine is over.
func (r *Runner) look(ctx context.Context) {
	err := r.check(ctx)
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found(err)
	if h := &r.health; err == nil && h.confined && time.Until(h.until) <= 0 {
		h.confined, h.probing = false, true
		r.log.Info("the runner takes one task to see whether tasks can be started again")
	}
	r.poke()
}

// found notes what a self-check said.
func (r *Runner) found(err error) {
	h, unfit := &r.health, ""
	if err != nil {
		unfit = shorten(err.Error(), longestCause)
	}
	switch {
	case unfit != "" && h.unfit == "":
		r.log.Error("the self-check fails: nothing new is taken until it passes", "error", unfit)
	case unfit == "" && h.unfit != "":
		r.log.Info("the self-check passes again")
	}
	h.looked, h.unfit = true, unfit
}

func (r *Runner) check(ctx context.Context) error {
	checker, ok := r.executor.(Checker)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, checkTime, fmt.Errorf("it did not end within %s", remuda.Duration(checkTime)))
	defer cancel()
	return checker.Check(ctx)
}

// doubt has the machine looked at now.
func (r *Runner) doubt() {
	select {
	case r.doubts <- struct{}{}:
	default:
	}
}

// fit makes the self-check before a claim is started.
func (r *Runner) fit(ctx context.Context) error {
	err := r.check(ctx)
	if err == nil || ctx.Err() != nil {
		return nil // Cancelled meanwhile, it is not started anyway.
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found(err)
	r.poke()
	return fmt.Errorf("%w: the self-check fails: %w", errUnstarted, err)
}

// stumbled notes that a task could not be started. After QuarantineAfter of them in a row, or when it was the one that a
// runner in quarantine tried, the runner takes nothing for a while, longer each time.
func (r *Runner) stumbled(claim string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := &r.health
	if r.config.QuarantineAfter < 0 || h.confined || h.probing && h.probe != claim {
		return // It was taken before the quarantine, which it says nothing new about.
	}
	h.failures++
	h.last = shorten(strings.TrimSpace(err.Error()), longestCause)
	if h.probing || h.failures >= r.config.QuarantineAfter {
		wait := quarantine(h.rounds)
		h.confined, h.probing, h.probe, h.until = true, false, "", time.Now().Add(wait)
		h.rounds++
		r.log.Error("tasks cannot be started: the runner is in quarantine, and takes nothing new",
			"in_a_row", h.failures, "last", h.last, "for", wait.Round(time.Second))
		r.poke()
	}
	r.doubt()
}

// quarantine is how long the round after so many others lasts. No two runners that failed together come back together.
func quarantine(rounds int) time.Duration {
	longest := min(longestQuarantine, firstQuarantine<<min(rounds, 10))
	return longest/2 + rand.N(longest)
}

// started notes that a task's agent came as far as to ask for leave to begin: tasks can be started here.
func (r *Runner) started(claim string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := &r.health
	if h.confined || h.probing && h.probe != claim {
		return
	}
	if h.probing {
		r.log.Info("a task could be started: the runner leaves quarantine")
		r.poke()
	}
	h.failures, h.rounds, h.probing, h.probe = 0, 0, false, ""
}

// resume leaves quarantine at once, since an operator ordered it. It is false for an order that was carried out.
func (r *Runner) resume(order int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if order <= r.health.resumed {
		return false
	}
	r.log.Info("an operator lets the runner out of quarantine")
	r.health = health{looked: r.health.looked, unfit: r.health.unfit, resumed: order}
	r.doubt()
	r.poke()
	return true
}

// attended is a claim's plane that notices when the agent asks for leave to begin.
type attended struct {
	TaskPlane
	began *atomic.Bool
	note  func()
}

// Begin passes the question on.
func (a attended) Begin(ctx context.Context, b remuda.Begin) (remuda.Begun, error) {
	a.noted()
	return a.TaskPlane.Begin(ctx, b)
}

// ServeHTTP passes on what the agent says.
func (a attended) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if strings.HasSuffix(q.URL.Path, "/begin") {
		a.noted()
	}
	a.TaskPlane.ServeHTTP(w, q)
}

func (a attended) noted() {
	if !a.began.Swap(true) {
		a.note()
	}
}

var _ agent.Plane = attended{}
