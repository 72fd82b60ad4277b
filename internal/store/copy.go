package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/archive"
	"github.com/remuda-dev/remuda/internal/control"
)

// A copy of an installation goes table by table, in one form for every database, to a backup or to another database.
// What is copied is what the database says that it holds, so that no migration can forget to be part of it.

// copySource is one consistent state of all tables.
type copySource interface {
	shapes(ctx context.Context) ([]tableShape, error)
	rows(ctx context.Context, t archive.Table, each func(row []any) error) error
}

// copyTarget takes all rows or none.
type copyTarget interface {
	copySource
	load(ctx context.Context, t archive.Table, rows [][]any) error
}

// tableShape is a table with the names of those that it refers to.
type tableShape struct {
	archive.Table
	refersTo []string
}

// notCopied belongs to the database that it is in: which migrations it has seen.
const notCopied = "goose_db_version"

// isCopied says whether a table is part of a copy. Sessions are not: whoever has signed in does so again at the new place,
// and a backup that is stolen has nothing of what browsers hold.
func isCopied(shape tableShape) bool { return shape.Name != (control.SessionRow{}).Table() }

// inOrder puts tables behind those that they refer to, otherwise by name.
func inOrder(shapes []tableShape) ([]archive.Table, error) {
	slices.SortFunc(shapes, func(a, b tableShape) int { return strings.Compare(a.Name, b.Name) })
	var sorted []archive.Table
	placed := map[string]bool{}
	for len(sorted) < len(shapes) {
		before := len(sorted)
		for _, shape := range shapes {
			waits := slices.ContainsFunc(shape.refersTo, func(other string) bool { return other != shape.Name && !placed[other] })
			if !placed[shape.Name] && !waits {
				sorted = append(sorted, shape.Table)
				placed[shape.Name] = true
			}
		}
		if len(sorted) == before {
			return nil, errors.New("its tables refer to each other in a circle")
		}
	}
	return sorted, nil
}

// Progress is how far a copy is.
type Progress struct {
	Doing string // such as "tasks"
	Rows  int64  // of all tables so far
	Bytes int64
}

// Snapshot is one state of an installation, which goes on meanwhile.
type Snapshot struct {
	Schema int64
	Tables []archive.Table
	source copySource
	close  func() error
	moved  int64 // bytes of output
}

// Close lets the state go.
func (s *Snapshot) Close() error { return s.close() }

func newSnapshot(ctx context.Context, source copySource, schema int64, end func() error) (*Snapshot, error) {
	shapes, err := source.shapes(ctx)
	shapes = slices.DeleteFunc(shapes, func(shape tableShape) bool { return !isCopied(shape) })
	if err == nil && len(shapes) == 0 {
		err = remuda.Fail(remuda.NotFound, "there is no installation in it")
	}
	var tables []archive.Table
	if err == nil {
		tables, err = inOrder(shapes)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("look at the tables: %w", err), end())
	}
	return &Snapshot{Schema: schema, Tables: tables, source: source, close: end}, nil
}

// Write writes all rows into an archive.
func (s *Snapshot) Write(ctx context.Context, to *archive.Writer, note func(Progress)) error {
	at := Progress{Bytes: s.moved}
	for _, table := range s.Tables {
		at.Doing = table.Name
		writer, err := to.Table(table)
		if err != nil {
			return err
		}
		err = s.source.rows(ctx, table, func(row []any) error {
			n, err := writer.Row(row)
			at.Rows++
			at.Bytes += int64(n)
			if at.Rows%4096 == 0 {
				note(at)
			}
			return err
		})
		if err == nil {
			err = writer.Close()
		}
		if err != nil {
			return fmt.Errorf("back up table %s: %w", table.Name, err)
		}
	}
	note(at)
	return nil
}

// Loading is an installation that comes into being: whole, by Commit, or not at all.
type Loading struct {
	target copyTarget
	tables map[string]archive.Table
	loaded map[string]*loadedTable
	note   func(Progress)
	at     Progress
	line   []byte

	lastEvent int64 // the greatest id

	commit  func(ctx context.Context) error
	abandon func() error
}

// loadedTable is what was loaded of a table. The order of its columns is part of its rows' hashes.
type loadedTable struct {
	archive.Table
	archive.Digest
}

func newLoading(ctx context.Context, target copyTarget, note func(Progress)) (*Loading, error) {
	shapes, err := target.shapes(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the tables: %w", err)
	}
	l := &Loading{target: target, tables: map[string]archive.Table{}, loaded: map[string]*loadedTable{}, note: note}
	for _, shape := range shapes {
		l.tables[shape.Name] = shape.Table
	}
	return l, nil
}

