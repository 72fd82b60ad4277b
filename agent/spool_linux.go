package agent

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// spool takes what a step writes. Its processes write into a named pipe of the claim folder, and the agent moves what
// arrives to the spool file at once.
//
// They do not write into the file themselves, since scripts open /dev/stdout and /dev/stderr anew ("echo no >
// /dev/stderr", "tee /dev/stderr"): of a file that cuts off all that was written before, of a pipe nothing. What lies
// in the pipe when the agent is killed stays there for as long as a process of the step has it open, and Hold keeps
// it from then on.
type spool struct {
	output *os.File // the pipe's end for the step's processes
	tail   *tail

	pipe   *os.File // our end
	file   *os.File
	size   int64
	budget *budget
	fault  func(error)
	hurry  chan struct{} // closed when what is in the pipe may not wait for room
	hasten sync.Once

	sending sync.Mutex
	moved   int64       // counted in the budget
	sent    int64       // of them, taken off again
	freed   int64       // of those, given back to the disk
	ended   atomic.Bool // what arrives now belongs to no step
	ending  sync.Once
	kept    chan struct{} // closed when ended is true
	moving  sync.WaitGroup
}

// wanted is how much may lie in a pipe, so that a step that floods does not wait for us at each 64 KiB. The kernel
// gives less to a user who has many of them.
const wanted = 1 << 20

// openSpool opens the pipe and makes the file of step n, and moves until close. A fault of the disk is told once; from then on
// output is lost rather than the step held up.
func openSpool(folder Folder, n int, tail *tail, budget *budget, fault func(error)) (*spool, error) {
	file, err := os.OpenFile(folder.Spool(n), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	s := &spool{tail: tail, file: file, budget: budget, fault: fault, kept: make(chan struct{}), hurry: make(chan struct{})}
	tail.sent = s.release
	if err := s.openPipe(folder.pipe(n)); err != nil {
		_ = file.Close()
		return nil, err
	}
	s.moving.Go(s.move)
	return s, nil
}

// makePipes makes the pipes of all steps, before the agent asks leave to begin: whoever grants it can take hold of them.
func makePipes(folder Folder, steps int) error {
	for n := range steps {
		if err := unix.Mkfifo(folder.pipe(n), 0o600); err != nil {
			return fmt.Errorf("make the pipe of step %d: %w", n, err)
		}
	}
	return nil
}

func (s *spool) openPipe(path string) error {
	read, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	// For reading too: without that, the step would be ended by SIGPIPE as soon as the agent is, and what lies in the
	// pipe with it. Past os.OpenFile, which would make it non-blocking: few programs expect EAGAIN of their output.
	write, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = read.Close()
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	_, _ = unix.FcntlInt(uintptr(write), unix.F_SETPIPE_SZ, wanted)
	s.pipe, s.output = read, os.NewFile(uintptr(write), path)
	return nil
}

// move moves what arrives to the file until finish, then throws away what processes that were left behind write: if
// nobody read it, they would stand still.
func (s *spool) move() {
	defer s.endKeeping()
	waste := make([]byte, 4<<10)
	for {
		var err error
		if s.ended.Load() {
			_, err = s.pipe.Read(waste)
		} else {
			s.wait()
			err = s.splice()
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && !s.ended.Load():
			s.drain()
			_ = s.pipe.SetReadDeadline(time.Time{})
			s.endKeeping()
		case err != nil:
			return // all writers or we ourselves have closed it
		}
	}
}

// splice waits until something is in the pipe and moves it to the file within the kernel. So it is in one or in the
// other at each moment, and never only in the memory of an agent that may be killed.
func (s *spool) splice() error {
	raw, err := s.pipe.SyscallConn()
	if err != nil {
		return err
	}
	var moved int64
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		moved, failed = s.moveNow(fd, wanted)
		return !errors.Is(failed, unix.EAGAIN)
	})
	if err != nil {
		return err
	}
	if failed != nil {
		s.fault(fmt.Errorf("write the spool: %w", failed))
		s.endKeeping()
		return nil
	}
	if moved == 0 {
		return io.EOF
	}
	return nil
}

// moveNow moves at most so many bytes that are in the pipe already.
func (s *spool) moveNow(fd uintptr, most int) (int64, error) {
	for {
		moved, err := unix.Splice(int(fd), nil, int(s.file.Fd()), nil, most, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if moved > 0 {
			s.size += moved
			s.count(moved)
			s.tail.grow(s.size)
		}
		return moved, err
	}
}

// wait waits until there is room, or the step has ended: what it has written by then is a pipe's worth at most.
func (s *spool) wait() {
	for {
		full := s.budget.full()
		if full == nil {
			return
		}
		s.tail.wait(true)
		select {
		case <-full:
			s.tail.wait(false)
		case <-s.hurry:
			s.tail.wait(false)
			return
		}
	}
}

// count counts bytes that were moved.
func (s *spool) count(n int64) {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.moved += n
	if s.sent == math.MaxInt64 {
		return // nobody sends it
	}
	s.budget.add(n)
}

// release takes off the budget what is sent, and gives its place on the disk back. Whoever reads the spool after us
// begins where the control plane has got to.
func (s *spool) release(to int64) {
	s.sending.Lock()
	defer s.sending.Unlock()
	if to <= s.sent {
		return
	}
	s.budget.add(min(s.sent, s.moved) - min(to, s.moved))
	s.sent = to
	if to == math.MaxInt64 || to-s.freed < givenBack {
		return
	}
	free := to / givenBack * givenBack
	raw, err := s.file.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		// Where the file system cannot, the spool stays as long as its claim.
		_ = unix.Fallocate(int(fd), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, s.freed, free-s.freed)
	})
	s.freed = free
}

// drain keeps what the pipe holds at this moment, and not what goes on arriving from somebody who never ends.
func (s *spool) drain() {
	raw, err := s.pipe.SyscallConn()
	if err != nil {
		return
	}
	var failed error
	_ = raw.Control(func(fd uintptr) {
		var left int
		for left, failed = unix.IoctlGetInt(int(fd), unix.TIOCINQ); failed == nil && left > 0; {
			var moved int64
			if moved, failed = s.moveNow(fd, left); moved == 0 {
				return
			}
			left -= int(moved)
		}
	})
	if failed != nil && !errors.Is(failed, unix.EAGAIN) {
		s.fault(fmt.Errorf("write the spool: %w", failed))
	}
}

func (s *spool) endKeeping() {
	s.ending.Do(func() {
		s.ended.Store(true)
		close(s.kept)
	})
}

// finish returns when all that was written before is in the file.
func (s *spool) finish() {
	s.hasten.Do(func() { close(s.hurry) })
	_ = s.pipe.SetReadDeadline(time.Unix(1, 0))
	<-s.kept
	_ = s.output.Close()
	s.tail.end()
}

// close ends moving. Nothing that writes may be left, or it will be told that nobody reads.
func (s *spool) close() {
	s.hasten.Do(func() { close(s.hurry) })
	_ = s.output.Close()
	_ = s.pipe.Close()
	s.moving.Wait()
	_ = s.file.Close()
	s.tail.end()
}
