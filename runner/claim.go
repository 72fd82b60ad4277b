package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/remuda-dev/remuda"
)

// backstop is how much longer than its timeout a task may take before the runner ends it: the agent, which ends it
// itself, has had its turn.
const backstop = 30 * time.Second

// longestDetail is what the control plane takes of a sentence.
const longestDetail = 4096

// patienceForWord is how long one try to say how a claim ended may take.
const patienceForWord = 15 * time.Second

// carriage is one claim on its way from delivery to its last word.
type carriage struct {
	*Runner
	claim remuda.Claim
	carry func(remuda.Claim) // starts another one on its way
	here  bool               // an earlier runner left something of it here
	began *atomic.Bool       // its agent asked for leave to begin
	log   *slog.Logger
}

// run carries the claim out and says how it ended. It returns when that was acknowledged, or nobody wants to know. It is
// false when the runner ends before, and leaves the claim to its successor.
func (c carriage) run(ctx context.Context) bool {
	if c.claim.CancelGrace <= 0 {
		c.claim.CancelGrace = remuda.Duration(c.config.CancelGrace)
	}
	result, err := c.outcome(ctx)
	switch {
	case !c.ended(c.claim.ID):
		c.log.Info("ended, since the claim is not ours any more")
	case err == nil:
		c.log.Info("ended", "state", result.State, "reason", result.Reason)
		if !c.finish(ctx, result) {
			return false
		}
	case ctx.Err() != nil && !Ends(ctx):
		// The runner stops: what runs is left to its successor, which says how it ended.
		c.log.Info("left running", "because", err)
		return false
	default:
		c.log.Error("could not be carried out; handed back", "error", err)
		c.judge(ctx, err)
		if !c.say(ctx, "return", func(ctx context.Context, p ControlPlane) error {
			return p.Return(ctx, c.claim.ID, c.handBack(err))
		}) {
			return false
		}
	}
	if err := c.executor.Forget(context.WithoutCancel(ctx), c.claim.ID); err != nil {
		c.log.Error("what is left of the claim cannot be removed", "error", err)
	}
	return true
}

// finish says how the task ended, and carries out what comes with the answer. After an answer that did not come the next
// sync brings that.
func (c carriage) finish(ctx context.Context, result remuda.Result) bool {
	lost := false
	return c.say(ctx, "finish", func(within context.Context, p ControlPlane) error {
		next := (ctx.Err() == nil || Ends(ctx)) && c.takesNext()
		request := c.asks()
		defer c.heard(request)
		came, err := p.Finish(within, c.claim.ID, result, next)
		if err != nil {
			lost = lost || next
		}
		if lost {
			c.syncAnew()
		}
		for _, claim := range came {
			c.carry(claim)
		}
		return err
	})
}

// errUnstarted says why a claim was not even started.
var errUnstarted = errors.New("the runner takes nothing new any more")

// judge tells what a claim that could not be carried out says about the machine: nothing, unless its own was not begun.
func (c carriage) judge(ctx context.Context, err error) {
	begun := c.claim.Begun || c.began.Load()
	if !begun && !Ends(ctx) && !errors.Is(err, errUnstarted) && !errors.Is(err, remuda.Gone) {
		c.stumbled(c.claim.ID, err)
	}
}

func (c carriage) handBack(err error) remuda.Return {
	unstarted := errors.Is(err, errUnstarted)
	return remuda.Return{Detail: shorten(err.Error(), longestDetail), Draining: unstarted}
}

// outcome is the claim's result, or why there is none.
func (c carriage) outcome(ctx context.Context) (result remuda.Result, err error) {
	work, err := c.open()
	if err != nil {
		return result, err
	}
	started := c.claim.Begun || c.here
	switch {
	case c.claim.Begun && !c.here:
		return result, errors.New("it had begun, and nothing of it is left on this machine")
	case !started && Ends(ctx):
		return remuda.Result{State: remuda.Canceled, Detail: "cancelled before it was started"}, nil
	case !started && c.isSurplus(c.claim.ID):
		return result, errUnstarted
	case !started:
		if err := c.fit(ctx); err != nil {
			return result, err
		}
		var refusal Refusal
		if err := c.config.check(ctx, c.claim); errors.As(err, &refusal) {
			return remuda.Result{State: remuda.Failed, Reason: remuda.ReasonPolicy, Detail: string(refusal)}, nil
		} else if Ends(ctx) {
			return remuda.Result{State: remuda.Canceled, Detail: "cancelled before it was started"}, nil
		} else if err != nil {
			return result, err
		}
	}
	return c.execute(ctx, work)
}

