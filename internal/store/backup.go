package store

import (
	"context"
	"errors"
	"io"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/archive"
	"github.com/remuda-dev/remuda/internal/control"
)

// eventLeap is left out of the events' numbers by a restore. The time after the backup had events, too, and whoever
// follows them remembers their numbers: new events must not hide behind those.
const eventLeap = 1_000_000_000

// OpenSnapshot shows the installation in a data folder, or in a database of PostgreSQL, as it is now. Its control
// plane may be running.
func OpenSnapshot(ctx context.Context, place string) (*Snapshot, error) {
	if isPostgres(place) {
		return postgresSnapshot(ctx, place)
	}
	return sqliteSnapshot(ctx, place)
}

// BeginLoading makes an installation at a schema in an empty data folder, or in an empty database of PostgreSQL.
func BeginLoading(ctx context.Context, place string, schema int64, note func(Progress)) (*Loading, error) {
	newest, err := newestSchema()
	if err != nil {
		return nil, err
	}
	if schema > newest {
		return nil, tooNew(schema, newest)
	}
	if isPostgres(place) {
		return postgresLoading(ctx, place, schema, note)
	}
	return sqliteLoading(ctx, place, schema, note)
}

// Restore loads a backup. Other contents of it go to do.
func (l *Loading) Restore(ctx context.Context, from io.Reader, do archive.Contents) error {
	var head archive.Head
	known := do.Head
	do.Head = func(h archive.Head) error {
		head = h
		if known == nil {
			return nil
		}
		return known(h)
	}
	do.Rows = func(t archive.Table, rows [][]any) error { return l.Load(ctx, t, rows) }
	manifest, err := archive.Read(from, do)
	if err != nil {
		return err
	}
	for _, want := range manifest.Tables {
		got := archive.Digest{}
		if loaded := l.loaded[want.Name]; loaded != nil {
			got = loaded.Digest
		}
		if got != want.Digest {
			return remuda.Fail(remuda.Invalid, "the backup is damaged: it has other rows of table "+want.Name+" than were written")
		}
	}
	return l.event(ctx, "instance.restored", "from a backup of "+head.Created.Format("2006-01-02 15:04:05 MST"), eventLeap)
}

// Moved writes down where the installation was before.
func (l *Loading) Moved(ctx context.Context, from string) error {
	return l.event(ctx, "instance.moved", "from "+from, 1)
}

// event writes down what happened to the installation as a whole.
func (l *Loading) event(ctx context.Context, kind, detail string, leap int64) error {
	table := l.tables[control.EventRow{}.Table()]
	if loaded := l.loaded[table.Name]; loaded != nil {
		table = loaded.Table // its columns may come in another order
	}
	values := map[string]any{
		"id": l.lastEvent + leap, "type": kind, "organization_id": "", "subject": "instance", "actor": "operator",
		"detail": detail, "at": int64(control.Now()), "address": "",
	}
	row := make([]any, len(table.Columns))
	for i, column := range table.Columns {
		row[i] = values[column.Name]
	}
	return l.Load(ctx, table, [][]any{row})
}

// Commit compares what is there with what was loaded, and makes it durable, at the newest schema.
func (l *Loading) Commit(ctx context.Context) error {
	if err := l.verify(ctx); err != nil {
		return errors.Join(err, l.Abandon())
	}
	if err := l.commit(ctx); err != nil {
		return errors.Join(err, l.Abandon())
	}
	return nil
}

// Abandon leaves nothing of what was loaded.
func (l *Loading) Abandon() error { return l.abandon() }
