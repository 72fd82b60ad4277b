package store

import (
	"context"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// retryAfter is what a caller is told when the store is away.
const retryAfter = 2 * time.Second

// query runs SQL inside one transaction. Its texts have $1, $2, …, and run on both databases.
//
// A limit is written as cast($1 as bigint): SQLite plans a statement anew for every value of a bare one, and PostgreSQL
// has to be told the type of some.
type query struct {
	ctx context.Context
	session
	shapes   shapes
	postgres *postgresSession // the session, when it is one of PostgreSQL
	tally    tally            // of the change that is under way
	others   tally            // of those before it in the same transaction
	changes  int              // what was done so far that cannot be taken back but with the whole transaction

	accompanied bool // other changes are carried out in the same transaction

	alike *alike // rows to write that are gathered; nil outside of Together
}

// session runs statements on one connection.
type session interface {
	execute(text string, args []any) (changed int64, err error)
	collect(ctx context.Context, into any, shapes shapes, text string, args []any) error
	first(into any, shapes shapes, text string, args []any) (found bool, err error)
}

// exec is for statements that answer no rows; it tells how many they changed.
func (q *query) exec(text string, args ...any) (int64, error) {
	if err := q.writeAlike(); err != nil {
		return 0, err
	}
	q.changes++
	return q.execute(text, args)
}

// all fills a slice with the rows, and what was counted is part of them. It may be long, so it ends with the caller's ctx.
func (q *query) all(into any, text string, args ...any) error {
	if err := q.settle(); err != nil {
		return err
	}
	return q.rows(into, text, args...)
}

// rows is all of a text that goes by nothing that is counted.
func (q *query) rows(into any, text string, args ...any) error {
	if err := q.writeAlike(); err != nil {
		return err
	}
	return q.collect(q.ctx, into, q.shapes, text, args)
}

// one fills a struct or value with the first row, or is remuda.NotFound. What was counted is part of it.
func (q *query) one(into any, text string, args ...any) error {
	if err := q.settle(); err != nil {
		return err
	}
	return q.row(into, text, args...)
}

// row is one of a text that goes by nothing that is counted.
func (q *query) row(into any, text string, args ...any) error {
	if err := q.writeAlike(); err != nil {
		return err
	}
	found, err := q.first(into, q.shapes, text, args)
	if err == nil && !found {
		return remuda.NotFound
	}
	return err
}

// later is exec of a statement whose answer nobody needs before the transaction ends. It is carried out before any
// that comes after it. PostgreSQL is sent it together with the next one that has an answer, so an error may come as
// late as the transaction's own. When it must change a row and does not, that is remuda.NotFound.
func (q *query) later(must bool, text string, args ...any) error {
	if err := q.writeAlike(); err != nil {
		return err
	}
	least := int64(0)
	if must {
		least = 1
	}
	return q.put(least, text, args)
}

// put is later of a statement that must change so many rows.
func (q *query) put(least int64, text string, args []any) error {
	if q.postgres != nil && q.postgres.defers {
		q.changes++
		q.postgres.later(least, text, args)
		return nil
	}
	n, err := q.exec(text, args...)
	if err == nil && n < least {
		return remuda.NotFound
	}
	return err
}

// locked adds to a text that its rows of these tables stay as they are read until the transaction ends.
func (q *query) locked(text, of string) string {
	if q.postgres == nil || !q.postgres.locks {
		return text
	}
	return text + " for no key update" + of
}

// hold makes this the only transaction under way that holds key, until it ends.
func (q *query) hold(key string) error {
	if q.postgres == nil {
		return nil
	}
	return q.later(false, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, key)
}

// away is a store that cannot be used: nothing of a change happened.
func away(err error) error {
	return &remuda.Error{Kind: remuda.Unavailable, Detail: "the store cannot be used now; nothing changed, try again", Retry: retryAfter, Cause: err}
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
