package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/archive"
)

// sqliteFiles are the databases of a data folder, and where their migrations lie. The order matters: what the first
// says of output is in the second, when that is looked at later.
func sqliteFiles() [2]struct{ name, migrations string } {
	return [...]struct{ name, migrations string }{{"remuda.db", "migration/sqlite"}, {"output.db", "migration/output"}}
}

// sqliteCopy is the two databases of a data folder, each with the one connection that a copy needs.
type sqliteCopy struct {
	files []*sql.DB
	conns []*sql.Conn
	home  map[string]*sql.Conn // of each table
}

// open connects to one more file.
func (c *sqliteCopy) open(ctx context.Context, address string) error {
	db, err := sql.Open("sqlite", address)
	if err != nil {
		return err
	}
	c.files = append(c.files, db)
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	c.conns = append(c.conns, conn)
	return nil
}

func (c *sqliteCopy) close() (err error) {
	for _, conn := range c.conns {
		err = errors.Join(err, conn.Close())
	}
	for _, db := range c.files {
		err = errors.Join(err, db.Close())
	}
	return err
}

// each runs a statement on every file.
func (c *sqliteCopy) each(ctx context.Context, statement string) error {
	for _, conn := range c.conns {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// sqliteSnapshot shows a data folder as it is now, while its control plane goes on. The task rows are seen first: all
// output that they speak of was there by then. What comes in between is output that no row speaks of yet.
func sqliteSnapshot(ctx context.Context, dir string) (*Snapshot, error) {
	c := &sqliteCopy{home: map[string]*sql.Conn{}}
	var schema int64
	for _, file := range sqliteFiles() {
		path := filepath.Join(dir, file.name)
		if _, err := os.Stat(path); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = remuda.Fail(remuda.NotFound, "there is no installation in "+dir+": it has no "+file.name)
			}
			return nil, errors.Join(err, c.close())
		}
		var held int64
		err := c.open(ctx, address(path)+"&_pragma=query_only(1)")
		if err == nil {
			conn := c.conns[len(c.conns)-1]
			_, err = conn.ExecContext(ctx, "begin")
			if err == nil { // what is read first sets what is seen from now on
				err = conn.QueryRowContext(ctx, "select max(version_id) from "+notCopied).Scan(&held)
			}
		}
		if err != nil {
			return nil, errors.Join(&remuda.Error{Kind: remuda.Unavailable, Detail: "the database " + path + " cannot be read", Cause: err}, c.close())
		}
		schema = max(schema, held)
	}
	return newSnapshot(ctx, c, schema, c.close)
}

// shapes looks at the tables of all files.
func (c *sqliteCopy) shapes(ctx context.Context) ([]tableShape, error) {
	var shapes []tableShape
	for _, conn := range c.conns {
		names, err := column1(ctx, conn, `select name from sqlite_master where type = 'table' and name not like 'sqlite\_%' escape '\' and name <> '`+notCopied+`'`)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			shape, err := sqliteShape(ctx, conn, name)
			if err != nil {
				return nil, fmt.Errorf("table %s: %w", name, err)
			}
			c.home[name] = conn
			shapes = append(shapes, shape)
		}
	}
	return shapes, nil
}

func sqliteShape(ctx context.Context, conn *sql.Conn, name string) (tableShape, error) {
	shape := tableShape{Table: archive.Table{Name: name}}
	kinds := map[string]archive.Kind{"INTEGER": archive.Integer, "BIGINT": archive.Integer, "TEXT": archive.Text, "BOOLEAN": archive.Boolean, "BLOB": archive.Bytes}
	columns, err := column1(ctx, conn, `select name || ' ' || type || ' ' || ("notnull" = 0 and pk = 0) from pragma_table_info('`+name+`') order by cid`)
	if err != nil {
		return shape, err
	}
	for _, column := range columns {
		words := strings.Fields(column)
		kind, known := kinds[strings.ToUpper(words[1])]
		if !known {
			return shape, fmt.Errorf("column %s has the type %s, of which there is no neutral form", words[0], words[1])
		}
		shape.Columns = append(shape.Columns, archive.Column{Name: words[0], Kind: kind, Null: words[2] == "1"})
	}
	shape.refersTo, err = column1(ctx, conn, `select distinct "table" from pragma_foreign_key_list('`+name+`')`)
	return shape, err
}

