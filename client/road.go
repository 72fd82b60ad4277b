package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// mostIdle is how many connections a road keeps for later.
const mostIdle = 4

// road carries requests over a unix socket, each on a connection of its own for that time. Beside http.Transport, which
// keeps two goroutines for each connection and can do much else, it costs a process of a few milliseconds a third: the
// task-agent says one thing through it that matters, waits for the answer, and ends.
type road struct {
	socket string

	mu   sync.Mutex
	idle []*lane
}

// lane is one connection.
type lane struct {
	net.Conn
	read *bufio.Reader
	used bool // it has carried a request before
}

// RoundTrip implements http.RoundTripper. A connection that was closed while nobody used it is no failure: the request
// goes over a new one, if it can be sent again.
func (r *road) RoundTrip(request *http.Request) (*http.Response, error) {
	for {
		l, err := r.take(request.Context())
		if err != nil {
			closeBody(request)
			return nil, err
		}
		response, err := r.carry(l, request)
		if err == nil {
			return response, nil
		}
		_ = l.Close()
		ctx := request.Context()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		again, replayable := anew(request)
		if !l.used || !replayable {
			return nil, err
		}
		request = again
	}
}

// carry sends the request and reads the answer's head. The connection is free again when its body has been read.
func (r *road) carry(l *lane, request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	stop := context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Unix(1, 0)) })
	unsent := request.Write(l)
	response, err := http.ReadResponse(l.read, request) // Who was refused in the middle of its body has an answer, too.
	if err != nil {
		stop()
		if unsent != nil {
			err = unsent
		}
		return nil, err
	}
	last := unsent != nil || response.Close || request.Close
	response.Body = &answer{ReadCloser: response.Body, done: func(whole bool) {
		if !stop() || !whole || last || !r.keep(l) {
			_ = l.Close()
		}
	}}
	return response, nil
}

// take gives a connection that nobody uses.
func (r *road) take(ctx context.Context) (*lane, error) {
	r.mu.Lock()
	if n := len(r.idle); n > 0 {
		l := r.idle[n-1]
		r.idle = r.idle[:n-1]
		r.mu.Unlock()
		return l, nil
	}
	r.mu.Unlock()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", r.socket)
	if err != nil {
		return nil, err
	}
	return &lane{Conn: conn, read: bufio.NewReader(conn)}, nil
}

// keep takes a connection back; it is false when there are enough, or when this one says more than it was asked.
func (r *road) keep(l *lane) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.idle) >= mostIdle || l.read.Buffered() > 0 {
		return false
	}
	l.used = true
	r.idle = append(r.idle, l)
	return true
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (r *road) CloseIdleConnections() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.idle {
		_ = l.Close()
	}
	r.idle = nil
}

// anew is a request as it was before it was sent.
func anew(request *http.Request) (again *http.Request, replayable bool) {
	if request.Body == nil || request.Body == http.NoBody {
		return request, true
	}
	if request.GetBody == nil {
		return nil, false
	}
	body, err := request.GetBody()
	if err != nil {
		return nil, false
	}
	again = request.Clone(request.Context())
	again.Body = body
	return again, true
}

func closeBody(request *http.Request) {
	if request.Body != nil {
		_ = request.Body.Close()
	}
}

// answer is the body of a response; done is called once, and told whether all of it was read.
type answer struct {
	io.ReadCloser
	once sync.Once
	done func(whole bool)
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		a.once.Do(func() { a.done(true) })
	} else if err != nil {
		a.once.Do(func() { a.done(false) })
	}
	return n, err
}

// Close implements io.Closer.
func (a *answer) Close() error {
	a.once.Do(func() { a.done(false) })
	return nil
}
