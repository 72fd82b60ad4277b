package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
	"github.com/remuda-dev/remuda/internal/store"
)

// connected is a connection beside the store.
func connected(t testing.TB, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func openPostgres(t testing.TB, address string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A column or an index that only one database has is a migration that was forgotten in the other.
func TestBothDatabasesHaveTheSameSchema(t *testing.T) {
	address := postgrestest.Fresh(t)
	openPostgres(t, address)
	dir := t.TempDir()
	openPostgres(t, dir)
	postgres, sqlite := map[string][]string{}, map[string][]string{}
	conn := connected(t, address)
	rows, err := conn.Query(t.Context(), `select table_name::text, column_name::text, upper(data_type), is_nullable = 'NO'
		from information_schema.columns where table_schema = current_schema()`)
	if err != nil {
		t.Fatal(err)
	}
	var table, column, kind string
	var required bool
	_, err = pgx.ForEachRow(rows, []any{&table, &column, &kind, &required}, func() error {
		postgres[table] = append(postgres[table], fmt.Sprintf("%s %s required=%t", column, kind, required))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, err = conn.Query(t.Context(), `select tablename::text, indexname::text from pg_indexes
		where schemaname = current_schema() and not exists (select 1 from pg_constraint where conname = indexname)`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pgx.ForEachRow(rows, []any{&table, &column}, func() error {
		postgres[table] = append(postgres[table], "index "+column)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"remuda.db", "output.db"} {
		describe(t, file(t, filepath.Join(dir, name)), sqlite)
	}
	// What is looked at of tasks and attempts by how they stand.
	partial := map[string][]string{
		"tasks":    {"index tasks_queue", "index tasks_overdue", "index tasks_group", "index tasks_ended", "index tasks_failed"},
		"attempts": {"index attempts_live", "index attempts_sign", "index attempts_over"},
	}
	for table, indexes := range partial {
		before := len(sqlite[table])
		sqlite[table] = slices.DeleteFunc(sqlite[table], func(of string) bool { return slices.Contains(indexes, of) })
		if len(sqlite[table]) != before-len(indexes) {
			t.Errorf("not all of %v are in SQLite", indexes)
		}
	}
	sqlite["attempts"] = append(sqlite["attempts"], "index attempts_runner")
	for _, set := range store.KeptSets() {
		if len(postgres[set]) == 0 {
			t.Errorf("PostgreSQL has no table %s", set)
		}
		delete(postgres, set)
	}
	for _, tables := range []map[string][]string{postgres, sqlite} {
		delete(tables, "goose_db_version")
		for _, columns := range tables {
			slices.Sort(columns)
		}
	}
	if diff := cmp.Diff(sqlite, postgres); diff != "" {
		t.Errorf("the schemas differ (-SQLite +PostgreSQL):\n%s", diff)
	}
	if len(postgres) < 15 {
		t.Errorf("only %d tables were compared", len(postgres))
	}
}

func describe(t *testing.T, db *sql.DB, into map[string][]string) {
	t.Helper()
	rows, err := db.Query(`select m.name, c.name, upper(c.type), c."notnull" or c.pk > 0 from sqlite_master m, pragma_table_info(m.name) c where m.type = 'table'`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var table, column, kind string
		var required bool
		if err := rows.Scan(&table, &column, &kind, &required); err != nil {
			t.Fatal(err)
		}
		kind = strings.NewReplacer("BLOB", "BYTEA", "INTEGER", "BIGINT").Replace(kind)
		if !strings.HasPrefix(table, "sqlite_") {
			into[table] = append(into[table], fmt.Sprintf("%s %s required=%t", column, kind, required))
		}
	}
	if rows, err = db.Query(`select tbl_name, name from sqlite_master where type = 'index' and sql is not null`); err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var table, name string
		if err := rows.Scan(&table, &name); err != nil {
			t.Fatal(err)
		}
		into[table] = append(into[table], "index "+name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// Transactions that overlap commit in another order than that in which their events were numbered.
func TestWhoFollowsEventsByTheirIdsMissesNone(t *testing.T) {
	const writers, each = 8, 60
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			s := d.opened(t, d.fresh(t))
			ctx := t.Context()
			var writing sync.WaitGroup
			var over atomic.Bool
			for n := range writers {
				writing.Go(func() {
					for i := range each {
						err := s.Write(ctx, control.Beside, func(tx control.Tx) error {
							for part := range 1 + i%3 {
								subject := fmt.Sprintf("%d/%d/%d", n, i, part)
								if err := tx.Insert(ctx, &control.EventRow{Type: "task.queued", Subject: subject}); err != nil {
									return err
								}
								if _, err := tx.Waiting(ctx, ""); err != nil { // sends what was inserted, and takes time
									return err
								}
							}
							return nil
						})
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			go func() { writing.Wait(); over.Store(true) }()
			seen, after := map[string]int{}, int64(0)
			for last := false; !last; {
				ended := over.Load()
				held := false
				err := s.Read(ctx, func(v control.View) error {
					rows, err := v.Events(ctx, control.EventFilter{After: after, Limit: 1000}, "")
					if err != nil {
						return err
					}
					for _, row := range rows {
						seen[row.Subject]++
						after = row.ID
					}
					_, held, err = v.LastEvent(ctx)
					last = ended && !held && len(rows) == 0
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if want := writers * each * 2; len(seen) != want {
				t.Errorf("%d events were seen, want %d", len(seen), want)
			}
			for subject, n := range seen {
				if n != 1 {
					t.Errorf("event %s was seen %d times", subject, n)
				}
			}
		})
	}
}

func TestEventsGoOnWhenADatabaseHasMovedToAServerThatCountsFromLess(t *testing.T) {
	address := postgrestest.Fresh(t)
	s, err := store.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	insert(t, s, &control.EventRow{Type: "first"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	const far = int64(1) << 50
	conn := connected(t, address)
	if _, err := conn.Exec(t.Context(), "update events set id = $1", far); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time, nothing has to be moved any more
		moved := openPostgres(t, address)
		before := lastEvent(t, moved)
		insert(t, moved, &control.EventRow{Type: "later"})
		if after := lastEvent(t, moved); before < far || after <= before {
			t.Errorf("event %d comes after %d", after, before)
		}
	}
}

func TestPlanesThatStartAtTheSameTimeMigrateOnce(t *testing.T) {
	address := postgrestest.Fresh(t)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			s, err := store.Open(t.Context(), address)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestADatabaseThatANewerVersionWroteIsRefused(t *testing.T) {
	address := postgrestest.Fresh(t)
	s, err := store.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	conn := connected(t, address)
	if _, err := conn.Exec(t.Context(), "insert into goose_db_version (version_id, is_applied) values (9999, true)"); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), address)
	wantKind(t, err, remuda.Conflict)
	if !strings.Contains(err.Error(), "9999") {
		t.Errorf("the error is %v", err)
	}
}

func TestNoErrorShowsADatabasesPassword(t *testing.T) {
	const password = "h0rse5hoe"
	address := postgrestest.Fresh(t)
	port := regexp.MustCompile(`:(\d+)/`).FindStringSubmatch(address)[1]
	for what, address := range map[string]string{
		"nobody there":      "postgres://remuda:" + password + "@127.0.0.1:1/remuda?connect_timeout=2",
		"a wrong address":   "postgres://remuda:" + password + "@127.0.0.1:port/remuda",
		"no such database":  "postgres://postgres:" + password + "@127.0.0.1:" + port + "/nowhere?sslmode=disable",
		"a wrong parameter": "postgres://remuda:" + password + "@127.0.0.1:" + port + "/x?sslmode=maybe",
	} {
		t.Run(what, func(t *testing.T) {
			_, err := store.Open(t.Context(), address)
			if err == nil {
				t.Fatal("it was opened")
			}
			for cause := err; cause != nil; cause = errors.Unwrap(cause) {
				if strings.Contains(cause.Error(), password) {
					t.Errorf("the error shows it: %v", cause)
				}
			}
			if kind := remuda.KindOf(err); kind != remuda.Unavailable && kind != remuda.Invalid {
				t.Errorf("the error is %v (%s)", err, kind)
			}
		})
	}
}
