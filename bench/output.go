package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// outputs is how fast output is taken in, and how long a line takes from the step that prints it to whoever follows.
func outputs(ctx context.Context, s *site, n sizes) ([]figure, error) {
	taken, err := s.intakes(ctx, n.flood/4)
	if err != nil {
		return nil, err
	}
	runner, err := s.startRunner(ctx, 2)
	if err != nil {
		return nil, err
	}
	defer runner.stop()
	flood, err := s.runToEnd(ctx, s.shell(fmt.Sprintf("head -c %d /dev/zero | tr '\\0' 'x'", n.flood)))
	if err != nil {
		return nil, err
	}
	// Another task prints steadily while lines are timed.
	noise, err := s.user.Submit(ctx, s.shell("while :; do head -c 100000 /dev/zero | tr '\\0' 'y'; sleep 0.1; done"), "")
	if err != nil {
		return nil, err
	}
	lines, err := s.timeLines(ctx, n.lines)
	if err != nil {
		return nil, err
	}
	if _, err := s.user.CancelTask(ctx, noise.Tasks[0].ID); err != nil {
		return nil, err
	}
	return append(taken,
		figure{"output of one step, from its pipe to the control plane", rate(n.flood, flood), "", "through agent, secret filter and runner, task's start and end included"},
		figure{"line → reader", "p50 " + milliseconds(percentile(lines, 0.5)) + ", p95 " + milliseconds(percentile(lines, 0.95)), "p95 ≤ 250 ms",
			"20 lines a second, another task prints 1 MB/s"},
	), nil
}

// runToEnd is how long a task takes from its submission to its end.
func (s *site) runToEnd(ctx context.Context, submission remuda.Submission) (time.Duration, error) {
	start := time.Now()
	job, err := s.user.Submit(ctx, submission, "")
	if err != nil {
		return 0, err
	}
	for {
		task, err := s.user.Task(ctx, job.Tasks[0].ID)
		switch {
		case err != nil:
			return 0, err
		case task.State == remuda.Succeeded:
			return time.Since(start), nil
		case task.State.Ended():
			return 0, fmt.Errorf("task %s: %s %s", task.ID, task.State, task.Detail)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// timeLines has a task print the time, line for line, and compares it with when the line arrives.
func (s *site) timeLines(ctx context.Context, n int) ([]time.Duration, error) {
	job, err := s.user.Submit(ctx, s.shell(fmt.Sprintf("for i in $(seq %d); do echo ${EPOCHREALTIME/[,.]/}; sleep 0.05; done", n)), "")
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	var rest []byte
	err = s.user.Follow(ctx, job.Tasks[0].ID, client.OutputQuery{}, func(f client.Followed) error {
		if f.Output == nil {
			return nil
		}
		now := time.Now()
		rest = append(rest, f.Output.Data...)
		for {
			line, after, whole := bytes.Cut(rest, []byte("\n"))
			if !whole {
				return nil
			}
			rest = after
			at, err := strconv.ParseInt(string(line), 10, 64)
			if err != nil {
				return fmt.Errorf("line %q is not a time", line)
			}
			took = append(took, now.Sub(time.UnixMicro(at)))
		}
	})
	if err == nil && len(took) != n {
		err = fmt.Errorf("%d of %d lines arrived", len(took), n)
	}
	slices.Sort(took)
	return took, err
}
