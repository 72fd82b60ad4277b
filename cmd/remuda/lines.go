package main

import (
	"io"
	"sync"
)

// lines lets several screens write to one place: each Write is one whole line.
type lines struct {
	mu sync.Mutex
	to io.Writer
}

// readership notices that nobody reads any more: gone is closed by the first write that fails.
type readership struct {
	to   io.Writer
	once sync.Once
	gone chan struct{}
}

// Write writes what somebody may still read.
func (r *readership) Write(data []byte) (int, error) {
	n, err := r.to.Write(data)
	if err != nil {
		r.once.Do(func() { close(r.gone) })
	}
	return n, err
}

// Write writes at once.
func (l *lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(data)
}
