package simulation

import "sync"

// order is that in which the store carried transitions out. The ledger takes each in when its Write has returned, and
// not before those that were carried out earlier: two that are written beside each other may return in any order. One
// that is run again, because another beside it failed, counts where it was run last.
//
// On PostgreSQL the end of a transition's run is late enough: it holds by then whatever it has read in order to change it.
type order struct {
	mu  sync.Mutex
	ran []*turn
}

// turn is a transition's place in the order.
type turn struct {
	over bool   // its Write has returned
	take func() // what is then to be done; nil when nothing was written
	done chan struct{}
}

func newTurn() *turn { return &turn{done: make(chan struct{})} }

// runs puts a transition behind all that were run before.
func (o *order) runs(t *turn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.leave(t)
	o.ran = append(o.ran, t)
	o.settle() // it may have been the first
}

// ends has what a transition wrote taken in, and returns when that was done.
func (o *order) ends(t *turn, take func()) {
	o.mu.Lock()
	t.over, t.take = true, take
	o.settle()
	o.mu.Unlock()
	if take != nil {
		<-t.done
	}
}

func (o *order) leave(t *turn) {
	for i, other := range o.ran {
		if other == t {
			o.ran = append(o.ran[:i], o.ran[i+1:]...)
			return
		}
	}
}

// settle takes in all from the first on whose outcome is known.
func (o *order) settle() {
	for len(o.ran) > 0 && o.ran[0].over {
		if take := o.ran[0].take; take != nil {
			take()
		}
		close(o.ran[0].done)
		o.ran = o.ran[1:]
	}
}
