package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// parking is where the connections of requests wait that are held open by the thousand.
//
// What net/http keeps for a request under way is made for short ones: three buffers, the request, a stack that grew
// while it was read, some 27 KB in all. A connection of HTTP/1.1 whose request was understood needs none of it: it is
// taken over, waits here with two small goroutines, is answered, and goes back to net/http as if it were new. When the
// answer said nothing, it stays for its next request, which is likely to be the same (parked.wait).
type parking struct {
	server  *Server
	back    chan net.Conn // those that go back
	letters sync.Pool     // of *responder, each with its letter
	here    atomic.Int64  // connections

	mu      sync.Mutex
	full    bool // no more are taken
	waiting sync.WaitGroup
	closed  chan struct{}
	closing sync.Once
}

func newParking(s *Server) *parking {
	return &parking{server: s, back: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept gives net/http a connection back.
func (p *parking) Accept() (net.Conn, error) {
	select {
	case conn := <-p.back:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. Connections that would go back afterwards are closed.
func (p *parking) Close() error {
	p.closing.Do(func() { close(p.closed) })
	return nil
}

// Addr is nowhere.
func (p *parking) Addr() net.Addr { return &net.UnixAddr{Name: "parking", Net: "unix"} }

// end takes no more, and waits until those that are here were answered, or ctx ends.
func (p *parking) end(ctx context.Context) error {
	p.mu.Lock()
	p.full = true
	p.mu.Unlock()
	empty := make(chan struct{})
	go func() { // ends with the last answer, whose time is bounded
		p.waiting.Wait()
		close(empty)
	}()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take takes over the connection of a request and has it answered. It is false when that is not possible: then the request
// is held where net/http called.
func (p *parking) take(out *responder, r *http.Request, ask heldSync) bool {
	if p == nil || !r.ProtoAtLeast(1, 1) || r.ProtoMajor != 1 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full {
		return false
	}
	conn, buffers, err := http.NewResponseController(out.ResponseWriter).Hijack()
	if err != nil {
		return false
	}
	out.ResponseWriter, out.parked = &letter{header: http.Header{}}, true
	held := &parked{parking: p, ask: ask, pattern: r.Pattern, last: r.Close, asks: make(chan struct{}, 1), watched: make(chan struct{})}
	early, _ := buffers.Reader.Peek(buffers.Reader.Buffered())
	held.arrive(conn, r, early)
	p.here.Add(1)
	p.waiting.Go(func() { held.wait(out) }) // ends with the answer, or a while after it; end waits for it
	return true
}

// letter is an empty answer that was asked for just now.
func (p *parking) letter() *responder {
	out, _ := p.letters.Get().(*responder)
	if out == nil {
		return &responder{ResponseWriter: &letter{header: http.Header{}}, parked: true}
	}
	out.ResponseWriter.(*letter).clear()
	out.code = 0
	return out
}
