package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/herd"
)

// herds is what many idle runners cost their control plane, and how long tasks wait among them. cmd/remuda's test of
// ten thousand runners measures the same over TLS.
func herds(ctx context.Context, s *site, n sizes) ([]figure, error) {
	s.class = "bench/herd"
	if err := s.makeClass(ctx, s.class); err != nil {
		return nil, err
	}
	defer func() { s.class = "bench/default" }()
	token, err := s.classToken(ctx, s.class)
	if err != nil {
		return nil, err
	}
	claimed := &times{at: map[string]time.Time{}}
	all, err := herd.Register(ctx, herd.Options{
		Address: strings.TrimPrefix(s.url, "http://"), Token: token, Runners: n.herd,
		Claimed: func(c remuda.Claim) { claimed.note(c.Task.ID) }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	before, err := s.plane.memory()
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		all.Run(running)
	}()
	defer func() { stop(); <-ended }()
	start := time.Now()
	for all.Open() < n.herd {
		if time.Since(start) > 5*time.Minute {
			return nil, fmt.Errorf("%d of %d runners are connected after 5 minutes", all.Open(), n.herd)
		}
		time.Sleep(50 * time.Millisecond)
	}
	connected := time.Since(start)
	if err := wait(ctx, oneHold); err != nil { // what each costs when it is new is not what it costs when it rests
		return nil, err
	}
	rest, _, err := s.busy(func() error { return wait(ctx, oneHold) })
	if err != nil {
		return nil, err
	}
	memory, err := s.plane.memory()
	if err != nil {
		return nil, err
	}
	var waits []time.Duration
	load, ours, err := s.busy(func() (err error) {
		waits, err = s.submitAt(ctx, 100, n.loaded, claimed)
		return err
	})
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d idle runners", n.herd)
	return []figure{
		{what + ": memory of the control plane each", fmt.Sprintf("%.1f KB", float64(memory-before)/1e3/float64(n.herd)), "≤ 40 KB", fmt.Sprintf("all connected in %s", connected.Round(time.Millisecond))},
		{what + ": processor", fmt.Sprintf("%.1f %% of a core", 100*rest), "≤ 5 %", "in the second " + oneHold.String() + ", in which each asks anew once"},
		{what + ", 100 submits/s: submit → claim", "p50 " + milliseconds(percentile(waits, 0.5)) + ", p99 " + milliseconds(percentile(waits, 0.99)), "p99 ≤ 50 ms", fmt.Sprintf("%d tasks", len(waits))},
		{what + ", 100 submits/s: processor", fmt.Sprintf("%.1f %% of a core", 100*load), "≤ 100 %", fmt.Sprintf("the runners and who submits: %.1f %% of a core", 100*ours)},
	}, nil
}

// oneHold is for how long an idle sync is held, at most: over less, none of the runners would have asked anew.
const oneHold = 50 * time.Second

// busy is the share of a processor that the control plane used meanwhile, and that we did.
func (s *site) busy(meanwhile func() error) (plane, ours float64, err error) {
	before, _, errPlane := s.plane.cpu()
	oursBefore, _, errOurs := processorTime(os.Getpid())
	if err := errors.Join(errPlane, errOurs); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := meanwhile(); err != nil {
		return 0, 0, err
	}
	took := float64(time.Since(start))
	after, _, errPlane := s.plane.cpu()
	oursAfter, _, errOurs := processorTime(os.Getpid())
	return float64(after-before) / took, float64(oursAfter-oursBefore) / took, errors.Join(errPlane, errOurs)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
