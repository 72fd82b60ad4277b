package control

import (
	"context"
	"time"

	"github.com/remuda-dev/remuda"
)

// Move lets tests try every road between states.
func Move(ctx context.Context, p *Plane, id string, to remuda.State, reason remuda.Reason) error {
	return p.write(ctx, "tester", func(t *transition) error {
		var task TaskRow
		if err := t.Get(ctx, &task, id); err != nil {
			return err
		}
		return t.move(ctx, &task, to, reason, "because")
	})
}

// Sweep sweeps once, as Run does each second, as if the sweep before it had been at last.
func Sweep(ctx context.Context, p *Plane, last Micros) Micros { return p.sweepSince(ctx, last) }

// Forget is what Run does each minute.
func Forget(ctx context.Context, p *Plane) error { return p.forget(ctx) }

// ForgetLanes deletes what has been idle for so long, as Run does now and then.
func ForgetLanes(ctx context.Context, p *Plane, life time.Duration) error {
	return p.forgetLanes(ctx, life)
}

// Poll is the slow poll.
func Poll(ctx context.Context, p *Plane) { p.poll(ctx) }

// Hub is the wake-ups of a plane.
type Hub = hub

// Subscription waits for some of them.
type Subscription = subscription

// NewHub makes one without a plane.
func NewHub() *Hub { return newHub() }

// Everyone wakes all.
const Everyone = everyone

// Subscribe, Wake, Join, Leave and Close are what planes do with it.
func (h *hub) Subscribe(topics ...string) *Subscription { return h.subscribe(topics...) }

// Wake wakes n.
func (h *hub) Wake(topic string, n int) { h.wake(topic, n) }

// Waits says whether anyone waits.
func (h *hub) Waits(topic string) bool { return h.waits(topic) }

// WaitsForWork says whether a runner waits.
func (h *hub) WaitsForWork() bool { return h.waitsForWork() }

// Topics is how many topics are kept.
func (h *hub) Topics() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.topics)
}

// Join waits for more.
func (s *subscription) Join(topics ...string) { s.join(topics...) }

// Leave waits for less.
func (s *subscription) Leave(topics ...string) { s.leave(topics...) }

// Close ends it.
func (s *subscription) Close() { s.close() }

// Waiting says whether a runner waits for work here.
func Waiting(p *Plane) bool { return p.hub.waitsForWork() }

// Skew is how far apart two versions are.
func Skew(runner, plane string) string { return skew(runner, plane) }
