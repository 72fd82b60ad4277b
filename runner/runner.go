// Package runner is a runner's loop: it keeps one request open at the control plane, hands each claim that comes back
// to an Executor, and says how it ended. Where tasks run is the Executor's business, how the control plane is reached
// the ControlPlane's, so that others can build runners of their own from it.
//
// Everything is level-triggered: the runner says what it has, the control plane answers with the difference, and an
// answer that is lost or comes twice changes nothing.
package runner

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
)

// What ends a task that runs: the cause of the context that Execute gets. With any other cause the runner itself
// stops, and what it runs is left for its successor to adopt.
var (
	ErrCanceled = errors.New("the task was cancelled")
	ErrTimeout  = errors.New("the task ran for too long")
	ErrLost     = errors.New("the claim is not this runner's any more")
)

// errStopped is the cause that tasks see when the runner stops without ending them.
var errStopped = errors.New("the runner stops; its tasks run on and wait for its successor")

// Ends is true when ctx was ended because its task shall end. A context that was ended since the runner stops leaves
// the task alive.
func Ends(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return errors.Is(cause, ErrCanceled) || errors.Is(cause, ErrTimeout) || errors.Is(cause, ErrLost)
}

// Runner claims tasks and has them carried out. Run is its life; Drain and Cancel end that from outside.
type Runner struct {
	config   Config
	executor Executor
	log      *slog.Logger

	// changed holds one element when an open request may say what is not so any more.
	changed chan struct{}
	// doubts holds one element when the machine is to be looked at now.
	doubts chan struct{}
	// hurry ends when the last words have only little time left.
	hurry   context.Context
	hurried context.CancelFunc

	mu       sync.Mutex
	plane    ControlPlane
	held     map[string]*holding
	over     map[string]int // claims dropped, and how many requests had been made by then: an answer to those may still bring them
	asked    int            // requests whose answer may bring claims, by number
	open     map[int]bool   // those of them that are not answered
	unheard  int            // answers with claims that may have been lost
	used     bool           // it has had a claim; a single-task runner takes no other
	life     string
	known    bool // since it started, the control plane has registered or answered it
	draining bool
	canceled bool
	drained  time.Time // when draining began
	health   health
	idle     *time.Timer
	patience *time.Timer // until what still runs while draining is cancelled
}

// holding is one claim that this runner has.
type holding struct {
	end       context.CancelCauseFunc
	canceling bool
	lost      bool
	ended     bool // its task has ended, and its last word is on its way
	surplus   bool // it crossed a request that asked for none
	left      bool // the runner ends, and leaves it to its successor
}

// New makes a runner that speaks to plane and has executor carry out what it claims. Without a plane the runner
// registers first, by config.Register.
func New(config Config, plane ControlPlane, executor Executor, log *slog.Logger) (*Runner, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	if plane == nil && config.Register == nil {
		return nil, errors.New("a runner needs a control plane, or a way to register at one")
	}
	hurry, hurried := context.WithCancel(context.Background())
	return &Runner{
		config: config, executor: executor, log: log, plane: plane,
		changed: make(chan struct{}, 1), doubts: make(chan struct{}, 1), hurry: hurry, hurried: hurried,
		held: map[string]*holding{}, over: map[string]int{}, open: map[int]bool{}, life: rand.Text(),
	}, nil
}

