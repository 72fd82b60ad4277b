package simulation

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/runner"
)

// agent is one claim's task on a host: it outlives its runner, as a process does.
type agent struct {
	h     *host
	claim remuda.Claim
	log   string // the claim as notes name it
	life  context.Context
	kill  context.CancelFunc // as KILL does: at once
	ended chan struct{}

	mu      sync.Mutex
	plane   runner.TaskPlane // of the runner that lives; nil while none does
	term    chan struct{}    // closed by TERM
	termed  bool
	begun   bool
	streams []*output
	result  remuda.Result
	err     error
	done    bool
}

// output is what a step has written.
type output struct {
	mu     sync.Mutex
	data   []byte
	acked  int64 // how much of it the agent knows to be held
	closed bool
}

func (h *host) newAgent(w runner.Work) *agent {
	a := &agent{
		h: h, claim: w.Claim, log: h.name + " agent " + w.Claim.ID, plane: w.Plane,
		ended: make(chan struct{}), term: make(chan struct{}),
	}
	a.life, a.kill = context.WithCancel(h.w.ctx)
	return a
}

// run is the life of the agent.
func (a *agent) run() {
	defer close(a.ended)
	r := stream(a.h.w.plan.seed, "work", a.claim.Task.Name, strconv.Itoa(a.claim.Task.Index), strconv.Itoa(a.claim.Attempt))
	result, err := a.carryOut(r)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.result, a.err, a.done = result, err, true
}

var errGone = errors.New("the agent was told that the claim is not its own")

// carryOut begins, works and reports.
func (a *agent) carryOut(r *rand.Rand) (remuda.Result, error) {
	pause(a.life, between(r, time.Millisecond, one(r, []time.Duration{200 * time.Millisecond, 200 * time.Millisecond, 8 * time.Second})))
	steps := 1 + r.IntN(2)
	list := make([]remuda.Step, steps)
	for n := range list {
		list[n] = remuda.Step{Number: n, Name: "step " + strconv.Itoa(n), State: remuda.StepPending}
	}
	if a.h.w.mutation.hasty {
		a.h.w.ledger.executes(a.claim.Task.ID, a.claim.ID)
	}
	err := a.persist("begin", func(ctx context.Context, p runner.TaskPlane) error {
		_, err := p.Begin(ctx, remuda.Begin{Steps: list})
		return err
	})
	switch {
	case a.isTermed():
		return remuda.Result{State: remuda.Canceled}, nil
	case err != nil:
		return remuda.Result{}, fmt.Errorf("%w: %w", errGone, err)
	}
	a.mu.Lock()
	a.begun = true
	for range list {
		a.streams = append(a.streams, &output{})
	}
	a.mu.Unlock()
	if !a.h.w.mutation.hasty {
		a.h.w.ledger.executes(a.claim.Task.ID, a.claim.ID)
	}

	var shipping sync.WaitGroup
	result := remuda.Result{State: remuda.Succeeded}
	limit := time.Now().Add(a.claim.Timeout.Std())
	for n := range list {
		began := time.Now().Add(a.h.apart)
		list[n].State, list[n].StartedAt = remuda.StepRunning, &began
		a.report(&shipping, list)
		wrote := make(chan struct{})
		shipping.Go(func() { a.ship(n, wrote) })
		result = a.step(r, n, limit)
		close(wrote)
		list[n].State = remuda.StepSucceeded
		if result.State != remuda.Succeeded {
			list[n].State = remuda.StepFailed
			break
		}
	}
	a.report(&shipping, list)
	if r.IntN(8) > 0 {
		shipping.Wait() // else the rest comes late, as from an agent that does not wait for it
	} else {
		a.h.w.background.Go(shipping.Wait)
	}
	if a.life.Err() != nil {
		return remuda.Result{}, errors.New("the agent was killed")
	}
	return result, nil
}

// step works and writes.
func (a *agent) step(r *rand.Rand, n int, limit time.Time) remuda.Result {
	out := a.streams[n]
	for piece := range 1 + r.IntN(3) {
		timer := time.NewTimer(min(between(r, 0, one(r, []time.Duration{time.Second, 5 * time.Second, 20 * time.Second})), time.Until(limit)))
		select {
		case <-timer.C:
		case <-a.term:
			timer.Stop()
			pause(a.life, between(r, 0, 2*time.Second)) // it heeds TERM, in its time
			return remuda.Result{State: remuda.Canceled}
		case <-a.life.Done():
			timer.Stop()
			return remuda.Result{State: remuda.Canceled}
		}
		if !time.Now().Before(limit) {
			return remuda.Result{State: remuda.Failed, Reason: remuda.ReasonTimeout, Detail: "it ran for longer than its timeout"}
		}
		out.mu.Lock()
		for line := range (1 + r.IntN(5)) * a.h.w.plan.loud {
			out.data = fmt.Appendf(out.data, "%s step %d piece %d line %d %s\n", a.claim.ID[24:], n, piece, line, strconv.FormatUint(r.Uint64(), 36))
		}
		out.mu.Unlock()
	}
	switch r.IntN(12) {
	case 0:
		return remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: "exit status 1"}
	case 1:
		return remuda.Result{State: remuda.Failed, Reason: remuda.ReasonInfrastructure, Detail: "the disk is full"}
	}
	return remuda.Result{State: remuda.Succeeded}
}

