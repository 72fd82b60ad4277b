// Package herd is a load for a control plane: any number of runners in one process that keep their one request open and
// finish at once what they claim. They speak HTTP/1.1 by hand, so that ten thousand of them leave the machine to what is
// measured.
package herd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/seal"
)

// Options say what herd there is and where it goes.
type Options struct {
	Address string      // host:port of the control plane
	TLS     *tls.Config // none when nil
	Token   string      // of the class that all of them serve
	Runners int
	AtOnce  int // how many register, or connect, at the same time; 64 when 0
	Log     *slog.Logger

	// Claimed is told of each claim as soon as it was read.
	Claimed func(remuda.Claim)
}

// Herd is a number of registered runners.
type Herd struct {
	options Options
	runners []identity

	open    atomic.Int64 // requests that were sent and not answered yet
	asked   atomic.Int64 // answers that asked to wait
	broken  atomic.Int64 // connections that broke, or could not be made
	strange atomic.Int64 // answers that were neither good nor asked to wait
	claims  atomic.Int64
	answers atomic.Int64 // good ones to syncs
}

type identity struct{ id, token string }

// Register registers the runners.
func Register(ctx context.Context, o Options) (*Herd, error) {
	if o.AtOnce == 0 {
		o.AtOnce = 64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	key, err := seal.NewKey()
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	h := &Herd{options: o, runners: make([]identity, o.Runners)}
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(o.AtOnce, o.Runners) {
		group.Go(func() (err error) {
			line := &line{herd: h}
			defer line.close()
			for {
				i := int(next.Add(1)) - 1
				if i >= o.Runners {
					return nil
				}
				if h.runners[i], err = h.register(ctx, line, i, key.Public()); err != nil {
					return err
				}
			}
		})
	}
	return h, group.Wait()
}

func (h *Herd) register(ctx context.Context, l *line, i int, public []byte) (identity, error) {
	body, err := json.Marshal(map[string]any{
		"tokens": []string{h.options.Token}, "name": "herd-" + strconv.Itoa(i), "slots": 1,
		"capabilities": []string{"job"}, "public_key": public,
	})
	if err != nil {
		return identity{}, fmt.Errorf("encode a registration: %w", err)
	}
	var registered remuda.Registered
	if err := l.persist(ctx, "/api/v1/runners", "", body, &registered); err != nil {
		return identity{}, fmt.Errorf("register: %w", err)
	}
	return identity{registered.ID, registered.Token}, nil
}

// Run keeps the request of each runner open until ctx ends, and waits out what it is asked to.
func (h *Herd) Run(ctx context.Context) {
	start := make(chan struct{}, h.options.AtOnce) // holds one for each that connects
	var running sync.WaitGroup
	for _, one := range h.runners {
		running.Go(func() { h.keep(ctx, one, start) })
	}
	running.Wait()
}

// Open is how many requests were sent and not answered yet.
func (h *Herd) Open() int { return int(h.open.Load()) }

// Claims is how many claims were finished.
func (h *Herd) Claims() int { return int(h.claims.Load()) }

// Answers is how many syncs were answered well.
func (h *Herd) Answers() int { return int(h.answers.Load()) }

// Refusals are how many answers asked to wait, were of another kind that is not good, and how many connections broke.
func (h *Herd) Refusals() (asked, strange, broken int) {
	return int(h.asked.Load()), int(h.strange.Load()), int(h.broken.Load())
}

// keep is the life of one runner.
func (h *Herd) keep(ctx context.Context, who identity, start chan struct{}) {
	l := &line{herd: h}
	defer l.close()
	for ctx.Err() == nil {
		if l.conn == nil {
			start <- struct{}{}
			err := l.dial(ctx)
			<-start
			if err != nil {
				h.broken.Add(1)
				rest(ctx, time.Second)
				continue
			}
		}
		var answer remuda.SyncAnswer
		h.open.Add(1)
		err := l.call(ctx, "/api/v1/runners/"+who.id+"/sync", who.token, []byte(`{"holding":[],"ready":true}`), &answer)
		h.open.Add(-1)
		if err == nil {
			h.answers.Add(1)
		}
		for _, claim := range answer.Claims {
			if h.options.Claimed != nil {
				h.options.Claimed(claim)
			}
			if err := l.persist(ctx, "/api/v1/claims/"+claim.ID+"/finish", who.token, []byte(`{"state":"succeeded"}`), nil); err == nil {
				h.claims.Add(1)
			}
		}
		h.pause(ctx, err)
	}
}

// pause waits as long as an answer asked.
func (h *Herd) pause(ctx context.Context, err error) {
	var refused *refusal
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.As(err, &refused) && refused.wait > 0:
		h.asked.Add(1)
		rest(ctx, refused.wait)
	case errors.As(err, &refused):
		h.strange.Add(1)
		h.options.Log.Warn("refused", "err", err)
		rest(ctx, time.Second)
	default:
		h.broken.Add(1)
		h.options.Log.Warn("broken", "err", err)
		rest(ctx, 250*time.Millisecond)
	}
}