// Load adds rows of a table.
func (l *Loading) Load(ctx context.Context, t archive.Table, rows [][]any) (err error) {
	if err := l.fits(t); err != nil {
		return err
	}
	loaded := l.loaded[t.Name]
	if loaded == nil {
		loaded = &loadedTable{Table: t}
		l.loaded[t.Name] = loaded
	}
	for _, row := range rows {
		if l.line, err = t.AppendRow(l.line[:0], row); err != nil {
			return err
		}
		loaded.Add(l.line)
		l.at.Bytes += int64(len(l.line))
	}
	if err := l.target.load(ctx, t, rows); err != nil {
		return fmt.Errorf("load table %s: %w", t.Name, err)
	}
	l.seeEvents(t, rows)
	l.at.Doing = t.Name
	l.at.Rows += int64(len(rows))
	l.note(l.at)
	return nil
}

// seeEvents remembers the greatest number of an event.
func (l *Loading) seeEvents(t archive.Table, rows [][]any) {
	if t.Name != (control.EventRow{}).Table() {
		return
	}
	at := slices.IndexFunc(t.Columns, func(c archive.Column) bool { return c.Name == "id" })
	for _, row := range rows {
		if id, is := row[at].(int64); is {
			l.lastEvent = max(l.lastEvent, id)
		}
	}
}

// fits compares a table with what the database has for it. Columns may come in another order.
func (l *Loading) fits(t archive.Table) error {
	here, known := l.tables[t.Name]
	if !known {
		return remuda.Fail(remuda.Invalid, "this version of Remuda knows no table "+t.Name+" at the schema of what is copied")
	}
	for _, column := range t.Columns {
		if !slices.Contains(here.Columns, column) {
			return remuda.Fail(remuda.Invalid, fmt.Sprintf("this version of Remuda knows no column %s.%s of kind %s at the schema of what is copied", t.Name, column.Name, column.Kind))
		}
	}
	if len(t.Columns) != len(here.Columns) {
		return remuda.Fail(remuda.Invalid, fmt.Sprintf("table %s has %d columns in what is copied, and %d at the same schema here", t.Name, len(t.Columns), len(here.Columns)))
	}
	return nil
}

// moveBatch is about how many bytes of rows are loaded at once.
const moveBatch = 4 << 20

// Copy loads all that a snapshot shows.
func (l *Loading) Copy(ctx context.Context, from *Snapshot) error {
	for _, table := range from.Tables {
		var batch [][]any
		size := 0
		err := from.source.rows(ctx, table, func(row []any) error {
			batch = append(batch, row)
			if size += rowSize(row); size < moveBatch {
				return nil
			}
			err := l.Load(ctx, table, batch)
			batch, size = batch[:0], 0
			return err
		})
		if err == nil {
			err = l.Load(ctx, table, batch)
		}
		if err != nil {
			return fmt.Errorf("copy table %s: %w", table.Name, err)
		}
	}
	return nil
}

func rowSize(row []any) int {
	size := 16 * len(row)
	for _, value := range row {
		switch v := value.(type) {
		case string:
			size += len(v)
		case []byte:
			size += len(v)
		}
	}
	return size
}

// verify reads everything again and compares it with what was loaded.
func (l *Loading) verify(ctx context.Context) error {
	for name, want := range l.loaded {
		got, err := l.digest(ctx, want.Table)
		if err != nil {
			return fmt.Errorf("verify table %s: %w", name, err)
		}
		if got != want.Digest {
			return fmt.Errorf("verify table %s: %d rows were written, and %d are there, or others", name, want.Rows, got.Rows)
		}
	}
	return nil
}

func (l *Loading) digest(ctx context.Context, t archive.Table) (archive.Digest, error) {
	var found archive.Digest
	err := l.target.rows(ctx, t, func(row []any) (err error) {
		if l.line, err = t.AppendRow(l.line[:0], row); err != nil {
			return err
		}
		found.Add(l.line)
		return nil
	})
	return found, err
}

// Digests tells how many rows of each table were loaded.
func (l *Loading) Digests() []archive.TableSum {
	var all []archive.TableSum
	for name, loaded := range l.loaded {
		all = append(all, archive.TableSum{Name: name, Digest: loaded.Digest})
	}
	slices.SortFunc(all, func(a, b archive.TableSum) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// raise brings an empty database to a schema.
func raise(ctx context.Context, db *sql.DB, dialect goose.Dialect, folder string, schema int64) error {
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(dialect, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := provider.UpTo(ctx, schema); err != nil {
		return fmt.Errorf("make the tables: %w", err)
	}
	return nil
}

// newestSchema is the one that this version knows.
func newestSchema() (int64, error) { return schemaIn(".", math.MaxInt64) }

// schemaIn is the newest of the migrations in a folder, up to one.
func schemaIn(folder string, upTo int64) (newest int64, err error) {
	err = fs.WalkDir(migrations, folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		version, err := goose.NumericComponent(entry.Name())
		if version <= upTo {
			newest = max(newest, version)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	return newest, nil
}

func tooNew(schema, newest int64) error {
	return remuda.Fail(remuda.Conflict, fmt.Sprintf(
		"it was written by a newer version of Remuda (schema %d, this one knows %d); use that version", schema, newest))
}
