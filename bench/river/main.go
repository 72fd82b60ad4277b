// Command river measures how many jobs that do nothing River works off a second, on the PostgreSQL that it is told: the
// figure beside which Remuda's claims on the same server stand. It has a module of its own so that Remuda's does not
// depend on River.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

func main() {
	database := flag.String("database", "", "URL of an empty database")
	jobs := flag.Int("jobs", 20000, "how many jobs")
	workers := flag.Int("workers", 256, "how many are worked on at once: as many as the slots of Remuda's runners")
	limit := flag.Duration("limit", 5*time.Minute, "when to give up")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), *limit)
	rate, err := measure(ctx, *database, *jobs, *workers)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
	fmt.Printf("%.0f\n", rate)
}

// nothing is a job without work.
type nothing struct{}

// Kind names it.
func (nothing) Kind() string { return "nothing" }

// worker counts what it is given, and says when that was the last.
type worker struct {
	river.WorkerDefaults[nothing]
	left *atomic.Int64
	done context.CancelFunc
}

// Work does nothing.
func (w *worker) Work(context.Context, *river.Job[nothing]) error {
	if w.left.Add(-1) == 0 {
		w.done()
	}
	return nil
}

// measure is how many jobs a second are worked off, from the start of the client until every one is recorded as
// completed.
func measure(ctx context.Context, database string, jobs, workers int) (float64, error) {
	pool, err := pgxpool.New(ctx, database)
	if err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	defer pool.Close()
	driver := riverpgxv5.New(pool)
	if err := migrate(ctx, driver); err != nil {
		return 0, err
	}
	worked, done := context.WithCancel(ctx)
	defer done()
	var left atomic.Int64
	left.Store(int64(jobs))
	known := river.NewWorkers()
	river.AddWorker(known, &worker{left: &left, done: done})
	client, err := river.NewClient(driver, &river.Config{
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		Workers:           known,
		FetchCooldown:     time.Millisecond,
		FetchPollInterval: 50 * time.Millisecond,
		Logger:            slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return 0, fmt.Errorf("make a client: %w", err)
	}
	if err := insert(ctx, client, jobs); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := client.Start(ctx); err != nil {
		return 0, fmt.Errorf("start the client: %w", err)
	}
	<-worked.Done()
	if err := client.Stop(ctx); err != nil { // returns when the last completions are written
		return 0, fmt.Errorf("stop the client: %w", err)
	}
	took := time.Since(start)
	var completed int
	if err := pool.QueryRow(ctx, "select count(*) from river_job where state = 'completed'").Scan(&completed); err != nil {
		return 0, fmt.Errorf("count what was completed: %w", err)
	}
	if completed != jobs {
		return 0, fmt.Errorf("%d of %d jobs were completed: %w", completed, jobs, errors.Join(ctx.Err()))
	}
	return float64(jobs) / took.Seconds(), nil
}

func migrate(ctx context.Context, driver *riverpgxv5.Driver) error {
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func insert(ctx context.Context, client *river.Client[pgx.Tx], jobs int) error {
	for jobs > 0 {
		batch := make([]river.InsertManyParams, min(jobs, 1000))
		for i := range batch {
			batch[i].Args = nothing{}
		}
		if _, err := client.InsertMany(ctx, batch); err != nil {
			return fmt.Errorf("insert jobs: %w", err)
		}
		jobs -= len(batch)
	}
	return nil
}
