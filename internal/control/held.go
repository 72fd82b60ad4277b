package control

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/remuda-dev/remuda"
)

// heldSync is one sync, told apart from the next one of its runner by its address.
type heldSync struct {
	door  RunnerDoor
	said  remuda.Sync
	hold  time.Duration
	over  *time.Timer // the hold
	woken *subscription
	waits []string      // topics of the classes from which it would take a task
	end   chan struct{} // closed when it is to be answered, whatever there is to say

	holding []string // the claims that the runner has, by all that was said since; under the plane's lock

	arrived Micros    // when that was written down, or will be
	before  Micros    // the arrival before, if the store may still have that one
	read    time.Time // when the store was asked last
	stale   bool      // that is too long ago

	answer remuda.SyncAnswer
	err    error
	done   bool // there is something to say
	rests  bool // there was not, and woken is kept for the next one
}

// take begins a sync: from now on it is the one of its runner. leave ends it.
func (d RunnerDoor) take(s remuda.Sync) *heldSync {
	h := &heldSync{door: d, said: s, holding: s.Holding, hold: d.p.holdIdle, end: make(chan struct{})}
	held := d.p.holdIdle - spread(d.id, d.p.holdIdle)
	if len(s.Holding) > 0 {
		h.hold, held = holdBusy, holdBusy
	}
	h.over = time.NewTimer(inStep(held))
	d.p.supersede(d.id, h)
	return h
}

// endEvery is the step in which holds end: when little happens, to wake the process costs more than all that it does for
// one runner.
const endEvery = 100 * time.Millisecond

// inStep shortens a hold, to end together with others.
func inStep(hold time.Duration) time.Duration {
	return hold - time.Duration(time.Now().Add(hold).UnixNano())%endEvery
}

// leave ends a sync.
func (h *heldSync) leave() {
	if h.woken != nil && !h.rests {
		h.woken.close()
	}
	h.door.p.release(h.door.id, h)
	h.over.Stop()
}

// enter goes on from where the runner rested, or arrives.
func (h *heldSync) enter(ctx context.Context) {
	if h.resume() {
		return
	}
	h.woken = h.door.p.hub.subscribe(runnerTopic(h.door.id)) // before reading, so that nothing falls between
	h.guess()
	h.arrive(ctx)
}

// arrive says what the runner says of itself, unless it said the same just now: then there is only to look.
func (h *heldSync) arrive(ctx context.Context) {
	if arrived, same := h.repeats(); same {
		h.arrived = arrived
		if seen, err := h.door.look(ctx, h.said); err != nil || h.is(seen.runner) {
			h.weigh(ctx, seen, err)
			return
		}
		// Another plane heard of it meanwhile.
	}
	seen, err := h.door.arrive(ctx, h.said, h.hold)
	if h.arrived = seen.runner.LastSeenAt; err == nil {
		h.door.p.store.Tell(map[string]int{runnerTopic(h.door.id): everyone}) // an older one may be held by another plane
	}
	if err == nil && len(h.said.Holding) > 0 {
		h.remember()
	}
	h.weigh(ctx, seen, err)
}

// look asks the store whether there is something to say. A wake-up for a task is followed up at once.
func (h *heldSync) look(ctx context.Context) {
	look := h.door.look
	if h.woken.forWork() {
		look = h.door.claim
	}
	seen, err := look(ctx, h.word())
	h.weigh(ctx, seen, err)
}

// weigh decides whether there is something to say.
func (h *heldSync) weigh(ctx context.Context, seen sight, err error) {
	for ; err == nil && !h.ended(); seen, err = h.door.look(ctx, h.word()) {
		h.read = time.Now()
		if seen.given {
			h.remember()
		}
		if !h.is(seen.runner) {
			h.done = true // a newer sync arrived at another plane, which says what there is to say
			return
		}
		h.answer, err = h.door.answer(ctx, h.word(), seen)
		if err != nil {
			break
		}
		if h.done = seen.news || speaks(h.answer) || h.answer.Drain && !h.said.Draining; h.done {
			return
		}
		if !h.waitFor(seen) {
			return
		}
		// Look again: what happened before does not wake it.
	}
	h.err, h.done = err, err != nil
}

