package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// maxReaders bounds how many look at a database at once; more wait for their turn.
const maxReaders = 8

// readers are connections for looking, each with statements of its own. They are made when they are first needed.
type readers struct {
	db   *sql.DB
	turn chan struct{} // holds one for each that is looking

	mu     sync.Mutex
	idle   []*sqliteSession
	closed bool
}

func newReaders(db *sql.DB) *readers {
	return &readers{db: db, turn: make(chan struct{}, maxReaders)}
}

func (r *readers) take(ctx context.Context) (*sqliteSession, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		<-r.turn
		return nil, errors.New("the store is closed")
	}
	if n := len(r.idle); n > 0 {
		s := r.idle[n-1]
		r.idle = r.idle[:n-1]
		return s, nil
	}
	s, err := connect(detached(), r.db)
	if err != nil {
		<-r.turn
	}
	return s, err
}

// put gives a session back. One that is not good any more is not used again.
func (r *readers) put(s *sqliteSession, good bool) {
	r.mu.Lock()
	if good {
		r.idle = append(r.idle, s)
	} else {
		_ = s.close() // its transaction is over either way
	}
	r.mu.Unlock()
	<-r.turn
}

// close waits for those who look.
func (r *readers) close() error {
	r.mu.Lock()
	already := r.closed
	r.closed = true
	r.mu.Unlock()
	if already {
		return nil
	}
	for range maxReaders {
		r.turn <- struct{}{}
	}
	for range maxReaders {
		<-r.turn // whoever still comes is told that it is closed
	}
	var err error
	for _, s := range r.idle {
		err = errors.Join(err, s.close())
	}
	return errors.Join(err, r.db.Close())
}
