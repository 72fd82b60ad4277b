package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/remuda-dev/remuda"
)

// postgresSession is one transaction on one connection. What has no answer that is needed waits for what has one: both
// go in one round trip.
type postgresSession struct {
	store   *postgres
	conn    *pgx.Conn
	ctx     context.Context // of the whole transaction; it has a deadline
	known   *postgresKnown
	queue   *pgx.Batch
	checks  []int64 // of queue: how many rows it changes at least; less than 0 when it fails by itself
	sent    bool    // the transaction may have begun over there
	defers  bool    // what can wait for its answer waits
	locks   bool    // what is read in order to change it is locked
	claims  bool    // no other claim is decided until the end
	knows   bool    // there is something to claim
	events  int64   // written so far
	shown   int64   // the newest event that was read
	changed bool    // something is to be made durable
	failed  error   // of a statement: the transaction is of no more use
}

// postgresKnown is what one transaction leaves for the next.
type postgresKnown struct {
	shapes   shapes
	scanners map[string]*scanner
}

func newPostgresKnown() *postgresKnown {
	return &postgresKnown{shapes: shapes{}, scanners: map[string]*scanner{}}
}

// add puts a statement behind those that wait.
func (s *postgresSession) add(least int64, text string, args []any) {
	if s.queue == nil {
		s.queue = &pgx.Batch{}
	}
	s.queue.Queue(text, args...)
	s.checks = append(s.checks, least)
}

// later lets a change wait.
func (s *postgresSession) later(least int64, text string, args []any) {
	s.changed = true
	s.add(least, text, args)
}

// send sends all that waits, and has last read the answer to the last of it.
func (s *postgresSession) send(last func(pgx.BatchResults) error) (err error) {
	queue, checks := s.queue, s.checks
	if queue == nil {
		return nil
	}
	s.queue, s.checks, s.sent = nil, s.checks[:0], true
	defer func() { s.failed = cmp.Or(s.failed, err) }()
	results := s.conn.SendBatch(s.ctx, queue)
	texts := queue.QueuedQueries
	defer func() {
		if closed := results.Close(); err == nil && closed != nil {
			err = postgresKinded(closed, texts[len(texts)-1].SQL)
		}
	}()
	n := len(texts)
	if last != nil {
		n--
	}
	missing := false
	for i := range n {
		tag, err := results.Exec()
		if err != nil {
			if checks[i] < 0 && isDivisionByZero(err) {
				return remuda.NotFound
			}
			return postgresKinded(err, texts[i].SQL)
		}
		missing = missing || tag.RowsAffected() < checks[i]
	}
	if missing {
		return remuda.NotFound
	}
	if last == nil {
		return nil
	}
	return last(results)
}

// guard has each statement that waits, and must change rows, fail by itself when it does not: with the commit behind it,
// its answer comes too late. The others need none, which costs the database less.
func (s *postgresSession) guard() {
	if s.queue == nil {
		return
	}
	for i, one := range s.queue.QueuedQueries {
		if s.checks[i] <= 0 {
			continue
		}
		one.Arguments = append(slices.Clip(one.Arguments), s.checks[i])
		one.SQL = guarded(one.SQL, len(one.Arguments))
		s.checks[i] = -1
	}
}

// guarded is an update or a delete that divides by zero when it changes fewer rows than the last of its arguments says.
func guarded(text string, last int) string {
	return fmt.Sprintf("with changed as (%s returning 1) select from changed having 1 / (count(*) / cast($%d as bigint)) < 0", text, last)
}

func isDivisionByZero(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "22012"
}

func (s *postgresSession) execute(text string, args []any) (changed int64, err error) {
	s.later(0, text, args)
	err = s.send(func(results pgx.BatchResults) error {
		tag, err := results.Exec()
		changed = tag.RowsAffected()
		return kindedIf(err, text)
	})
	return changed, err
}

// collect goes on until the transaction's own end, whatever becomes of the caller: an answer that is cut off costs the
// connection.
func (s *postgresSession) collect(_ context.Context, into any, shapes shapes, text string, args []any) error {
	return s.ask(text, args, func(rows pgx.Rows, columns func() ([]string, error)) error {
		return s.scanner(text).all(rows, columns, shapes, into)
	})
}