// column1 reads the one column of a query.
func column1(ctx context.Context, conn *sql.Conn, query string) (found []string, err error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var text string
		if err = rows.Scan(&text); err != nil {
			break
		}
		found = append(found, text)
	}
	return found, errors.Join(err, rows.Err(), rows.Close())
}

// columnList is the columns of a table as SQL names them.
func columnList(t archive.Table) string {
	names := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		names[i] = `"` + column.Name + `"`
	}
	return strings.Join(names, ", ")
}

func (c *sqliteCopy) rows(ctx context.Context, t archive.Table, each func([]any) error) error {
	rows, err := c.home[t.Name].QueryContext(ctx, `select `+columnList(t)+` from "`+t.Name+`"`)
	if err != nil {
		return err
	}
	places := make([]any, len(t.Columns))
	for err == nil && rows.Next() {
		row := make([]any, len(t.Columns))
		for i := range row {
			places[i] = &row[i]
		}
		if err = rows.Scan(places...); err != nil {
			break
		}
		for i, column := range t.Columns {
			if row[i], err = sqliteValue(row[i], column); err != nil {
				break
			}
		}
		if err == nil {
			err = each(row)
		}
	}
	return errors.Join(err, rows.Err(), rows.Close())
}

// sqliteValue gives a value its neutral form: SQLite holds in any column whatever was written into it.
func sqliteValue(value any, column archive.Column) (any, error) {
	switch v := value.(type) {
	case nil:
		if column.Kind == archive.Bytes && !column.Null {
			return []byte{}, nil // as the driver reads empty ones
		}
		return nil, nil
	case int64:
		switch column.Kind {
		case archive.Boolean:
			return v != 0, nil
		case archive.Integer:
			return v, nil
		}
	case bool:
		if column.Kind == archive.Boolean {
			return v, nil
		}
	case string:
		switch column.Kind {
		case archive.Bytes:
			return column.Bytes([]byte(v)), nil
		case archive.Text:
			return archive.Clean(v), nil
		}
	case []byte:
		switch column.Kind {
		case archive.Bytes:
			return column.Bytes(v), nil
		case archive.Text:
			return archive.Clean(string(v)), nil
		}
	}
	return nil, fmt.Errorf("column %s holds a %T", column.Name, value)
}

// Unfinished is the folder in which an installation comes into being, below the one that it is for.
const Unfinished = "restoring"

// sqliteLoading makes the databases of a data folder beside what is there, which Commit puts into their place.
func sqliteLoading(ctx context.Context, dir string, schema int64, note func(Progress)) (*Loading, error) {
	draft := filepath.Join(dir, Unfinished)
	_, interrupted := os.Stat(draft) // nil when one was
	for _, file := range sqliteFiles() {
		path := filepath.Join(dir, file.name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if interrupted != nil || file.name == sqliteFiles()[0].name {
			return nil, remuda.Fail(remuda.Conflict, "the folder "+dir+" is not empty: it has a "+file.name+"; choose another one")
		}
		if err := os.Remove(path); err != nil { // it had been put into its place, and the first had not
			return nil, err
		}
	}
	if err := os.RemoveAll(draft); err != nil {
		return nil, err
	}
	if err := os.Mkdir(draft, 0o700); err != nil {
		return nil, &remuda.Error{Kind: remuda.Unavailable, Detail: "the folder " + dir + " cannot be written", Cause: err}
	}
	c := &sqliteCopy{home: map[string]*sql.Conn{}}
	abandon := func() error { return errors.Join(c.close(), os.RemoveAll(draft)) }
	for _, file := range sqliteFiles() {
		if err := c.begin(ctx, filepath.Join(draft, file.name), file.migrations, schema); err != nil {
			return nil, errors.Join(err, abandon())
		}
	}
	l, err := newLoading(ctx, c, note)
	if err != nil {
		return nil, errors.Join(err, abandon())
	}
	l.abandon = abandon
	l.commit = func(ctx context.Context) error { return c.commit(ctx, dir) }
	return l, nil
}

// begin makes one database at a schema and begins the transaction that fills it. Until it is in its place nobody else
// sees it, so that nothing need be safe before the end.
func (c *sqliteCopy) begin(ctx context.Context, path, migrations string, schema int64) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := raiseFile(ctx, path, migrations, schema); err != nil {
		return err
	}
	if err := c.open(ctx, plainAddress(path)+"&_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=foreign_keys(0)&_pragma=cache_size(-64000)"); err != nil {
		return err
	}
	_, err = c.conns[len(c.conns)-1].ExecContext(ctx, "begin immediate")
	return err
}

