package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// The bounds of a connection, before an operation says its own.
const (
	headerTime   = 10 * time.Second
	idleTime     = 2 * time.Minute
	headerBytes  = 64 << 10
	shutdownTime = 15 * time.Second
)

// HTTP is an http.Server with the bounds that this Server relies on. Each operation sets the deadlines of its own
// body and answer, since one is over in a millisecond and another held for a minute.
func (s *Server) HTTP() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    headerBytes,
		// Broken handshakes and the like: any port scan makes them.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// Serve answers on listener until ctx ends. Then held requests are let go, the others may finish, and it returns nil.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	hs := s.HTTP()
	failed := make(chan error, 1)
	go func() { failed <- hs.Serve(listener) }()
	select {
	case err := <-failed:
		s.Close()
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	s.Close()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err := hs.Shutdown(last)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were still running after %s: %w", shutdownTime, err), hs.Close())
	}
	_ = <-failed // That it was shut down.
	return err
}