// Run claims and carries out tasks until the runner has drained, which is no error.
//
// When ctx ends it stops at once: tasks that run are left to an executor that can leave them, for the runner's
// successor to adopt. It also returns an error when it was cancelled and how a task ended could not be said: the
// successor says it; and when the control plane knows the runner no longer and does not take it back. Without an error
// there is nothing left for a successor. Run may be called once.
func (r *Runner) Run(ctx context.Context) (err error) {
	left, err := r.executor.Left(ctx)
	if err != nil {
		return fmt.Errorf("look for tasks that an earlier runner left: %w", err)
	}
	if len(left) > 0 {
		r.log.Info("an earlier runner left claims here; they are adopted if they are still ours", "claims", left)
	}
	r.startTimers()
	defer r.stopTimers()
	defer context.AfterFunc(ctx, r.hurried)()

	// Tasks outlive neither Run nor, in their last words, its end.
	var carrying sync.WaitGroup
	defer carrying.Wait()
	work, stop := context.WithCancelCause(ctx)
	defer func() { r.hurried(); stop(errStopped) }()

	looked := make(chan struct{})
	carrying.Go(func() { r.keepFit(work, looked) })
	select {
	case <-looked:
	case <-time.After(firstLook):
	case <-ctx.Done():
	}
	s := syncing{runner: r, left: left, carrying: &carrying, work: work}
	return s.loop(ctx)
}

// Drain lets the runner take nothing new, finish what it has, say goodbye and end. It may be called at any time, from
// anywhere, and again.
func (r *Runner) Drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drain()
}

func (r *Runner) drain() {
	if r.draining {
		return
	}
	r.draining, r.drained = true, time.Now()
	if r.config.DrainTimeout > 0 {
		r.patience = time.AfterFunc(r.config.DrainTimeout, r.Cancel)
	}
	r.log.Info("draining: nothing new is taken", "running", len(r.held))
	r.poke()
}

// Cancel drains and ends every task that runs: TERM, its grace, KILL.
func (r *Runner) Cancel() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drain()
	r.canceled = true
	for id, h := range r.held {
		r.log.Info("cancelling, since the runner is told to stop", "claim", id)
		h.end(ErrCanceled)
	}
	r.hurried()
}

// poke makes an open request look whether what it said is still so.
func (r *Runner) poke() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *Runner) startTimers() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.config.IdleTimeout > 0 {
		r.idle = time.AfterFunc(r.config.IdleTimeout, r.idleOver)
	}
}

func (r *Runner) stopTimers() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, timer := range []*time.Timer{r.idle, r.patience} {
		if timer != nil {
			timer.Stop()
		}
	}
}

func (r *Runner) idleOver() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy() > 0 || r.draining {
		return
	}
	r.log.Info("no task for so long that the runner ends", "idle_timeout", r.config.IdleTimeout)
	r.drain()
}

// hold takes a claim in, unless it is held already: delivered twice, it counts once.
func (r *Runner) hold(claim remuda.Claim, here bool, end context.CancelCauseFunc) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := claim.ID
	_, known := r.held[id]
	if _, over := r.over[id]; known || over {
		return false
	}
	surplus := r.draining || r.config.Mode == SingleTask && r.used || !r.health.takes()
	r.held[id] = &holding{end: end, surplus: surplus}
	if r.health.probing && !surplus && !here && !claim.Begun {
		r.health.probe = id
	}
	r.used = true
	if r.idle != nil {
		r.idle.Stop()
	}
	return true
}

// drop forgets a claim whose end was acknowledged, or which is not ours.
func (r *Runner) drop(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.held, id)
	r.over[id] = r.asked
	if r.health.probe == id {
		r.health.probe = "" // It ended and told nothing: cancelled, lost, refused. The next one may.
	}
	if r.busy() == 0 {
		if r.config.Mode == SingleTask && !r.draining {
			r.log.Info("the one task of this runner has ended")
			r.drain()
		}
		if r.idle != nil && !r.draining {
			r.idle.Reset(r.config.IdleTimeout)
		}
	}
	r.poke()
}

// leave keeps a claim as it is for the runner's successor: its end, or the word of it, is not for this one to see.
func (r *Runner) leave(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[id].left = true
	r.poke()
}

// busy is how many claims this runner still has to do with.
func (r *Runner) busy() int {
	n := 0
	for _, h := range r.held {
		if !h.left {
			n++
		}
	}
	return n
}