// insertedAtOnce is how many rows one statement inserts.
const insertedAtOnce = 32

func (c *sqliteCopy) load(ctx context.Context, t archive.Table, rows [][]any) error {
	conn := c.home[t.Name]
	for _, n := range [...]int{insertedAtOnce, 1} {
		if len(rows) < n {
			continue
		}
		statement, err := conn.PrepareContext(ctx, inserting(t, n))
		if err != nil {
			return err
		}
		values := make([]any, 0, n*len(t.Columns))
		for err == nil && len(rows) >= n {
			values = values[:0]
			for _, row := range rows[:n] {
				values = append(values, row...)
			}
			_, err = statement.ExecContext(ctx, values...)
			rows = rows[n:]
		}
		if err := errors.Join(err, statement.Close()); err != nil {
			return err
		}
	}
	return nil
}

// inserting is a statement for n rows.
func inserting(t archive.Table, n int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(t.Columns)), ", ") + ")"
	return `insert into "` + t.Name + `" (` + columnList(t) + `) values ` + strings.TrimSuffix(strings.Repeat(row+", ", n), ", ")
}

// commit checks what refers to what, makes the files durable, and puts them into their place; the one by which an
// installation is known goes last.
func (c *sqliteCopy) commit(ctx context.Context, dir string) error {
	if err := c.each(ctx, "commit"); err != nil {
		return err
	}
	for _, conn := range c.conns {
		broken, err := column1(ctx, conn, `select distinct "table" || ' refers to what is not in ' || parent from pragma_foreign_key_check`)
		if err != nil {
			return err
		}
		if len(broken) > 0 {
			return remuda.Fail(remuda.Invalid, "what is copied contradicts itself: "+strings.Join(broken, "; "))
		}
	}
	if err := c.close(); err != nil {
		return err
	}
	c.files, c.conns = nil, nil
	draft := filepath.Join(dir, Unfinished)
	files := sqliteFiles()
	newest, err := newestSchema()
	if err != nil {
		return err
	}
	for _, file := range files {
		path := filepath.Join(draft, file.name)
		if err := errors.Join(raiseFile(ctx, path, file.migrations, newest), syncFile(path)); err != nil {
			return err
		}
	}
	for i := len(files) - 1; i >= 0; i-- {
		if err := os.Rename(filepath.Join(draft, files[i].name), filepath.Join(dir, files[i].name)); err != nil {
			return err
		}
	}
	return errors.Join(os.RemoveAll(draft), syncFolder(dir))
}

// raiseFile brings a database to a schema.
func raiseFile(ctx context.Context, path, migrations string, schema int64) error {
	db, err := sql.Open("sqlite", plainAddress(path))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	return errors.Join(raise(ctx, db, goose.DialectSQLite3, migrations, schema), db.Close())
}

// syncFile makes a file durable.
func syncFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// syncFolder makes the names in a folder durable, where that is a thing to ask for.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// plainAddress is the path as SQLite wants it in an address.
func plainAddress(path string) string {
	address, _, _ := strings.Cut(address(path), "?")
	return address + "?_pragma=busy_timeout(10000)"
}
