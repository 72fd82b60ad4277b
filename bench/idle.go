package main

import (
	"context"
	"fmt"
	"time"
)

// idle is what a control plane and a runner rest at when there is nothing to do.
func idle(ctx context.Context, s *site, n sizes) ([]figure, error) {
	runner, err := s.startRunner(ctx, 1)
	if err != nil {
		return nil, err
	}
	defer runner.stop()
	before, _, err := runner.cpu()
	if err != nil {
		return nil, err
	}
	writtenBefore, err := runner.written()
	if err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(n.idle):
	}
	after, _, err := runner.cpu()
	if err != nil {
		return nil, err
	}
	writtenAfter, err := runner.written()
	if err != nil {
		return nil, err
	}
	runnerMemory, err := runner.memory()
	if err != nil {
		return nil, err
	}
	planeMemory, err := s.plane.memory()
	if err != nil {
		return nil, err
	}
	mib := func(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }
	return []figure{
		{"idle machine runner, resident", mib(runnerMemory), "≤ 15 MB", fmt.Sprintf("%s of processor and %s written in %s", after-before, mib(writtenAfter-writtenBefore), n.idle)},
		{"idle control plane, resident", mib(planeMemory), "", "with that runner connected"},
	}, nil
}
