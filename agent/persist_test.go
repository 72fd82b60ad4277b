package agent

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
)

func TestTheAgentWaitsForAsLongAsItIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, calls := time.Now(), 0
		err := persist(t.Context(), slog.New(slog.DiscardHandler), "steps", func(context.Context) error {
			calls++
			switch calls {
			case 1:
				return &remuda.Error{Kind: remuda.Limited, Retry: 5 * time.Second}
			case 2:
				if took := time.Since(started); took < 5*time.Second || took > 7*time.Second {
					t.Errorf("it asked again after %s", took)
				}
				return &remuda.Error{Kind: remuda.Unavailable, Retry: 100 * time.Hour}
			}
			return nil
		})
		if took := time.Since(started); err != nil || took < time.Minute || took > 90*time.Second {
			t.Errorf("got %v after %s", err, took)
		}
	})
}

func TestTheAgentDoesNotAskAgainWhatWasRefusedForGood(t *testing.T) {
	calls := 0
	err := persist(t.Context(), slog.New(slog.DiscardHandler), "steps", func(context.Context) error {
		calls++
		return remuda.Fail(remuda.Gone, "it has ended")
	})
	if !errors.Is(err, remuda.Gone) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}
