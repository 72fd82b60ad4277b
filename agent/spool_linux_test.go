package agent

import (
	"bytes"
	"log/slog"
	"os"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// spooling is a spool with a small budget, and a step that floods it.
type spooling struct {
	*spool
	budget  *budget
	path    string
	written chan error
}

func newSpooling(t *testing.T, limit, flood int) *spooling {
	t.Helper()
	folder := Folder(t.TempDir())
	if err := folder.prepare(true); err != nil {
		t.Fatal(err)
	}
	if err := makePipes(folder, 1); err != nil {
		t.Fatal(err)
	}
	s := &spooling{budget: newBudget(int64(limit), slog.New(slog.DiscardHandler)), path: folder.Spool(0), written: make(chan error, 1)}
	opened, err := openSpool(folder, 0, newTail(), s.budget, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	s.spool = opened
	go func() {
		_, err := s.output.Write(bytes.Repeat([]byte("0123456789abcdef"), flood/16))
		s.written <- err
	}()
	return s
}

// waits until the step stands still: the budget is used up, and the pipe is full.
func (s *spooling) waits(t *testing.T) {
	t.Helper()
	size, err := unix.FcntlInt(s.pipe.Fd(), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		t.Fatal(err)
	}
	for s.budget.full() == nil || pipeHolds(s.pipe) < size {
		select {
		case err := <-s.written:
			t.Fatalf("the step has written everything, %v, and should wait", err)
		default:
			runtime.Gosched()
		}
	}
}

func (s *spooling) onDisk(t *testing.T) (size, taken int64) {
	t.Helper()
	info, err := os.Stat(s.path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size(), info.Sys().(*syscall.Stat_t).Blocks * 512
}

func TestAStepWaitsWhenTooMuchIsUnsent(t *testing.T) {
	const limit, flood = 4 << 20, 32 << 20
	s := newSpooling(t, limit, flood)
	defer s.close()
	s.waits(t)
	if size, _ := s.onDisk(t); size < limit || size > limit+wanted {
		t.Errorf("the spool has %d bytes at a limit of %d", size, limit)
	}
	if quiet := s.tail.lastGrowth(); quiet.Before(s.tail.grown) {
		t.Error("a step that waits counts as quiet")
	}
	for sent := int64(0); sent < flood; {
		size, _ := s.tail.now()
		if size > sent+limit+wanted {
			t.Fatalf("%d bytes are in the spool when %d are sent", size, sent)
		}
		if size > sent {
			sent = size
			s.tail.sentTo(sent)
		}
		runtime.Gosched()
	}
	if err := <-s.written; err != nil {
		t.Error(err)
	}
	s.finish()
	data, err := os.ReadFile(s.path)
	if err != nil || len(data) != flood {
		t.Fatalf("the spool has %d bytes in the end, %v", len(data), err)
	}
	if _, taken := s.onDisk(t); taken > givenBack+wanted && canPunch(t) {
		t.Errorf("it takes up %d bytes of the disk when all is sent", taken)
	}
}

// canPunch says whether files here give places back.
func canPunch(t *testing.T) bool {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 4096) == nil
}

func TestTheEndOfAStepDoesNotWait(t *testing.T) {
	s := newSpooling(t, 1<<20, 3<<20)
	s.waits(t)
	s.finish()
	s.close()
	t.Log("whoever wrote on was told:", <-s.written) // that nobody reads, unless all fitted into the pipe
	if size, ended := s.tail.now(); !ended || size < 2<<20 {
		t.Errorf("the spool has %d bytes, ended: %t", size, ended)
	}
}

func TestASpoolThatNobodySendsHoldsNobodyUp(t *testing.T) {
	s := newSpooling(t, 1<<20, 16<<20)
	defer s.close()
	s.waits(t)
	s.tail.release()
	if err := <-s.written; err != nil {
		t.Error(err)
	}
	if s.budget.full() != nil {
		t.Error("other steps have to wait")
	}
}
