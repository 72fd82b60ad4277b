package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
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
	fault  func(error)
	ended  atomic.Bool // what arrives now belongs to no step
	ending sync.Once
	kept   chan struct{} // closed when ended is true
	moving sync.WaitGroup
}

// wanted is how much may lie in a pipe, so that a step that floods does not wait for us at each 64 KiB. The kernel
// gives less to a user who has many of them.
const wanted = 1 << 20

// openSpool makes pipe and file of step n, and moves until close. A fault of the disk is told once; from then on
// output is lost rather than the step held up.
func openSpool(folder Folder, n int, tail *tail, fault func(error)) (*spool, error) {
	file, err := os.OpenFile(folder.Spool(n), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	s := &spool{tail: tail, file: file, fault: fault, kept: make(chan struct{})}
	if err := s.openPipe(folder.path(stepsName, strconv.Itoa(n)+pipeSuffix)); err != nil {
		_ = file.Close()
		return nil, err
	}
	s.moving.Go(s.move)
	return s, nil
}

func (s *spool) openPipe(path string) error {
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return &fs.PathError{Op: "mkfifo", Path: path, Err: err}
	}
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
	buffer := make([]byte, 64<<10)
	for {
		n, err := s.pipe.Read(buffer)
		s.keep(buffer[:n])
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && !s.ended.Load():
			s.drain(buffer)
			_ = s.pipe.SetReadDeadline(time.Time{})
			s.endKeeping()
		case err != nil:
			return // all writers or we ourselves have closed it
		}
	}
}

// drain keeps what the pipe holds at this moment, and not what goes on arriving from somebody who never ends.
func (s *spool) drain(buffer []byte) {
	raw, err := s.pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		left, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		for err == nil && left > 0 {
			var n int
			n, err = unix.Read(int(fd), buffer[:min(left, len(buffer))])
			if errors.Is(err, unix.EINTR) {
				err = nil
				continue
			}
			if n <= 0 {
				return
			}
			s.keep(buffer[:n])
			left -= n
		}
	})
}

func (s *spool) keep(data []byte) {
	if len(data) == 0 || s.ended.Load() {
		return
	}
	n, err := s.file.Write(data)
	s.size += int64(n)
	s.tail.grow(s.size)
	if err != nil {
		s.fault(fmt.Errorf("write the spool: %w", err))
		s.endKeeping()
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
	_ = s.pipe.SetReadDeadline(time.Unix(1, 0))
	<-s.kept
	_ = s.output.Close()
	s.tail.end()
}

// close ends moving. Nothing that writes may be left, or it will be told that nobody reads.
func (s *spool) close() {
	_ = s.output.Close()
	_ = s.pipe.Close()
	s.moving.Wait()
	_ = s.file.Close()
	s.tail.end()
}
