package machine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// longestSocket is how long the path of a unix socket may be on every system that we know, its closing zero excluded.
const longestSocket = 103

// socketPlace is where a claim's socket lies: in the claim's folder, or in one with a short name, which is still to be made,
// where that is too long.
func (p place) socketPlace() (socket, dir string) {
	socket = filepath.Join(p.dir, "agent.sock")
	if len(socket) <= longestSocket {
		return socket, ""
	}
	dir = filepath.Join(os.TempDir(), "remuda-"+strings.ToLower(rand.Text()[:16]))
	return filepath.Join(dir, "agent.sock"), dir
}

// forwarder serves one claim's socket until it is closed.
type forwarder struct {
	server  *http.Server
	serving sync.WaitGroup
}

// forward serves plane at socket, for user alone. A socket that an earlier runner left there is replaced: its agent
// finds the new one by the name.
func forward(socket string, user account, plane http.Handler) (*forwarder, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listen for the agent: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("listen for the agent: %w", err)
	}
	// It lies in a folder of the runner's own, so that nobody can put another file into its place meanwhile.
	err = os.Chmod(socket, 0o600)
	if err == nil {
		err = user.own(socket)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for the agent: %w", err), listener.Close())
	}
	f := &forwarder{server: &http.Server{
		Handler:           plane,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // A task could fill the runner's log with broken requests.
	}}
	f.serving.Go(func() {
		_ = f.server.Serve(&boundedListener{Listener: listener, free: make(chan struct{}, mostConnections), closed: make(chan struct{})})
	})
	return f, nil
}

// close ends all connections, and returns when no request is being served any more.
func (f *forwarder) close() {
	_ = f.server.Close()
	f.serving.Wait()
}

// mostConnections is how many a claim's socket has at once. An agent uses a few; a task can ask for any number, and
// each costs the runner a file.
const mostConnections = 16

// boundedListener accepts a connection when fewer than that are open.
type boundedListener struct {
	net.Listener
	free    chan struct{} // has an element for each that is open
	closed  chan struct{}
	closing sync.Once
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &boundedConn{Conn: conn, done: func() { <-l.free }}, nil
}

// Close implements net.Listener.
func (l *boundedListener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type boundedConn struct {
	net.Conn
	closing sync.Once
	done    func()
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	defer c.closing.Do(c.done)
	return c.Conn.Close()
}
