package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/remuda-dev/remuda"
)

// load is how long a task waits for a runner that is free, from the call of submit until the runner has the claim, at
// rising rates of submission. Runners do nothing, so that the control plane is what is loaded.
func load(ctx context.Context, s *site, n sizes) ([]figure, error) {
	s.class = "bench/load"
	if err := s.makeClass(ctx, s.class); err != nil {
		return nil, err
	}
	defer func() { s.class = "bench/default" }()
	token, err := s.classToken(ctx, s.class)
	if err != nil {
		return nil, err
	}
	claimed := &times{at: map[string]time.Time{}}
	runners, stop := context.WithCancel(ctx)
	defer stop()
	group, working := errgroup.WithContext(runners)
	for range 4 {
		group.Go(func() error { return s.hollow(working, token, func(c remuda.Claim) { claimed.note(c.Task.ID) }) })
	}
	var figures []figure
	rows := [][]string{{"database", "submits_per_second", "p50_ms", "p99_ms"}}
	for _, rate := range n.rates {
		waits, err := s.submitAt(ctx, rate, n.loaded, claimed)
		if errors.Is(err, remuda.Limited) { // as many submissions are under way as may be: it cannot keep up any more
			figures = append(figures, figure{fmt.Sprintf("submit → claim at %d/s", rate), "not sustained", "", s.database()})
			break
		}
		if err != nil {
			return nil, err
		}
		p50, p99 := percentile(waits, 0.5), percentile(waits, 0.99)
		figures = append(figures, figure{fmt.Sprintf("submit → claim at %d/s", rate), "p50 " + milliseconds(p50) + ", p99 " + milliseconds(p99), "", fmt.Sprintf("%d tasks, %s", len(waits), s.database())})
		rows = append(rows, []string{s.database(), strconv.Itoa(rate), fmt.Sprintf("%.3f", p50.Seconds()*1e3), fmt.Sprintf("%.3f", p99.Seconds()*1e3)})
	}
	stop()
	_ = group.Wait() // ended by us
	return figures, s.keep("load-"+s.database()+".csv", rows)
}

// times are when tasks were claimed.
type times struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (t *times) note(task string) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.at[task]; !known {
		t.at[task] = now
	}
}

func (t *times) of(task string) (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, known := t.at[task]
	return at, known
}

// submitAt submits so many tasks a second for a while, on time whether or not the answers are, and gives how long each
// waited for its claim, sorted.
func (s *site) submitAt(ctx context.Context, rate int, long time.Duration, claimed *times) ([]time.Duration, error) {
	var mu sync.Mutex
	started := map[string]time.Time{}
	group, ctx := errgroup.WithContext(ctx)
	pace := time.NewTicker(time.Second / time.Duration(rate))
	defer pace.Stop()
	for end := time.Now().Add(long); time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return nil, group.Wait()
		case <-pace.C:
		}
		group.Go(func() error {
			start := time.Now()
			job, err := s.user.Submit(ctx, s.shell("true"), "")
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			started[job.Tasks[0].ID] = start
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	waits := make([]time.Duration, 0, len(started))
	for task, start := range started {
		at, err := awaited(claimed, task)
		if err != nil {
			return nil, err
		}
		waits = append(waits, at.Sub(start))
	}
	slices.Sort(waits)
	return waits, nil
}

// awaited waits for a claim that may still be on its way.
func awaited(claimed *times, task string) (time.Time, error) {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if at, known := claimed.of(task); known {
			return at, nil
		}
		if time.Now().After(deadline) {
			return time.Time{}, fmt.Errorf("task %s was never claimed", task)
		}
	}
}

// keep writes figures that are drawn later, if anyone wants them.
func (s *site) keep(name string, rows [][]string) error {
	if s.figures == "" {
		return nil
	}
	if err := os.MkdirAll(s.figures, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(s.figures, name))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // Flush has told of errors
	w := csv.NewWriter(file)
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	return w.Error()
}
