package agent

import (
	"log/slog"
	"sync"
)

// usualSpool is how much a claim's spools may hold that was not sent, unless the Handoff says otherwise.
const usualSpool = 256 << 20

// givenBack is how much of a spool is given back to the disk at once.
const givenBack = 4 << 20

// budget bounds what the spools of a claim hold that was not sent. Past it the steps wait, as they would for any slow
// reader of a pipe: so the disk is not filled while the control plane is away, and yet nothing is lost and nothing fails.
type budget struct {
	limit int64
	log   *slog.Logger

	mu     sync.Mutex
	unsent int64
	room   chan struct{} // closed when there is room again; nil while there is
}

func newBudget(limit int64, log *slog.Logger) *budget {
	if limit <= 0 {
		limit = usualSpool
	}
	return &budget{limit: limit, log: log}
}

// add counts bytes that lie in a spool now, or, when n is negative, that were sent.
func (b *budget) add(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unsent += n
	switch full := b.unsent >= b.limit; {
	case full && b.room == nil:
		b.room = make(chan struct{})
		b.log.Warn("the task's output waits: too much of it could not be sent yet", "unsent", b.unsent)
	case !full && b.room != nil:
		close(b.room)
		b.room = nil
		b.log.Info("the task's output goes on", "unsent", b.unsent)
	}
}

// full is closed when there is room again. It is nil while there is.
func (b *budget) full() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.room
}
