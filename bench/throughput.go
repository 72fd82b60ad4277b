package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/seal"
)

// trues carries out tasks that do nothing, and the same agent and shell in a loop without Remuda: in turns, since the
// machine is not as fast from one second to the next.
func trues(ctx context.Context, s *site, n sizes) ([]figure, error) {
	const slots, turns = 2, 10
	runner, err := s.startRunner(ctx, slots)
	if err != nil {
		return nil, err
	}
	defer runner.stop()
	planeBefore, _, err := s.plane.cpu()
	if err != nil {
		return nil, err
	}
	runnerBefore, childrenBefore, err := runner.cpu()
	if err != nil {
		return nil, err
	}
	var took, alone time.Duration
	for range turns {
		each, err := withoutRemuda(ctx, s, n.trues/turns, slots)
		if err != nil {
			return nil, err
		}
		alone += each / turns
		start := time.Now()
		if err := s.submitAll(ctx, s.shell("true"), n.trues/turns); err != nil {
			return nil, err
		}
		if err := s.waitEmpty(ctx); err != nil {
			return nil, err
		}
		took += time.Since(start)
	}
	planeAfter, _, err := s.plane.cpu()
	if err != nil {
		return nil, err
	}
	runnerAfter, childrenAfter, err := runner.cpu()
	if err != nil {
		return nil, err
	}
	each := func(d time.Duration) string { return milliseconds(d / time.Duration(n.trues)) }
	rate, aloneRate := float64(n.trues)/took.Seconds(), 1/alone.Seconds()
	return []figure{
		{fmt.Sprintf("%d tasks of `true`, %d slots", n.trues, slots), fmt.Sprintf("%.0f/s, %.0f %% of the loop", rate, 100*rate/aloneRate),
			"≥ 60 %", fmt.Sprintf("agent and shell alone: %.0f/s", aloneRate)},
		{"processor time of ours a task", each(planeAfter - planeBefore + runnerAfter - runnerBefore), "≤ 3 ms",
			"plane " + each(planeAfter-planeBefore) + ", runner " + each(runnerAfter-runnerBefore) + "; agent and shell " + each(childrenAfter-childrenBefore)},
	}, nil
}

func (s *site) submitAll(ctx context.Context, submission remuda.Submission, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for left := n; left > 0; left -= submission.Parallelism {
		submission.Parallelism = min(left, 250)
		one := submission
		group.Go(func() error {
			_, err := s.user.Submit(ctx, one, "")
			return err
		})
	}
	return group.Wait()
}

// waitEmpty waits until no task of the site's class is queued or running.
func (s *site) waitEmpty(ctx context.Context) error {
	for {
		class, err := s.user.ResourceClass(ctx, s.class)
		if err != nil {
			return err
		}
		if class.Queued+class.Running == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(max(20, time.Duration(2*(class.Queued+class.Running))) * time.Millisecond): // asking is work, too
		}
	}
}

// claims has runners that do nothing claim and finish empty tasks over HTTP, as fast as they can.
func claims(ctx context.Context, s *site, n sizes) ([]figure, error) {
	s.class = "bench/claims"
	if err := s.makeClass(ctx, s.class); err != nil {
		return nil, err
	}
	if err := s.submitAll(ctx, s.shell("true"), n.claims); err != nil {
		return nil, err
	}
	token, err := s.classToken(ctx, s.class)
	if err != nil {
		return nil, err
	}
	before, serverBefore, err := s.planes()
	if err != nil {
		return nil, err
	}
	ownBefore, _, err := processorTime(os.Getpid())
	if err != nil {
		return nil, err
	}
	var finished atomic.Int64
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start := time.Now()
	group, working := errgroup.WithContext(ctx)
	for range 4 {
		group.Go(func() error {
			err := s.hollow(working, token, func(remuda.Claim) {
				if finished.Add(1) == int64(n.claims) {
					cancel()
				}
			})
			if finished.Load() == int64(n.claims) {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	s.claimed = float64(n.claims) / time.Since(start).Seconds()
	after, server, err := s.planes()
	if err != nil {
		return nil, err
	}
	own, _, err := processorTime(os.Getpid()) // it has the runners
	if err != nil {
		return nil, err
	}
	each := func(d time.Duration) string {
		return fmt.Sprintf("%.0f µs", float64(d.Microseconds())/float64(n.claims))
	}
	goal, times := "≥ 5,000/s", "of the control plane "+each(after-before)+", of the runners "+each(own-ownBefore)
	if s.server != nil {
		goal, times = "≥ 3,000/s", times+", of PostgreSQL "+each(server-serverBefore)
	}
	return []figure{{"claim + finish of empty tasks over HTTP", fmt.Sprintf("%.0f/s", s.claimed), goal,
		"4 runners of 64 slots, on the same two cores; processor time a task: " + times}}, nil
}

// planes is the processor time of all control planes so far, and of their server.
func (s *site) planes() (planes, server time.Duration, err error) {
	for _, plane := range []*process{s.plane, s.replica} {
		if plane == nil {
			continue
		}
		own, _, err := plane.cpu()
		if err != nil {
			return 0, 0, err
		}
		planes += own
	}
	if s.server != nil {
		server, err = s.server.cpu()
	}
	return planes, server, err
}

// hollow is a runner that finishes what it claims at once, and says so.
func (s *site) hollow(ctx context.Context, token string, finished func(remuda.Claim)) error {
	key, err := seal.NewKey()
	if err != nil {
		return err
	}
	registered, err := s.client.Register(ctx, remuda.Registration{
		Tokens: []remuda.Secret{remuda.NewSecret(token)}, Name: "hollow", Slots: 64, PublicKey: key.Public(),
	})
	if err != nil {
		return err
	}
	runner := s.client.Runner(registered.ID, registered.Token)
	holding := &held{ids: map[string]bool{}}
	claims := make(chan remuda.Claim, 256) // more than it can hold
	group, ctx := errgroup.WithContext(ctx)
	for range 64 {
		group.Go(func() error {
			for {
				select {
				case claim := <-claims:
					next, err := runner.Finish(ctx, claim.ID, remuda.Result{State: remuda.Succeeded}, true)
					if err != nil {
						return err
					}
					holding.take(next, claims)
					holding.remove(claim.ID)
					finished(claim)
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		})
	}
	for {
		answer, err := runner.Sync(ctx, remuda.Sync{Holding: holding.list(), Ready: true})
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		holding.take(answer.Claims, claims)
	}
}

// held are the claims that a hollow runner has not finished.
type held struct {
	mu  sync.Mutex
	ids map[string]bool
}

func (h *held) list() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := make([]string, 0, len(h.ids))
	for id := range h.ids {
		ids = append(ids, id)
	}
	return ids
}

// take passes on those claims that are new.
func (h *held) take(claims []remuda.Claim, fresh chan<- remuda.Claim) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, claim := range claims {
		if !h.ids[claim.ID] {
			h.ids[claim.ID] = true
			fresh <- claim
		}
	}
}

func (h *held) remove(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.ids, id)
}
