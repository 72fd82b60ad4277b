package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/georgysavva/scany/v2/sqlscan"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/remuda-dev/remuda"
)

// retryAfter is what a caller is told when the store is away.
const retryAfter = 2 * time.Second

// query runs SQL inside one transaction. Its texts have $1, $2, …; each is prepared once a connection.
//
// A limit is written as cast($1 as bigint): SQLite plans a statement anew for every value of a bare one.
type query struct {
	ctx     context.Context
	session *session
}

// exec is for statements that answer no rows; it tells how many they changed.
func (q *query) exec(text string, args ...any) (int64, error) {
	statement, err := q.session.prepare(text)
	if err != nil {
		return 0, err
	}
	result, err := statement.ExecContext(detached(), args...)
	if err != nil {
		return 0, kinded(err, text)
	}
	return result.RowsAffected()
}

// all fills a slice with the rows. It may be long, so it ends with the caller's ctx.
func (q *query) all(into any, text string, args ...any) error {
	statement, err := q.session.prepare(text)
	if err != nil {
		return err
	}
	rows, err := statement.QueryContext(q.ctx, args...)
	if err != nil {
		return kinded(err, text)
	}
	if err := sqlscan.ScanAll(into, rows); err != nil {
		return kinded(err, text)
	}
	return nil
}

// one fills a struct or value with the first row, or is remuda.NotFound.
func (q *query) one(into any, text string, args ...any) error {
	statement, err := q.session.prepare(text)
	if err != nil {
		return err
	}
	rows, err := statement.QueryContext(detached(), args...)
	if err != nil {
		return kinded(err, text)
	}
	found := rows.Next()
	if found {
		err = statement.scan(rows, q.session.shapes, into)
	}
	if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return kinded(err, text)
	}
	if !found {
		return remuda.NotFound
	}
	return nil
}

// detached is the ctx of statements that are over sooner than it would take to watch for the end of the caller's: the
// driver starts a goroutine for every statement whose ctx can end.
func detached() context.Context { return context.Background() }

// kinded gives the database's errors that a rule can act on their Kind.
func kinded(err error, text string) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() {
		case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
			return &remuda.Error{Kind: remuda.Conflict, Detail: "it is there already", Cause: err}
		case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
			return &remuda.Error{Kind: remuda.Conflict, Detail: "something else refers to it", Cause: err}
		}
		if isAway(e) {
			return away(err)
		}
	}
	return fmt.Errorf("run %q: %w", firstLine(text), err)
}

// isAway is true for faults of the disk and its like, not of the statement.
func isAway(e *sqlite.Error) bool {
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	}
	return false
}

// away is a store that cannot be used: nothing of a change happened.
func away(err error) error {
	return &remuda.Error{Kind: remuda.Unavailable, Detail: "the store cannot be used now; nothing changed, try again", Retry: retryAfter, Cause: err}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

func (d *database) write(ctx context.Context, change func(*query) error) error {
	return d.writer.do(ctx, change)
}

// read looks at one consistent state: every query of look sees the same.
func (d *database) read(ctx context.Context, look func(*query) error) error {
	s, err := d.readers.take(ctx)
	if err != nil {
		return err
	}
	q := &query{ctx: ctx, session: s}
	defer func() {
		_, err := q.exec("rollback") // nothing was written
		d.readers.put(s, err == nil)
	}()
	if _, err := q.exec("begin"); err != nil { // deferred: the first query of look sets what all of them see
		return err
	}
	return look(q)
}

// prepare keeps a statement for the next time.
func (s *session) prepare(text string) (*statement, error) {
	if known := s.known[text]; known != nil {
		return known, nil
	}
	prepared, err := s.conn.PrepareContext(detached(), dialect(text))
	if err != nil {
		return nil, kinded(err, text)
	}
	s.known[text] = &statement{Stmt: prepared}
	return s.known[text], nil
}

// session is one connection, used by one goroutine at a time, and what is known on it.
type session struct {
	conn   *sql.Conn
	known  map[string]*statement
	shapes shapes
}

func connect(ctx context.Context, db *sql.DB) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, kinded(err, "connect")
	}
	return &session{conn: conn, known: map[string]*statement{}, shapes: shapes{}}, nil
}