// report says where the steps stand; the work does not wait for it.
func (a *agent) report(saying *sync.WaitGroup, list []remuda.Step) {
	said := append([]remuda.Step(nil), list...)
	saying.Go(func() {
		_ = a.persist("steps", func(ctx context.Context, p runner.TaskPlane) error { return p.Steps(ctx, said) })
	})
}

// ship sends a step's output until all of it is held and its stream is closed. It sends again whatever is not held,
// from where the control plane says that it stands.
func (a *agent) ship(n int, wrote <-chan struct{}) {
	out, held := a.streams[n], int64(0)
	for ended := false; a.life.Err() == nil; {
		select {
		case <-wrote:
			ended = true
		default:
		}
		out.mu.Lock()
		rest := out.data[held:]
		out.mu.Unlock()
		if len(rest) == 0 && ended {
			break
		}
		if len(rest) == 0 {
			timer := time.NewTimer(time.Second)
			select {
			case <-timer.C:
			case <-wrote:
			case <-a.life.Done():
			}
			timer.Stop()
			continue
		}
		state, err := a.append(n, held, rest)
		if err != nil {
			return // refused for good: nobody wants it
		}
		held = state.Length
	}
	a.close(n, out, held)
}

// append sends one chunk.
func (a *agent) append(n int, at int64, data []byte) (state remuda.StreamState, err error) {
	out := a.streams[n]
	err = a.persist("append", func(ctx context.Context, p runner.TaskPlane) (err error) {
		state, err = p.Append(ctx, remuda.Chunk{Step: n, Offset: at, Source: at + int64(len(data)), Data: data})
		return err
	})
	if err != nil {
		return state, err
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	if state.Length > int64(len(out.data)) || state.Length < out.acked {
		a.h.w.ledger.isBroken(kept, "%s: step %d has written %d bytes, %d were acknowledged, and now %d", a.log, n, len(out.data), out.acked, state.Length)
		return state, errGone
	}
	out.acked = state.Length
	return state, nil
}

func (a *agent) close(n int, out *output, length int64) {
	if a.life.Err() != nil {
		return
	}
	sum := crc32.Checksum(out.data, crc32.MakeTable(crc32.Castagnoli))
	err := a.persist("close", func(ctx context.Context, p runner.TaskPlane) error {
		_, err := p.CloseStream(ctx, n, remuda.StreamClose{Length: length, Checksum: sum})
		return err
	})
	if remuda.KindOf(err) == remuda.Conflict {
		a.h.w.ledger.isBroken(kept, "%s: step %d cannot be closed at %d: %v", a.log, n, length, err)
	}
	out.closed = err == nil
}

// persist makes a call until it is answered for good, as agents do. TERM does not end it, but leave to begin is then
// not asked for any more.
func (a *agent) persist(what string, try func(context.Context, runner.TaskPlane) error) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := errors.New("no runner is there to forward it")
		if plane := a.forwarder(); plane != nil {
			err = try(a.life, plane)
		}
		switch {
		case err == nil:
			return nil
		case a.life.Err() != nil, what == "begin" && a.isTermed():
			return a.life.Err()
		}
		switch remuda.KindOf(err) {
		case remuda.Gone, remuda.Invalid, remuda.TooLarge, remuda.Conflict, remuda.NotFound, remuda.Unauthenticated, remuda.Forbidden:
			return err
		}
		if !pause(a.life, wait) {
			return a.life.Err()
		}
	}
}

func (a *agent) forwarder() runner.TaskPlane {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.plane
}

func (a *agent) forwardBy(p runner.TaskPlane) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.plane = p
}

func (a *agent) isTermed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.termed
}

// terminate is TERM.
func (a *agent) terminate() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.termed {
		a.termed = true
		close(a.term)
	}
}

// outcome is the result that the agent left, once it has ended.
func (a *agent) outcome() (remuda.Result, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.result, a.err
}
