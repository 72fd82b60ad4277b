package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// cancels is how long it takes from the call that cancels a task until its step has TERM, and, for a step that ignores
// it, until all of it is dead.
func cancels(ctx context.Context, s *site, n sizes) ([]figure, error) {
	runner, err := s.startRunner(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer runner.stop()
	var terms []time.Duration
	for i := range n.cancels {
		// The step's shell looks at its own clock, which is ours, before it starts anything. /tmp, since the step's user
		// may write there.
		heard := filepath.Join(os.TempDir(), fmt.Sprintf("remuda-bench-heard-%d-%d", os.Getpid(), i))
		asked, err := s.cancelOne(ctx, s.shell(`trap 'echo $EPOCHREALTIME > `+heard+`; exit 0' TERM; echo ready; sleep 60 & wait`))
		if err != nil {
			return nil, err
		}
		text, err := os.ReadFile(heard)
		if err != nil {
			return nil, fmt.Errorf("the step did not hear TERM: %w", err)
		}
		_ = os.Remove(heard) // of ours
		at, err := strconv.ParseFloat(strings.Replace(strings.TrimSpace(string(text)), ",", ".", 1), 64)
		if err != nil {
			return nil, err
		}
		terms = append(terms, time.UnixMicro(int64(at*1e6)).Sub(asked))
	}
	slices.Sort(terms)

	const grace = time.Second
	deaf := s.shell(`trap '' TERM; echo ready; while :; do sleep 1; done`)
	deaf.CancelGrace = remuda.Duration(grace)
	asked, err := s.cancelOne(ctx, deaf)
	if err != nil {
		return nil, err
	}
	dead := time.Since(asked)
	return []figure{
		{"cancel → TERM", "p50 " + milliseconds(percentile(terms, 0.5)) + ", worst " + milliseconds(terms[len(terms)-1]), "≤ 250 ms", fmt.Sprintf("%d tasks", len(terms))},
		{"cancel → dead, TERM ignored, grace 1 s", milliseconds(dead), "≤ 2000 ms", "as the control plane shows it"},
	}, nil
}

// cancelOne submits a task, cancels it when it has printed something, and returns when it has ended, with the time at
// which it was cancelled.
func (s *site) cancelOne(ctx context.Context, submission remuda.Submission) (asked time.Time, err error) {
	job, err := s.user.Submit(ctx, submission, "")
	if err != nil {
		return asked, err
	}
	id := job.Tasks[0].ID
	err = s.user.Follow(ctx, id, client.OutputQuery{}, func(f client.Followed) error {
		if f.Output == nil || !asked.IsZero() {
			return nil
		}
		asked = time.Now()
		_, err := s.user.CancelTask(ctx, id)
		return err
	})
	if err == nil && asked.IsZero() {
		err = fmt.Errorf("task %s printed nothing", id)
	}
	return asked, err
}
