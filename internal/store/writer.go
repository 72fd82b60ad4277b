package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/remuda-dev/remuda"
)

const (
	// maxBatch bounds one transaction of the writer, and so how long the first in it waits.
	maxBatch = 256
	// maxQueue bounds how many changes wait for their batch; one that finds no place for queueTime is refused.
	maxQueue  = 4 * maxBatch
	queueTime = 2 * time.Second
)

// writer owns the one connection that writes. Its next transaction is all that was asked for during the last fsync,
// each change under a savepoint of its own: one that fails leaves the others alone.
type writer struct {
	db      *sql.DB
	session *sqliteSession
	asks    chan *ask

	closing sync.RWMutex
	closed  bool
	done    chan struct{}
}

// ask is one change, and where its outcome goes.
type ask struct {
	ctx     context.Context
	change  func(*query) error
	outcome chan error
	taken   atomic.Bool // by the writer, or back by a caller that waits no longer; whoever comes first
}

var errClosed = remuda.Fail(remuda.Unavailable, "the control plane is stopping; try again")

func startWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	session, err := connect(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("connect for writing: %w", err)
	}
	w := &writer{db: db, session: session, asks: make(chan *ask, maxQueue), done: make(chan struct{})}
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
	return errors.Join(w.session.close(), w.db.Close())
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
	err := w.queue(a)
	w.closing.RUnlock()
	if err != nil {
		return err
	}
	select {
	case err := <-a.outcome:
		return err
	case <-ctx.Done():
		if a.taken.CompareAndSwap(false, true) {
			return ctx.Err() // the writer will find that there is nothing to do
		}
		return <-a.outcome
	}
}

// errBusy says that more changes wait than are worth waiting for.
var errBusy = &remuda.Error{Kind: remuda.Unavailable, Detail: "too many changes wait to be written; nothing changed, try again", Retry: retryAfter}

// queue finds a place for a change.
func (w *writer) queue(a *ask) error {
	select {
	case w.asks <- a:
		return nil
	default:
	}
	patience := time.NewTimer(queueTime)
	defer patience.Stop()
	select {
	case w.asks <- a:
		return nil
	case <-a.ctx.Done():
		return a.ctx.Err()
	case <-patience.C:
		return errBusy
	}
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
	outcomes := make([]error, len(batch))
	err := w.carryOut(batch, outcomes)
	for i, a := range batch {
		if err != nil && outcomes[i] == nil {
			outcomes[i] = away(err)
		}
		a.outcome <- outcomes[i]
	}
}

// carryOut makes one transaction of a batch. Its error means that nothing of the batch happened.
//
// It first goes without savepoints, each of which costs a copy of every page that is written under it. Only when a change
// fails that had begun to write, which is rare, does all begin again with them.
func (w *writer) carryOut(batch []*ask, outcomes []error) error {
	begun := make([]bool, len(batch))
	for i, a := range batch {
		switch {
		case a.ctx.Err() != nil:
			outcomes[i] = a.ctx.Err()
		case !a.taken.CompareAndSwap(false, true):
			outcomes[i] = context.Canceled
		default:
			begun[i] = true
		}
	}
	err := w.transact(batch, begun, outcomes, united)
	if errors.Is(err, errSpoiled) {
		err = w.transact(batch, begun, outcomes, apart)
	}
	return err
}

// errSpoiled says that a change of a batch failed, and that what it wrote cannot be told from what others wrote.
var errSpoiled = errors.New("a change failed after it had written")

func (w *writer) transact(batch []*ask, begun []bool, outcomes []error, attempt func(*query, *ask) (bool, error)) error {
	q := &query{ctx: detached(), session: w.session, shapes: w.session.shapes} // a caller that goes away must not end what others are part of
	if _, err := q.exec("begin immediate"); err != nil {
		return err
	}
	for i, a := range batch {
		if !begun[i] {
			continue
		}
		whole, err := attempt(q, a)
		outcomes[i] = err
		if !whole {
			// SQLite ends the transaction itself on some faults, such as a full disk. What comes after one would be
			// committed by itself, and what came before it is gone.
			_, _ = q.exec("rollback") // it may be over already
			return err
		}
	}
	err := q.counts()
	if err == nil {
		_, err = q.exec("commit")
	}
	if err != nil {
		_, _ = q.exec("rollback") // it may be over already
	}
	return err
}

// united carries out one change among others. It is not whole when it failed, and the others have to begin again.
func united(q *query, a *ask) (whole bool, err error) {
	before := q.changes
	err = protect(a.change, q)
	switch {
	case err == nil:
		q.others.add(q.tally)
	case q.changes != before || errors.Is(err, remuda.Unavailable):
		return false, errSpoiled
	}
	q.tally.clear()
	return true, err
}

// apart carries out one change, or none of it. It is not whole when the transaction around it is broken.
func apart(q *query, a *ask) (whole bool, err error) {
	if _, err := q.exec("savepoint change"); err != nil {
		return false, err
	}
	outcome := protect(a.change, q)
	if outcome == nil {
		outcome = q.counts()
	}
	if outcome != nil {
		q.tally.clear()
		if _, err := q.exec("rollback to change"); err != nil {
			return false, errors.Join(outcome, err)
		}
	}
	if _, err := q.exec("release change"); err != nil {
		return false, errors.Join(outcome, err)
	}
	return true, outcome
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
