package control_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/remuda-dev/remuda"
)

func TestARequestFromBeforeADrainThatComesLateGetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		must(t, h.Sync, t.Context(), remuda.Sync{Life: "first", Draining: true, Reason: "the runner is draining"})
		id := r.submit(hello())

		// It was the first request of this start, so it does not say that it was answered before.
		late, give := context.WithCancel(t.Context())
		answers := r.syncUntil(late, h, remuda.Sync{Life: "first", Ready: true})
		give()
		if answer := <-answers; len(answer.Claims) > 0 {
			t.Error("a runner that drains got a claim")
		}
		r.wantState(id, remuda.Queued)

		// A runner that was started anew takes tasks again.
		if answer := must(t, h.Sync, t.Context(), remuda.Sync{Life: "second", Ready: true}); len(answer.Claims) != 1 {
			t.Errorf("a new start got %d claims, want 1", len(answer.Claims))
		}
	})
}
