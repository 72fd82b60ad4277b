package agent

import (
	"bytes"
	"context"
	"log/slog"
	"sync"

	"github.com/remuda-dev/remuda/agent/redact"
)

// Growing is a spool in memory that grows.
type Growing struct {
	tail *tail
	mu   sync.Mutex
	data []byte
}

// NewGrowing makes an empty one.
func NewGrowing() *Growing { return &Growing{tail: newTail()} }

// Say adds text.
func (g *Growing) Say(text string) {
	g.mu.Lock()
	g.data = append(g.data, text...)
	size := len(g.data)
	g.mu.Unlock()
	g.tail.grow(int64(size))
}

// End says that it grows no more.
func (g *Growing) End() { g.tail.end() }

// ReadAt implements io.ReaderAt.
func (g *Growing) ReadAt(p []byte, at int64) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return bytes.NewReader(g.data).ReadAt(p, at)
}

// Send sends it as step 0.
func (g *Growing) Send(ctx context.Context, plane Plane, secrets ...string) error {
	log := slog.New(slog.DiscardHandler)
	return newSender(plane, 0, g, g.tail, redact.New(secrets...), log).run(ctx)
}

// WriteResult leaves a result.
var WriteResult = Folder.writeResult
