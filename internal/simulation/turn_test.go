package simulation

import (
	"context"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// inTurn is a store that one looks at after the other, so that one connection is enough: each has to learn the schema
// and every statement anew, which takes longer than all that a seed asks of it. Those who look change nothing, so
// nothing is found by having them look at the same time.
type inTurn struct {
	control.Store
	looks, writes, reads chan struct{} // hold one while somebody does
}

func takeTurns(s control.Store) inTurn {
	return inTurn{s, make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)}
}

// Read waits for its turn.
func (s inTurn) Read(ctx context.Context, look func(control.View) error) error {
	s.looks <- struct{}{}
	defer func() { <-s.looks }()
	return s.Store.Read(ctx, look)
}

// Write waits for its turn. Beside others, a transition may be run again because one of those failed, and the ledger,
// which takes it in before it is durable, would have it twice.
func (s inTurn) Write(ctx context.Context, scope control.Scope, transition func(control.Tx) error) error {
	s.writes <- struct{}{}
	defer func() { <-s.writes }()
	return s.Store.Write(ctx, scope, transition)
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
