package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/together"
)

// The bounds that keep one replica that hangs from blocking the others. An address may set others.
const (
	connectWithin     = 5 * time.Second
	statementWithin   = 15 * time.Second
	idleWithin        = 10 * time.Second // of a transaction whose client says nothing
	transactionWithin = 20 * time.Second
	acquireWithin     = 10 * time.Second
	mostTries         = 8
)

// postgres is a database of PostgreSQL. Any number of planes may use it at the same time.
type postgres struct {
	pool    *pgxpool.Pool
	flusher *flusher
	wakeups *wakeups
	known   sync.Pool
	shift   int64        // added to the numbers of events
	settled atomic.Int64 // the newest event that is known to be durable

	together *together.Group[beside]
	claimers chan struct{} // holds one for each claim under way: those that wait for each other leave connections to others
	claimed  atomic.Int64  // when a task was claimed last, in nanoseconds
}

// The keys of the advisory locks of PostgreSQL, which are the database's own: "remu" and a number.
const (
	lockHouse     = 0x72656d75_00000001 // shared by transitions beside each other, taken whole by one alone
	lockClaims    = 0x72656d75_00000002 // who decides about a claim
	lockMigration = 0x72656d75_00000003
)

// isPostgres tells an address of PostgreSQL from a folder.
func isPostgres(address string) bool {
	return strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://")
}

// postgresConfig reads an address. What it leaves out comes from PGHOST and its like, a service file or a password
// file, as with every program that uses PostgreSQL.
func postgresConfig(address string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		// The cause repeats the address, in which there may be a password.
		return nil, remuda.Fail(remuda.Invalid, "the address of the database is not one of PostgreSQL: expected postgres://user@host:5432/database?sslmode=verify-full")
	}
	if !strings.Contains(address, "pool_max_conns=") {
		config.MaxConns = int32(max(8, 4*runtime.NumCPU()))
	}
	config.MaxConnLifetimeJitter = 5 * time.Minute
	c := config.ConnConfig
	if c.ConnectTimeout == 0 || c.ConnectTimeout > time.Minute {
		c.ConnectTimeout = connectWithin
	}
	for name, value := range map[string]string{
		"application_name":                    "remuda",
		"statement_timeout":                   milliseconds(statementWithin),
		"idle_in_transaction_session_timeout": milliseconds(idleWithin),
		// Every statement finds a few rows by an index: to plan it anew for its arguments costs more than to run it. A plan
		// that was made while a table was new and empty would read it whole, for as long as nothing analyzes it; or all of a
		// lane by a bitmap, to sort it, where the index has it in order.
		"plan_cache_mode":         "force_generic_plan",
		"enable_seqscan":          "off",
		"enable_bitmapscan":       "off",
		"jit":                     "off",
		"tcp_keepalives_idle":     "10",
		"tcp_keepalives_interval": "5",
		"tcp_keepalives_count":    "3",
		// A commit is made durable by the flusher before anyone is told of it.
		"synchronous_commit": "off",
	} {
		if c.RuntimeParams[name] == "" || name == "synchronous_commit" {
			c.RuntimeParams[name] = value
		}
	}
	return config, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func openPostgres(ctx context.Context, address string) (*postgres, error) {
	config, err := postgresConfig(address)
	if err != nil {
		return nil, err
	}
	shift, err := preparePostgres(ctx, config.ConnConfig)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	p := &postgres{
		pool: pool, shift: shift, claimers: make(chan struct{}, max(2, config.MaxConns/4)), flusher: startFlusher(config.ConnConfig), wakeups: startWakeups(config.ConnConfig),
	}
	p.together = together.New(max(2, int(config.MaxConns)/4), mostTogether, p.carryOutAll)
	p.known.New = func() any { return newPostgresKnown() }
	if _, err := p.flusher.ready(ctx); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *postgres) close() error {
	p.wakeups.close()
	p.pool.Close() // after what is under way
	p.flusher.close()
	return nil
}

// errAlone says that a transition turned out to need that nothing else is written meanwhile.
var errAlone = errors.New("to be run alone")

// carryOut runs a transition. One that goes on beside others may be carried out together with some of them.
func (p *postgres) carryOut(ctx context.Context, scope control.Scope, change func(*query) error) error {
	if scope == control.Beside && ctx.Err() == nil {
		return p.together.Do(ctx, beside{ctx, change})
	}
	return p.repeat(ctx, scope, change)
}

// repeat runs a transition, again when it met another one, or when its connection was lost before its commit was sent.
func (p *postgres) repeat(ctx context.Context, scope control.Scope, change func(*query) error) error {
	for try := 1; ; try++ {
		err := p.try(ctx, scope, change)
		if errors.Is(err, errAlone) && scope != control.Alone {
			scope = control.Alone
			continue
		}
		var cut *cutOff
		repeat := again(err, scope != control.Alone) || errors.As(err, &cut) && try < 3
		if err == nil || try == mostTries || !repeat || ctx.Err() != nil {
			return err
		}
	}
}