// open makes work of the claim: what is sealed in it is for this runner's key alone.
func (c carriage) open() (Work, error) {
	plane := c.controlPlane().Task(c.claim.ID, c.claim.Token)
	work := Work{Claim: c.claim, Plane: attended{plane, c.began, func() { c.started(c.claim.ID) }}}
	work.Claim.Token = "" // the plane has it; nobody else needs it
	if len(c.claim.Sealed) == 0 {
		return work, nil
	}
	plain, err := c.config.Key.Open([]byte(c.claim.ID), c.claim.Sealed)
	if err != nil {
		return Work{}, fmt.Errorf("the claim's secrets are not sealed to this runner: %w", err)
	}
	if err := json.Unmarshal(plain, &work.Secrets); err != nil {
		// The decoder's own words may quote what it read.
		return Work{}, errors.New("the claim's secrets are not in a form that this runner reads")
	}
	return work, nil
}

// execute lets the executor do it, bounded in time, and survives its panic.
func (c carriage) execute(ctx context.Context, work Work) (result remuda.Result, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			c.log.Error("the executor panicked", "panic", fault, "stack", string(debug.Stack()))
			err = errors.New("the executor panicked; the runner's log has the details")
		}
	}()
	bounded, end := context.WithCancelCause(ctx)
	defer end(nil)
	bound := c.bound()
	defer time.AfterFunc(bound, func() { end(ErrTimeout) }).Stop()

	result, err = c.executor.Execute(bounded, work)
	if err != nil {
		return remuda.Result{}, err
	}
	if result.State == remuda.Succeeded || result.Reason == remuda.ReasonStep {
		c.started(c.claim.ID) // Where the agent does not speak through us, this is the sign of it.
	}
	if errors.Is(context.Cause(bounded), ErrTimeout) && result.State == remuda.Canceled {
		// Its agent knows no more than that it was told to end.
		result.State, result.Reason = remuda.Failed, remuda.ReasonTimeout
		result.Detail = fmt.Sprintf("it ran for longer than %s, which is all that this runner gives", remuda.Duration(bound))
	}
	switch result.State {
	case remuda.Succeeded, remuda.Failed, remuda.Canceled:
	default:
		return remuda.Result{}, fmt.Errorf("the executor's result has state %q, which no task ends with", result.State)
	}
	result.Detail = shorten(result.Detail, longestDetail)
	return result, nil
}

// bound is how long the task may run here: at most MaxRunTime since it was claimed, and hardly longer than it asks for.
func (c carriage) bound() time.Duration {
	bound := c.config.MaxRunTime
	if asked := c.claim.Timeout.Std(); asked > 0 {
		bound = min(bound, asked+c.claim.CancelGrace.Std()+backstop)
	}
	if !c.here {
		return bound
	}
	// An adopted task has had some of its time. The claim's time is of another clock: it may only shorten.
	return max(0, bound-max(0, time.Since(c.claim.ClaimedAt)))
}

// say repeats the last word on a claim until it is acknowledged or does not matter any more. It is false when neither
// came true in the time that a stopping runner has: its successor says it then.
func (c carriage) say(ctx context.Context, what string, word func(ctx context.Context, p ControlPlane) error) bool {
	waits, hurry := backoff(), c.hurry.Done()
	var over <-chan time.Time
	for {
		// Whatever ended the work, its last word must still arrive.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), patienceForWord)
		err := word(last, c.controlPlane())
		cancel()
		switch {
		case err == nil:
			return true
		case c.isLost(c.claim.ID):
			return true
		case !worthRepeating(err):
			c.log.Warn("the control plane does not take the last word on the claim", "word", what, "error", err)
			return true
		}
		c.log.Warn("the last word on the claim did not arrive; trying again", "word", what, "error", err)
		wait, _ := waits.Next()
		timer := time.NewTimer(max(wait, retryAfter(err)))
		for waiting := true; waiting; {
			select {
			case <-timer.C:
				waiting = false
			case <-hurry:
				hurry, over = nil, time.After(lastWords)
				timer.Reset(min(wait, firstWait))
			case <-over:
				timer.Stop()
				c.log.Error("the runner stops before the last word on the claim arrived; its successor says it", "word", what)
				return false
			}
		}
	}
}

// worthRepeating is true for failures that may pass. A runner that is not known any more is about to register again.
func worthRepeating(err error) bool {
	switch remuda.KindOf(err) {
	case remuda.Gone, remuda.NotFound, remuda.Conflict, remuda.Forbidden, remuda.Invalid, remuda.TooLarge:
		return false
	}
	return true
}
