package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// runnersSocket serves at a unix socket until the test ends, and counts the connections that were opened.
func runnersSocket(t *testing.T, handler http.Handler) (socket string, opened *atomic.Int32, stop func()) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	opened = &atomic.Int32{}
	return socket, opened, serveAt(t, socket, handler, opened)
}

func serveAt(t *testing.T, socket string, handler http.Handler, opened *atomic.Int32) (stop func()) {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, ConnState: func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			opened.Add(1)
			serving.Add(1)
		case http.StateClosed:
			serving.Done()
		}
	}}
	serving.Go(func() { _ = server.Serve(listener) })
	stop = func() {
		_ = server.Close()
		serving.Wait()
	}
	t.Cleanup(stop)
	return stop
}

func begun(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"begun_at": "2026-01-02T03:04:05Z"}`)
}

func TestCallsThroughASocketShareAConnectionOneAfterTheOther(t *testing.T) {
	socket, opened, _ := runnersSocket(t, http.HandlerFunc(begun))
	c := client.Unix(socket)
	defer c.CloseIdle()
	for range 5 {
		answer, err := c.Task("c1", "").Begin(t.Context(), remuda.Begin{})
		if err != nil || answer.BegunAt.Year() != 2026 {
			t.Fatalf("%v, %v", answer, err)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections for five calls", n)
	}
}

func TestACallThroughASocketFindsTheRunnersSuccessor(t *testing.T) {
	socket, opened, stop := runnersSocket(t, http.HandlerFunc(begun))
	c := client.Unix(socket)
	defer c.CloseIdle()
	if _, err := c.Task("c1", "").Begin(t.Context(), remuda.Begin{}); err != nil {
		t.Fatal(err)
	}
	stop()
	serveAt(t, socket, http.HandlerFunc(begun), opened)
	if _, err := c.Task("c1", "").Begin(t.Context(), remuda.Begin{}); err != nil {
		t.Errorf("the connection that was kept is dead, and nothing else was tried: %v", err)
	}
	if n := opened.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestACallThroughASocketThatNobodyServesIsUnavailable(t *testing.T) {
	c := client.Unix(filepath.Join(t.TempDir(), "s"))
	if _, err := c.Task("c1", "").Begin(t.Context(), remuda.Begin{}); !errors.Is(err, remuda.Unavailable) {
		t.Errorf("%v", err)
	}
}

func TestACallThroughASocketEndsWithItsContext(t *testing.T) {
	asked := make(chan struct{})
	socket, _, _ := runnersSocket(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(asked)
		<-r.Context().Done()
	}))
	why := errors.New("the task is over")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-asked
		cancel(why)
	}()
	if _, err := client.Unix(socket).Task("c1", "").Begin(ctx, remuda.Begin{}); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

func TestARefusalInTheMiddleOfABodyIsRead(t *testing.T) {
	socket, _, _ := runnersSocket(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusRequestEntityTooLarge) // without having read what may not come
		_, _ = io.WriteString(w, `{"kind": "too-large", "status": 413, "detail": "enough"}`)
	}))
	chunk := remuda.Chunk{Data: bytes.Repeat([]byte("x"), 4<<20)}
	if _, err := client.Unix(socket).Task("c1", "").Append(t.Context(), chunk); !errors.Is(err, remuda.TooLarge) {
		t.Errorf("%v", err)
	}
}

func TestCallsThroughASocketGoBesideEachOther(t *testing.T) {
	var together sync.WaitGroup
	together.Add(3)
	socket, opened, _ := runnersSocket(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		together.Done()
		together.Wait()
		begun(w, r)
	}))
	c := client.Unix(socket)
	defer c.CloseIdle()
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() {
			if _, err := c.Task("c1", "").Begin(t.Context(), remuda.Begin{}); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if n := opened.Load(); n != 3 {
		t.Errorf("%d connections for three calls at once", n)
	}
}

func TestASmallBodyIsForwardedWithItsHead(t *testing.T) {
	plane := newPieces(t)
	c, err := client.New("http://"+plane.address, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	socket, _, _ := runnersSocket(t, c.Task("c1", "secret"))
	agent := client.Unix(socket)
	defer agent.CloseIdle()
	if _, err := agent.Task("c1", "").Begin(t.Context(), remuda.Begin{}); err != nil {
		t.Fatal(err)
	}
	if first := <-plane.first; !bytes.Contains(first, []byte("\r\n\r\n"+`{"steps":[]}`)) {
		t.Errorf("the first that the control plane got is %q", first)
	}
}

// pieces is a control plane that notes what comes with one read.
type pieces struct {
	address string
	first   chan []byte
}

func newPieces(t *testing.T) pieces {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := pieces{address: listener.Addr().String(), first: make(chan []byte, 1)}
	var serving sync.WaitGroup
	serving.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		buffer := make([]byte, 64<<10)
		n, _ := conn.Read(buffer)
		p.first <- buffer[:n]
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return p
}
