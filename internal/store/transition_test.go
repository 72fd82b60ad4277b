package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func transitionFacts() []fact {
	return []fact{
		{"a transition that fails leaves nothing, and its neighbours alone", failuresLeaveNothing},
		{"a transition that panics fails alone", panicsFailAlone},
		{"a transition whose caller has left is not begun", nothingForWhoHasLeft},
		{"a transition under way is carried out, whatever becomes of its caller", underWayIsCarriedOut},
		{"writers at once do not overwrite each other", writersDoNotOverwrite},
		{"a look sees one state, whatever is written meanwhile", aLookSeesOneState},
		{"more look at once than there are connections", manyLookAtOnce},
	}
}

var errRefused = errors.New("refused")

// exists says whether there is a job with an id.
func exists(t testing.TB, s control.Store, id string) bool {
	t.Helper()
	err := s.Read(t.Context(), func(v control.View) error { return v.Get(t.Context(), &control.JobRow{}, id) })
	if err != nil && !errors.Is(err, remuda.NotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func failuresLeaveNothing(t *testing.T, s control.Store) {
	w := newTown(t, s)
	const n = 100
	var all sync.WaitGroup
	made := [n]string{}
	for i := range n {
		all.Go(func() {
			job := control.JobRow{ID: newID(), OrganizationID: w.organization.ID, Payload: []byte("{}")}
			made[i] = job.ID
			err := s.Write(t.Context(), control.Alone, func(tx control.Tx) error {
				if err := tx.Insert(t.Context(), &job); err != nil {
					return err
				}
				if i%3 == 0 {
					return errRefused
				}
				if i%3 == 1 {
					return tx.Insert(t.Context(), &job) // a fault that the database itself finds
				}
				return nil
			})
			switch i % 3 {
			case 0:
				if !errors.Is(err, errRefused) {
					t.Errorf("a transition that refuses answers %v", err)
				}
			case 1:
				if !errors.Is(err, remuda.Conflict) {
					t.Errorf("a transition that inserts twice answers %v", err)
				}
			case 2:
				if err != nil {
					t.Errorf("its neighbour answers %v", err)
				}
			}
		})
	}
	all.Wait()
	for i, id := range made {
		if exists(t, s, id) != (i%3 == 2) {
			t.Errorf("the row of transition %d: there is %v", i, i%3 != 2)
		}
	}
}

func panicsFailAlone(t *testing.T, s control.Store) {
	w := newTown(t, s)
	job := control.JobRow{ID: newID(), OrganizationID: w.organization.ID, Payload: []byte("{}")}
	err := s.Write(t.Context(), control.Alone, func(tx control.Tx) error {
		if err := tx.Insert(t.Context(), &job); err != nil {
			return err
		}
		var nothing *control.JobRow
		nothing.Name = "x"
		return nil
	})
	if err == nil || remuda.KindOf(err) != remuda.Internal {
		t.Errorf("a panic answers %v", err)
	}
	if exists(t, s, job.ID) {
		t.Error("what it wrote before is there")
	}
	insert(t, s, &job)
}

func nothingForWhoHasLeft(t *testing.T, s control.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Write(ctx, control.Alone, func(control.Tx) error { t.Error("it was begun"); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("write answers %v", err)
	}
	err = s.Read(ctx, func(control.View) error { t.Error("it was begun"); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("read answers %v", err)
	}
}

func underWayIsCarriedOut(t *testing.T, s control.Store) {
	w := newTown(t, s)
	job := control.JobRow{ID: newID(), OrganizationID: w.organization.ID, Payload: []byte("{}")}
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Write(ctx, control.Alone, func(tx control.Tx) error {
		cancel()
		return tx.Insert(ctx, &job)
	})
	if err != nil || !exists(t, s, job.ID) {
		t.Errorf("it answers %v, and its row is there: %v", err, exists(t, s, job.ID))
	}
}

func writersDoNotOverwrite(t *testing.T, s control.Store) {
	w := newTown(t, s)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 20 {
				err := s.Write(t.Context(), control.Alone, func(tx control.Tx) error {
					var row control.ProjectRow
					if err := tx.Get(t.Context(), &row, w.project.ID); err != nil {
						return err
					}
					row.Running++
					return tx.Update(t.Context(), &row, "running")
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	row := read(t, s, func(v control.View) (row control.ProjectRow, err error) {
		return row, v.Get(t.Context(), &row, w.project.ID)
	})
	if row.Running != 320 {
		t.Errorf("320 additions made %d", row.Running)
	}
}

func aLookSeesOneState(t *testing.T, s control.Store) {
	w := newTown(t, s)
	other := w.projectIn(t, func(p *control.ProjectRow) { p.Running = 100 })
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		for ctx.Err() == nil {
			_ = s.Write(ctx, control.Alone, func(tx control.Tx) error { return move(ctx, tx, other.ID, w.project.ID) })
		}
	})
	var looks sync.WaitGroup
	for range 4 {
		looks.Go(func() {
			for range 50 {
				var a, b control.ProjectRow
				err := s.Read(t.Context(), func(v control.View) error {
					if err := v.Get(t.Context(), &a, w.project.ID); err != nil {
						return err
					}
					return v.Get(t.Context(), &b, other.ID)
				})
				if err != nil || a.Running+b.Running != 100 {
					t.Errorf("a look sees %d and %d, %v", a.Running, b.Running, err)
				}
			}
		})
	}
	looks.Wait()
	cancel()
	all.Wait()
}

// move takes one from a project's number and adds it to another's.
func move(ctx context.Context, tx control.Tx, from, to string) error {
	for id, by := range map[string]int{from: -1, to: 1} {
		var row control.ProjectRow
		if err := tx.Get(ctx, &row, id); err != nil {
			return err
		}
		row.Running += by
		if err := tx.Update(ctx, &row, "running"); err != nil {
			return err
		}
	}
	return nil
}

// Each look uses statements that the others have not prepared yet: preparing must not wait for a connection that
// waits for it.
func manyLookAtOnce(t *testing.T, s control.Store) {
	w := newTown(t, s)
	var all sync.WaitGroup
	var inside atomic.Int32
	for range 64 {
		all.Go(func() {
			err := s.Read(t.Context(), func(v control.View) error {
				inside.Add(1)
				for _, row := range []control.Row{
					&control.OrganizationRow{}, &control.NamespaceRow{}, &control.ClassRow{}, &control.TokenRow{}, &control.JobRow{},
				} {
					if err := v.Get(t.Context(), row, w.job.ID); err != nil && !errors.Is(err, remuda.NotFound) {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if inside.Load() != 64 {
		t.Errorf("%d looked", inside.Load())
	}
}

func TestWritesAskedForBeforeTheCloseAreAnswered(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			address := d.fresh(t)
			s, err := d.open(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			w := newTown(t, s)
			var all sync.WaitGroup
			var kept sync.Map
			begun := make(chan struct{}, 200)
			for range 200 {
				all.Go(func() {
					job := control.JobRow{ID: newID(), OrganizationID: w.organization.ID, Payload: []byte("{}")}
					begun <- struct{}{}
					err := s.Write(t.Context(), control.Alone, func(tx control.Tx) error { return tx.Insert(t.Context(), &job) })
					if err != nil && !errors.Is(err, remuda.Unavailable) {
						t.Errorf("a write during the close answers %v", err)
					}
					kept.Store(job.ID, err == nil)
				})
			}
			for range 100 {
				<-begun
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			all.Wait() // each is answered
			wantKind(t, s.Write(t.Context(), control.Alone, func(control.Tx) error { return nil }), remuda.Unavailable)
			if err := s.Read(t.Context(), func(control.View) error { return nil }); err == nil {
				t.Error("a closed store is read")
			}
			if err := s.Close(); err != nil {
				t.Errorf("closed again, it answers %v", err)
			}
			again := d.opened(t, address)
			for id, was := range kept.Range {
				if exists(t, again, id.(string)) != was {
					t.Errorf("a write that answered %v: the row is there: %v", was, !was.(bool))
				}
			}
		})
	}
}

func TestWhatWasAcknowledgedOutlivesAKill(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			address := d.fresh(t)
			s, err := d.open(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			insert(t, s, &control.OrganizationRow{ID: "kill", Name: "kill"})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			acknowledged := writtenUntilKilled(t, d.name+" "+address)
			again := d.opened(t, address)
			for _, id := range acknowledged {
				if !exists(t, again, id) {
					t.Errorf("%s was acknowledged and is not there", id)
				}
			}
		})
	}
}

// writtenUntilKilled runs a copy of this program that writes, kills it in the middle of that, and answers what it said to
// have written.
func writtenUntilKilled(t *testing.T, where string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self)
	child.Env = append(os.Environ(), writeUntilKilled+"="+where)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var acknowledged []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		acknowledged = append(acknowledged, lines.Text())
		if len(acknowledged) == 300 {
			if err := child.Process.Kill(); err != nil { // what it had said by then is still read
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || len(acknowledged) < 300 {
		t.Fatalf("the writer ended by itself after %d writes: %v", len(acknowledged), err)
	}
	// The kill may have cut the last line.
	if last := len(acknowledged) - 1; len(acknowledged[last]) != len(acknowledged[0]) {
		acknowledged = acknowledged[:last]
	}
	return acknowledged
}

// writeAndTell writes from several goroutines and prints the id of each row when it is acknowledged.
func writeAndTell(where string) {
	name, address, _ := strings.Cut(where, " ")
	for _, d := range databases() {
		if d.name != name {
			continue
		}
		s, err := d.open(context.Background(), address)
		if err != nil {
			panic(err)
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		for range 8 {
			all.Go(func() {
				for {
					job := control.JobRow{ID: newID(), OrganizationID: "kill", Payload: []byte("{}")}
					ctx := context.Background()
					if err := s.Write(ctx, control.Alone, func(tx control.Tx) error { return tx.Insert(ctx, &job) }); err != nil {
						panic(err)
					}
					mu.Lock()
					fmt.Println(job.ID)
					mu.Unlock()
				}
			})
		}
		all.Wait()
	}
}
