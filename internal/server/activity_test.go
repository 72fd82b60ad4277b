package server

import (
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

func TestActivityTellsWhatEnded(t *testing.T) {
	w := newTown(t)
	m := w.register("r")
	l := w.claim(m)
	w.begin(l)
	w.finish(m, l, `{"state": "failed", "reason": "step", "detail": "no"}`)

	c, err := client.New(w.url, client.Options{})
	done(t, err)
	defer c.CloseIdle()
	steps := must[[]remuda.Activity](t)(c.User(w.viewer).Activity(t.Context(), client.ActivityQuery{}))
	if len(steps) < 60 || len(steps) > 62 {
		t.Errorf("an hour has %d steps", len(steps))
	}
	ended, failed, claimed := 0, 0, 0
	for _, words := range steps {
		ended, failed, claimed = ended+words.Ended, failed+words.Failed, claimed+words.Claimed
	}
	if ended != 1 || failed != 1 || claimed != 1 {
		t.Errorf("ended %d, failed %d, claimed %d", ended, failed, claimed)
	}
	day := client.ActivityQuery{From: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), To: time.Date(2026, 1, 3, 3, 0, 0, 0, time.UTC), Step: remuda.Duration(15 * time.Minute)}
	steps = must[[]remuda.Activity](t)(c.User(w.viewer).Activity(t.Context(), day))
	if len(steps) != 96 || !steps[0].At.Equal(time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)) {
		t.Errorf("%d steps, the first %+v", len(steps), steps[0])
	}

	for query, field := range map[string]string{
		"?step=1s": "query.step", "?step=soon": "query.step", "?from=2026-01-01T00:00:00Z": "query.step", "?from=yesterday": "query.from",
		"?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": "query.from",
	} {
		if told := w.want(422, "GET", v1+"/activity"+query, w.viewer, nil); !strings.Contains(string(told.body), `"`+field+`"`) {
			t.Errorf("%s: %s", query, told.body)
		}
	}
	w.want(401, "GET", v1+"/activity", "", nil)
	w.want(403, "GET", v1+"/activity", w.class, nil)
}