// cancel ends one claim's task since someone cancelled it. It is false when that was known.
func (r *Runner) cancel(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.held[id]
	if h == nil || h.canceling || h.lost {
		return false
	}
	h.canceling = true
	h.end(ErrCanceled)
	return true
}

// lose ends one claim's task since it is not ours any more. It is false when that was known.
func (r *Runner) lose(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.held[id]
	if h == nil || h.lost {
		return false
	}
	h.lost = true
	h.end(ErrLost)
	if !h.ended { // Otherwise the control plane has heard the last word, and its answer is just late.
		r.log.Warn("a claim is not this runner's any more; its task is ended", "claim", id)
	}
	return true
}

// ended notes that a claim's task has ended. It is false when the claim is not ours any more: there is nothing to say.
func (r *Runner) ended(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.held[id]
	h.ended = true
	return !h.lost
}

// isLost is true when nothing is to be said about a claim any more.
func (r *Runner) isLost(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.held[id]
	return h != nil && h.lost
}

// isSurplus is true for a claim that came when the runner took nothing new any more.
func (r *Runner) isSurplus(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.held[id]
	return h != nil && h.surplus
}

// isCanceled is true when the runner was told to end whatever it runs.
func (r *Runner) isCanceled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.canceled
}

// takesNext is true while a task may come in the place of one that has ended.
func (r *Runner) takesNext() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	running := 0
	for _, h := range r.held {
		if !h.ended {
			running++
		}
	}
	return !r.draining && r.config.Mode == Continuous && r.health.takes() && !r.health.probing && running < r.config.Slots
}

// syncAnew has the next sync bring what an answer that was lost may have brought.
func (r *Runner) syncAnew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unheard++
	r.poke()
}

// asks notes that a request is made whose answer may bring claims, and gives its number.
func (r *Runner) asks() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	r.open[r.asked] = true
	return r.asked
}

// heard notes that what the answer to a request brought is taken, and forgets the claims that no other can bring again.
func (r *Runner) heard(request int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, request)
	oldest := r.asked + 1
	for open := range r.open {
		oldest = min(oldest, open)
	}
	maps.DeleteFunc(r.over, func(_ string, by int) bool { return by < oldest })
}

func (r *Runner) lostAnswers() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.unheard
}

func (r *Runner) isDraining() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.draining
}

// isKnown notes an answer: what the control plane knows of a drain is from this life.
func (r *Runner) isKnown() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = true
}

// controlPlane is whom to speak to now: it changes when the runner registers again.
func (r *Runner) controlPlane() ControlPlane {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.plane
}

// status is what the runner says of itself.
func (r *Runner) status() remuda.Sync {
	r.mu.Lock()
	defer r.mu.Unlock()
	said := remuda.Sync{Holding: []string{}, Ready: true, Draining: r.draining, Again: r.known, Life: r.life}
	for id, h := range r.held {
		if h.lost {
			continue // The control plane knows it for nobody's; named, it would be answered again and again.
		}
		said.Holding = append(said.Holding, id)
		if h.canceling {
			said.Canceling = append(said.Canceling, id)
		}
	}
	switch {
	case r.draining:
		said.Ready, said.Reason = false, "the runner is draining"
	case r.config.Mode == SingleTask && r.used:
		said.Ready, said.Reason = false, "the runner carries out one task only and has it"
	case len(said.Holding) < len(r.held) && len(r.held) >= r.config.Slots:
		said.Ready, said.Reason = false, "a task that is not this runner's any more is still being ended"
	default:
		r.health.say(&said)
	}
	return said
}

// says is true while the runner would still say of itself what it said. What it holds is not compared: the control
// plane knows of each claim's end before the runner forgets it.
func (r *Runner) says(said remuda.Sync) bool {
	now := r.status()
	return now.Ready == said.Ready && now.Draining == said.Draining && now.Most == said.Most &&
		now.Quarantined == said.Quarantined && now.Reason == said.Reason
}
