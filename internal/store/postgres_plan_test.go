package store_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
	"github.com/remuda-dev/remuda/internal/store"
)

// What a claim costs in PostgreSQL is told by the pages that it looks at: time depends on who else is on the machine.
// It must not grow with what is queued, whatever the planner knows of the tables.
func TestAClaimInPostgreSQLLooksAtFewPages(t *testing.T) {
	many := 5000
	if os.Getenv("REMUDA_TEST_LONG") != "" {
		many = 1000000
	}
	for name, fill := range map[string]func(*filler){
		"in one lane": func(f *filler) { f.tasks(f.lane(f.project(0)), many, "queued") },
		"behind a project's limit": func(f *filler) {
			f.tasks(f.lane(f.project(1)), many, "queued")
		},
		"of 1000 projects at their limit": func(f *filler) {
			for range 1000 {
				f.tasks(f.lane(f.project(1)), many/1000, "queued")
			}
		},
		"of an organization at its limit": func(f *filler) {
			full := newTown(f.t, f.w.s)
			f.w.open(f.t)
			f.do("update organizations set task_limit = 1, running = 1 where id = $1", full.organization.ID)
			for range 1000 {
				f.tasks(f.lane(full.projectIn(f.t, func(*control.ProjectRow) {}).ID), many/1000, "queued")
			}
			f.do("update lanes set level = 5 where project_id = $1", f.w.project.ID) // its turn comes last
		},
		"in 1000 projects": func(f *filler) {
			for range 1000 {
				f.tasks(f.lane(f.project(0)), many/1000, "queued")
			}
		},
		"beside many that have ended": func(f *filler) { f.tasks(f.lane(f.w.project.ID), many, "succeeded") },
	} {
		t.Run(name, func(t *testing.T) {
			address := postgrestest.Fresh(t)
			s := openPostgres(t, address)
			f := &filler{t: t, conn: connected(t, address), w: newTown(t, s)}
			f.like = f.w.queue(t, nil).ID
			f.tasks(f.lane(f.w.project.ID), 1000, "queued")
			fill(f)
			f.do("set enable_bitmapscan = off; set enable_seqscan = off") // as control planes do
			for _, known := range []string{"nothing", "analyze"} {
				if known == "analyze" {
					f.do("analyze")
				}
				for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
					f.do("set plan_cache_mode = " + mode)
					for _, capabilities := range [][]string{nil, {"docker", "job"}} {
						pages, took := f.claimed(1, capabilities)
						t.Logf("%s, %s, capable of %v: %d pages, %s", known, mode, capabilities, pages, took)
						if pages > 100 {
							t.Errorf("with %s known, a claim of a runner capable of %v looks at %d pages (%s)", known, capabilities, pages, mode)
						}
					}
				}
			}
		})
	}
}

// filler queues tasks by the thousand.
type filler struct {
	t    *testing.T
	conn *pgx.Conn
	w    *town
	like string // a task that the others are like
}

func (f *filler) do(text string, args ...any) {
	f.t.Helper()
	if _, err := f.conn.Exec(f.t.Context(), text, args...); err != nil {
		f.t.Fatal(err)
	}
}

func (f *filler) project(limit int) string {
	return f.w.projectIn(f.t, func(p *control.ProjectRow) { p.TaskLimit, p.Running = limit, limit }).ID
}

func (f *filler) lane(project string) control.LaneRow {
	f.t.Helper()
	var lane control.LaneRow
	write(f.t, f.w.s, func(tx control.Tx) (err error) {
		lane, err = tx.Lane(f.t.Context(), control.LaneKey{ClassID: f.w.class.ID, ProjectID: project})
		return err
	})
	return lane
}

// tasks adds n tasks to a lane: as they are in the heap after a while, not in the order of their ranks.
func (f *filler) tasks(lane control.LaneRow, n int, state string) {
	f.t.Helper()
	f.do(`insert into tasks select r.* from tasks t, generate_series(1, $5::int) n, lateral jsonb_populate_record(t, jsonb_build_object(
		'id', gen_random_uuid(), 'lane_id', $2::text, 'project_id', $3::text, 'state', $4::text, 'rank', n)) r where t.id = $1`,
		f.like, lane.ID, lane.ProjectID, state, n)
	if state == "queued" {
		f.do("update lanes set queued = queued + $2, waits = true where id = $1", lane.ID, n)
	}
}

// claimed is what a claim costs: of one task, and of many at once.
func (f *filler) claimed(most int, capabilities []string) (pages int, took time.Duration) {
	f.t.Helper()
	classes := []string{f.w.class.ID}
	texts, args := store.ClaimTexts(true, "", classes, capabilities, most)
	lane := ""
	for _, lanes := range []int{0, 2} { // the first of all; the best of each kind, where those may not run
		rows, err := f.conn.Query(f.t.Context(), "select id from ("+texts[lanes]+") x limit 1", args[lanes]...)
		if err != nil {
			f.t.Fatal(err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			f.t.Fatal(err)
		}
		lookedAt, lasted := f.explained(texts[lanes], args[lanes])
		pages, took = pages+lookedAt, took+lasted
		if len(found) > 0 {
			lane = found[0]
			break
		}
	}
	if lane == "" {
		f.t.Fatal("the claim found nothing")
	}
	_, args = store.ClaimTexts(true, lane, classes, capabilities, most)
	lookedAt, lasted := f.explained(texts[1], args[1])
	return pages + lookedAt, took + lasted
}

// explained is what one query costs.
func (f *filler) explained(asked string, args []any) (pages int, took time.Duration) {
	f.t.Helper()
	if _, err := f.conn.Prepare(f.t.Context(), asked, asked); err != nil {
		f.t.Fatal(err)
	}
	var text string
	rows, err := f.conn.Query(f.t.Context(), "explain (analyze, buffers, format json) "+asked, args...)
	if err == nil {
		text, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	}
	if err != nil {
		f.t.Fatal(err)
	}
	var plans []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
		Time float64 `json:"Execution Time"`
	}
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		f.t.Fatal(err)
	}
	if testing.Verbose() && os.Getenv("REMUDA_TEST_PLANS") != "" {
		fmt.Println(text)
	}
	return plans[0].Plan.Hit + plans[0].Plan.Read, time.Duration(plans[0].Time * float64(time.Millisecond))
}
