package simulation

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// inTurn is a store that one looks at after the other, so that one connection is enough: each has to learn the schema
// and every statement anew, which takes longer than all that a seed asks of it. Those who look change nothing, so
// nothing is found by having them look at the same time.
type inTurn struct {
	control.Store
	looks, reads chan struct{} // hold one while somebody does
	disk         *disk
}

func takeTurns(s control.Store, d *disk) inTurn {
	return inTurn{s, make(chan struct{}, 1), make(chan struct{}, 1), d}
}

// disk is what writes wait for. While one does, others ask: they are the next batch of the store, on whose changes they
// go on, and of which one that fails has all begin again.
type disk struct {
	mu     sync.Mutex
	chance *rand.Rand // nil: it is fast
}

func newDisk(p plan) *disk {
	if !p.disk {
		return &disk{}
	}
	return &disk{chance: stream(p.seed, "disk")}
}

// turns lets it take its time now and then.
func (d *disk) turns() {
	if d.chance == nil {
		return
	}
	d.mu.Lock()
	slow, wait := d.chance.IntN(4) == 0, between(d.chance, time.Millisecond, 300*time.Millisecond)
	d.mu.Unlock()
	if slow {
		pause(context.Background(), wait)
	}
}

// Read waits for its turn.
func (s inTurn) Read(ctx context.Context, look func(control.View) error) error {
	s.looks <- struct{}{}
	defer func() { <-s.looks }()
	return s.Store.Read(ctx, look)
}

// Write goes on beside others, as the store lets it, and waits for the disk.
func (s inTurn) Write(ctx context.Context, scope control.Scope, transition func(control.Tx) error) error {
	return s.Store.Write(ctx, scope, func(tx control.Tx) error {
		defer s.disk.turns()
		return transition(tx)
	})
}

// Output is read in turn, too.
func (s inTurn) Output() control.OutputStore { return outputInTurn{s.Store.Output(), s.reads} }

type outputInTurn struct {
	control.OutputStore
	reads chan struct{}
}

// Stream waits for its turn.
func (o outputInTurn) Stream(ctx context.Context, attempt string, step int) (remuda.StreamState, error) {
	o.reads <- struct{}{}
	defer func() { <-o.reads }()
	return o.OutputStore.Stream(ctx, attempt, step)
}

// Length waits for its turn.
func (o outputInTurn) Length(ctx context.Context, attempt string) (int64, error) {
	o.reads <- struct{}{}
	defer func() { <-o.reads }()
	return o.OutputStore.Length(ctx, attempt)
}

// Chunks waits for its turn.
func (o outputInTurn) Chunks(ctx context.Context, attempt string, step *int, offset int64, most int) ([]remuda.Chunk, error) {
	o.reads <- struct{}{}
	defer func() { <-o.reads }()
	return o.OutputStore.Chunks(ctx, attempt, step, offset, most)
}