// rest waits for about so long, since a herd that was sent away together must not come back together.
func rest(ctx context.Context, about time.Duration) {
	timer := time.NewTimer(about + rand.N(about/2+1)) //nolint:gosec // chance is all that is asked of it
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// refusal is an answer that is not good. It asks to wait when wait is not 0.
type refusal struct {
	status int
	wait   time.Duration
	said   string
}

// Error is what the control plane said.
func (r *refusal) Error() string { return fmt.Sprintf("answered %d: %s", r.status, r.said) }

// line is a connection with nothing kept but what a call needs.
type line struct {
	herd   *Herd
	conn   net.Conn
	reader *bufio.Reader
	stop   func() bool
}

func (l *line) dial(ctx context.Context) error {
	dialer := net.Dialer{Timeout: 20 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", l.herd.options.Address)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if l.herd.options.TLS != nil {
		secure := tls.Client(conn, l.herd.options.TLS)
		if err := secure.HandshakeContext(ctx); err != nil {
			return errors.Join(fmt.Errorf("shake hands: %w", err), conn.Close())
		}
		conn = secure
	}
	l.conn, l.reader = conn, bufio.NewReaderSize(conn, 1024)
	l.stop = context.AfterFunc(ctx, func() { _ = conn.Close() }) // a read that waits ends so
	return nil
}

func (l *line) close() {
	if l.conn == nil {
		return
	}
	l.stop()
	_ = l.conn.Close()
	l.conn = nil
}

// persist calls until it is answered, and waits as long as it is asked to.
func (l *line) persist(ctx context.Context, path, token string, body []byte, into any) error {
	for {
		if l.conn == nil {
			if err := l.dial(ctx); err != nil {
				return err
			}
		}
		err := l.call(ctx, path, token, body, into)
		var refused *refusal
		if !errors.As(err, &refused) || refused.wait == 0 || ctx.Err() != nil {
			return err
		}
		l.herd.asked.Add(1)
		rest(ctx, refused.wait)
	}
}

// call makes one POST. After an error that is no refusal the connection is closed.
func (l *line) call(ctx context.Context, path, token string, body []byte, into any) (err error) {
	defer func() {
		var refused *refusal
		if err != nil && !errors.As(err, &refused) {
			l.close()
		}
	}()
	var request bytes.Buffer
	fmt.Fprintf(&request, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: remuda/herd\r\nAccept: application/json\r\nContent-Type: application/json\r\nContent-Length: %d\r\n",
		path, l.herd.options.Address, len(body))
	if token != "" {
		fmt.Fprintf(&request, "Authorization: Bearer %s\r\n", token)
	}
	request.WriteString("\r\n")
	request.Write(body)
	if _, err := l.conn.Write(request.Bytes()); err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	answer, err := http.ReadResponse(l.reader, nil)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if answer.Close {
		defer l.close()
	}
	if answer.StatusCode >= 300 {
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
		return &refusal{answer.StatusCode, time.Duration(seconds) * time.Second, string(text)}
	}
	if into == nil || ctx.Err() != nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
