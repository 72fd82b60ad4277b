//go:build !linux

package agent

import (
	"os"
	"sync"
	"time"
)

// spool takes what a step writes: its processes write into the spool file themselves. A script that opens /dev/stdout
// anew cuts off what was written before; see the Linux variant.
type spool struct {
	output *os.File
	tail   *tail

	stop    chan struct{}
	once    sync.Once
	looking sync.WaitGroup
}

// look is how often the file's size is looked at; this variant is for people who try Remuda on their own machine.
const look = 100 * time.Millisecond

// makePipes has nothing to do where there are none.
func makePipes(Folder, int) error { return nil }

func openSpool(folder Folder, n int, tail *tail, _ *budget, _ func(error)) (*spool, error) {
	file, err := os.OpenFile(folder.Spool(n), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	s := &spool{output: file, tail: tail, stop: make(chan struct{})}
	s.looking.Go(s.watch)
	return s, nil
}

func (s *spool) watch() {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		if info, err := s.output.Stat(); err == nil {
			s.tail.grow(info.Size())
		}
		select {
		case <-ticker.C:
		case <-s.stop:
			if info, err := s.output.Stat(); err == nil {
				s.tail.grow(info.Size())
			}
			return
		}
	}
}

func (s *spool) finish() {
	s.once.Do(func() { close(s.stop) })
	s.looking.Wait()
	s.tail.end()
	_ = s.output.Close()
}

func (s *spool) close() { s.finish() }
