package store

import (
	"errors"
	"sync"
	"testing"

	"github.com/remuda-dev/remuda"
)

// SQLite ends a transaction by itself on some faults, such as a full disk. What was asked for beside the fault must not
// be committed by halves, nor be called lost when it is there.
func TestATransactionThatBreaksTakesItsBatchAlong(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	insert := func(id string) func(*query) error {
		return func(q *query) error {
			_, err := q.exec(`insert into submission_keys (id, request, job_id, created_at) values ($1, x'', '', 0)`, id)
			return err
		}
	}
	broken := errors.New("the disk is full")
	asks := []*ask{
		{ctx: t.Context(), change: insert("before")},
		{ctx: t.Context(), change: func(q *query) error { _, _ = q.exec("rollback"); return broken }},
		{ctx: t.Context(), change: insert("after")},
	}
	for _, a := range asks {
		a.outcome = make(chan error, 1)
	}
	// Held up, the writer finds all three at once.
	hold, held := make(chan struct{}), make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() {
		err := s.main.write(t.Context(), func(*query) error { close(held); <-hold; return nil })
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	for _, a := range asks {
		s.main.engine.(*sqliteFile).writer.asks <- a
	}
	close(hold)
	busy.Wait()
	for i, want := range []error{remuda.Unavailable, broken, remuda.Unavailable} {
		if err := <-asks[i].outcome; !errors.Is(err, want) {
			t.Errorf("ask %d is answered %v, want %v", i, err, want)
		}
	}
	var rows int
	if err := s.main.read(t.Context(), func(q *query) error { return q.one(&rows, "select count(*) from submission_keys") }); err != nil || rows != 0 {
		t.Errorf("%d rows are there, %v", rows, err)
	}
	if err := s.main.write(t.Context(), insert("later")); err != nil {
		t.Errorf("the writer does not go on: %v", err)
	}
}

func TestAReaderIsOfUseAfterItsLookWentWrong(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for range 3 * maxReaders {
		err := s.main.read(t.Context(), func(q *query) error {
			if _, err := q.exec("rollback"); err != nil {
				t.Error(err)
			}
			var n int
			return q.one(&n, "select nonsense")
		})
		if err == nil {
			t.Error("nonsense was read")
		}
	}
	var n int
	if err := s.main.read(t.Context(), func(q *query) error { return q.one(&n, "select 1") }); err != nil || n != 1 {
		t.Errorf("read %d, %v", n, err)
	}
	err = s.main.read(t.Context(), func(q *query) error {
		_, err := q.exec(`delete from organizations`)
		return err
	})
	if err == nil {
		t.Error("a look changed something")
	}
}
