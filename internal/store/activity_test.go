package store_test

import (
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/store"
)

// finish adds tasks of the town that have ended.
func (w *town) finish(t testing.TB, n int, change func(*control.TaskRow)) (rows []control.TaskRow) {
	t.Helper()
	write(t, w.s, func(tx control.Tx) error {
		rows = rows[:0]
		for range n {
			task := control.TaskRow{
				ID: newID(), JobID: w.job.ID, OrganizationID: w.organization.ID, ProjectID: w.project.ID, ClassID: w.class.ID,
				Name: "task", Total: 1, State: remuda.Succeeded,
			}
			change(&task)
			if err := tx.Insert(t.Context(), &task); err != nil {
				return err
			}
			rows = append(rows, task)
		}
		return nil
	})
	return rows
}

// twoDigits rounds down as a person would.
func twoDigits(n int64) (digits int, lead int64) {
	text := strconv.FormatInt(n, 10)
	lead, _ = strconv.ParseInt(text[:min(2, len(text))], 10, 64)
	return len(text), lead
}

func TestActivityCountsWhatEndedByStepAndWait(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			s := d.opened(t, d.fresh(t))
			w, others := newTown(t, s), newTown(t, s)
			random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
			some := func(task *control.TaskRow) {
				task.SubmittedAt = control.Micros(1000 + random.Int64N(1000))
				task.EndedAt = control.Micros(5000 + random.Int64N(6000)) // some before, some after what is asked for
				task.State = []remuda.State{remuda.Succeeded, remuda.Failed, remuda.Canceled}[random.IntN(3)]
				if random.IntN(5) > 0 {
					task.StartedAt = task.SubmittedAt + control.Micros(random.Int64N(1<<(1+random.IntN(40)))) - 3 // a clock may be behind
				}
			}
			own, all := map[control.ActivityRow]int{}, map[control.ActivityRow]int{}
			count := func(into map[control.ActivityRow]int, task control.TaskRow) {
				if task.EndedAt < 6000 || task.EndedAt >= 10000 {
					return
				}
				row := control.ActivityRow{Step: int64(task.EndedAt) / 1000, Digits: 2, Lead: -1}
				if task.StartedAt != 0 {
					row.Digits, row.Lead = twoDigits(max(0, int64(task.StartedAt-task.SubmittedAt)))
				}
				row.Ended = 1
				if task.State == remuda.Failed {
					row.Failed = 1
				}
				into[row]++
			}
			for _, task := range w.finish(t, 3000, some) {
				count(own, task)
				count(all, task)
			}
			for _, task := range others.finish(t, 500, some) {
				count(all, task)
			}
			w.queue(t, nil) // it has not ended
			for organization, naive := range map[string]map[control.ActivityRow]int{w.organization.ID: own, "": all} {
				rows := read(t, s, func(v control.View) ([]control.ActivityRow, error) {
					return v.Activity(t.Context(), organization, 6000, 10000, 1000)
				})
				if diff := cmp.Diff(summed(naive), summed(unfolded(rows))); diff != "" {
					t.Errorf("of %q (-want +got):\n%s", organization, diff)
				}
				for i := 1; i < len(rows); i++ {
					if a, b := rows[i-1], rows[i]; a.Step > b.Step || a.Step == b.Step && (a.Digits > b.Digits || a.Digits == b.Digits && a.Lead >= b.Lead) {
						t.Errorf("%+v comes before %+v", a, b)
					}
				}
			}
		})
	}
}

// unfolded tells failed ones and others apart, as if each task were a row.
func unfolded(rows []control.ActivityRow) map[control.ActivityRow]int {
	tasks := map[control.ActivityRow]int{}
	for _, row := range rows {
		one := control.ActivityRow{Step: row.Step, Digits: row.Digits, Lead: row.Lead, Ended: 1}
		tasks[one] += row.Ended - row.Failed
		one.Failed = 1
		tasks[one] += row.Failed
	}
	return tasks
}

// summed leaves out what is not there.
func summed(tasks map[control.ActivityRow]int) map[control.ActivityRow]int {
	for row, n := range tasks {
		if n == 0 {
			delete(tasks, row)
		}
	}
	return tasks
}

