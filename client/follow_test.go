package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

func TestAFollowerGoesOnWhereTheConnectionBroke(t *testing.T) {
	var calls atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("follow") != "true" || r.Header.Get("Accept") != "text/event-stream" {
			t.Errorf("asked for %s as %s", r.URL, r.Header.Get("Accept"))
		}
		w.Header().Set("Content-Type", "text/event-stream")
		switch call := calls.Add(1); call {
		case 1:
			_, _ = io.WriteString(w, "event: task\ndata: {\"id\":\"t1\",\"state\":\"running\"}\n\n"+
				": heartbeat\n\n"+
				"event: output\nid: 1:5\ndata: {\"step\":0,\"offset\":0,\"data\":\"aGVsbG8=\"}\n\n"+
				"event: output\nid: 1:9\ndata: {\"step\":0,\"off") // and breaks in the middle of an event
		case 2:
			answer(w, http.StatusServiceUnavailable, `{"kind":"unavailable"}`)
		default:
			if got := r.Header.Get("Last-Event-ID"); got != "1:5" {
				t.Errorf("went on from %q, want 1:5", got)
			}
			_, _ = io.WriteString(w, "event: skipped\nid: 1:7\ndata: {\"from\":5,\"next\":7}\n\n"+
				"event: unheard-of\ndata: {}\n\n"+
				"event: output\r\nid: 1:9\r\ndata: {\"step\":1,\"offset\":7,\r\ndata: \"data\":\"IQo=\"}\r\n\r\n"+
				"event: end\ndata: {}\n\n")
		}
	})
	var told strings.Builder
	err := c.User("token").Follow(t.Context(), "t1", client.OutputQuery{}, func(f client.Followed) error {
		switch {
		case f.Task != nil:
			fmt.Fprintf(&told, "task %s; ", f.Task.State)
		case f.Output != nil:
			fmt.Fprintf(&told, "%d.%d@%d %q; ", f.Attempt, f.Output.Step, f.Output.Offset, f.Output.Data)
		case f.Skipped != nil:
			fmt.Fprintf(&told, "skipped %d-%d; ", f.Skipped.From, f.Skipped.Next)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `task running; 1.0@0 "hello"; skipped 5-7; 1.1@7 "!\n"; `
	if told.String() != want {
		t.Errorf("told %s\nwant %s", told.String(), want)
	}
}

// An id that no header can carry would be refused before it is sent, each time anew.
func TestAFollowerGoesOnFromTheLastIdThatItCanSay(t *testing.T) {
	var calls atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			_, _ = io.WriteString(w, "event: task\nid: 1:5\ndata: {}\n\nevent: task\nid: 1:\x00\x7f\ndata: {}\n\n")
			return
		}
		if got := r.Header.Get("Last-Event-ID"); got != "1:5" {
			t.Errorf("went on from %q, want 1:5", got)
		}
		_, _ = io.WriteString(w, "event: end\ndata: {}\n\n")
	})
	if err := c.User("token").Follow(t.Context(), "t1", client.OutputQuery{}, func(client.Followed) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if calls.Load() != 2 {
		t.Errorf("the stream was asked for %d times, want 2", calls.Load())
	}
}

func TestAFollowerThatHasEnoughEndsTheStream(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "event: task\ndata: {}\n\nevent: task\ndata: {}\n\n")
	})
	enough, calls := errors.New("enough"), 0
	err := c.User("token").Follow(t.Context(), "t1", client.OutputQuery{}, func(client.Followed) error {
		calls++
		return enough
	})
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

func TestFollowingWhatIsNotThereIsRefusedAtOnce(t *testing.T) {
	var calls atomic.Int32
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		answer(w, http.StatusNotFound, `{"kind":"not-found","detail":"no task t1"}`)
	})
	err := c.User("token").Follow(t.Context(), "t1", client.OutputQuery{}, func(client.Followed) error { return nil })
	if !errors.Is(err, remuda.NotFound) || calls.Load() != 1 {
		t.Errorf("got %v after %d calls", err, calls.Load())
	}
}

func TestEventsAreFollowedFromTheLastOneSeen(t *testing.T) {
	var calls atomic.Int32
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch calls.Add(1) {
		case 1:
			if r.URL.Query().Get("after") != "3" {
				t.Errorf("asked for %s", r.URL)
			}
			_, _ = io.WriteString(w, "id: 4\nevent: event\ndata: {\"id\":4,\"type\":\"task.queued\"}\n\n")
		default:
			if r.Header.Get("Last-Event-ID") != "4" {
				t.Errorf("went on from %q", r.Header.Get("Last-Event-ID"))
			}
			_, _ = io.WriteString(w, "id: 5\ndata: {\"id\":5,\"type\":\"task.finished\"}\n\n")
		}
	})
	enough := errors.New("enough")
	var seen []int64
	err := c.User("token").FollowEvents(t.Context(), client.EventFilter{After: 3}, func(e remuda.Event) error {
		if seen = append(seen, e.ID); len(seen) == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || fmt.Sprint(seen) != "[4 5]" {
		t.Errorf("got %v, %v", seen, err)
	}
}
