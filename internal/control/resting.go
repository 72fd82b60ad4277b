package control

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/remuda-dev/remuda"
)

// resting is a runner between two idle syncs, when nothing was said to it by the first: it is still subscribed to what
// concerns it. If its next sync says the same, and nothing woke it or its classes meanwhile, then what the first one
// read still holds, and nothing is read again. So ten thousand idle runners cost the store one write a second.
type resting struct {
	last  *heldSync
	heard hearing
	since time.Time // when it began to rest
}

const (
	// restsFor is for how long a runner may be between two syncs: it comes back at once, or from far away.
	restsFor = 10 * time.Second
	// lookEvery is how often the store is asked all the same, should a wake-up have been lost.
	lookEvery = 5 * time.Minute
	// mostSeen bounds how many runners one transaction notes.
	mostSeen = 256
)

// Resumed is the sync of a runner that rested. Wait has to be called, once.
type Resumed struct{ held *heldSync }

// Resume begins what Sync would, when the runner rests and says what it said before: little is done for that. Otherwise it
// is false, nothing has happened, and Sync is to be asked.
func (d RunnerDoor) Resume(s remuda.Sync) (r Resumed, rested bool) {
	if !d.p.recognized.knows(d.id) {
		return r, false
	}
	h := d.take(s)
	if !h.resume() {
		h.leave()
		return r, false
	}
	return Resumed{h}, true
}

// Wait is the rest of Sync: it is held, and answered.
func (r Resumed) Wait(ctx context.Context) (remuda.SyncAnswer, error) {
	defer r.held.leave()
	return r.held.wait(ctx)
}

// rest keeps the subscription of a sync that ended with nothing to say. It is false when there is something after all.
func (h *heldSync) rest() bool {
	p := h.door.p
	if h.waits == nil || speaks(h.answer) || h.answer.Drain || h.answer.Refused != "" || len(h.said.Holding) > 0 || h.ended() {
		return false
	}
	heard, quiet := h.woken.rest(h.waits)
	if !quiet {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lettingGo || p.syncs[h.door.id] != h {
		return false
	}
	p.resting[h.door.id] = resting{last: h, heard: heard, since: time.Now()}
	p.recognized.keep(h.door.id)
	return true
}

// resume goes on from where the runner rested, if what was true then is true now. Whatever comes of it, the runner does
// not rest any more.
func (h *heldSync) resume() bool {
	p, id := h.door.p, h.door.id
	p.mu.Lock()
	before, rested := p.resting[id]
	delete(p.resting, id)
	_, unwritten := p.seen[id]
	p.mu.Unlock()
	if !rested {
		return false
	}
	last := before.last
	over := func(since time.Time, most time.Duration) bool { return time.Since(since) > most }
	if unwritten || over(before.since, restsFor) || !reflect.DeepEqual(h.said, last.said) ||
		!last.woken.resume(last.waits, before.heard) {
		last.woken.close()
		return false
	}
	h.woken, h.waits, h.read = last.woken, last.waits, last.read
	h.answer = last.answer
	h.answer.Spread = p.comeBackWithin()
	h.arrived, h.before, h.stale = p.now(), last.arrived, over(last.read, lookEvery)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[id] = h.arrived
	return true
}

// forgetResting lets go of runners that have not come back.
func (p *Plane) forgetResting() {
	var gone []*subscription
	p.mu.Lock()
	for id, one := range p.resting {
		if time.Since(one.since) > restsFor {
			gone = append(gone, one.last.woken)
			delete(p.resting, id)
		}
	}
	p.mu.Unlock()
	for _, s := range gone {
		s.close()
	}
}

// noteSeen writes down which runners were heard of since the last time. What cannot be written is written the next time:
// a runner is not called silent for that, since its sync is given longer than that to come.
func (p *Plane) noteSeen(ctx context.Context) error {
	p.mu.Lock()
	seen := p.seen
	p.seen = map[string]Micros{}
	p.mu.Unlock()
	for few := range slices.Chunk(slices.Sorted(maps.Keys(seen)), mostSeen) {
		err := p.store.Write(ctx, Beside, func(tx Tx) error {
			for _, id := range few {
				if err := tx.SeeRunner(ctx, id, seen[id], seen[id].after(p.holdIdle+overdueSync)); err != nil {
					return err
				}
			}
			return nil
		})
		p.noteStore("tasks", err)
		if err != nil {
			p.seeAgain(seen)
			return err
		}
		for _, id := range few {
			delete(seen, id)
		}
	}
	return nil
}

// seeAgain puts back what could not be written.
func (p *Plane) seeAgain(seen map[string]Micros) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, at := range seen {
		p.seen[id] = max(p.seen[id], at)
	}
}

// is says whether a row still has the arrival of this sync, which may be unwritten for a second.
func (h *heldSync) is(row RunnerRow) bool {
	return row.LastSeenAt == h.arrived || h.before != 0 && row.LastSeenAt == h.before
}

// unsee forgets what was not written yet of a runner whose connection broke.
func (p *Plane) unsee(runner string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.seen, runner)
}
