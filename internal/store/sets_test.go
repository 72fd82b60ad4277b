package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/remuda-dev/remuda/internal/postgrestest"
	"github.com/remuda-dev/remuda/internal/store"
)

// sets says what is in each of the sets that PostgreSQL keeps.
func sets() map[string]string {
	return map[string]string{
		"queued_tasks":  "id, lane_id, rank, queue_until from tasks where state = 'queued'",
		"grouped_tasks": "id, group_id from tasks where group_id <> '' and state in ('waiting', 'queued', 'running')",
		"ended_tasks":   "id, organization_id, ended_at, state, submitted_at, started_at from tasks where ended_at > 0",
		"live_attempts": "id, runner_id from attempts where state in ('claimed', 'begun')",
	}
}

// wantSets compares each set with what it is of, and answers how many rows they have.
func wantSets(t *testing.T, conn *pgx.Conn, when string) (rows map[string]int) {
	t.Helper()
	rows = map[string]int{}
	for set, is := range sets() {
		columns, _, _ := strings.Cut(is, " from ")
		var more, less, n int
		err := conn.QueryRow(t.Context(), fmt.Sprintf(`select (select count(*) from (select %[1]s from %[2]s except all select %[3]s) x),
			(select count(*) from (select %[3]s except all select %[1]s from %[2]s) y), (select count(*) from %[2]s)`, columns, set, is)).Scan(&more, &less, &n)
		if err != nil {
			t.Fatal(err)
		}
		if more+less > 0 {
			t.Errorf("%s, %s has %d rows that it should not have, and lacks %d", when, set, more, less)
		}
		rows[set] = n
	}
	return rows
}

func TestTheSetsOfPostgreSQLFollowTheirTables(t *testing.T) {
	if known := store.KeptSets(); len(known) != len(sets()) || slices.ContainsFunc(known, func(set string) bool { return sets()[set] == "" }) {
		t.Fatalf("the sets are %v", known)
	}
	address := postgrestest.Fresh(t)
	s := openPostgres(t, address)
	f := &filler{t: t, conn: connected(t, address), w: newTown(t, s)}
	f.like = f.w.queue(t, nil).ID
	f.tasks(f.lane(f.w.project.ID), 200, "queued")
	f.do(`insert into attempts (id, task_id, number, runner_id, state, reason, detail, steps, lost_after, claimed_at, begun_at, ended_at, last_sign_at)
		select 'attempt ' || id, id, 1, 'one', 'claimed', '', '', '', 0, 0, 0, 0, 0 from tasks`)
	chance := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	seen := map[string]int{}
	for range 40 {
		for _, change := range []string{
			"update tasks set state = (array['waiting', 'queued', 'running', 'failed', 'succeeded'])[1 + $1 % 5] where hashtext(id) % 7 = $1 % 7",
			"update tasks set rank = rank + $1, queue_until = $1 where hashtext(id) % 5 = $1 % 5",
			"update tasks set lane_id = 'lane ' || $1 % 3 where hashtext(id) % 11 = $1 % 11",
			"update tasks set group_id = (array['', 'a', 'b'])[1 + $1 % 3] where hashtext(id) % 3 = $1 % 3",
			"update tasks set ended_at = $1 % 4, started_at = $1 where hashtext(id) % 6 = $1 % 6",
			"update tasks set detail = 'x' where $1 > 0",
			"update attempts set state = (array['claimed', 'begun', 'lost', 'succeeded'])[1 + $1 % 4], runner_id = 'runner ' || $1 % 2 where hashtext(id) % 4 = $1 % 4",
			"delete from attempts where hashtext(id) % 97 = $1 % 97",
			"delete from tasks where hashtext(id) % 97 = $1 % 97",
		} {
			n := chance.IntN(10000)
			f.do(change, n)
			for set, rows := range wantSets(t, f.conn, fmt.Sprintf("after %q of %d", change, n)) {
				seen[set] = max(seen[set], rows)
			}
		}
	}
	for _, set := range store.KeptSets() {
		if seen[set] < 10 {
			t.Errorf("%s never had more than %d rows: this test sees little", set, seen[set])
		}
	}
}

// A row that moves stays on its page, and writes no index, when no index is of what changes: that made claims half as fast.
func TestNoIndexInPostgreSQLIsOfWhatAMoveChanges(t *testing.T) {
	address := postgrestest.Fresh(t)
	openPostgres(t, address)
	rows, err := connected(t, address).Query(t.Context(), "select indexdef from pg_indexes where schemaname = current_schema() and tablename in ('tasks', 'attempts')")
	if err != nil {
		t.Fatal(err)
	}
	indexes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(indexes) < 8 {
		t.Fatalf("%d indexes are found, %v", len(indexes), err)
	}
	moves := regexp.MustCompile(`\b(state|reason|detail|steps|attempts_used|attempt_id|queue_until|started_at|begun_at|ended_at|last_sign_at|cancel_requested)\b`)
	for _, index := range indexes {
		if _, of, _ := strings.Cut(index, "USING"); moves.MatchString(of) {
			t.Errorf("an index is of what changes: %s", index)
		}
	}
}

func TestWhatWasThereBeforeIsInTheSets(t *testing.T) {
	text, err := os.ReadFile("migration/postgres/0015_sets.sql")
	if err != nil {
		t.Fatal(err)
	}
	address := postgrestest.Fresh(t)
	s := openPostgres(t, address)
	f := &filler{t: t, conn: connected(t, address), w: newTown(t, s)}
	f.like = f.w.queue(t, nil).ID
	lane := f.lane(f.w.project.ID)
	for _, state := range []string{"queued", "running", "succeeded"} {
		f.tasks(lane, 20, state)
	}
	f.do("update tasks set group_id = 'one' where hashtext(id) % 2 = 0")
	f.do("update tasks set ended_at = 1 where state = 'succeeded'")
	for _, set := range store.KeptSets() {
		f.do("delete from " + set)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "INSERT INTO") {
			f.do(line)
		}
	}
	if rows := wantSets(t, f.conn, "after the migration"); rows["queued_tasks"] < 20 || rows["ended_tasks"] != 20 || rows["grouped_tasks"] == 0 {
		t.Errorf("the sets have %v rows", rows)
	}
}