// arrival is what a busy runner said of itself, or was believed to be when it was given a claim.
type arrival struct {
	said    remuda.Sync // but for its claims
	arrived Micros      // as the store has it
	at      time.Time
}

// sameFor is for how long what a busy runner says again is not written again: it comes anew with each claim that it is
// given. Its next sync is still to come before it is silent.
const sameFor = busySilentAfter - holdBusy - overdueSync - 3*time.Second

// remember notes that the store knows the runner for busy since now.
func (h *heldSync) remember() {
	h.door.p.mu.Lock()
	defer h.door.p.mu.Unlock()
	h.door.p.arrivals[h.door.id] = arrival{ofItself(h.said), h.arrived, time.Now()}
}

// repeats says whether a busy runner says what the store was told just now, from here, and when it had arrived then.
func (h *heldSync) repeats() (arrived Micros, same bool) {
	p := h.door.p
	p.mu.Lock()
	last, known := p.arrivals[h.door.id]
	p.mu.Unlock()
	return last.arrived, known && len(h.said.Holding) > 0 && h.said.Again && !h.said.Draining &&
		time.Since(last.at) < sameFor && reflect.DeepEqual(ofItself(h.said), last.said)
}

// ofItself is what a runner says of itself, and not of its claims.
func ofItself(s remuda.Sync) remuda.Sync {
	s.Holding, s.Canceling, s.Again = nil, nil, false
	return s
}

// wait is what a runner waited for, and what it is capable of.
type wait struct {
	has    string
	topics []string
}

// guess waits for what the runner waited for the last time, if it is likely to be the same: then nothing can happen
// between arriving and waiting, and one look is enough.
func (h *heldSync) guess() {
	p := h.door.p
	if !h.said.Ready || h.said.Draining || len(h.said.Holding) > 0 {
		return
	}
	p.mu.Lock()
	last := p.waited[h.door.id]
	p.mu.Unlock()
	h.waits = last.topics
	h.woken.work(last.has, last.topics...)
}

// waitFor waits for tasks if the runner could take one: a wake-up is not to be spent on others. It answers whether that
// is new.
func (h *heldSync) waitFor(seen sight) bool {
	var topics []string
	if seen.takes() {
		topics = seen.topics()
	}
	if slices.Equal(topics, h.waits) {
		return false
	}
	h.woken.leave(h.waits...)
	h.woken.work(seen.runner.Capabilities, topics...)
	h.waits = topics
	if p := h.door.p; topics != nil {
		p.mu.Lock()
		p.waited[h.door.id] = wait{seen.runner.Capabilities, topics}
		p.mu.Unlock()
	}
	return true
}

// forgetWaited drops what is remembered of runners that have no sync open here: most of them have gone.
func (p *Plane) forgetWaited() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for runner := range p.waited {
		if p.syncs[runner] == nil {
			delete(p.waited, runner)
		}
	}
	maps.DeleteFunc(p.arrivals, func(_ string, last arrival) bool { return time.Since(last.at) >= sameFor })
}

func (h *heldSync) ended() bool {
	select {
	case <-h.end:
		return true
	default:
		return false
	}
}

// supersede ends the sync that this runner still has open here: its connection may be dead, and it must not take
// claims into a void.
func (p *Plane) supersede(runner string, h *heldSync) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if older := p.syncs[runner]; older != nil {
		close(older.end)
	}
	p.syncs[runner] = h
	if p.lettingGo {
		delete(p.syncs, runner)
		close(h.end)
	}
}

func (p *Plane) release(runner string, h *heldSync) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.syncs[runner] == h {
		delete(p.syncs, runner)
	}
}

func (p *Plane) isNewest(runner string, h *heldSync) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.syncs[runner] == h
}

// LetGo answers every sync that is held, and holds none from now on: whoever serves them stops.
func (p *Plane) LetGo() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lettingGo = true
	for runner, h := range p.syncs {
		delete(p.syncs, runner)
		close(h.end)
	}
}
