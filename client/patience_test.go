package client_test

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

func TestHowLongToWaitIsReadInBothForms(t *testing.T) {
	now := time.Now().UTC()
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for name, test := range map[string]struct {
		said, date string
		want       time.Duration
	}{
		"seconds":                      {said: "7", want: 7 * time.Second},
		"a date":                       {said: date(90 * time.Second), date: date(0), want: 90 * time.Second},
		"a date by the sender's clock": {said: date(-time.Hour), date: date(-time.Hour - 3*time.Second), want: 3 * time.Second},
		"a date that has passed":       {said: date(-time.Minute), date: date(0)},
		"less than nothing":            {said: "-5"},
		"years":                        {said: "99999999999999", want: time.Hour},
		"too long":                     {said: "1000000", want: time.Hour},
		"a date too far away":          {said: date(100 * time.Hour), date: date(0), want: time.Hour},
		"neither":                      {said: "soon"},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", test.said)
				if test.date != "" {
					w.Header().Set("Date", test.date)
				}
				answer(w, http.StatusTooManyRequests, `{"kind":"limited","detail":"too often"}`)
			})
			err := c.Runner("r1", "secret").Goodbye(t.Context())
			var failure *remuda.Error
			if !errors.As(err, &failure) || failure.Kind != remuda.Limited {
				t.Fatalf("got %v", err)
			}
			if failure.Retry != test.want {
				t.Errorf("to wait for %s, want %s", failure.Retry, test.want)
			}
		})
	}
}

func TestAPersonsCallWaitsForAsLongAsItIsAsked(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		var calls atomic.Int32
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if calls.Add(1) == 1 {
				w.Header().Set("Retry-After", "1")
				answer(w, status, `{"detail":"not now"}`)
				return
			}
			answer(w, http.StatusOK, `{}`)
		})
		asked := time.Now()
		// This one may not be repeated when the road breaks; a refusal says that nothing changed.
		if _, err := c.User("token").RetryTask(t.Context(), "t1"); err != nil || calls.Load() != 2 {
			t.Errorf("%d: got %v after %d calls", status, err, calls.Load())
		}
		if took := time.Since(asked); took < time.Second {
			t.Errorf("%d: it asked again after %s", status, took)
		}
	}
}

func TestAPersonIsNotKeptWaitingForLong(t *testing.T) {
	var calls atomic.Int32
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Retry-After", "3600")
		answer(w, http.StatusServiceUnavailable, `{"kind":"unavailable","detail":"not today"}`)
	})
	_, err := c.User("token").WhoAmI(t.Context())
	if !errors.Is(err, remuda.Unavailable) || calls.Load() != 1 {
		t.Errorf("got %v after %d calls", err, calls.Load())
	}
}

func TestAStreamIsAskedForAgainWhenItSaysSo(t *testing.T) {
	var calls atomic.Int32
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			answer(w, http.StatusTooManyRequests, `{"kind":"limited","detail":"too many streams"}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte("event: end\ndata: {}\n\n"))
	})
	asked := time.Now()
	err := c.User("token").Follow(t.Context(), "t1", client.OutputQuery{}, func(client.Followed) error { return nil })
	if err != nil || calls.Load() != 2 || time.Since(asked) < time.Second {
		t.Errorf("got %v after %d calls and %s", err, calls.Load(), time.Since(asked))
	}
}

func TestASyncHasAConnectionOfItsOwn(t *testing.T) {
	protocols := make(chan string, 2)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocols <- r.Proto
		answer(w, http.StatusOK, `{}`)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(server.URL, client.Options{CAFile: ca})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	r := c.Runner("r1", "token")
	if _, err := r.Sync(t.Context(), remuda.Sync{}); err != nil {
		t.Fatal(err)
	}
	if err := r.Goodbye(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sync, other := <-protocols, <-protocols; sync != "HTTP/1.1" || other != "HTTP/2.0" {
		t.Errorf("a sync goes over %s, other calls over %s", sync, other)
	}
}
