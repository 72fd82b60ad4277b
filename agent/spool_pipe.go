package agent

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// piped takes what a step writes where the kernel moves nothing from a pipe to a file: the agent copies it. It asks
// nothing of the system but a pipe, and is built everywhere, so that its tests run everywhere.
//
// As on Linux, a step waits when too much of its output could not be sent. What lies in the pipe ends with the agent:
// 64 KiB at most, of which the control plane has heard nothing.
type piped struct {
	output *os.File // the pipe's end for the step's processes
	tail   *tail

	pipe   *os.File // our end
	file   *os.File
	budget *budget
	fault  func(error)
	hurry  chan struct{} // closed when what is in the pipe may not wait for room
	hasten sync.Once
	mark   []byte // what we write behind all that the step has written
	marked atomic.Bool
	kept   chan struct{} // closed when what arrives belongs to no step any more
	moving sync.WaitGroup

	mu    sync.Mutex
	size  int64
	sent  int64
	freed int64         // of those, given back to the disk
	room  chan struct{} // closed when more was given back; nil while nobody waits for it
}

// openPiped makes the file of step n, and moves until close. A fault of the disk is told once; from then on output is
// lost rather than the step held up.
func openPiped(folder Folder, n int, tail *tail, budget *budget, fault func(error)) (*piped, error) {
	file, err := os.OpenFile(folder.Spool(n), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	markSparse(file)
	s := &piped{
		output: write, tail: tail, pipe: read, file: file, budget: budget, fault: fault,
		hurry: make(chan struct{}), mark: make([]byte, 32), kept: make(chan struct{}),
	}
	_, _ = rand.Read(s.mark) // it does not fail
	tail.sent = s.release
	s.moving.Go(s.move)
	return s, nil
}

// move copies what arrives to the file until the mark, then throws away what processes that were left behind write: if
// nobody read it, they would stand still.
func (s *piped) move() {
	buffer := make([]byte, 64<<10)
	var back []byte // may be the beginning of the mark
	for keeping := true; ; {
		if keeping {
			s.wait()
		}
		n, err := s.pipe.Read(buffer)
		if keeping {
			var step []byte
			step, back, keeping = s.unmarked(append(back, buffer[:n]...), err != nil)
			if keeping = s.keep(step) && keeping; !keeping {
				close(s.kept)
			}
		}
		if err != nil {
			return // all writers or we ourselves have closed it
		}
	}
}

// unmarked parts what the step has written from what may be the mark's beginning. It is over with the mark, or when
// nothing more comes.
func (s *piped) unmarked(arrived []byte, last bool) (step, back []byte, more bool) {
	if last {
		return arrived, nil, false
	}
	if !s.marked.Load() {
		return arrived, nil, true
	}
	if at := bytes.Index(arrived, s.mark); at >= 0 {
		return arrived[:at], nil, false
	}
	at := max(0, len(arrived)-len(s.mark)+1)
	return arrived[:at], bytes.Clone(arrived[at:]), true
}

// keep adds to the file. It is false when the disk cannot.
func (s *piped) keep(data []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.file.WriteAt(data, s.size); err != nil {
		s.fault(fmt.Errorf("write the spool: %w", err))
		return false
	}
	s.size += int64(len(data))
	if s.sent != math.MaxInt64 {
		s.budget.add(int64(len(data)))
	}
	s.tail.grow(s.size)
	return true
}

// wait waits until there is room, or the step has ended: what it has written by then is a pipe's worth at most.
func (s *piped) wait() {
	for {
		full := s.budget.full()
		var enough <-chan time.Time
		if full == nil {
			if full = s.heavy(); full == nil {
				return
			}
			enough = time.After(longestHeavy)
		}
		s.tail.wait(true)
		select {
		case <-full:
			s.tail.wait(false)
			continue
		case <-s.hurry:
		case <-enough:
		}
		s.tail.wait(false)
		return
	}
}

// longestHeavy is how long a step waits for the file to give back what is sent: it cannot while the end of what was
// written may be the beginning of a secret, which is not sent before more is known.
const longestHeavy = 3 * time.Second

// heavy is closed when the file has given back what is sent of it. It is nil while that is not too much: as much again
// as may be unsent.
func (s *piped) heavy() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent == math.MaxInt64 || s.size-s.freed < max(2*s.budget.limit, givenBack) {
		return nil
	}
	if s.room == nil {
		s.room = make(chan struct{})
	}
	return s.room
}

// release takes off the budget what is sent. When that is all, its place on the disk is given back: a file that is cut
// off and made as long again has nothing but a hole. Whoever reads the spool after us begins where the control plane has
// got to.
func (s *piped) release(to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to <= s.sent {
		return
	}
	s.budget.add(min(s.sent, s.size) - min(to, s.size))
	s.sent = to
	if to == s.size && to-s.freed >= givenBack {
		if err := s.file.Truncate(0); err == nil {
			_ = s.file.Truncate(to) // one that stays short has nothing more to say to who comes after us
		}
		s.freed = to
	}
	if s.room != nil && (to == math.MaxInt64 || s.freed == to) {
		close(s.room)
		s.room = nil
	}
}

// finish returns when all that was written before is in the file.
func (s *piped) finish() {
	s.hasten.Do(func() {
		s.marked.Store(true)
		close(s.hurry)
		_, _ = s.output.Write(s.mark) // if it cannot, the pipe is at its end
		_ = s.output.Close()
	})
	<-s.kept
	s.tail.end()
}

// close ends moving. Nothing that writes may be left, or it will be told that nobody reads.
func (s *piped) close() {
	s.finish()
	_ = s.pipe.Close()
	s.moving.Wait()
	_ = s.file.Close()
}
