package simulation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/remuda-dev/remuda/internal/postgrestest"
	"github.com/remuda-dev/remuda/internal/store"
)

// folder is a data folder that one seed after the other has, each from the town on. Opening a store, and learning its
// schema and every statement anew, takes as long as a third of a seed.
type folder struct {
	town  town
	held  *store.Store
	fresh func() (*store.Store, error) // opens another one for each seed; nil: they follow each other in one
	dir   string
	conn  *sql.Conn
	db    *sql.DB
	reset []*sql.Stmt
}

// seedsOfAFolder is how many seeds are tried in one bubble before the next begins with nothing.
const seedsOfAFolder = 25

// inFolder runs a few seeds in a bubble of their own.
func inFolder(t *testing.T, try func(*testing.T, *folder)) {
	var there town
	if overPostgres() {
		there = settledPostgres(t)
	}
	synctest.Test(t, func(t *testing.T) {
		f, err := &folder{town: there}, error(nil)
		if overPostgres() {
			f.fresh = func() (*store.Store, error) {
				return store.Open(context.Background(), postgrestest.Copy(t, there.dir))
			}
		} else {
			f, err = newFolder(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := f.close(); err != nil {
				t.Error(err)
			}
		}()
		try(t, f)
	})
}

func newFolder(ctx context.Context) (*folder, error) {
	dir, err := os.MkdirTemp(filepath.Dir(settled.dir), "seeds-")
	if err != nil {
		return nil, err
	}
	f := &folder{town: settled, dir: dir}
	if err := f.open(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *folder) open(ctx context.Context) (err error) {
	if err := os.CopyFS(f.dir, os.DirFS(settled.dir)); err != nil {
		return err
	}
	if f.held, err = store.Open(ctx, f.dir); err != nil {
		return err
	}
	if f.db, err = sql.Open("sqlite", filepath.Join(f.dir, "remuda.db")+"?_pragma=synchronous(OFF)&_pragma=busy_timeout(10000)"); err != nil {
		return err
	}
	if f.conn, err = f.db.Conn(ctx); err != nil {
		return err
	}
	// Nobody writes the town any more. Read in the usual way, it would have files beside it that come and go while others copy.
	town := "file:" + filepath.Join(settled.dir, "remuda.db") + "?immutable=1"
	for name, path := range map[string]string{"output": filepath.Join(f.dir, "output.db"), "town": town} {
		if _, err := f.conn.ExecContext(ctx, "attach $1 as "+name, path); err != nil {
			return err
		}
	}
	return f.plan(ctx)
}

// plan prepares what brings the town back. Nothing refers to anything while it does: foreign keys are off, as they are
// unless one asks.
func (f *folder) plan(ctx context.Context) error {
	texts := []string{"begin immediate"}
	for _, database := range []string{"main", "output"} {
		rows, err := f.conn.QueryContext(ctx, "select name from "+database+".sqlite_schema where type = 'table' and name not like 'goose_%'")
		if err != nil {
			return err
		}
		for rows.Next() {
			var table string
			if err := rows.Scan(&table); err != nil {
				return err
			}
			texts = append(texts, fmt.Sprintf("delete from %s.%s", database, table))
			if database == "main" {
				texts = append(texts, fmt.Sprintf("insert into main.%s select * from town.%s", table, table))
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
	}
	for _, text := range append(texts, "commit") {
		statement, err := f.conn.PrepareContext(ctx, text)
		if err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		f.reset = append(f.reset, statement)
	}
	return nil
}

// settle makes the folder what the town's is.
func (f *folder) settle(ctx context.Context) (err error) {
	if f.fresh != nil {
		if f.held != nil {
			err = f.held.Close()
		}
		if err == nil {
			f.held, err = f.fresh()
		}
		return err
	}
	for _, statement := range f.reset {
		if _, err := statement.ExecContext(ctx); err != nil {
			return fmt.Errorf("bring the town back: %w", err)
		}
	}
	return nil
}

func (f *folder) close() error {
	var all []error
	for _, statement := range f.reset {
		all = append(all, statement.Close())
	}
	if f.conn != nil {
		all = append(all, f.conn.Close())
	}
	if f.db != nil {
		all = append(all, f.db.Close())
	}
	if f.held != nil {
		all = append(all, f.held.Close())
	}
	if f.dir != "" {
		all = append(all, os.RemoveAll(f.dir))
	}
	return errors.Join(all...)
}

func TestEachSeedStartsFromTheTown(t *testing.T) {
	if overPostgres() {
		t.Skip("there each seed has a database of its own")
	}
	inFolder(t, func(t *testing.T, f *folder) {
		count := func(text string) (n int) {
			if err := f.conn.QueryRowContext(t.Context(), text).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		const tasks, kept = "select count(*) from main.tasks", "select count(*) from output.outputs"
		simulate(t, f, newPlan(0), mutation{})
		if count(tasks) == 0 || count(kept) == 0 {
			t.Fatal("the seed left nothing: this test sees nothing")
		}
		if err := f.settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if count(tasks) != 0 || count(kept) != 0 {
			t.Error("what the seed left is still there")
		}
		for _, table := range []string{"organizations", "resource_classes", "tokens", "events", "sqlite_sequence"} {
			text := fmt.Sprintf("select count(*) from (select * from main.%s except select * from town.%s)", table, table)
			if count("select count(*) from main."+table) == 0 || count(text) != 0 {
				t.Errorf("%s are not the town's", table)
			}
		}
	})
}

func TestFoldersAreMadeBesideEachOther(t *testing.T) {
	var making sync.WaitGroup
	for range 4 {
		making.Go(func() {
			for range 10 {
				f, err := newFolder(t.Context())
				if err == nil {
					err = f.close()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	making.Wait()
}
