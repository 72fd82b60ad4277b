package control

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/remuda-dev/remuda"
)

// seeEnding looks at the runners that take others in the place of what ends: their rows are locked before those of tasks.
func (t *transition) seeEnding(ctx context.Context, set []*ending) error {
	set = slices.Clone(set)
	slices.SortFunc(set, func(a, b *ending) int { return strings.Compare(a.door.id, b.door.id) })
	for _, e := range set {
		e.seen, e.given = sight{}, nil // a transition may be run again
		if e.next == 0 {
			continue
		}
		var err error
		if e.seen, err = e.door.recognize(ctx, t); err != nil && !errors.Is(err, remuda.NotFound) {
			return err
		}
	}
	return nil
}

// refill gives a runner the next tasks in the place of those that ended just now: of a word that came again nobody may
// hear the answer.
func (t *transition) refill(ctx context.Context, e *ending) error {
	if e.next == 0 || len(e.over) == 0 {
		return nil
	}
	s := &e.seen
	if err := e.door.count(ctx, t, s); err != nil {
		return err
	}
	before, free := len(s.live), s.room
	s.room = min(free, e.next, len(e.over))
	t.actor = "runner " + e.door.id
	if err := t.fill(ctx, s); err != nil {
		return err
	}
	e.given = s.live[before:]
	if len(e.given) == 0 {
		return nil
	}
	if len(e.given) == free {
		delete(t.wakes, runnerTopic(e.door.id)) // the answer tells all, and its sync has nothing to wait for
	}
	return t.Update(ctx, &s.runner, "last_used_at", "silent_at")
}

// handOver makes claims of what a runner was given in the place of what ended. What cannot be handed over now is
// delivered by its sync, to which the rest is no news.
func (d RunnerDoor) handOver(ctx context.Context, e *ending) (claims []remuda.Claim) {
	if len(e.given) > 0 {
		var found []delivery
		err := d.p.store.Read(ctx, func(v View) (err error) {
			found, err = deliveries(ctx, v, e.given)
			return err
		})
		if err == nil {
			claims, err = d.p.deliver(ctx, e.seen.runner, found)
		}
		if err != nil {
			claims = nil
		}
		if err != nil && ctx.Err() == nil {
			d.p.log.Warn("hand over what comes next; the runner's sync brings it", "runner", d.id, "err", err)
		}
	}
	d.p.relieve(d.id, e.over, claims)
	if len(claims) < len(e.given) {
		wake := map[string]int{}
		d.p.wakeHere(runnerTopic(d.id), everyone, wake)
		d.p.store.Tell(wake)
	}
	return claims
}

// relieve tells the sync that a runner has open here which claims it does not hold any more, and which it does instead.
func (p *Plane) relieve(runner string, over []string, claims []remuda.Claim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.syncs[runner]
	if h == nil {
		return
	}
	h.holding = slices.DeleteFunc(slices.Clone(h.holding), func(id string) bool { return slices.Contains(over, id) })
	for _, claim := range claims {
		h.holding = append(h.holding, claim.ID)
	}
}

// word is what the runner said, with the claims that it holds since then.
func (h *heldSync) word() remuda.Sync {
	h.door.p.mu.Lock()
	defer h.door.p.mu.Unlock()
	said := h.said
	said.Holding = h.holding
	return said
}
