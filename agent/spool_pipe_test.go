package agent

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"testing"
)

// piping is a piped spool with a small budget.
type piping struct {
	*piped
	path   string
	faults chan error
}

func newPiping(t *testing.T, limit int64) *piping {
	t.Helper()
	folder := Folder(t.TempDir())
	if err := folder.prepare(true); err != nil {
		t.Fatal(err)
	}
	s := &piping{path: folder.Spool(0), faults: make(chan error, 2)}
	var err error
	s.piped, err = openPiped(folder, 0, newTail(), newBudget(limit, slog.New(slog.DiscardHandler)), func(err error) { s.faults <- err })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// flood is a step that writes n bytes, each line with its number.
func (s *piping) flood(n int) (text []byte, written chan error) {
	for line := 0; len(text) < n; line++ {
		text = append(text, byte('a'+line%26), byte('0'+line/26%10), byte('0'+line/260%10), '\n')
	}
	text, written = text[:n], make(chan error, 1)
	go func() {
		_, err := s.output.Write(text)
		written <- err
	}()
	return text, written
}

// until waits for a size of the spool.
func (s *piping) until(t *testing.T, enough func(size int64) bool) {
	t.Helper()
	for {
		size, ended := s.tail.now()
		if enough(size) {
			return
		}
		if ended {
			t.Fatalf("the spool ended with %d bytes", size)
		}
		runtime.Gosched()
	}
}

func (s *piping) is(t *testing.T, want []byte) {
	t.Helper()
	got, err := os.ReadFile(s.path)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("the spool has %d bytes of %d, %v", len(got), len(want), err)
	}
}

func TestAPipedStepWaitsWhenTooMuchIsUnsent(t *testing.T) {
	const limit, flood = 1 << 20, 9 << 20
	s := newPiping(t, limit)
	text, written := s.flood(flood)
	s.until(t, func(size int64) bool { return size >= limit })
	for s.budget.full() == nil {
		runtime.Gosched()
	}
	select {
	case err := <-written:
		t.Fatalf("the step has written everything, %v, and should wait", err)
	default:
	}
	for sent := int64(0); sent < flood-1; { // one byte is never sent: so nothing of what the file has is given back
		size, _ := s.tail.now()
		if size > sent+limit+64<<10 {
			t.Fatalf("%d bytes are in the spool when %d are sent", size, sent)
		}
		if size-1 > sent {
			sent = size - 1
			s.tail.sentTo(sent)
		}
		if sent >= givenBack-limit { // as far as it gets without giving back
			s.tail.release()
			break
		}
		runtime.Gosched()
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	s.finish()
	s.is(t, text)
}

func TestAPipedSpoolGivesBackWhatIsSentAndKeepsItsLength(t *testing.T) {
	const limit, flood = 1 << 20, 20 << 20
	s := newPiping(t, limit)
	text, written := s.flood(flood)
	for given, sent := int64(0), int64(0); sent < flood; {
		size, _ := s.tail.now()
		if size > given+givenBack+limit+64<<10 {
			t.Fatalf("the spool goes on to %d bytes when %d are given back", size, given)
		}
		if size == sent {
			runtime.Gosched()
			continue
		}
		sent = size
		s.tail.sentTo(sent)
		s.mu.Lock()
		given = s.freed
		s.mu.Unlock()
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	s.finish()
	got, err := os.ReadFile(s.path)
	if err != nil || len(got) != flood {
		t.Fatalf("the spool has %d bytes in the end, %v", len(got), err)
	}
	s.mu.Lock()
	freed := s.freed
	s.mu.Unlock()
	if freed < flood-givenBack || !bytes.Equal(got[freed:], text[freed:]) {
		t.Errorf("%d bytes are given back, and the rest is what was written: %t", freed, bytes.Equal(got[freed:], text[freed:]))
	}
	if bytes.ContainsFunc(got[:freed], func(r rune) bool { return r != 0 }) {
		t.Error("what is given back is there still")
	}
}

func TestTheEndOfAPipedStepKeepsAllBeforeItAndNothingAfter(t *testing.T) {
	s := newPiping(t, 1<<20)
	behind := duplicate(t, s.output) // of a process that the step leaves behind
	text, written := s.flood(300_000)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	s.finish()
	if _, err := behind.Write(bytes.Repeat([]byte("x"), 1<<20)); err != nil {
		t.Errorf("what is left behind is held up or told: %v", err)
	}
	if err := behind.Close(); err != nil {
		t.Error(err)
	}
	s.is(t, text)
	if _, ended := s.tail.now(); !ended {
		t.Error("the spool has not ended")
	}
}

func TestTheEndOfAPipedStepDoesNotWaitForRoom(t *testing.T) {
	s := newPiping(t, 128<<10)
	text, written := s.flood(160 << 10)
	for s.budget.full() == nil {
		runtime.Gosched()
	}
	if err := <-written; err != nil { // what is over fits into the pipe
		t.Fatal(err)
	}
	s.finish()
	s.is(t, text)
}

func TestADiskThatTakesNoMoreIsToldOnceAndHoldsNobodyUp(t *testing.T) {
	s := newPiping(t, 1<<20)
	s.mu.Lock()
	err := s.file.Close() // as good as a disk that is gone
	s.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	_, written := s.flood(4 << 20)
	if err := <-written; err != nil {
		t.Error(err)
	}
	s.finish()
	if told := <-s.faults; !errors.Is(told, os.ErrClosed) {
		t.Errorf("it is told %v", told)
	}
	if len(s.faults) > 0 {
		t.Error("it is told twice")
	}
}