func (s *postgresSession) first(into any, shapes shapes, text string, args []any) (found bool, err error) {
	err = s.ask(text, args, func(rows pgx.Rows, columns func() ([]string, error)) error {
		if found = rows.Next(); !found {
			return nil
		}
		return s.scanner(text).scan(rows, columns, shapes, into)
	})
	return found, err
}

// ask sends a query with all that waits, and has take read its rows.
func (s *postgresSession) ask(text string, args []any, take func(rows pgx.Rows, columns func() ([]string, error)) error) error {
	s.add(0, text, args)
	return s.send(func(results pgx.BatchResults) error {
		rows, err := results.Query()
		if err != nil {
			return postgresKinded(err, text)
		}
		defer rows.Close()
		err = take(rows, func() ([]string, error) { return names(rows), nil })
		rows.Close()
		return kindedIf(errors.Join(err, rows.Err()), text)
	})
}

func (s *postgresSession) scanner(text string) *scanner {
	known := s.known.scanners[text]
	if known == nil {
		known = &scanner{}
		s.known.scanners[text] = known
	}
	return known
}

func names(rows pgx.Rows) []string {
	fields := rows.FieldDescriptions()
	names := make([]string, len(fields))
	for i, field := range fields {
		names[i] = field.Name
	}
	return names
}

// perTransaction is how many events one transaction may write.
const perTransaction = 1 << 16

// number inserts an event. Its id has the number of its transaction before its place in it: by that, a reader tells
// which ids are still to come.
func (s *postgresSession) number(text string, values []any) error {
	next, err := s.nextNumber()
	if err != nil {
		return err
	}
	text = strings.Replace(text, ") values (", ", id) values (", 1)
	text = strings.TrimSuffix(text, ")") + fmt.Sprintf(", %s)", numberOf(fmt.Sprintf("$%d", len(values)+1)))
	s.later(0, text, append(values, next))
	return nil
}

// nextNumber is the place of the next event in its transaction.
func (s *postgresSession) nextNumber() (int64, error) {
	if s.events++; s.events >= perTransaction {
		return 0, remuda.Fail(remuda.Invalid, fmt.Sprintf("one change writes at most %d events", perTransaction))
	}
	return s.store.shift + s.events, nil
}

// numberOf is the id of the event with a place in this transaction.
func numberOf(place string) string {
	return fmt.Sprintf("cast(cast(pg_current_xact_id() as text) as bigint) * %d + %s", perTransaction, place)
}

// unsettled is, but for their shift, what the ids of events of transactions begin with that may not have ended.
const unsettled = "cast(cast(pg_snapshot_xmin(pg_current_snapshot()) as text) as bigint) * 65536"

// kindedIf is postgresKinded of an error that may be none.
func kindedIf(err error, text string) error {
	if err == nil {
		return nil
	}
	return postgresKinded(err, text)
}

// postgresKinded gives the database's errors that a rule can act on their Kind.
func postgresKinded(err error, text string) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		if errors.Is(err, remuda.NotFound) {
			return err
		}
		var connecting *pgconn.ConnectError
		if pgconn.SafeToRetry(err) || pgconn.Timeout(err) || isNetwork(err) || errors.As(err, &connecting) {
			return away(err)
		}
		return fmt.Errorf("run %q: %w", firstLine(text), err)
	}
	switch {
	case e.Code == "23505": // unique_violation
		return &remuda.Error{Kind: remuda.Conflict, Detail: "it is there already", Cause: err}
	case e.Code == "23503": // foreign_key_violation
		return &remuda.Error{Kind: remuda.Conflict, Detail: "something else refers to it", Cause: err}
	case isPostgresAway(e.Code):
		return away(err)
	}
	return fmt.Errorf("run %q: %w", firstLine(text), err)
}

// isPostgresAway is true for faults of the database, not of the statement; see PostgreSQL's manual, appendix A.
func isPostgresAway(code string) bool {
	switch code[:2] {
	case "08", "53", "57", "58", "28", "3D": // connection, resources, operator's intervention, system, authorization, no such database
		return true
	}
	switch code {
	case "25006", "25P03", "55P03", "XX001", "XX002": // read only, idle for too long, lock not to be had, corrupt
		return true
	}
	return false
}

// again says that a transition is to be run again from its start: it met another one.
func again(err error, scope bool) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return true
	case "0A000": // a cached plan, after a migration
		return strings.Contains(e.Message, "cached plan")
	case "23505": // what it did not find was inserted meanwhile
		return scope
	}
	return false
}
