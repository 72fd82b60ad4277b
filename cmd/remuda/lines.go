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

// Write writes at once.
func (l *lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(data)
}
