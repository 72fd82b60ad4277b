package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// said is what a server, or something on the way to it, answers.
type said struct {
	status            int
	kind, retry, body string
	then              *said // from the next answer on
}

// stranger is a server that answers whatever was stored last, whoever asks.
func stranger(f *testing.F) (*client.Client, *atomic.Pointer[said]) {
	f.Helper()
	answer := &atomic.Pointer[said]{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		a := answer.Load()
		if a.then != nil {
			answer.Store(a.then)
		}
		w.Header()["Content-Type"], w.Header()["Retry-After"] = []string{a.kind}, []string{a.retry}
		w.WriteHeader(a.status)
		if a.status != http.StatusNoContent && a.status != http.StatusNotModified {
			_, _ = io.WriteString(w, a.body)
		}
	}))
	f.Cleanup(server.Close)
	c, err := client.New(server.URL, client.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(c.CloseIdle)
	return c, answer
}

// FuzzAnyAnswerToASync is read as what it says, or is a failure that the runner can act on.
func FuzzAnyAnswerToASync(f *testing.F) {
	for _, body := range []string{
		`{"claims": [{"id": "c", "attempt": 1, "task": {"id": "t"}, "payload": {"steps": []}, "sealed": "AAAA", "timeout": "1h"}], "cancel": ["a"], "lost": ["b"], "drain": true}`,
		`{}`, `null`, `[]`, ``, `{"claims": null, "news": 1}`, `{"claims": [{"timeout": -1}]}`, `{"claims": [{"timeout": "1y"}]}`, `{"cancel": [1]}`, `{"drain": tru`,
	} {
		f.Add(200, "application/json", "", body)
	}
	f.Add(503, "application/problem+json", "7", `{"kind": "unavailable", "detail": "the disk is full", "errors": [{"location": "body", "message": "x"}]}`)
	f.Add(429, "application/problem+json; charset=utf-8", "9223372036854775807", `{"kind": "limited"}`)
	f.Add(502, "text/html", "Wed, 21 Oct 2015 07:28:00 GMT", `<html>`)
	f.Add(410, "application/json", "-1", `{"kind": "nonsense", "title": "Gone"}`)
	f.Add(418, "", "0", "\xff")
	c, next := stranger(f)
	runner := c.Runner("id", "token")
	f.Fuzz(func(t *testing.T, status int, kind, retry, body string) {
		if status < 200 || status > 599 || status >= 300 && status < 400 {
			return // the first are not HTTP's, the others lead elsewhere
		}
		if strings.ContainsFunc(kind+retry, func(r rune) bool { return r < ' ' || r > '~' }) {
			return // no header
		}
		next.Store(&said{status: status, kind: kind, retry: retry, body: body})
		answer, err := runner.Sync(t.Context(), remuda.Sync{Ready: true})
		var want remuda.SyncAnswer
		read := json.Unmarshal([]byte(body), &want) == nil
		switch {
		case status < 300 && read && status != http.StatusNoContent:
			if diff := cmp.Diff(want, answer); err != nil || diff != "" {
				t.Fatalf("%q is read with %v, %s", body, err, diff)
			}
		case err == nil:
			t.Fatalf("%d %q is no failure", status, body)
		case status >= 400:
			usable(t, err)
		}
	})
}

// usable says that a caller can act on a failure.
func usable(t *testing.T, err error) {
	t.Helper()
	var failure *remuda.Error
	if !errors.As(err, &failure) {
		t.Fatalf("%T %v has no kind", err, err)
	}
	switch failure.Kind {
	case remuda.Invalid, remuda.Unauthenticated, remuda.Forbidden, remuda.NotFound, remuda.Conflict, remuda.Gone,
		remuda.TooLarge, remuda.Limited, remuda.Unavailable, remuda.Internal:
	default:
		t.Fatalf("its kind is %q", failure.Kind)
	}
	if failure.Detail == "" || failure.Retry < 0 || !utf8.ValidString(failure.Detail) {
		t.Fatalf("it says %q, and to wait %s", failure.Detail, failure.Retry)
	}
}

// FuzzAnyStreamEnds: whatever comes as a stream of events, a follower is told what can be read of it, each byte as it
// came, and is done when the stream is.
func FuzzAnyStreamEnds(f *testing.F) {
	for _, body := range []string{
		"event: output\nid: 1:5\ndata: {\"step\": 0, \"offset\": 0, \"data\": \"aGVsbG8=\"}\n\nevent: end\ndata: {}\n\n",
		"event: task\ndata: {\"id\": \"x\"}\n\n: still here\n\nevent: end\ndata:\n\n", "event: end\r\ndata: {}\r\n\r\n",
		"event: output\ndata: {\ndata: \"data\": \"AA==\"}\n\n", "event: skipped\nid: 2:\ndata: {\"from\": 1, \"next\": 0}\n\n", "data\n\nid\nevent", "event: task\ndata: 5\n\n", "",
	} {
		f.Add(body)
	}
	c, next := stranger(f)
	user := c.User("token")
	f.Fuzz(func(t *testing.T, body string) {
		// A stream without an end is asked for again; that it is not there any more ends it.
		missing := &said{status: 404, kind: "application/problem+json", body: `{"kind": "not-found", "detail": "it is not there"}`}
		next.Store(&said{status: 200, kind: "text/event-stream", body: body, then: missing})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		told := 0
		enough := errors.New("enough")
		err := user.Follow(ctx, "id", client.OutputQuery{}, func(said client.Followed) error {
			what := 0
			for _, set := range []bool{said.Task != nil, said.Output != nil, said.Skipped != nil} {
				if set {
					what++
				}
			}
			if what != 1 {
				t.Errorf("a follower is told %+v", said)
			}
			if told++; told > len(body) {
				return enough
			}
			return nil
		})
		if errors.Is(err, enough) {
			t.Fatalf("%q never ends", body)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a follower waits for %q for ever", body)
		}
	})
}
