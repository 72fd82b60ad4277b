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

func TestFourCommitsLieBetweenASubmissionAndItsFirstByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		var commits atomic.Int64
		r.restart(control.Options{Store: counting{r.store, &commits}})
		h := r.register(1)
		answers := r.sync(h, remuda.Sync{Ready: true})
		commits.Store(0)

		id := r.submit(hello()) // 1
		claims := answered(t, answers).Claims
		if len(claims) != 1 {
			t.Fatalf("claims = %d, want 1", len(claims)) // 2
		}
		agent := r.begin(claims[0])  // 3
		r.print(agent, 0, "hello\n") // 4
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
		r := newRanch(t)
		var commits atomic.Int64
		r.restart(control.Options{Store: counting{r.store, &commits}})
		h := r.register(1)
		answers := r.sync(h, remuda.Sync{Ready: true})
		commits.Store(0)

		r.submit(hello()) // 1
		claims := answered(t, answers).Claims
		if len(claims) != 1 {
			t.Fatalf("claims = %d, want 1", len(claims)) // 2
		}
		open := r.sync(h, remuda.Sync{Ready: true, Again: true, Holding: []string{claims[0].ID}}) // says nothing new but that it has it
		synctest.Wait()
		r.begin(claims[0]) // 3
		result := succeeded
		result.Steps = []remuda.Step{{Name: "greet", State: remuda.StepSucceeded}}
		done(t, h.Finish(t.Context(), claims[0].ID, result)) // 4
		synctest.Wait()
		if n := commits.Load(); n != 4 {
			t.Errorf("%d commits, want 4: submit, claim, begin, finish", n)
		}
		held(t, open)
	})
}
