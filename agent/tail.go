package agent

import (
	"math"
	"sync"
	"time"
)

// tail says how far a spool has grown, to the one goroutine that sends it.
type tail struct {
	mu    sync.Mutex
	size  int64
	ended bool
	grown time.Time
	wake  chan struct{}  // holds one
	sent  func(to int64) // of whoever keeps the spool: its bytes are sent as far as this, or never will be
	waits bool           // what is written has to wait
}

func newTail() *tail { return &tail{grown: time.Now(), wake: make(chan struct{}, 1)} }

// endedTail is of a spool that nobody writes any more.
func endedTail(size int64) *tail {
	return &tail{size: size, ended: true, wake: make(chan struct{}, 1)}
}

// grow says that the spool has size bytes now.
func (t *tail) grow(size int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if size > t.size {
		t.size, t.grown = size, time.Now()
		nudge(t.wake)
	}
}

// end says that the spool stays as it is.
func (t *tail) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	nudge(t.wake)
}

func (t *tail) now() (size int64, ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.size, t.ended
}

func (t *tail) lastGrowth() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waits {
		return time.Now()
	}
	return t.grown
}

// wait says that what is written has to wait, or that it goes on.
func (t *tail) wait(waits bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waits, t.grown = waits, time.Now()
}

// sentTo says as far as where the spool is sent.
func (t *tail) sentTo(offset int64) {
	if t.sent != nil {
		t.sent(offset)
	}
}

// release says that nobody here sends any more of it.
func (t *tail) release() { t.sentTo(math.MaxInt64) }
