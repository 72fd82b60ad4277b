package store_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/archive"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/store"
)

// settled is an installation with something of everything in it.
type settled struct {
	town    *town
	job     control.JobRow
	attempt string
	output  []byte
}

func settle(t testing.TB, s control.Store) settled {
	t.Helper()
	w := settled{town: newTown(t, s), attempt: newID()}
	w.job = control.JobRow{ID: newID(), OrganizationID: w.town.organization.ID, Name: "say \"ü\"\n\t\x01 </>", Payload: []byte{0, 1, 2, 255}, Secrets: []byte{}}
	insert(t, s, &w.job, &control.JobRow{ID: newID(), OrganizationID: w.town.organization.ID, Payload: []byte{}})
	token := control.TokenRow{ID: newID(), Kind: remuda.AdminToken, Hash: []byte(newID())}
	insert(t, s, &token, &control.SessionRow{ID: newID(), TokenID: token.ID, Hash: []byte(newID()), OldHash: []byte{}, EndsAt: control.Now() + 1<<40})
	for range 3 {
		insert(t, s, &control.EventRow{Type: "task.queued", Subject: newID(), At: control.Now()})
	}
	for len(w.output) < 1<<20 {
		piece := bytes.Repeat([]byte{byte(len(w.output) >> 10), 0xff, '\n'}, 30_000)
		add(t, s, w.attempt, 1, int64(len(w.output)), 0, string(piece), wide)
		w.output = append(w.output, piece...)
	}
	return w
}

// hold says what a copy of the installation lacks.
func (w settled) hold(t testing.TB, s control.Store) {
	t.Helper()
	var job control.JobRow
	read(t, s, func(v control.View) (any, error) { return nil, v.Get(t.Context(), &job, w.job.ID) })
	if diff := cmp.Diff(w.job, job, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the job is another: -want +got:\n%s", diff)
	}
	var output []byte
	for _, chunk := range chunks(t, s, w.attempt, nil, 0, 1<<30) {
		output = append(output, chunk.Data...)
	}
	if !bytes.Equal(output, w.output) {
		t.Errorf("%d bytes of output are there, want %d, or others", len(output), len(w.output))
	}
}

// signedOut fails the test when somebody is still signed in: sessions are not copied.
func signedOut(t testing.TB, s control.Store) {
	t.Helper()
	for _, session := range read(t, s, func(v control.View) ([]control.SessionView, error) {
		return v.Sessions(t.Context(), control.SessionQuery{Span: control.Span{Limit: many}})
	}) {
		t.Errorf("session %s was copied", session.ID)
	}
}

func quiet(store.Progress) {}

