package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// The bounds of a connection, before an operation says its own.
const (
	headerTime   = 10 * time.Second
	idleTime     = 2 * time.Minute
	headerBytes  = 64 << 10
	shutdownTime = 8 * time.Second
)

// HTTP is an http.Server with the bounds that this Server relies on. Each operation sets the deadlines of its own
// body and answer, since one is over in a millisecond and another held for a minute.
func (s *Server) HTTP() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.lineTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    headerBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 256, // a runner reports for all its tasks over one connection
			SendPingTimeout:      idleTime / 4,
			PingTimeout:          15 * time.Second,
			WriteByteTimeout:     writeTime,
		},
		// Broken handshakes and the like: any port scan makes them.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// Serve answers on listener until ctx ends. Then held requests are let go, the others may finish, and it returns nil.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	hs := s.HTTP()
	s.parking = newParking(s)
	failed := make(chan error, 1)
	var serving sync.WaitGroup
	serving.Go(func() { failed <- hs.Serve(listener) })
	serving.Go(func() { _ = hs.Serve(s.parking) }) // ends with Shutdown or Close
	defer serving.Wait()
	var err error
	select {
	case err = <-failed:
		err = fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	s.Close()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if late := errors.Join(hs.Shutdown(last), s.parking.end(last)); late != nil {
		err = errors.Join(err, fmt.Errorf("requests were still running after %s: %w", shutdownTime, late), hs.Close())
	}
	return err
}
