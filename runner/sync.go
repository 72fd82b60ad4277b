package runner

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sethvargo/go-retry"

	"github.com/remuda-dev/remuda"
)

// How long the control plane holds a request that has nothing to say, and how much later the runner takes the
// connection for dead: a half-open one gives no sign of itself.
const (
	holdBusy = 10 * time.Second
	holdIdle = 50 * time.Second
	overdue  = 15 * time.Second
)

// The waits between tries after something went wrong.
const (
	firstWait   = 250 * time.Millisecond
	longestWait = 20 * time.Second
)

// longestSpread is the longest time within which a control plane may ask its runners to come back.
const longestSpread = time.Minute

// unknownSpread is within what time a runner comes back whose control plane has not said how many others there are.
const unknownSpread = 5 * time.Second

// The time that the end of things may take once the runner was told to stop: with words left to say about claims, and
// when nothing depends on them.
const (
	lastWords  = 10 * time.Second
	idleGrace  = 5 * time.Second
	hurriedTry = time.Second // between tries in it
)

// errOutdated says that an open request was given up to say something new.
var errOutdated = errors.New("the request said what is not so any more")

// errOverdue says that an answer is later than the control plane would have it.
var errOverdue = errors.New("no answer in time: the connection is taken for dead")

// errLeaves says that something is left to do for the runner's successor.
var errLeaves = errors.New("the runner ends before the control plane knows how its tasks ended: its successor says it")

// syncing is the one goroutine that speaks of all claims, and owns those that carry them out.
type syncing struct {
	runner   *Runner
	left     []string // claims of an earlier runner, until an answer brings none of them
	told     bool     // the control plane has acknowledged that the runner drains
	refused  string   // why it gets nothing new, as the control plane said the last time
	carrying *sync.WaitGroup
	work     context.Context // of the tasks; ends when the runner stops
	waits    waits           // between tries to reach the control plane
	rests    retry.Backoff   // after answers at once that say nothing; nil while there are none
}

func (s *syncing) loop(ctx context.Context) error {
	r := s.runner
	for {
		switch {
		case s.leaves():
			return errLeaves
		case s.over():
			return s.goodbye(ctx)
		}
		if r.controlPlane() == nil {
			if err := s.register(ctx); err != nil {
				return err
			}
			if r.controlPlane() == nil {
				return nil // It drains, and nobody ever knew it.
			}
			continue
		}
		asked, request := time.Now(), r.asks()
		said, answer, err := s.sync(ctx)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("runner stops: %w", context.Cause(ctx))
		case errors.Is(err, errOutdated):
		case err != nil:
			if err := s.failed(ctx, err); err != nil {
				return err
			}
			if s.gaveUpDraining() && len(s.left) > 0 {
				return errLeaves
			}
			if s.gaveUpDraining() {
				r.log.Warn("ends without the control plane's acknowledgement, which cannot be reached")
				return nil
			}
		default:
			r.isKnown()
			acknowledged := said.Draining && !s.told
			s.told = s.told || acknowledged
			s.waits.again()
			if s.take(ctx, said, answer) || acknowledged || time.Since(asked) > time.Second {
				s.rests = nil
			} else if r.says(said) && !s.over() {
				// An answer at once that says nothing new would come at once again.
				s.rest(ctx)
			}
		}
		r.heard(request)
	}
}

// over is true when the control plane knows that the runner drains, and the runner holds nothing. It is not before an
// answer told which of the claims that an earlier runner left are nobody's: they would stay here.
func (s *syncing) over() bool { return s.told && len(s.left) == 0 && s.free() }

// free is true when the runner has no claim to do with any more.
func (s *syncing) free() bool {
	s.runner.mu.Lock()
	defer s.runner.mu.Unlock()
	return s.runner.busy() == 0
}

// leaves is true when nothing is left to do but what a successor does.
func (s *syncing) leaves() bool {
	s.runner.mu.Lock()
	defer s.runner.mu.Unlock()
	return s.runner.busy() == 0 && len(s.runner.held) > 0
}

