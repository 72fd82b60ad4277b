package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/remuda-dev/remuda"
)

// sqliteSession is one connection, used by one goroutine at a time, and what is known on it.
type sqliteSession struct {
	conn   *sql.Conn
	known  map[string]*statement
	shapes shapes
}

func connect(ctx context.Context, db *sql.DB) (*sqliteSession, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, kinded(err, "connect")
	}
	return &sqliteSession{conn: conn, known: map[string]*statement{}, shapes: shapes{}}, nil
}

// close ends the statements first: nobody else does, and SQLite keeps a connection's files open as long as one is left.
func (s *sqliteSession) close() error {
	var err error
	for _, known := range s.known {
		err = errors.Join(err, known.Close())
	}
	return errors.Join(err, s.conn.Close())
}

// prepare keeps a statement for the next time.
func (s *sqliteSession) prepare(text string) (*statement, error) {
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

func (s *sqliteSession) execute(text string, args []any) (int64, error) {
	statement, err := s.prepare(text)
	if err != nil {
		return 0, err
	}
	result, err := statement.ExecContext(detached(), args...)
	if err != nil {
		return 0, kinded(err, text)
	}
	return result.RowsAffected()
}

func (s *sqliteSession) collect(ctx context.Context, into any, shapes shapes, text string, args []any) error {
	statement, err := s.prepare(text)
	if err != nil {
		return err
	}
	rows, err := statement.QueryContext(ctx, args...)
	if err != nil {
		return kinded(err, text)
	}
	err = statement.all(rows, rows.Columns, shapes, into)
	if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return kinded(err, text)
	}
	return nil
}

func (s *sqliteSession) first(into any, shapes shapes, text string, args []any) (bool, error) {
	statement, err := s.prepare(text)
	if err != nil {
		return false, err
	}
	rows, err := statement.QueryContext(detached(), args...)
	if err != nil {
		return false, kinded(err, text)
	}
	found := rows.Next()
	if found {
		err = statement.scan(rows, rows.Columns, shapes, into)
	}
	if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return false, kinded(err, text)
	}
	return found, nil
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
