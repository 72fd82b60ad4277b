package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
)

// stuck gives a writer that is held up until release is closed, and nothing else in its queue.
func stuck(t *testing.T, w *writer) (release chan struct{}) {
	t.Helper()
	release = make(chan struct{})
	held := make(chan struct{})
	go func() {
		if err := w.do(t.Context(), func(*query) error { close(held); <-release; return nil }); err != nil {
			t.Error(err)
		}
	}()
	<-held
	return release
}

func TestWhoWaitsNoLongerTakesItsChangeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		w := s.main.engine.(*sqliteFile).writer
		release := stuck(t, w)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		done := false
		if err := w.do(ctx, func(*query) error { done = true; return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it is answered %v", err)
		}
		close(release)
		if err := w.do(t.Context(), func(*query) error { return nil }); err != nil {
			t.Error(err)
		}
		if done {
			t.Error("it was carried out after its caller was told that it was not")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAFullQueueRefusesWhatComesAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		w := s.main.engine.(*sqliteFile).writer
		release := stuck(t, w)
		var waiting sync.WaitGroup
		for range maxQueue {
			waiting.Go(func() {
				if err := w.do(t.Context(), func(*query) error { return nil }); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		started := time.Now()
		err = w.do(t.Context(), func(*query) error { return nil })
		var busy *remuda.Error
		if !errors.As(err, &busy) || busy.Kind != remuda.Unavailable || busy.Retry == 0 || busy.Cause != nil {
			t.Errorf("it is answered %v", err)
		}
		if took := time.Since(started); took != queueTime {
			t.Errorf("it was refused after %s", took)
		}
		close(release)
		waiting.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
