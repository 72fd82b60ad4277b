package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// A crash takes what was not flushed with it: whatever was acknowledged has to be there.
func TestACrashOfPostgreSQLLosesNothingAcknowledged(t *testing.T) {
	server := postgrestest.Start(t, "fsync=on", "wal_writer_delay=10s")
	s := openPostgres(t, server.Fresh(t))
	ctx := t.Context()
	for round := range 2 {
		var mu sync.Mutex
		acknowledged, refused := map[string]bool{}, 0
		var all sync.WaitGroup
		stop := make(chan struct{})
		for range 8 {
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					row := control.SubmissionKeyRow{ID: newID(), Request: []byte{1}, CreatedAt: control.Now()}
					err := s.Write(ctx, control.Beside, func(tx control.Tx) error { return tx.Insert(ctx, &row) })
					var e *remuda.Error
					if err != nil && (!errors.As(err, &e) || e.Kind != remuda.Unavailable || e.Retry == 0) {
						t.Errorf("the error is %v", err)
					}
					mu.Lock()
					if err == nil {
						acknowledged[row.ID] = true
					} else {
						refused++
					}
					mu.Unlock()
				}
			})
		}
		until(t, "rows are acknowledged", func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) > 200 })
		server.Crash(t)
		until(t, "writes are refused", func() bool { mu.Lock(); defer mu.Unlock(); return refused > 0 })
		server.Again(t)
		before := 0
		mu.Lock()
		before = len(acknowledged)
		mu.Unlock()
		until(t, "rows are acknowledged again", func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) > before+50 })
		close(stop)
		all.Wait()
		err := s.Read(ctx, func(v control.View) error {
			for _, id := range slices.Collect(maps.Keys(acknowledged)) {
				var row control.SubmissionKeyRow
				if err := v.Get(ctx, &row, id); err != nil {
					return fmt.Errorf("round %d: row %s was acknowledged: %w", round, id, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// until waits for something that others bring about.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	late := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("it does not come about that %s", what)
		}
	}
}

// heardTopics are the wake-ups that a store heard.
type heardTopics struct {
	mu     sync.Mutex
	topics map[string]int
}

func (h *heardTopics) hear(topic string, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.topics[topic] += n
}

func (h *heardTopics) heard(topic string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.topics[topic]
}

func listening(t *testing.T, s control.Store) *heardTopics {
	h := &heardTopics{topics: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Listen(ctx, h.hear) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	until(t, "it listens", func() bool { return h.heard(control.AllTopics) != 0 })
	return h
}

func TestWakeUpsReachOtherStoresAndNotTheirOwn(t *testing.T) {
	address := postgrestest.Fresh(t)
	one, other := openPostgres(t, address), openPostgres(t, address)
	mine, theirs := listening(t, one), listening(t, other)
	many := map[string]int{"class/a": 2, "events": -1, "class/a docker  gpu ": 1}
	for n := range 1000 { // more than one notification holds
		many[fmt.Sprintf("task/%036d", n)] = -1
	}
	one.Tell(many)
	until(t, "they are heard", func() bool {
		for topic := range many {
			if theirs.heard(topic) == 0 {
				return false
			}
		}
		return true
	})
	if n := theirs.heard("class/a"); n != 2 {
		t.Errorf("%d wake-ups of a class were heard, want 2", n)
	}
	other.Tell(map[string]int{"back": 1})
	until(t, "the answer is heard", func() bool { return mine.heard("back") != 0 })
	if mine.heard("events") != 0 {
		t.Error("a store hears itself")
	}
}

func TestAListenerWhoseConnectionEndsListensAgainAndWakesAll(t *testing.T) {
	address := postgrestest.Fresh(t)
	one, other := openPostgres(t, address), openPostgres(t, address)
	h := listening(t, other)
	before := h.heard(control.AllTopics)
	_, err := connected(t, address).Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where query = 'listen remuda'")
	if err != nil {
		t.Fatal(err)
	}
	until(t, "all are woken once more", func() bool { return h.heard(control.AllTopics) < before })
	one.Tell(map[string]int{"class/b": 1})
	until(t, "wake-ups are heard again", func() bool { return h.heard("class/b") == 1 })
}

// A transition that was cut off in the middle is refused, and the store goes on.
func TestATransitionWhoseConnectionEndsChangesNothing(t *testing.T) {
	address := postgrestest.Fresh(t)
	s := openPostgres(t, address)
	ctx := t.Context()
	beside := connected(t, address)
	row := control.SubmissionKeyRow{ID: newID(), Request: []byte{1}}
	err := s.Write(ctx, control.Beside, func(tx control.Tx) error {
		if err := tx.Insert(ctx, &row); err != nil {
			return err
		}
		if _, err := tx.Waiting(ctx, ""); err != nil {
			return err
		}
		_, err := beside.Exec(ctx, "select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle in transaction' and datname = current_database()")
		return err
	})
	wantKind(t, err, remuda.Unavailable)
	err = s.Read(ctx, func(v control.View) error { return v.Get(ctx, &row, row.ID) })
	wantKind(t, err, remuda.NotFound)
	insert(t, s, &row)
}

// Whoever runs into another transition is run again, and sees what that one did.
func TestTransitionsThatMeetAreRunAgain(t *testing.T) {
	s := openPostgres(t, postgrestest.Fresh(t))
	ctx := t.Context()
	id := newID()
	var made atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			first := false
			err := s.Write(ctx, control.Beside, func(tx control.Tx) error {
				var row control.SubmissionKeyRow
				err := tx.Get(ctx, &row, id)
				if first = errors.Is(err, remuda.NotFound); first {
					return tx.Insert(ctx, &control.SubmissionKeyRow{ID: id, Request: []byte{1}})
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
			if first {
				made.Add(1)
			}
		})
	}
	all.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("%d made the row", n)
	}
}

// Two who lock the same rows in another order cannot both go on; neither is told so.
func TestADeadlockIsRunAgain(t *testing.T) {
	s := openPostgres(t, postgrestest.Fresh(t))
	ctx := t.Context()
	a, b := newTown(t, s), newTown(t, s)
	both := make(chan struct{}, 2)
	var all sync.WaitGroup
	for _, order := range [][]string{{a.runner.ID, b.runner.ID}, {b.runner.ID, a.runner.ID}} {
		all.Go(func() {
			tries := 0
			err := s.Write(ctx, control.Beside, func(tx control.Tx) error {
				tries++
				var row control.RunnerRow
				if err := tx.Get(ctx, &row, order[0]); err != nil {
					return err
				}
				if tries == 1 {
					both <- struct{}{}
					for len(both) < cap(both) && ctx.Err() == nil {
						continue
					}
				}
				return tx.Get(ctx, &row, order[1])
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestATransitionAloneHasNoneBesideIt(t *testing.T) {
	s := openPostgres(t, postgrestest.Fresh(t))
	ctx := t.Context()
	var under atomic.Int64
	var all sync.WaitGroup
	for n := range 12 {
		scope := control.Beside
		if n%3 == 0 {
			scope = control.Alone
		}
		all.Go(func() {
			for range 20 {
				err := s.Write(ctx, scope, func(tx control.Tx) error {
					if _, err := tx.Waiting(ctx, ""); err != nil { // the lock is there when there is an answer
						return err
					}
					now := under.Add(1)
					defer under.Add(-1)
					_, err := tx.Waiting(ctx, "")
					if scope == control.Alone && (now != 1 || under.Load() != 1) {
						t.Error("a transition is not alone")
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestAServerThatIsAwayIsSaidToBeSo(t *testing.T) {
	server := postgrestest.Start(t, "fsync=off")
	s := openPostgres(t, server.Fresh(t))
	ctx := t.Context()
	server.Crash(t)
	var e *remuda.Error
	for what, err := range map[string]error{
		"write": s.Write(ctx, control.Alone, func(tx control.Tx) error { return tx.Insert(ctx, &control.SubmissionKeyRow{ID: newID()}) }),
		"read":  s.Read(ctx, func(v control.View) error { _, err := v.Waiting(ctx, ""); return err }),
	} {
		if !errors.As(err, &e) || e.Kind != remuda.Unavailable || e.Retry == 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
	server.Again(t)
	until(t, "it is back", func() bool {
		row := control.SubmissionKeyRow{ID: newID(), Request: []byte{1}} // another each time: one may be there without a word
		return s.Write(ctx, control.Alone, func(tx control.Tx) error { return tx.Insert(ctx, &row) }) == nil
	})
}

// What a transition reads in order to change it stays as it was read: nobody's change is overwritten.
func TestNoChangeIsLostAmongTransitionsBesideEachOther(t *testing.T) {
	const writers, each = 6, 15
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			s := d.opened(t, d.fresh(t))
			ctx, w := t.Context(), newTown(t, s)
			task, attempt := w.claimed(t)
			changes := map[string]func(tx control.Tx) error{
				"Get": func(tx control.Tx) error {
					var row control.RunnerRow
					if err := tx.Get(ctx, &row, w.runner.ID); err != nil {
						return err
					}
					row.Slots++
					return tx.Update(ctx, &row, "slots")
				},
				"Movable": func(tx control.Tx) error {
					row, err := tx.Movable(ctx, task.ID)
					if err != nil {
						return err
					}
					row.AttemptsUsed++
					return tx.Update(ctx, &row, "attempts_used")
				},
				"TaskView": func(tx control.Tx) error {
					view, err := tx.TaskView(ctx, task.ID)
					if err != nil {
						return err
					}
					view.Priority++
					return tx.Update(ctx, &view.TaskRow, "priority")
				},
				"Attempt": func(tx control.Tx) error {
					view, err := tx.Attempt(ctx, attempt.ID)
					if err != nil {
						return err
					}
					view.BegunAt++
					return tx.Update(ctx, &view.AttemptRow, "begun_at")
				},
			}
			var all sync.WaitGroup
			for range writers {
				for name, change := range changes {
					all.Go(func() {
						for range each {
							if err := s.Write(ctx, control.Beside, change); err != nil {
								t.Errorf("%s: %v", name, err)
							}
						}
					})
				}
			}
			all.Wait()
			err := s.Read(ctx, func(v control.View) error {
				var runner control.RunnerRow
				if err := v.Get(ctx, &runner, w.runner.ID); err != nil {
					return err
				}
				view, err := v.TaskView(ctx, task.ID)
				if err != nil {
					return err
				}
				last, err := v.Attempt(ctx, attempt.ID)
				got := []int{runner.Slots, view.AttemptsUsed, view.Priority, int(last.BegunAt)}
				for i, n := range got {
					if n != writers*each {
						t.Errorf("of %d changes, %d were lost by %s", writers*each, writers*each-n, []string{"Get", "Movable", "TaskView", "Attempt"}[i])
					}
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// claimed is a task with its attempt.
func (w *town) claimed(t testing.TB) (task control.TaskRow, attempt control.AttemptRow) {
	t.Helper()
	w.queue(t, nil)
	write(t, w.s, func(tx control.Tx) (err error) {
		task, attempt, err = w.take(t.Context(), tx, w.class.ID)
		return err
	})
	return task, attempt
}