// sync makes one request. It ends early when what it said is not so any more; an answer that came meanwhile counts.
func (s *syncing) sync(ctx context.Context) (remuda.Sync, remuda.SyncAnswer, error) {
	r := s.runner
	unheard := r.lostAnswers() // before what it says, which is newer then
	said := r.status()
	hold := holdIdle + overdue
	switch {
	case said.Draining && s.free():
		hold = idleGrace // It is answered at once, and the answer matters little.
	case said.Draining && !s.told:
		hold = overdue // It is answered at once.
	case len(said.Holding) > 0:
		hold = holdBusy + overdue
	}
	request, cancel := context.WithTimeoutCause(ctx, hold, errOverdue)
	defer cancel()

	type reply struct {
		answer remuda.SyncAnswer
		err    error
	}
	replies := make(chan reply, 1)
	plane := r.controlPlane()
	go func() {
		answer, err := plane.Sync(request, said)
		replies <- reply{answer, err}
	}()
	for {
		select {
		case got := <-replies:
			if got.err != nil && errors.Is(context.Cause(request), errOverdue) {
				got.err = fmt.Errorf("%w: %w", errOverdue, got.err)
			}
			return said, got.answer, got.err
		case <-r.changed:
			if r.says(said) && r.lostAnswers() == unheard && !s.over() && !s.leaves() {
				continue
			}
			cancel()
			if got := <-replies; got.err == nil {
				return said, got.answer, nil
			}
			return said, remuda.SyncAnswer{}, errOutdated
		}
	}
}

// failed waits after a request that went wrong, or registers again where the runner is not known any more.
func (s *syncing) failed(ctx context.Context, err error) error {
	r := s.runner
	switch remuda.KindOf(err) {
	case remuda.Unauthenticated, remuda.Gone, remuda.NotFound:
		if r.config.Register == nil {
			return fmt.Errorf("the control plane does not know this runner any more: %w", err)
		}
		r.log.Warn("the control plane does not know this runner any more; registering again", "error", err)
		return s.register(ctx)
	}
	r.log.Warn("the control plane does not answer; trying again", "error", err)
	if errors.Is(err, errOverdue) && s.waits.tries == 0 {
		s.waits.tries++ // It has waited enough, and each runner for its own request.
		return nil
	}
	s.pause(ctx, retryAfter(err))
	return nil
}

// register makes the runner known. While tasks run it does not give up: they may be ours still. An error that will not
// go away by waiting ends a runner that has none.
func (s *syncing) register(ctx context.Context) error {
	r := s.runner
	for {
		plane, err := r.config.Register(ctx)
		switch {
		case err == nil:
			r.mu.Lock()
			r.plane, r.known = plane, true
			r.mu.Unlock()
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("runner stops: %w", context.Cause(ctx))
		case refuses(err) && s.free():
			return fmt.Errorf("register: %w", err)
		case r.isDraining() && s.free():
			return nil
		}
		r.log.Error("registering went wrong; trying again", "error", err)
		s.pause(ctx, retryAfter(err))
	}
}

// refuses is true for errors that repeat themselves however long one waits.
func refuses(err error) bool {
	switch remuda.KindOf(err) {
	case remuda.Unauthenticated, remuda.Forbidden, remuda.Invalid, remuda.NotFound, remuda.Gone, remuda.Conflict:
		return true
	}
	return false
}

// retryAfter is how long the control plane asked to be left alone.
func retryAfter(err error) time.Duration {
	var known *remuda.Error
	if errors.As(err, &known) {
		return known.Retry
	}
	return 0
}

// backoff gives growing waits that no two runners share.
func backoff() retry.Backoff {
	return retry.WithJitterPercent(40, retry.WithCappedDuration(longestWait, retry.NewExponential(firstWait)))
}

// waits are the times between tries to reach the control plane. Each is anywhere between nothing and a bound that grows:
// when the control plane goes, all its runners notice in the same moment, and should not come back in one, either.
type waits struct {
	spread time.Duration // the first bound, as the control plane said; 0 when it did not
	tries  int
}

func (w *waits) next() time.Duration {
	first := w.spread
	if first <= 0 {
		first = unknownSpread
	}
	bound := min(first<<min(w.tries, 10), max(first, longestWait))
	w.tries++
	return rand.N(bound)
}

// again begins anew, since the control plane was reached.
func (w *waits) again() { w.tries = 0 }

// rest waits before a control plane is asked again that has nothing to say and does not hold the question.
func (s *syncing) rest(ctx context.Context) {
	if s.rests == nil {
		s.rests = backoff()
	}
	wait, _ := s.rests.Next()
	s.wait(ctx, wait)
}

// pause waits for least and the next wait, before a control plane is tried again that did not answer.
func (s *syncing) pause(ctx context.Context, least time.Duration) { s.wait(ctx, least+s.waits.next()) }