// backUp writes an archive of what lies in a place.
func backUp(t testing.TB, place string) []byte {
	t.Helper()
	snapshot, err := store.OpenSnapshot(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := snapshot.Close(); err != nil {
			t.Error(err)
		}
	}()
	var to bytes.Buffer
	writer, err := archive.NewWriter(&to, archive.Head{Schema: snapshot.Schema, Created: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := snapshot.Write(t.Context(), writer, quiet); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return to.Bytes()
}

// restore loads an archive into a place.
func restore(ctx context.Context, data []byte, place string, schema int64) error {
	loading, err := store.BeginLoading(ctx, place, schema, quiet)
	if err != nil {
		return err
	}
	if err := loading.Restore(ctx, bytes.NewReader(data), archive.Contents{}); err != nil {
		return errors.Join(err, loading.Abandon())
	}
	return loading.Commit(ctx)
}

const newest = 1 << 30

func schemaOf(t testing.TB, data []byte) (schema int64) {
	t.Helper()
	_, err := archive.Read(bytes.NewReader(data), archive.Contents{Head: func(h archive.Head) error {
		schema = h.Schema
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestARestoredInstallationHoldsWhatTheRunningOneHeld(t *testing.T) {
	for _, from := range databases() {
		for _, to := range databases() {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				place := from.fresh(t)
				running := from.opened(t, place)
				was := settle(t, running)
				data := backUp(t, place)
				elsewhere := to.fresh(t)
				if err := restore(t.Context(), data, elsewhere, schemaOf(t, data)); err != nil {
					t.Fatal(err)
				}
				restored := to.opened(t, elsewhere)
				was.hold(t, restored)
				signedOut(t, restored)
				eventsGoOnFarBehind(t, running, restored)

				// A backup of the restored one says the same, but for the event of the restore.
				again := backUp(t, elsewhere)
				first, second := tablesOf(t, data), tablesOf(t, again)
				delete(first, "events")
				delete(second, "events")
				if diff := cmp.Diff(first, second); diff != "" {
					t.Errorf("a backup of the restored installation is another: -first +second:\n%s", diff)
				}
			})
		}
	}
}

func tablesOf(t testing.TB, data []byte) map[string]archive.Digest {
	t.Helper()
	manifest, err := archive.Read(bytes.NewReader(data), archive.Contents{})
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]archive.Digest{}
	for _, table := range manifest.Tables {
		tables[table.Name] = table.Digest
	}
	return tables
}

func eventsGoOnFarBehind(t *testing.T, running, restored control.Store) {
	t.Helper()
	last := func(s control.Store) int64 { return lastEvent(t, s) }
	for range 10 { // of the time that is lost
		insert(t, running, &control.EventRow{Type: "task.queued", At: control.Now()})
	}
	before := last(running)
	insert(t, restored, &control.EventRow{Type: "task.queued", At: control.Now()})
	if got := last(restored); got <= before {
		t.Errorf("a new event has the number %d; the lost time had numbers up to %d", got, before)
	}
}

func TestAMovedInstallationHoldsWhatItHeld(t *testing.T) {
	for _, from := range databases() {
		for _, to := range databases() {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				place := from.fresh(t)
				old, err := from.open(t.Context(), place)
				if err != nil {
					t.Fatal(err)
				}
				was := settle(t, old)
				if err := old.Close(); err != nil {
					t.Fatal(err)
				}
				snapshot, err := store.OpenSnapshot(t.Context(), place)
				if err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := snapshot.Close(); err != nil {
						t.Error(err)
					}
				}()
				elsewhere := to.fresh(t)
				loading, err := store.BeginLoading(t.Context(), elsewhere, snapshot.Schema, quiet)
				if err != nil {
					t.Fatal(err)
				}
				if err := loading.Copy(t.Context(), snapshot); err != nil {
					t.Fatal(errors.Join(err, loading.Abandon()))
				}
				if err := loading.Moved(t.Context(), "there"); err != nil {
					t.Fatal(errors.Join(err, loading.Abandon()))
				}
				if err := loading.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
				now := to.opened(t, elsewhere)
				was.hold(t, now)
				signedOut(t, now)
				insert(t, now, &control.EventRow{Type: "task.queued", At: control.Now()})
			})
		}
	}
}

func TestAPlaceThatIsInUseIsNotRestoredInto(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			place := d.fresh(t)
			s := d.opened(t, place)
			was := settle(t, s)
			data := backUp(t, place)
			if err := restore(t.Context(), data, place, schemaOf(t, data)); !errors.Is(err, remuda.Conflict) {
				t.Errorf("restore = %v, want a conflict", err)
			}
			was.hold(t, s)
		})
	}
}

func TestANewerSchemaIsNotRestored(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			_, err := store.BeginLoading(t.Context(), d.fresh(t), newest, quiet)
			if !errors.Is(err, remuda.Conflict) {
				t.Errorf("begin = %v, want a conflict", err)
			}
		})
	}
}

func TestADamagedBackupLeavesNothingBehind(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			place := d.fresh(t)
			s := d.opened(t, place)
			was := settle(t, s)
			data := backUp(t, place)
			schema := schemaOf(t, data)
			elsewhere := d.fresh(t)
			for _, at := range []int{100, len(data) / 3, len(data) / 2, len(data) - 100} {
				flipped := bytes.Clone(data)
				flipped[at] ^= 0x10
				for what, bad := range map[string][]byte{"flipped": flipped, "cut": data[:at]} {
					if err := restore(t.Context(), bad, elsewhere, schema); !errors.Is(err, remuda.Invalid) {
						t.Errorf("%s at %d: restore = %v, want it refused", what, at, err)
					}
				}
			}
			// The same place is good for the whole one.
			if err := restore(t.Context(), data, elsewhere, schema); err != nil {
				t.Fatal(err)
			}
			was.hold(t, d.opened(t, elsewhere))
		})
	}
}

