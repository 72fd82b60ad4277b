package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// flusher makes commits durable. The pool's connections commit without waiting for the disk, and so let go of the rows
// that others wait for; then they wait here. One flush serves all that were committed before it began.
//
// It counts only on a server that did not end in between. So whoever commits asks for the age of the flusher's
// connection before: were it the same when it has flushed, the server is the same, too.
type flusher struct {
	config *pgx.ConnConfig
	stop   context.CancelFunc
	done   chan struct{}
	wake   chan struct{}

	mu      sync.Mutex
	waiting []chan error
	closed  bool
	age     int           // of the connection, counted up with every new one; 0 when there is none
	ages    int           // so far
	found   chan struct{} // closed when there is one
	since   time.Time     // since when there is none; later, before the first
}

var errNewer = errors.New("the connection that makes commits durable was lost")

// patience is for how long nobody is told that the connection is not there: one that was cut off is soon made again.
const patience = 2 * time.Second

// checkEvery is how often an idle connection beside the pool is tried.
const checkEvery = 15 * time.Second

// flushStatement writes to the log, which all logs before it become durable with.
const flushStatement = "select pg_logical_emit_message(true, 'remuda', '')"

func startFlusher(config *pgx.ConnConfig) *flusher {
	ctx, stop := context.WithCancel(context.Background())
	f := &flusher{config: config.Copy(), stop: stop, done: make(chan struct{}), wake: make(chan struct{}, 1), found: make(chan struct{}), since: time.Now().Add(2 * connectWithin)}
	delete(f.config.RuntimeParams, "synchronous_commit")
	go f.run(ctx) // ends in close
	return f
}

func (f *flusher) close() {
	f.mu.Lock()
	already := f.closed
	f.closed = true
	f.mu.Unlock()
	if already {
		return
	}
	f.stop()
	<-f.done
}

// current is the age of the connection, 0 when there is none.
func (f *flusher) current() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.age
}

// ready answers the age of the connection, and waits for one a little, unless it has been away for longer.
func (f *flusher) ready(ctx context.Context) (int, error) {
	for {
		f.mu.Lock()
		age, closed, found, left := f.age, f.closed, f.found, time.Until(f.since.Add(patience))
		f.mu.Unlock()
		switch {
		case closed:
			return 0, errClosed
		case age != 0:
			return age, nil
		case left <= 0:
			return 0, away(errNewer)
		}
		select {
		case <-found:
		case <-f.done:
		case <-time.After(left):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// flush returns when everything is durable that was committed since the connection had this age.
func (f *flusher) flush(age int) error {
	outcome := make(chan error, 1)
	f.mu.Lock()
	if f.age != age {
		f.mu.Unlock()
		return errNewer
	}
	f.waiting = append(f.waiting, outcome)
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
	return <-outcome
}

// connected says that there is a connection, or that there is none any more.
func (f *flusher) connected(is bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if is {
		f.ages++
		f.age = f.ages
		close(f.found)
		return
	}
	if f.age != 0 {
		f.age, f.since, f.found = 0, time.Now(), make(chan struct{})
	}
}

func (f *flusher) take() []chan error {
	f.mu.Lock()
	defer f.mu.Unlock()
	waiting := f.waiting
	f.waiting = nil
	return waiting
}

// run has a connection before anyone waits.
func (f *flusher) run(ctx context.Context) {
	defer close(f.done)
	for ctx.Err() == nil {
		conn, err := connectAlone(ctx, f.config)
		if err == nil {
			err = durable(ctx, conn)
		}
		if err == nil {
			f.connected(true)
		}
		for err == nil {
			err = f.serve(ctx, conn)
		}
		f.connected(false)
		f.tell(f.take(), err)
		if conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx)) // it is broken, or we end
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// durable sees to it that the connection waits for the disk, or for more when the server is set so.
func durable(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'")
	return err
}

// serve flushes once, for all who wait; or sees that the connection still is one.
func (f *flusher) serve(ctx context.Context, conn *pgx.Conn) error {
	idle := time.NewTimer(checkEvery)
	defer idle.Stop()
	select {
	case <-ctx.Done():
	case <-f.wake:
	case <-idle.C:
	}
	waiting := f.take()
	if ctx.Err() != nil && len(waiting) == 0 {
		return ctx.Err()
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionWithin)
	defer cancel()
	text := flushStatement
	if len(waiting) == 0 {
		text = "select 1"
	}
	_, err := conn.Exec(within, text)
	f.tell(waiting, err)
	return err
}

func (f *flusher) tell(waiting []chan error, err error) {
	if errors.Is(err, context.Canceled) {
		err = errClosed
	}
	for _, outcome := range waiting {
		outcome <- err
	}
}