// try runs a transition once, whole or not at all, and returns when it is durable.
func (p *postgres) try(ctx context.Context, scope control.Scope, change func(*query) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	age, err := p.flusher.ready(ctx)
	if err != nil {
		return err
	}
	changed, err := p.transact(ctx, scope, change)
	if err != nil || !changed {
		return err
	}
	if err := p.flusher.flush(age); err != nil {
		return unknown(err)
	}
	return nil
}

// transact runs a transition in a transaction. Once it is under way it is carried out whole, whatever becomes of ctx.
func (p *postgres) transact(ctx context.Context, scope control.Scope, change func(*query) error) (changed bool, err error) {
	if scope == control.Claiming || scope == control.Taking {
		select {
		case p.claimers <- struct{}{}:
			defer func() { <-p.claimers }()
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	conn, err := p.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release() // closes one that is in a transaction still
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionWithin)
	defer cancel()
	known := p.known.Get().(*postgresKnown)
	defer p.known.Put(known)
	beside := scope != control.Alone
	s := &postgresSession{store: p, conn: conn.Conn(), ctx: within, known: known, defers: beside, locks: beside, knows: scope == control.Taking}
	s.add(0, "begin", nil)
	switch scope {
	case control.Alone:
		s.add(0, "select pg_advisory_xact_lock($1)", []any{int64(lockHouse)})
	case control.Beside, control.Claiming, control.Taking:
		s.add(0, "select pg_advisory_xact_lock_shared($1)", []any{int64(lockHouse)})
	}
	q := &query{ctx: within, session: s, shapes: known.shapes, postgres: s}
	if err := protect(change, q); err != nil {
		s.rollback()
		if s.sent && s.conn.IsClosed() && within.Err() == nil {
			err = &cutOff{err}
		}
		return false, err
	}
	return s.changed, s.commit(q)
}

// cutOff is a transaction whose connection was lost before its commit was sent: nothing changed.
type cutOff struct{ error }

func (c *cutOff) Unwrap() error { return c.error }

// commit sends what waits, and the commit with it.
func (s *postgresSession) commit(q *query) error {
	if err := q.counts(); err != nil {
		return err
	}
	if s.failed != nil { // and the change went on; the database would answer its commit as one that succeeds
		s.rollback()
		return s.failed
	}
	if !s.sent && !s.changed {
		return nil // nothing was asked for
	}
	s.guard()
	s.add(0, "commit", nil)
	err := s.send(nil)
	if err != nil && s.conn.IsClosed() {
		return unknown(err)
	}
	if err != nil {
		s.rollback()
	}
	return err
}

func (s *postgresSession) rollback() {
	if s.sent && !s.conn.IsClosed() {
		_, _ = s.conn.Exec(s.ctx, "rollback") // a connection that cannot is closed when it is released
	}
}

// look reads one consistent state.
func (p *postgres) look(ctx context.Context, look func(*query) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	age := p.flusher.current()
	conn, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionWithin)
	defer cancel()
	known := p.known.Get().(*postgresKnown)
	s := &postgresSession{store: p, conn: conn.Conn(), ctx: within, known: known}
	s.add(0, "begin isolation level repeatable read, read only", nil)
	err = look(&query{ctx: ctx, session: s, shapes: known.shapes, postgres: s})
	s.rollback()
	p.known.Put(known)
	conn.Release()
	if err == nil && s.shown > p.settled.Load() {
		// Events that a crash could still take back are told to nobody: their numbers would come again.
		if err := p.flusher.flush(age); err != nil {
			return away(err)
		}
		p.settled.Store(s.shown) // less than another one stored, at worst
	}
	return err
}

// acquire takes a connection. One that waits for long finds that the database is away.
func (p *postgres) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	within, cancel := context.WithTimeout(ctx, acquireWithin)
	defer cancel()
	conn, err := p.pool.Acquire(within)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case strings.Contains(err.Error(), "closed pool"):
		return nil, errClosed
	}
	return nil, away(err)
}

// unknown is a store that went away before it said whether a change happened.
func unknown(err error) error {
	return &remuda.Error{
		Kind:   remuda.Unavailable,
		Detail: "the store went away before it told whether the change was made; look, or ask for the same again",
		Retry:  retryAfter, Cause: err,
	}
}

func isNetwork(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// isClaiming says whether a task was claimed just now.
func (p *postgres) isClaiming() bool {
	return time.Now().UnixNano()-p.claimed.Load() < int64(50*time.Millisecond)
}

// claim waits until no other claim is being decided.
func (s *postgresSession) claim() {
	if !s.claims {
		s.claims = true
		s.add(0, "select pg_advisory_xact_lock($1)", []any{int64(lockClaims)})
	}
}

// connectAlone makes a connection beside the pool.
func connectAlone(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	within, cancel := context.WithTimeout(ctx, 2*config.ConnectTimeout)
	defer cancel()
	return pgx.ConnectConfig(within, config.Copy())
}