func TestABackupOfNothingIsRefused(t *testing.T) {
	dir := t.TempDir()
	if _, err := store.OpenSnapshot(t.Context(), dir); !errors.Is(err, remuda.NotFound) {
		t.Errorf("open = %v, want that there is nothing", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("looking left %v, %v in the folder", entries, err)
	}
	if _, err := store.OpenSnapshot(t.Context(), filepath.Join(dir, "absent")); !errors.Is(err, remuda.NotFound) {
		t.Errorf("open = %v, want that there is nothing", err)
	}
}

// speaks is an attempt whose rows tell in events how much of its output was acknowledged.
func speaks(ctx context.Context, s control.Store, attempt string) error {
	for length := int64(0); ; {
		state, err := s.Output().Append(ctx, attempt, remuda.Chunk{Step: 1, Offset: length, Data: bytes.Repeat([]byte("x"), 1000)}, wide)
		if err == nil {
			length = state.Length
			err = s.Write(ctx, control.Alone, func(tx control.Tx) error {
				return tx.Insert(ctx, &control.EventRow{Type: "test.acknowledged", Subject: attempt, Detail: strconv.FormatInt(length, 10), At: control.Now()})
			})
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// No byte is missing that was acknowledged before something that the backup tells of.
func TestABackupUnderLoadMissesNoByteThatItsRowsSpeakOf(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			place := d.fresh(t)
			s := d.opened(t, place)
			newTown(t, s)
			ctx, stop := context.WithCancel(t.Context())
			writers, _ := errgroup.WithContext(ctx)
			for range 4 {
				attempt := newID()
				writers.Go(func() error { return speaks(ctx, s, attempt) })
			}
			var backups [][]byte
			for range 5 {
				backups = append(backups, backUp(t, place))
			}
			stop()
			if err := writers.Wait(); err != nil {
				t.Fatal(err)
			}
			spoken := 0
			for _, data := range backups {
				spoken += missesNothing(t, data)
			}
			if spoken == 0 {
				t.Error("nothing was written while the backups were")
			}
		})
	}
}

// missesNothing compares what events of a backup tell of output with what there is of it.
func missesNothing(t *testing.T, data []byte) (spoken int) {
	t.Helper()
	told, there := map[string]int64{}, map[string]int64{}
	_, err := archive.Read(bytes.NewReader(data), archive.Contents{Rows: func(table archive.Table, rows [][]any) error {
		column := func(row []any, name string) any {
			return row[slices.IndexFunc(table.Columns, func(c archive.Column) bool { return c.Name == name })]
		}
		for _, row := range rows {
			switch {
			case table.Name == "streams":
				there[column(row, "attempt_id").(string)] = column(row, "length").(int64)
			case table.Name == "events" && column(row, "type") == "test.acknowledged":
				length, err := strconv.ParseInt(column(row, "detail").(string), 10, 64)
				if err != nil {
					return err
				}
				attempt := column(row, "subject").(string)
				told[attempt] = max(told[attempt], length)
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for attempt, length := range told {
		if there[attempt] < length {
			t.Errorf("rows speak of %d bytes of attempt %s, and %d are there", length, attempt, there[attempt])
		}
	}
	return len(told)
}

// older is a backup of the first schema: an attempt that printed hello.
func older(t *testing.T, attempt string) []byte {
	t.Helper()
	var to bytes.Buffer
	writer, err := archive.NewWriter(&to, archive.Head{Schema: 1, Created: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	integer := func(name string) archive.Column { return archive.Column{Name: name, Kind: archive.Integer} }
	id := archive.Column{Name: "attempt_id", Kind: archive.Text}
	for _, table := range []struct {
		archive.Table
		row []any
	}{
		{archive.Table{Name: "outputs", Columns: []archive.Column{id, integer("length"), integer("kept")}}, []any{attempt, int64(5), int64(5)}},
		{archive.Table{Name: "streams", Columns: []archive.Column{
			id, integer("step"), integer("length"), integer("source"), integer("checksum"), {Name: "closed", Kind: archive.Boolean},
		}}, []any{attempt, int64(1), int64(5), int64(5), int64(0), true}},
		{archive.Table{Name: "chunks", Columns: []archive.Column{
			id, integer("start"), integer("step"), integer("step_start"), integer("size"), {Name: "data", Kind: archive.Bytes},
		}}, []any{attempt, int64(0), int64(1), int64(0), int64(5), []byte("hello")}},
	} {
		rows, err := writer.Table(table.Table)
		if err == nil {
			_, err = rows.Row(table.row)
		}
		if err = errors.Join(err, rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return to.Bytes()
}

func TestAnOlderBackupIsBroughtUpToDate(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			place, attempt := d.fresh(t), newID()
			if err := restore(t.Context(), older(t, attempt), place, 1); err != nil {
				t.Fatal(err)
			}
			s := d.opened(t, place)
			if found := chunks(t, s, attempt, nil, 0, 100); len(found) != 1 || string(found[0].Data) != "hello" {
				t.Errorf("its output is %v", found)
			}
			settle(t, s)
		})
	}
}
