package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/remuda-dev/remuda/client"
)

func percentile(sorted []time.Duration, p float64) time.Duration {
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*p))]
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}

// disk measures what everything durable here rests on.
func disk(ctx context.Context, s *site, n sizes) ([]figure, error) {
	file, err := os.Create(filepath.Join(s.dir, "fsync"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var syncs []time.Duration
	for range n.latencies {
		start := time.Now()
		if _, err := file.Write(make([]byte, 4096)); err != nil {
			return nil, err
		}
		if err := file.Sync(); err != nil {
			return nil, err
		}
		syncs = append(syncs, time.Since(start))
	}
	slices.Sort(syncs)

	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "commit.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, "create table t (x)"); err != nil {
		return nil, err
	}
	var commits []time.Duration
	for i := range n.latencies {
		start := time.Now()
		if _, err := db.ExecContext(ctx, "insert into t values (?)", i); err != nil {
			return nil, err
		}
		commits = append(commits, time.Since(start))
	}
	slices.Sort(commits)
	return []figure{
		{"fsync of 4 KiB", "p50 " + milliseconds(percentile(syncs, 0.5)) + ", p99 " + milliseconds(percentile(syncs, 0.99)), "", "this disk"},
		{"SQLite commit of one row", "p50 " + milliseconds(percentile(commits, 0.5)) + ", p99 " + milliseconds(percentile(commits, 0.99)), "", "this disk, synchronous=FULL"},
	}, nil
}

// settling is how long after a task's end the next one is submitted: its runner is idle then, and has cleaned up.
const settling = 50 * time.Millisecond

// latency is the time from the call of submit to the first byte of output in a follower's hands, one task at a time.
func latency(ctx context.Context, s *site, n sizes) ([]figure, error) {
	runner, err := s.startRunner(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer runner.stop()
	var first, whole []time.Duration
	for i := range n.latencies + 5 {
		time.Sleep(settling)
		start := time.Now()
		job, err := s.user.Submit(ctx, s.shell("echo hello"), "")
		if err != nil {
			return nil, err
		}
		seen := time.Duration(0)
		err = s.user.Follow(ctx, job.Tasks[0].ID, client.OutputQuery{}, func(f client.Followed) error {
			if f.Output != nil && seen == 0 {
				seen = time.Since(start)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if seen == 0 {
			return nil, fmt.Errorf("task %s printed nothing", job.Tasks[0].ID)
		}
		if i >= 5 { // the first few warm everything up
			first, whole = append(first, seen), append(whole, time.Since(start))
		}
	}
	slices.Sort(first)
	slices.Sort(whole)
	alone, err := withoutRemuda(ctx, s, n.latencies/5+1, 1)
	if err != nil {
		return nil, err
	}
	goal := "p50 ≤ 6 ms, p99 ≤ 30 ms"
	if s.replica != nil {
		goal = "p50 ≤ 20 ms" // the runner is at one of two control planes, the user at the other
	}
	return []figure{
		{"submit → first byte of output", "p50 " + milliseconds(percentile(first, 0.5)) + ", p99 " + milliseconds(percentile(first, 0.99)),
			goal, "agent and shell alone take " + milliseconds(alone)},
		{"submit → result", "p50 " + milliseconds(percentile(whole, 0.5)) + ", p99 " + milliseconds(percentile(whole, 0.99)), "", ""},
	}, nil
}
