package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"

	"github.com/remuda-dev/remuda"
)

// unanswered is a Plane that nobody answers at. Whatever is not called is nil.
type unanswered struct {
	Plane
	calls int
	at    func(call int)
}

func (u *unanswered) Begin(context.Context, remuda.Begin) (remuda.Begun, error) {
	u.calls++
	u.at(u.calls)
	return remuda.Begun{}, remuda.Fail(remuda.Unavailable, "nobody listens")
}

func TestAnAgentWhoseFolderWasRemovedWithItsRunnerEnds(t *testing.T) {
	folder := Folder(t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		plane := &unanswered{at: func(call int) {
			if call == 5 {
				if err := os.RemoveAll(string(folder)); err != nil {
					t.Error(err)
				}
			}
		}}
		err := begin(t.Context(), Options{Plane: forsaken{plane, folder}, Log: slog.New(slog.DiscardHandler)}, nil)
		if !errors.Is(err, remuda.Gone) || plane.calls != 5 {
			t.Errorf("got %v after %d calls, want that the claim has ended after the fifth", err, plane.calls)
		}
	})
}
