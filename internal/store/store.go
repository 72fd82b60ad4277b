// Package store keeps what internal/control decides: in SQLite, in a data folder, with nothing to install. It knows
// SQL and no rule.
//
// Writing goes through one goroutine whose next transaction is all that was asked for during the last fsync; reading
// has connections of its own. Output, which is much and short-lived, has a file and a writer of its own.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // and the driver "sqlite"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

//go:embed migration
var migrations embed.FS

// oldestSQLite has the fix for a corruption of the write-ahead log's reset.
const oldestSQLite = "3.51.3"

// Store is one data folder, open.
type Store struct {
	main    *database
	output  *database
	outputs *outputs
}

// Open opens the data folder, makes it when it is not there, and brings it up to this version. A folder that cannot be
// used, or that a newer version wrote, is a remuda.Error that says so.
func Open(ctx context.Context, dir string) (*Store, error) {
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
func (s *Store) Close() error { return errors.Join(s.main.close(), s.output.close()) }

// Write carries out one transition; see control.Store.
func (s *Store) Write(ctx context.Context, _ control.Scope, transition func(control.Tx) error) error {
	return s.main.write(ctx, func(q *query) error { return transition(tx{view{q}}) })
}

// Read looks at one consistent state.
func (s *Store) Read(ctx context.Context, look func(control.View) error) error {
	return s.main.read(ctx, func(q *query) error { return look(view{q}) })
}

// Output keeps what steps print.
func (s *Store) Output() control.OutputStore { return s.outputs }

// Tell has nobody to tell: a data folder serves one plane.
func (s *Store) Tell(map[string]int) {}

// Listen hears nothing.
func (s *Store) Listen(context.Context, func(string, int)) error { return nil }

// database is one SQLite file with its one writer and its readers.
type database struct {
	writer  *writer
	readers *readers
}

func openDatabase(ctx context.Context, path, migration string) (*database, error) {
	// The file holds hashes and encrypted values; still, it is nobody's business but its owner's.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, &remuda.Error{Kind: remuda.Unavailable, Detail: "the database " + path + " cannot be written", Cause: err}
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	writes, err := sql.Open("sqlite", address(path)+"&_pragma=wal_autocheckpoint(4000)&_pragma=cache_size(-16000)")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	writes.SetMaxOpenConns(1)
	if err := migrate(ctx, writes, path, migration); err != nil {
		return nil, errors.Join(err, writes.Close())
	}
	reads, err := sql.Open("sqlite", address(path)+"&_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), writes.Close())
	}
	writer, err := startWriter(ctx, writes)
	if err != nil {
		return nil, errors.Join(err, reads.Close(), writes.Close())
	}
	return &database{writer: writer, readers: newReaders(reads)}, nil
}

// address is the path as SQLite wants it in an address, where some characters have a meaning, with what every
// connection needs.
func address(path string) string {
	path = filepath.ToSlash(path)
	if filepath.VolumeName(path) != "" {
		path = "/" + path
	}
	path = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	return "file:" + path + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"
}

func (d *database) close() error { return errors.Join(d.writer.close(), d.readers.close()) }

// migrate brings the schema up to this version, and refuses one that is newer.
func migrate(ctx context.Context, db *sql.DB, path, folder string) error {
	var version string
	if err := db.QueryRowContext(ctx, "select sqlite_version()").Scan(&version); err != nil {
		return &remuda.Error{Kind: remuda.Unavailable, Detail: "the database " + path + " cannot be read", Cause: err}
	}
	if olderVersion(version, oldestSQLite) {
		return fmt.Errorf("SQLite %s is linked in; %s or newer is needed", version, oldestSQLite)
	}
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	held, err := provider.GetDBVersion(ctx)
	if err != nil {
		return &remuda.Error{Kind: remuda.Unavailable, Detail: "the database " + path + " cannot be read", Cause: err}
	}
	sources := provider.ListSources()
	if newest := sources[len(sources)-1].Version; held > newest {
		return remuda.Fail(remuda.Conflict, fmt.Sprintf(
			"the database %s was written by a newer version of Remuda (schema %d, this one knows %d); start that version", path, held, newest))
	}
	if _, err := provider.Up(ctx); err != nil {
		var e *sqlite.Error
		if errors.As(err, &e) && isAway(e) {
			return &remuda.Error{Kind: remuda.Unavailable, Detail: "the database " + path + " cannot be written", Cause: err}
		}
		return fmt.Errorf("migrate database %s: %w", path, err)
	}
	return nil
}

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
