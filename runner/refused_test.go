package runner_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda/runner"
)

func TestARunnerThatGetsNothingNewSaysSoOnceAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const why = "the runner's version v1.0.0 is too old"
		plane := newPlane()
		plane.refused = why
		var log bytes.Buffer
		r, err := runner.New(runner.Config{Key: plane.key}, plane, &fakeExecutor{}, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- r.Run(t.Context()) }()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n := strings.Count(log.String(), why); n != 1 {
			t.Errorf("it says %d times why it gets nothing:\n%s", n, log.String())
		}
		plane.mu.Lock()
		asked := len(plane.syncs)
		plane.mu.Unlock()
		if asked > 8 {
			t.Errorf("in five minutes it asked %d times", asked)
		}
		plane.change(func() { plane.refused = "" })
		time.Sleep(time.Minute)
		synctest.Wait()
		if !strings.Contains(log.String(), "gives this runner tasks again") {
			t.Errorf("it does not say when that is over:\n%s", log.String())
		}
		r.Drain()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
