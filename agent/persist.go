package agent

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sethvargo/go-retry"

	"github.com/remuda-dev/remuda"
)

// A runner that restarts is away for a second or so; a control plane that is being updated a little longer.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 2 * time.Second
	longestAsked = time.Minute // what the control plane may ask for at most
)

// persist makes a call until it is answered: while the runner is away the task goes on, and its words arrive later.
// It gives up only when the answer says that it would be the same next time, or when ctx ends.
func persist(ctx context.Context, log *slog.Logger, what string, call func(context.Context) error) error {
	own := retry.WithCappedDuration(longestPause, retry.WithJitterPercent(20, retry.NewExponential(firstPause)))
	asked := time.Duration(0) // by the last answer
	pauses := func() (time.Duration, bool) {
		pause, stop := own.Next()
		if asked > 0 { // Those who were sent away together must not come back together.
			asked += rand.N(asked/5 + 1) //nolint:gosec // chance is all that is asked of it
		}
		return max(pause, asked), stop
	}
	said := false
	return retry.Do(ctx, retry.BackoffFunc(pauses), func(ctx context.Context) error {
		err := call(ctx)
		if err == nil || ctx.Err() != nil || isFinal(err) {
			return err
		}
		asked = min(waitAsked(err), longestAsked)
		if !said {
			log.Warn("the control plane cannot be reached; trying on", "call", what, "error", err)
			said = true
		}
		return retry.RetryableError(err)
	})
}

// waitAsked is how long the control plane wants to be left alone.
func waitAsked(err error) time.Duration {
	var failure *remuda.Error
	if errors.As(err, &failure) {
		return failure.Retry
	}
	return 0
}

// isFinal is true for answers that will not change by asking again.
func isFinal(err error) bool {
	switch remuda.KindOf(err) {
	case remuda.Gone, remuda.Invalid, remuda.TooLarge, remuda.Conflict,
		remuda.NotFound, remuda.Unauthenticated, remuda.Forbidden:
		return true
	}
	return false
}

// cut shortens text to at most n bytes, between two characters.
func cut(text string, n int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
