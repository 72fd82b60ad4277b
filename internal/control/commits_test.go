package control_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// counting counts what a store makes durable.
type counting struct {
	control.Store
	commits *atomic.Int64
}

func (c counting) Write(ctx context.Context, scope control.Scope, transition func(control.Tx) error) error {
	c.commits.Add(1)
	return c.Store.Write(ctx, scope, transition)
}

func (c counting) Output() control.OutputStore { return countingOutput{c.Store.Output(), c.commits} }

type countingOutput struct {
	control.OutputStore
	commits *atomic.Int64
}

func (c countingOutput) Append(ctx context.Context, attempt string, chunk remuda.Chunk, limit int64) (remuda.StreamState, error) {
	c.commits.Add(1)
	return c.OutputStore.Append(ctx, attempt, chunk, limit)
}

// countingRanch is a ranch that counts, with a runner.
func countingRanch(t *testing.T) (*ranch, *atomic.Int64, horse) {
	t.Helper()
	r := newRanch(t)
	var commits atomic.Int64
	r.restart(control.Options{Store: counting{r.store, &commits}})
	return r, &commits, r.register(1)
}

// submitted counts from a submission that the waiting runner claims.
func submitted(t *testing.T, r *ranch, h horse, commits *atomic.Int64) (id string, claim remuda.Claim) {
	t.Helper()
	answers := r.sync(h, remuda.Sync{Ready: true})
	commits.Store(0)
	id = r.submit(hello())
	claims := answered(t, answers).Claims
	if len(claims) != 1 {
		t.Fatalf("claims = %d, want 1", len(claims))
	}
	return id, claims[0]
}

func TestFourCommitsLieBetweenASubmissionAndItsFirstByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, commits, h := countingRanch(t)
		id, claim := submitted(t, r, h, commits) // 1, 2
		agent := r.begin(claim)                  // 3
		r.print(agent, 0, "hello\n")             // 4
		part, err := r.admin.Output(t.Context(), id, control.OutputQuery{})
		if err != nil || len(part.Chunks) != 1 {
			t.Fatalf("output = %+v, %v", part, err)
		}
		if n := commits.Load(); n != 4 {
			t.Errorf("%d commits, want 4: submit, claim, begin, append", n)
		}
	})
}

func TestAShortTaskCostsFourCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, commits, h := countingRanch(t)
		_, claim := submitted(t, r, h, commits)                                               // 1, 2
		open := r.sync(h, remuda.Sync{Ready: true, Again: true, Holding: []string{claim.ID}}) // says nothing new but that it has it
		synctest.Wait()
		r.begin(claim) // 3
		result := succeeded
		result.Steps = []remuda.Step{{Name: "greet", State: remuda.StepSucceeded}}
		done(t, h.Finish(t.Context(), claim.ID, result)) // 4
		synctest.Wait()
		if n := commits.Load(); n != 4 {
			t.Errorf("%d commits, want 4: submit, claim, begin, finish", n)
		}
		held(t, open)
	})
}
