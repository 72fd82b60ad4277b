package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/georgysavva/scany/v2/sqlscan"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// retryAfter is what a caller is told when the store is away.
const retryAfter = 2 * time.Second

// query runs SQL inside one transaction. Its texts have $1, $2, …; each is prepared once.
type query struct {
	ctx     context.Context
	prepare func(context.Context, string) (*sql.Stmt, error)
}

// dialect turns $1 into SQLite's ?1.
func dialect(text string) string { return placeholder().ReplaceAllString(text, "?$1") }

func placeholder() *regexp.Regexp { return regexp.MustCompile(`\$(\d+)`) }

func (q *query) exec(text string, args ...any) (int64, error) {
	statement, err := q.prepare(q.ctx, text)
	if err != nil {
		return 0, fmt.Errorf("prepare %q: %w", firstLine(text), err)
	}
	result, err := statement.ExecContext(q.ctx, args...)
	if err != nil {
		return 0, kinded(err, text)
	}
	return result.RowsAffected()
}

// all fills a slice with the rows.
func (q *query) all(into any, text string, args ...any) error {
	statement, err := q.prepare(q.ctx, text)
	if err != nil {
		return fmt.Errorf("prepare %q: %w", firstLine(text), err)
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

// one fills a struct or value with the only row, or is remuda.NotFound.
func (q *query) one(into any, text string, args ...any) error {
	statement, err := q.prepare(q.ctx, text)
	if err != nil {
		return fmt.Errorf("prepare %q: %w", firstLine(text), err)
	}
	rows, err := statement.QueryContext(q.ctx, args...)
	if err != nil {
		return kinded(err, text)
	}
	err = sqlscan.ScanOne(into, rows)
	if sqlscan.NotFound(err) {
		return remuda.NotFound
	}
	if err != nil {
		return kinded(err, text)
	}
	return nil
}

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
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
			return away(err)
		}
	}
	return fmt.Errorf("run %q: %w", firstLine(text), err)
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
	tx, err := d.reads.BeginTx(ctx, nil)
	if err != nil {
		return kinded(err, "begin")
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return look(&query{ctx: ctx, prepare: func(ctx context.Context, text string) (*sql.Stmt, error) {
		statement, err := d.known.get(ctx, text)
		if err != nil {
			return nil, err
		}
		return tx.StmtContext(ctx, statement), nil
	}})
}

// statements are prepared once for all reading connections.
type statements struct {
	db    *sql.DB
	mu    sync.RWMutex
	known map[string]*sql.Stmt
}

func newStatements(db *sql.DB) *statements { return &statements{db: db, known: map[string]*sql.Stmt{}} }

func (s *statements) get(ctx context.Context, text string) (*sql.Stmt, error) {
	s.mu.RLock()
	known := s.known[text]
	s.mu.RUnlock()
	if known != nil {
		return known, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.known[text]; known != nil {
		return known, nil
	}
	statement, err := s.db.PrepareContext(ctx, dialect(text))
	if err == nil {
		s.known[text] = statement
	}
	return statement, err
}

// columnsOf are the db tags of a row, and its values in the same order.
func columnsOf(row control.Row) ([]string, []any) {
	value := reflect.Indirect(reflect.ValueOf(row))
	var names []string
	var values []any
	for i := range value.NumField() {
		if name := value.Type().Field(i).Tag.Get("db"); name != "" {
			names = append(names, name)
			values = append(values, value.Field(i).Interface())
		}
	}
	return names, values
}
