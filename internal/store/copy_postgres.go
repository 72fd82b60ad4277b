package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/archive"
)

// postgresCopy is a database of PostgreSQL in one transaction: what is copied from it is one state, what is copied
// into it is there whole or not at all.
type postgresCopy struct{ conn *pgx.Conn }

// patientConfig is an address without the bounds that a control plane has: a copy takes as long as it takes.
func patientConfig(address string) (*pgx.ConnConfig, error) {
	config, err := postgresConfig(address)
	if err != nil {
		return nil, err
	}
	c := config.ConnConfig.Copy()
	for _, bound := range []string{"statement_timeout", "idle_in_transaction_session_timeout"} {
		c.RuntimeParams[bound] = "0"
	}
	delete(c.RuntimeParams, "synchronous_commit")
	c.RuntimeParams["application_name"] = "remuda admin"
	return c, nil
}

func connectToCopy(ctx context.Context, config *pgx.ConnConfig) (*postgresCopy, error) {
	conn, err := connectAlone(ctx, config)
	if err != nil {
		return nil, unreachable(config, err)
	}
	return &postgresCopy{conn}, nil
}

func (c *postgresCopy) close() error { return c.conn.Close(context.Background()) }

func postgresSnapshot(ctx context.Context, address string) (*Snapshot, error) {
	config, err := patientConfig(address)
	if err != nil {
		return nil, err
	}
	c, err := connectToCopy(ctx, config)
	if err != nil {
		return nil, err
	}
	var is bool
	var schema int64
	_, err = c.conn.Exec(ctx, "begin isolation level repeatable read, read only")
	if err == nil {
		err = c.conn.QueryRow(ctx, "select to_regclass('"+notCopied+"') is not null").Scan(&is)
	}
	if err == nil && !is {
		err = remuda.Fail(remuda.NotFound, "there is no installation in the database "+placeOf(config))
	}
	if err == nil {
		err = c.conn.QueryRow(ctx, "select max(version_id) from "+notCopied).Scan(&schema)
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return newSnapshot(ctx, c, schema, c.close)
}

func (c *postgresCopy) shapes(ctx context.Context) ([]tableShape, error) {
	rows, err := c.conn.Query(ctx, `select t.table_name, c.column_name, c.data_type, c.is_nullable = 'YES'
		from information_schema.tables t join information_schema.columns c using (table_schema, table_name)
		where t.table_schema = current_schema() and t.table_type = 'BASE TABLE' and t.table_name <> all($1)
		order by t.table_name, c.ordinal_position`, append(keptSets(), notCopied))
	if err != nil {
		return nil, err
	}
	kinds := map[string]archive.Kind{"bigint": archive.Integer, "integer": archive.Integer, "text": archive.Text, "boolean": archive.Boolean, "bytea": archive.Bytes}
	var shapes []tableShape
	var table, column, kind string
	var null bool
	_, err = pgx.ForEachRow(rows, []any{&table, &column, &kind, &null}, func() error {
		if len(shapes) == 0 || shapes[len(shapes)-1].Name != table {
			shapes = append(shapes, tableShape{Table: archive.Table{Name: table}})
		}
		known, is := kinds[kind]
		if !is {
			return fmt.Errorf("column %s.%s has the type %s, of which there is no neutral form", table, column, kind)
		}
		last := &shapes[len(shapes)-1]
		last.Columns = append(last.Columns, archive.Column{Name: column, Kind: known, Null: null})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return shapes, c.references(ctx, shapes)
}

// references fills in which tables refer to which.
func (c *postgresCopy) references(ctx context.Context, shapes []tableShape) error {
	rows, err := c.conn.Query(ctx, `select distinct from_table.relname, to_table.relname from pg_constraint k
		join pg_class from_table on from_table.oid = k.conrelid join pg_class to_table on to_table.oid = k.confrelid
		where k.contype = 'f' and from_table.relnamespace = current_schema()::regnamespace`)
	if err != nil {
		return err
	}
	refers := map[string][]string{}
	var from, to string
	_, err = pgx.ForEachRow(rows, []any{&from, &to}, func() error {
		refers[from] = append(refers[from], to)
		return nil
	})
	for i := range shapes {
		shapes[i].refersTo = refers[shapes[i].Name]
	}
	return err
}

func (c *postgresCopy) rows(ctx context.Context, t archive.Table, each func([]any) error) error {
	rows, err := c.conn.Query(ctx, `select `+columnList(t)+` from "`+t.Name+`"`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		row, err := rows.Values()
		if err != nil {
			return err
		}
		for i, value := range row {
			switch v := value.(type) {
			case []byte:
				row[i] = t.Columns[i].Bytes(v)
			case int32:
				row[i] = int64(v)
			}
		}
		if err := each(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// postgresLoading fills an empty database in one transaction.
func postgresLoading(ctx context.Context, address string, schema int64, note func(Progress)) (*Loading, error) {
	config, err := patientConfig(address)
	if err != nil {
		return nil, err
	}
	c, err := connectToCopy(ctx, config)
	if err != nil {
		return nil, err
	}
	err = c.begin(ctx, config, schema)
	var l *Loading
	if err == nil {
		l, err = newLoading(ctx, c, note)
	}
	if err == nil {
		err = c.holdEmpty(ctx, l.tables, placeOf(config))
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	l.abandon = c.close
	l.commit = func(ctx context.Context) error {
		if _, err := c.conn.Exec(ctx, "commit"); err != nil {
			return err
		}
		newest, err := newestSchema()
		if err == nil {
			err = c.raise(ctx, config, newest)
		}
		return errors.Join(err, c.analyze(ctx), c.close())
	}
	return l, nil
}

// begin makes the tables of a schema, unless they are there, and begins the transaction that fills them.
func (c *postgresCopy) begin(ctx context.Context, config *pgx.ConnConfig, schema int64) error {
	if err := oldEnough(ctx, c.conn); err != nil {
		return err
	}
	if err := c.raise(ctx, config, schema); err != nil {
		return err
	}
	var held int64
	if err := c.conn.QueryRow(ctx, "select max(version_id) from "+notCopied).Scan(&held); err != nil {
		return err
	}
	// Not every migration is one of every database.
	at, err := schemaIn("migration/postgres", schema)
	if err != nil {
		return err
	}
	if held != at {
		return remuda.Fail(remuda.Conflict, fmt.Sprintf("the tables in the database %s are of another version of Remuda (schema %d, what is copied has %d): name an empty database", placeOf(config), held, schema))
	}
	_, err = c.conn.Exec(ctx, "begin")
	return err
}

// raise brings the tables to a schema, unless they are there already.
func (c *postgresCopy) raise(ctx context.Context, config *pgx.ConnConfig, schema int64) error {
	if _, err := c.conn.Exec(ctx, "select pg_advisory_lock($1)", int64(lockMigration)); err != nil {
		return err
	}
	db := stdlib.OpenDB(*config)
	err := errors.Join(raise(ctx, db, goose.DialectPostgres, "migration/postgres", schema), db.Close())
	_, unlocked := c.conn.Exec(ctx, "select pg_advisory_unlock($1)", int64(lockMigration))
	return errors.Join(err, unlocked)
}

// holdEmpty keeps everybody else from the tables until the end, and refuses a database that holds something.
func (c *postgresCopy) holdEmpty(ctx context.Context, tables map[string]archive.Table, where string) error {
	names := make([]string, 0, len(tables))
	for name := range tables {
		names = append(names, `"`+name+`"`)
	}
	if _, err := c.conn.Exec(ctx, "lock table "+strings.Join(names, ", ")+" in exclusive mode"); err != nil {
		return err
	}
	for _, name := range names {
		var holds bool
		if err := c.conn.QueryRow(ctx, "select exists (select 1 from "+name+")").Scan(&holds); err != nil {
			return err
		}
		if holds {
			return remuda.Fail(remuda.Conflict, "the database "+where+" is not empty: there are rows in "+name+"; name an empty one")
		}
	}
	return nil
}

func (c *postgresCopy) load(ctx context.Context, t archive.Table, rows [][]any) error {
	names := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		names[i] = column.Name
	}
	_, err := c.conn.CopyFrom(ctx, pgx.Identifier{t.Name}, names, pgx.CopyFromRows(rows))
	return err
}

// analyze tells the planner what the tables hold now, which it would learn later by itself.
func (c *postgresCopy) analyze(ctx context.Context) error {
	_, err := c.conn.Exec(ctx, "analyze")
	return err
}

// Serving says whether control planes are connected to a database; a data folder has a lock instead.
func Serving(ctx context.Context, address string) (serving bool, err error) {
	config, err := patientConfig(address)
	if err != nil {
		return false, err
	}
	c, err := connectToCopy(ctx, config)
	if err != nil {
		return false, err
	}
	err = c.conn.QueryRow(ctx, `select exists (select 1 from pg_stat_activity
		where datname = current_database() and application_name = 'remuda')`).Scan(&serving)
	return serving, errors.Join(err, c.close())
}
