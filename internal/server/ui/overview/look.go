package overview

import (
	"context"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
)

// However many have the overview open, and however much happens, looking takes so small a part of the time, and what is
// shown is at most so old.
const (
	oneIn      = 20
	oldest     = 2 * time.Second
	mostScopes = 256
)

// scope is whose page it is.
type scope struct {
	admin        bool
	organization string
	role         remuda.Role
	permissions  string
}

// looks are the last looks by scope.
type looks struct {
	mu    sync.Mutex
	known map[scope]*known
}

func newLooks() *looks { return &looks{known: map[scope]*known{}} }

// known is the last look of a scope. Whoever holds turn reads and writes it.
type known struct {
	turn  chan struct{}
	seen  seen
	until time.Time // for how long it will do
}

// of answers the last look while it will do, and looks otherwise.
func (l *looks) of(ctx context.Context, s scope, look func(context.Context) (seen, error)) (seen, error) {
	last := l.last(s)
	select {
	case last.turn <- struct{}{}:
	case <-ctx.Done():
		return seen{}, ctx.Err()
	}
	defer func() { <-last.turn }()
	began := time.Now()
	if began.Before(last.until) {
		return last.seen, nil
	}
	found, err := look(ctx)
	if err != nil {
		return seen{}, err
	}
	ended := time.Now()
	last.seen, last.until = found, ended.Add(min(oneIn*ended.Sub(began), oldest))
	return found, nil
}

// last finds or makes one; when there are too many, all are forgotten.
func (l *looks) last(s scope) *known {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[s] == nil {
		if len(l.known) == mostScopes {
			clear(l.known)
		}
		l.known[s] = &known{turn: make(chan struct{}, 1)}
	}
	return l.known[s]
}