func TestActivityReadsItsIndexAlone(t *testing.T) {
	dir := t.TempDir()
	s := databases()[0].opened(t, dir)
	w := newTown(t, s)
	w.finish(t, 2000, func(task *control.TaskRow) { task.EndedAt = control.Now() })
	for _, known := range []string{"nothing", "all"} {
		if known == "all" {
			if _, err := file(t, filepath.Join(dir, "remuda.db")).ExecContext(t.Context(), "analyze"); err != nil {
				t.Fatal(err)
			}
		}
		for _, organization := range []string{"", w.organization.ID} {
			text, args := store.ActivityText(organization, 1, 2, 1)
			plan := strings.Join(explained(t, dir, text, args), "\n")
			if !strings.Contains(plan, "USING COVERING INDEX tasks_ended (organization_id=? AND ended_at>? AND ended_at<?)") {
				t.Errorf("with %s known of the tables, activity of %q is found so:\n%s", known, organization, plan)
			}
		}
		for _, organization := range []string{"", w.organization.ID} {
			text, args := store.LastFailedText(organization, 1, 10)
			if plan := strings.Join(explained(t, dir, text, args), "\n"); plan != "SEARCH tasks USING COVERING INDEX tasks_failed (ended_at>?)" {
				t.Errorf("with %s known of the tables, the last that failed in %q are found so:\n%s", known, organization, plan)
			}
		}
	}
}

func TestTheLastThatFailedComeFirst(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			s := d.opened(t, d.fresh(t))
			w, others := newTown(t, s), newTown(t, s)
			at := control.Micros(100)
			failed := func(task *control.TaskRow) {
				at++
				task.State, task.EndedAt = remuda.Failed, at
			}
			old := w.finish(t, 1, failed)
			second := w.finish(t, 1, failed)
			w.finish(t, 1, func(task *control.TaskRow) { at++; task.EndedAt = at })
			foreign := others.finish(t, 1, failed)
			last := w.finish(t, 1, failed)
			ids := func(organization string, since control.Micros, most int) (ids []string) {
				for _, row := range read(t, s, func(v control.View) ([]control.TaskView, error) {
					return v.LastFailed(t.Context(), organization, since, most)
				}) {
					ids = append(ids, row.ID)
				}
				return ids
			}
			want(t, "its own", ids(w.organization.ID, 1, 10), last[0].ID, second[0].ID, old[0].ID)
			want(t, "two", ids(w.organization.ID, 1, 2), last[0].ID, second[0].ID)
			want(t, "those since a time", ids(w.organization.ID, second[0].EndedAt, 10), last[0].ID, second[0].ID)
			want(t, "all", ids("", 1, 10), last[0].ID, foreign[0].ID, second[0].ID, old[0].ID)
		})
	}
}

func TestQueuesAreSummedUpByClassAndOrganization(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			s := d.opened(t, d.fresh(t))
			w, guests := newTown(t, s), newTown(t, s)
			at := func(when control.Micros) func(*control.TaskRow) {
				return func(task *control.TaskRow) { task.SubmittedAt, task.Rank = when, int64(when) }
			}
			first := w.queue(t, at(100))
			w.queue(t, at(200))
			other := w.projectIn(t, func(*control.ProjectRow) {})
			w.queue(t, func(task *control.TaskRow) { at(150)(task); task.ProjectID = other.ID })
			guest := guests.queue(t, func(task *control.TaskRow) { at(300)(task); task.ClassID = w.class.ID })
			rows := read(t, s, func(v control.View) ([]control.QueueRow, error) { return v.Queues(t.Context()) })
			found := map[control.QueueRow]bool{}
			for _, row := range rows {
				found[row] = true
			}
			wanted := map[control.QueueRow]bool{
				{ClassID: w.class.ID, OrganizationID: w.organization.ID, Queued: 3, Head: first.ID, Since: 100}:      true,
				{ClassID: w.class.ID, OrganizationID: guests.organization.ID, Queued: 1, Head: guest.ID, Since: 300}: true,
			}
			if diff := cmp.Diff(wanted, found); diff != "" {
				t.Errorf("queues (-want +got):\n%s", diff)
			}
		})
	}
}

// BenchmarkActivity reads a day in which REMUDA_BENCH_FINISHED tasks ended, by steps of 15 minutes.
func BenchmarkActivity(b *testing.B) {
	ended := sizeOf(b, "REMUDA_BENCH_FINISHED", 20000)
	const day = control.Micros(24 * 3600 * 1e6)
	for _, d := range databases() {
		b.Run(d.name, func(b *testing.B) {
			s := d.opened(b, d.fresh(b))
			w := newTown(b, s)
			random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
			for left := ended; left > 0; left -= 5000 {
				w.finish(b, min(left, 5000), func(task *control.TaskRow) {
					task.EndedAt = day + control.Micros(random.Int64N(int64(day)))
					task.SubmittedAt = task.EndedAt - 60e6
					task.StartedAt = task.SubmittedAt + control.Micros(random.Int64N(50e6))
				})
			}
			for _, part := range []struct {
				name string
				from control.Micros
			}{{"day", day}, {"last step", 2*day - day/96}} {
				b.Run(part.name, func(b *testing.B) {
					for b.Loop() {
						read(b, s, func(v control.View) ([]control.ActivityRow, error) {
							return v.Activity(b.Context(), w.organization.ID, part.from, 2*day, day/96)
						})
					}
				})
			}
		})
	}
}
