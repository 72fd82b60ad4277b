package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/remuda-dev/remuda/internal/aside"
)

// parking is where the connections of requests wait that are held open by the thousand.
//
// What net/http keeps for a request under way is made for short ones: three buffers, the request, a stack that grew
// while it was read, some 27 KB in all. A connection of HTTP/1.1 whose request was understood needs none of it: it is
// taken over, waits here with two small goroutines, is answered, and goes back to net/http as if it were new.
type parking struct {
	server *Server
	back   chan net.Conn // those that go back

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

// parked is one connection while its request is held.
type parked struct {
	parking *parking
	conn    net.Conn
	out     *responder
	letter  *letter
	pattern string
	started time.Time
	leave   context.CancelFunc
	early   bool // its next request has begun before this one was answered
}

// take takes over the connection of a request and has hold answer it. It is false when that is not possible: then
// hold waits where net/http called.
func (p *parking) take(out *responder, r *http.Request, hold func(context.Context)) bool {
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
	letter := &letter{header: http.Header{}, last: r.Close}
	out.ResponseWriter, out.parked = letter, true
	held := &parked{
		parking: p, conn: conn, out: out, letter: letter, pattern: r.Pattern, started: out.started,
		early: buffers.Reader.Buffered() > 0,
	}
	p.waiting.Go(func() { held.wait(hold) }) // ends with the answer; end waits for it
	return true
}

// wait is the life of a parked connection.
func (h *parked) wait(hold func(context.Context)) {
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	h.leave = leave
	watched := make(chan struct{})
	go func() { // ends when it is told to stop, below
		defer close(watched)
		h.watch()
	}()
	defer h.parking.server.finished(h.out, h.pattern, h.started)
	answered := h.hold(ctx, hold)
	// Once there is an answer, what the caller sends is its next request, and net/http's to read.
	_ = h.conn.SetReadDeadline(time.Unix(1, 0))
	<-watched
	if !answered || ctx.Err() != nil || !h.send() {
		_ = h.conn.Close()
		return
	}
	_ = h.conn.SetDeadline(time.Time{})
	select {
	case h.parking.back <- h.conn:
	case <-h.parking.closed:
		_ = h.conn.Close()
	}
}

// watch sees when the caller leaves.
func (h *parked) watch() {
	n, err := h.conn.Read(make([]byte, 1))
	switch {
	case n > 0:
		h.early = true
	case !errors.Is(err, os.ErrDeadlineExceeded):
		h.leave()
	}
}

// hold has the request answered. It is false when that went wrong.
func (h *parked) hold(ctx context.Context, hold func(context.Context)) (answered bool) {
	defer func() {
		if caught := recover(); caught != nil {
			h.parking.server.log.Error("request panicked", "request_id", h.out.id, "route", h.pattern, "panic", caught, "stack", string(debug.Stack()))
			answered = false
		}
	}()
	hold(ctx)
	return true
}

// send writes the answer at once. It is false when the connection ends with it.
func (h *parked) send() (goesOn bool) {
	last := h.letter.last || h.early || h.parking.server.closing.Err() != nil
	h.letter.last = last
	_ = h.conn.SetWriteDeadline(time.Now().Add(answerTime))
	aside.Do(func() {
		_, err := h.conn.Write(h.letter.text())
		last = last || err != nil
	})
	return !last
}

// letter is an answer that is not sent yet.
type letter struct {
	header http.Header
	code   int
	body   bytes.Buffer
	last   bool // the connection ends with it
}

// Header is the answer's.
func (l *letter) Header() http.Header { return l.header }

// WriteHeader notes the status.
func (l *letter) WriteHeader(code int) { l.code = code }

// Write adds to the body.
func (l *letter) Write(data []byte) (int, error) { return l.body.Write(data) }

// text is the answer as it goes over the wire.
func (l *letter) text() []byte {
	l.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	answer := http.Response{
		StatusCode: l.code, ProtoMajor: 1, ProtoMinor: 1, Header: l.header, Close: l.last,
		ContentLength: int64(l.body.Len()), Body: io.NopCloser(&l.body),
	}
	var text bytes.Buffer
	_ = answer.Write(&text) // a buffer takes everything
	return text.Bytes()
}
