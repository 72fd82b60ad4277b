// Package store keeps what internal/control decides: in SQLite, in a data folder, with nothing to install, or in
// PostgreSQL, for any number of control planes. It knows SQL and no rule. One text serves both databases.
//
// In SQLite, writing goes through one goroutine whose next transaction is all that was asked for during the last fsync;
// reading has connections of its own. Output, which is much and short-lived, has a file and a writer of its own.
//
// In PostgreSQL, transactions run beside each other and lock the rows that they change. They commit without waiting for
// the disk, and then wait together for one flush.
package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

//go:embed migration
var migrations embed.FS

// oldestSQLite has the fix for a corruption of the write-ahead log's reset.
const oldestSQLite = "3.51.3"

// Store is a data folder or a database of PostgreSQL, open.
type Store struct {
	main    *database
	output  *database // the same one in PostgreSQL
	outputs *outputs
	wakeups *wakeups // nil for a data folder
}

// Open opens a data folder, or the database of PostgreSQL that an address postgres://… names, and brings it up to this
// version. A folder is made when it is not there. What cannot be used, or was written by a newer version, is a
// remuda.Error that says so.
func Open(ctx context.Context, address string) (*Store, error) {
	switch {
	case isPostgres(address):
	case strings.Contains(address, "://"):
		scheme, _, _ := strings.Cut(address, "://")
		return nil, remuda.Fail(remuda.Invalid, "a database is postgres://…, not "+scheme+"://…")
	default:
		return openFolder(ctx, address)
	}
	p, err := openPostgres(ctx, address)
	if err != nil {
		return nil, err
	}
	all := &database{p}
	return &Store{main: all, output: all, outputs: newOutputs(all), wakeups: p.wakeups}, nil
}

func openFolder(ctx context.Context, dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &remuda.Error{Kind: remuda.Unavailable, Detail: "the data folder " + dir + " cannot be made", Cause: err}
	}
	main, err := openDatabase(ctx, filepath.Join(dir, "remuda.db"), "migration/sqlite")
	if err != nil {
		return nil, err
	}
	output, err := openDatabase(ctx, filepath.Join(dir, "output.db"), "migration/output")
	if err != nil {
		return nil, errors.Join(err, main.close())
	}
	return &Store{main: main, output: output, outputs: newOutputs(output)}, nil
}

// Close ends the store after the writes that were asked for.
func (s *Store) Close() error {
	if s.output == s.main {
		return s.main.close()
	}
	return errors.Join(s.main.close(), s.output.close())
}

// Write carries out one transition; see control.Store.
func (s *Store) Write(ctx context.Context, scope control.Scope, transition func(control.Tx) error) error {
	return s.main.carryOut(ctx, scope, func(q *query) error { return transition(tx{view{q}}) })
}

// Read looks at one consistent state.
func (s *Store) Read(ctx context.Context, look func(control.View) error) error {
	return s.main.read(ctx, func(q *query) error { return look(view{q}) })
}

// Output keeps what steps print.
func (s *Store) Output() control.OutputStore { return s.outputs }

// Tell hands wake-ups to the other planes on this database. A data folder serves one plane.
func (s *Store) Tell(topics map[string]int) {
	if s.wakeups != nil && len(topics) > 0 {
		s.wakeups.tell(topics)
	}
}

// Listen hears theirs, until ctx ends.
func (s *Store) Listen(ctx context.Context, hear func(topic string, n int)) error {
	if s.wakeups == nil {
		return nil
	}
	return s.wakeups.listen(ctx, hear)
}

// database is where queries run: one file of SQLite, or a database of PostgreSQL.
type database struct{ engine }

type engine interface {
	carryOut(ctx context.Context, scope control.Scope, change func(*query) error) error
	look(ctx context.Context, look func(*query) error) error
	close() error
}

// inOwnRows is the scope of output: it shares no row with tasks, and holds by itself what it needs.
const inOwnRows control.Scope = -1

func (d *database) write(ctx context.Context, change func(*query) error) error {
	return d.carryOut(ctx, inOwnRows, change)
}

// read looks at one consistent state: every query of look sees the same.
func (d *database) read(ctx context.Context, look func(*query) error) error { return d.look(ctx, look) }

// olderVersion compares dotted numbers.
func olderVersion(version, than string) bool {
	var a, b [3]int
	_, errA := fmt.Sscanf(version, "%d.%d.%d", &a[0], &a[1], &a[2])
	_, errB := fmt.Sscanf(than, "%d.%d.%d", &b[0], &b[1], &b[2])
	if errA != nil || errB != nil {
		return true
	}
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}
