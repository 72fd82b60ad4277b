package server

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/remuda-dev/remuda/internal/aside"
	"github.com/remuda-dev/remuda/internal/control"
)

// parked is one connection while its requests are held.
type parked struct {
	parking *parking
	conn    net.Conn
	ask     heldSync
	pattern string
	last    bool   // its caller sends nothing more
	text    []byte // of the request, as it came; empty when that is not known
	idle    bool   // the last answer said nothing
	resumed control.Resumed
	leave   context.CancelFunc

	// What the goroutine that reads tells the one that answers.
	open    atomic.Bool   // a request was answered, and the next one may come
	asks    chan struct{} // the next one came, and is the same
	watched chan struct{} // closed when nothing more is read
	room    []byte
	heard   []byte // what was read besides, once watched is closed
}

// mostSame bounds the requests that are recognized when they are repeated: a runner's that is idle has some 400 bytes.
const mostSame = 1024

// arrive takes a connection from net/http, and with it what was read of it already.
func (h *parked) arrive(conn net.Conn, r *http.Request, early []byte) {
	if was, is := conn.(wentBack); is {
		back := was.back()
		conn, early = back.Conn, append(early, back.before...)
		if !back.more && len(early) == 0 && isAll(back.said, r) {
			h.text = back.said
		}
	}
	h.conn, h.heard = conn, bytes.Clone(early)
	size := mostSame
	if h.text != nil {
		size = len(h.text) + 1
	}
	h.room = make([]byte, size)
}

// isAll says whether a text, of which net/http has read everything and nothing more, is that of one request.
func isAll(text []byte, r *http.Request) bool {
	_, body, whole := bytes.Cut(text, []byte("\r\n\r\n"))
	return whole && len(text) < mostSame && int64(len(body)) == r.ContentLength &&
		bytes.HasPrefix(text, []byte(r.Method+" "+r.RequestURI+" "+r.Proto+"\r\n"))
}

// wait is the life of a parked connection. After an answer that said nothing it waits for the caller's next request. If
// that is the same, byte for byte, and the rules have nothing against it, it is held again; who asks, and what for, is
// known. Anything else goes the ordinary road: net/http gets the connection, and what was read of it.
//
// While a request is held the stack stays small, and what goes deep is done aside: ten thousand wait here.
func (h *parked) wait(first *responder) {
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	h.leave = leave
	go h.watch() // ends when the connection is closed or its deadline is over, in end
	goesOn, repeats := false, false
	defer func() {
		if caught := recover(); caught != nil {
			h.parking.server.log.Error("request panicked", "route", h.pattern, "panic", caught, "stack", string(debug.Stack()))
			goesOn = false
		}
		h.end(goesOn && ctx.Err() == nil, repeats)
	}()
	for goesOn = h.answerFirst(ctx, first); goesOn && h.idle; goesOn = h.answerAgain(ctx) {
		if repeats = h.isRepeated(); !repeats {
			return
		}
		again, resumed := h.ask.resume()
		if !resumed {
			return
		}
		h.resumed, repeats = again, false
	}
}

// end gives the connection back, or closes it. repeats is whether its last request was not answered yet.
func (h *parked) end(goesOn, repeats bool) {
	if goesOn {
		_ = h.conn.SetReadDeadline(time.Unix(1, 0))
	} else {
		_ = h.conn.Close()
	}
	<-h.watched
	h.parking.here.Add(-1)
	heard := h.heard
	if repeats || len(h.asks) > 0 {
		heard = append(bytes.Clone(h.text), heard...)
	}
	if !goesOn {
		return
	}
	_ = h.conn.SetDeadline(time.Time{})
	select {
	case h.parking.back <- goBack(h.conn, heard):
	case <-h.parking.closed:
		_ = h.conn.Close()
	}
}

// watch reads what the caller sends, and sees when it leaves.
func (h *parked) watch() {
	defer close(h.watched)
	if len(h.heard) > 0 {
		return
	}
	for {
		n, err := h.conn.Read(h.room)
		switch {
		case n > 0 && bytes.Equal(h.room[:n], h.text) && h.open.Swap(false):
			h.asks <- struct{}{} // has room: it was opened once
			continue
		case n > 0:
			h.heard = h.room[:n]
		case !errors.Is(err, os.ErrDeadlineExceeded):
			h.leave()
		}
		return
	}
}

// isRepeated waits for the next request and says whether it is the same.
func (h *parked) isRepeated() bool {
	select {
	case <-h.asks:
		_ = h.conn.SetDeadline(time.Time{})
		return true
	case <-h.watched:
		if len(h.heard) == 0 && len(h.asks) == 0 {
			h.leave() // it left, or is too late
		}
	case <-h.parking.server.closing.Done():
		h.leave()
	}
	return false
}

// answerFirst has the request answered that net/http read.
func (h *parked) answerFirst(ctx context.Context, out *responder) (goesOn bool) {
	defer func() { h.parking.server.finished(out, h.pattern, out.started) }()
	h.idle = h.ask.first(ctx, out)
	aside.Do(func() { goesOn = ctx.Err() == nil && h.send(out) })
	return goesOn
}

// answerAgain has the same request answered, which is held again.
func (h *parked) answerAgain(ctx context.Context) (goesOn bool) {
	defer h.ask.leave()
	started := time.Now()
	answer, err := h.resumed.Wait(ctx)
	aside.Do(func() {
		s, out := h.parking.server, h.parking.letter()
		out.id, out.started = requestID(), started
		h.idle = s.answerSync(ctx, out, answer, err)
		goesOn = ctx.Err() == nil && h.send(out)
		s.finished(out, h.pattern, started)
		s.metrics.repeated.Inc()
		h.parking.letters.Put(out)
	})
	return goesOn
}

// send writes the answer at once. It is false when the connection ends with it.
func (h *parked) send(out *responder) (goesOn bool) {
	letter := out.ResponseWriter.(*letter)
	letter.last = h.last || h.parking.server.closing.Err() != nil
	if h.idle && !letter.last {
		// So little is written at once. The next request is to come as soon as the first of a new connection.
		_ = h.conn.SetDeadline(time.Now().Add(h.parking.server.lineTime))
		h.open.Store(true)
	} else {
		_ = h.conn.SetWriteDeadline(time.Now().Add(answerTime))
	}
	_, err := h.conn.Write(letter.text())
	return err == nil && !letter.last
}
