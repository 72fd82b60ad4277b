package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/remuda-dev/remuda"
)

// maxBatch bounds one transaction of the writer, and so how long the first in it waits.
const maxBatch = 256

// writer owns the one connection that writes. Its next transaction is all that was asked for during the last fsync,
// each change under a savepoint of its own: one that fails leaves the others alone.
type writer struct {
	db   *sql.DB
	conn *sql.Conn
	asks chan *ask

	closing sync.RWMutex
	closed  bool
	done    chan struct{}
	known   map[string]*sql.Stmt
}

// ask is one change, and where its outcome goes.
type ask struct {
	ctx     context.Context
	change  func(*query) error
	outcome chan error
}

var errClosed = remuda.Fail(remuda.Unavailable, "the control plane is stopping; try again")

func startWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect for writing: %w", err)
	}
	w := &writer{db: db, conn: conn, asks: make(chan *ask, maxBatch), done: make(chan struct{}), known: map[string]*sql.Stmt{}}
	go w.run() // ends in close
	return w, nil
}

func (w *writer) close() error {
	w.closing.Lock()
	already := w.closed
	w.closed = true
	w.closing.Unlock()
	if already {
		return nil
	}
	close(w.asks)
	<-w.done
	return errors.Join(w.conn.Close(), w.db.Close())
}

// do asks for a change and waits until it is durable. Once it is under way it is carried out whole, whatever becomes
// of ctx.
func (w *writer) do(ctx context.Context, change func(*query) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a := &ask{ctx: ctx, change: change, outcome: make(chan error, 1)}
	w.closing.RLock()
	if w.closed {
		w.closing.RUnlock()
		return errClosed
	}
	w.asks <- a
	w.closing.RUnlock()
	return <-a.outcome
}

func (w *writer) run() {
	defer close(w.done)
	for first := range w.asks {
		batch := []*ask{first}
		for more := true; more && len(batch) < maxBatch; {
			select {
			case a, open := <-w.asks:
				if more = open; open {
					batch = append(batch, a)
				}
			default:
				more = false
			}
		}
		w.commit(batch)
	}
}

// commit carries out a batch and tells each its outcome.
func (w *writer) commit(batch []*ask) {
	ctx := context.Background() // a caller that goes away must not end what others are part of
	outcomes := make([]error, len(batch))
	_, err := w.conn.ExecContext(ctx, "BEGIN IMMEDIATE")
	if err == nil {
		for i, a := range batch {
			outcomes[i] = w.attempt(ctx, a)
		}
		if _, err = w.conn.ExecContext(ctx, "COMMIT"); err != nil {
			_, _ = w.conn.ExecContext(ctx, "ROLLBACK") // it may be over already; then this says so and does nothing
		}
	}
	for i, a := range batch {
		if err != nil && outcomes[i] == nil {
			outcomes[i] = away(err)
		}
		a.outcome <- outcomes[i]
	}
}

// away is a store that cannot take a change: nothing of it happened.
func away(err error) error {
	return &remuda.Error{Kind: remuda.Unavailable, Detail: "the store cannot be written now; nothing changed, try again", Retry: retryAfter, Cause: err}
}

// attempt carries out one change, or none of it.
func (w *writer) attempt(ctx context.Context, a *ask) error {
	if err := a.ctx.Err(); err != nil {
		return err
	}
	if _, err := w.conn.ExecContext(ctx, "SAVEPOINT change"); err != nil {
		return away(err)
	}
	outcome := protect(a.change, &query{ctx: ctx, prepare: w.prepare})
	if outcome != nil {
		if _, err := w.conn.ExecContext(ctx, "ROLLBACK TO change"); err != nil {
			return errors.Join(outcome, err)
		}
	}
	if _, err := w.conn.ExecContext(ctx, "RELEASE change"); err != nil {
		return errors.Join(outcome, away(err))
	}
	return outcome
}

// protect makes a panic of one caller's change that caller's error: the others in the batch go on.
func protect(change func(*query) error, q *query) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
		}
	}()
	return change(q)
}

func (w *writer) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if known := w.known[text]; known != nil {
		return known, nil
	}
	statement, err := w.conn.PrepareContext(ctx, dialect(text))
	if err == nil {
		w.known[text] = statement
	}
	return statement, err
}
