package store

import (
	"context"
	"database/sql"
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

// sqliteFile is one SQLite file with its one writer and its readers.
type sqliteFile struct {
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
	writes, err := sql.Open("sqlite", address(path)+"&_pragma=wal_autocheckpoint(4000)&_pragma=cache_size(-16000)&_pragma=temp_store(MEMORY)")
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
	return &database{&sqliteFile{writer: writer, readers: newReaders(reads)}}, nil
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

func (f *sqliteFile) close() error { return errors.Join(f.writer.close(), f.readers.close()) }

// carryOut asks the one writer: it has nothing beside it, whatever the scope.
func (f *sqliteFile) carryOut(ctx context.Context, _ control.Scope, change func(*query) error) error {
	return f.writer.do(ctx, change)
}

// look starts a deferred transaction: its first query sets what all of them see.
func (f *sqliteFile) look(ctx context.Context, look func(*query) error) error {
	s, err := f.readers.take(ctx)
	if err != nil {
		return err
	}
	q := &query{ctx: ctx, session: s, shapes: s.shapes}
	defer func() {
		_, err := q.exec("rollback") // nothing was written
		f.readers.put(s, err == nil)
	}()
	if _, err := q.exec("begin"); err != nil {
		return err
	}
	return look(q)
}

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