// wait ends early when the control plane should hear that the runner drains.
func (s *syncing) wait(ctx context.Context, wait time.Duration) {
	if s.runner.isCanceled() || s.runner.isDraining() && s.free() {
		wait = min(wait, hurriedTry) // Told to stop: little time is left.
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		case <-s.runner.changed:
			if s.over() || s.leaves() || s.runner.isDraining() && !s.told {
				return
			}
		}
	}
}

// gaveUpDraining is true when nobody acknowledges for seconds that an empty runner drains. A claim that is on its way to
// it has not begun, and goes back to the queue by itself.
func (s *syncing) gaveUpDraining() bool {
	r := s.runner
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.draining && len(r.held) == 0 && time.Since(r.drained) >= idleGrace
}

// take acts on an answer. It is false when that told nothing but what was said to the control plane.
func (s *syncing) take(ctx context.Context, said remuda.Sync, answer remuda.SyncAnswer) bool {
	r, news := s.runner, false
	if spread := answer.Spread.Std(); spread > 0 {
		s.waits.spread = min(spread, longestSpread)
	}
	if answer.Resume != 0 {
		news = r.resume(answer.Resume)
	}
	if s.refused != answer.Refused {
		s.refused, news = answer.Refused, true
		if s.refused != "" {
			r.log.Warn("the control plane gives this runner nothing new", "reason", s.refused)
		} else {
			r.log.Info("the control plane gives this runner tasks again")
		}
	}
	for _, id := range answer.Lost {
		news = r.lose(id) || news
	}
	for _, claim := range answer.Claims {
		crossed := !slices.Contains(said.Holding, claim.ID) && !r.isLost(claim.ID) // the next sync names it
		news = s.carry(claim) || crossed || news
	}
	for _, id := range answer.Cancel {
		if r.cancel(id) {
			r.log.Info("cancelling", "claim", id)
			news = true
		}
	}
	if answer.Drain && !r.isDraining() {
		r.Drain()
		news = true
	}
	if len(answer.Claims) == 0 && len(s.left) > 0 {
		s.forgetLeft(ctx)
		news = true
	}
	return news
}

// carry starts a claim on its way. It is false for a claim that is on its way already.
func (s *syncing) carry(claim remuda.Claim) bool {
	here := slices.Contains(s.left, claim.ID)
	started := s.start(claim, here)
	if started {
		s.left = slices.DeleteFunc(s.left, func(id string) bool { return id == claim.ID })
	}
	return started
}

// start starts a claim on its way, in a goroutine of its own. Those that are on their way start others, too.
func (s *syncing) start(claim remuda.Claim, here bool) bool {
	r := s.runner
	task, end := context.WithCancelCause(s.work)
	if !r.hold(claim, here, end) {
		end(nil)
		if claim.CancelRequested {
			return r.cancel(claim.ID)
		}
		return false
	}
	if claim.CancelRequested || r.isCanceled() {
		r.cancel(claim.ID)
	}
	s.carrying.Go(func() {
		defer end(nil)
		c := carriage{
			Runner: r, claim: claim, here: here, began: new(atomic.Bool), log: r.log.With("claim", claim.ID, "task", claim.Task.ID),
			carry: func(next remuda.Claim) { s.start(next, false) },
		}
		if c.run(task) {
			r.drop(claim.ID)
		} else {
			r.leave(claim.ID)
		}
	})
	return true
}

// forgetLeft ends what an earlier runner left here when all claims of ours have been delivered: it is not among them. A
// long list comes in several answers, so the first one that brings nothing ends it.
func (s *syncing) forgetLeft(ctx context.Context) {
	r := s.runner
	for _, id := range s.left {
		r.log.Warn("an earlier runner left a claim here that is not this runner's any more; it is removed", "claim", id)
		s.carrying.Go(func() {
			if err := r.executor.Forget(context.WithoutCancel(ctx), id); err != nil {
				r.log.Error("what an earlier runner left cannot be removed", "claim", id, "error", err)
			}
		})
	}
	s.left = nil
}

// goodbye ends a runner that has drained. That it has gone is known at the latest by its silence.
func (s *syncing) goodbye(ctx context.Context) error {
	r := s.runner
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	waits := retry.WithMaxRetries(3, backoff())
	err := retry.Do(last, waits, func(ctx context.Context) error {
		err := r.controlPlane().Goodbye(ctx)
		if err == nil || refuses(err) {
			return err
		}
		return retry.RetryableError(err)
	})
	if err != nil {
		r.log.Warn("left without a goodbye", "error", err)
		return nil
	}
	r.log.Info("drained")
	return nil
}
