// Package together carries out as one what is asked for while others are under way: who comes alone goes at once, and
// the busier it is, the more go together.
package together

import (
	"context"
	"slices"
	"sync"
)

// Group carries out items, so many sets of them at once. Whoever begins a set carries it out, on its own goroutine.
type Group[T any] struct {
	carryOut func([]T) []error
	most     int

	mu      sync.Mutex
	free    int // sets that may still begin
	waiting []*member[T]
}

// member is one item, and where its outcome goes.
type member[T any] struct {
	item    T
	outcome chan error
	lead    chan []*member[T] // it is to carry out these, of which it is the first
}

// New makes a Group that carries out at most so many sets at once, each of at most so many items. carryOut answers the
// outcome of each item.
func New[T any](sets, most int, carryOut func([]T) []error) *Group[T] {
	return &Group[T]{carryOut: carryOut, most: most, free: sets}
}

// Do has an item carried out, and answers its outcome. One that has begun is waited for, whatever becomes of ctx.
func (g *Group[T]) Do(ctx context.Context, item T) error {
	m := &member[T]{item: item, outcome: make(chan error, 1), lead: make(chan []*member[T], 1)}
	set := g.join(m)
	if set == nil {
		select {
		case err := <-m.outcome:
			return err
		case set = <-m.lead:
		case <-ctx.Done():
			if g.leave(m) {
				return ctx.Err()
			}
			select { // it is under way
			case err := <-m.outcome:
				return err
			case set = <-m.lead:
			}
		}
	}
	defer g.next()
	items := make([]T, len(set))
	for i, one := range set {
		items[i] = one.item
	}
	for i, err := range g.carryOut(items) {
		set[i].outcome <- err
	}
	return <-m.outcome
}

// join answers the set that the member is to carry out at once; none when it has to wait.
func (g *Group[T]) join(m *member[T]) []*member[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.free == 0 {
		g.waiting = append(g.waiting, m)
		return nil
	}
	g.free--
	return []*member[T]{m}
}

// leave takes back a member that still waits.
func (g *Group[T]) leave(m *member[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := slices.Index(g.waiting, m)
	if at < 0 {
		return false
	}
	g.waiting = slices.Delete(g.waiting, at, at+1)
	return true
}

// next has the first of those who wait carry out all of them.
func (g *Group[T]) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.free++
		return
	}
	n := min(len(g.waiting), g.most)
	set := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	set[0].lead <- set
}

// Waiting is how many items wait for their set.
func (g *Group[T]) Waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}
