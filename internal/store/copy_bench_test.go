package store_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/store"
)

// BenchmarkCopy is how fast an installation with 100,000 tasks, an event each, and 100 MiB of output goes where.
func BenchmarkCopy(b *testing.B) {
	from := databases()[0]
	place := from.fresh(b)
	populate(b, from, place, 100_000, 400)
	data := backUp(b, place)
	b.Run("backup", func(b *testing.B) {
		for range b.N {
			data = backUp(b, place)
		}
		b.ReportMetric(float64(len(data))/(1<<20), "MiB")
	})
	for _, to := range databases() {
		b.Run("restore into "+to.name, func(b *testing.B) {
			for range b.N {
				if err := restore(b.Context(), data, to.fresh(b), schemaOf(b, data)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("move into "+to.name, func(b *testing.B) {
			for range b.N {
				moveAll(b, place, to.fresh(b))
			}
		})
	}
}

// populate fills a place.
func populate(b *testing.B, d database, place string, tasks, pieces int) {
	b.Helper()
	s := d.opened(b, place)
	w := newTown(b, s)
	var lane control.LaneRow
	write(b, s, func(tx control.Tx) (err error) {
		lane, err = tx.Lane(b.Context(), control.LaneKey{ClassID: w.class.ID, ProjectID: w.project.ID})
		return err
	})
	for at := 0; at < tasks; at += 1000 {
		write(b, s, func(tx control.Tx) error {
			for i := range 1000 {
				row := control.TaskRow{
					ID: newID(), JobID: w.job.ID, OrganizationID: w.organization.ID, ProjectID: w.project.ID, ClassID: w.class.ID, LaneID: lane.ID,
					Name: "go test ./...", SubmittedBy: "somebody", Repository: "https://example.com/acme/app", Ref: "main", State: "succeeded",
					Rank: int64(at + i), SubmittedAt: control.Now(),
				}
				if err := tx.Insert(b.Context(), &row); err != nil {
					return err
				}
				if err := tx.Insert(b.Context(), &control.EventRow{Type: "task.queued", Subject: row.ID, At: control.Now()}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	piece := make([]byte, 256<<10)
	random := rand.NewChaCha8([32]byte{})
	for range pieces {
		if _, err := random.Read(piece[:len(piece)/2]); err != nil { // half of it can be compressed
			b.Fatal(err)
		}
		add(b, s, newID(), 0, 0, 0, string(piece), wide)
	}
}

func moveAll(t testing.TB, from, to string) {
	t.Helper()
	snapshot, err := store.OpenSnapshot(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := snapshot.Close(); err != nil {
			t.Error(err)
		}
	}()
	began, last := time.Now(), store.Progress{}
	loading, err := store.BeginLoading(t.Context(), to, snapshot.Schema, func(p store.Progress) { last = p })
	if err != nil {
		t.Fatal(err)
	}
	if err := loading.Copy(t.Context(), snapshot); err != nil {
		t.Fatal(err)
	}
	if err := loading.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b, is := t.(*testing.B); is {
		b.ReportMetric(float64(last.Rows)/time.Since(began).Seconds(), "rows/s")
		b.ReportMetric(float64(last.Bytes)/(1<<20)/time.Since(began).Seconds(), "MiB/s")
	}
}
