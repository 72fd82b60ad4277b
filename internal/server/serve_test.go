package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
)

// syncing opens the one request of a runner that nothing is said to, and gives what it is answered.
func (w *town) syncing(ctx context.Context, m machine) <-chan got {
	w.t.Helper()
	answered := make(chan got, 1)
	request, err := http.NewRequestWithContext(ctx, "POST", w.url+v1+"/runners/"+m.id+"/sync", strings.NewReader(`{"holding": [], "ready": true}`))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+m.token)
	go func() {
		answer, err := w.http.Do(request)
		if err != nil {
			answered <- got{body: []byte(err.Error())}
			return
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		answered <- got{answer.StatusCode, answer.Header, text}
	}()
	return answered
}

// patience is how long something may take: only what is broken reaches it.
const patience = 2 * time.Minute

// until looks again and again until it is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	look, late := time.NewTicker(time.Millisecond), time.After(patience)
	defer look.Stop()
	for !so() {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("it never came about that %s", what)
		}
	}
}

func TestASubmissionAnswersTheRequestThatWaits(t *testing.T) {
	w := newTown(t)
	answered := w.syncing(t.Context(), w.register("one"))
	until(t, "a sync is held", func() bool { return w.server.syncs.taken() == 1 })
	w.want(201, "POST", v1+"/tasks", w.admin, helloJob)
	if answer := read[remuda.SyncAnswer](t, <-answered); len(answer.Claims) != 1 {
		t.Errorf("the sync was answered with %+v", answer)
	}
	until(t, "its place is free", func() bool { return w.server.syncs.taken() == 0 })
}

func TestAServerThatStopsLetsGoOfWhoWaits(t *testing.T) {
	w := newTown(t)
	answered := w.syncing(t.Context(), w.register("one"))
	until(t, "a sync is held", func() bool { return w.server.syncs.taken() == 1 })
	stream := w.open(t.Context(), "GET", v1+"/events", w.admin, nil, "Accept", eventStream)
	defer stream.Body.Close()
	w.server.Close()
	answer := <-answered
	if p := read[Problem](t, answer); answer.status != 503 || p.Kind != remuda.Unavailable || answer.header.Get("Retry-After") != "1" {
		t.Errorf("the sync was answered with %s", answer)
	}
	if _, err := io.ReadAll(stream.Body); err != nil {
		t.Errorf("the stream ended with %v", err)
	}
	w.want(503, "GET", "/readyz", "", nil)
}

func TestHalfAnOutputNeverLooksWhole(t *testing.T) {
	w := newTown(t)
	l := w.claim(w.register("one"))
	w.begin(l)
	w.print(l, 0, 0, "half")
	answer := w.open(t.Context(), "GET", v1+"/tasks/"+l.Task.ID+"/output?follow=true", w.viewer, nil)
	defer answer.Body.Close()
	if _, err := io.ReadFull(answer.Body, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	w.server.Close()
	if rest, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("the output of a task that runs ends as if it were whole, with %q", rest)
	}
}

func TestACallerThatLeavesIsNoFault(t *testing.T) {
	w := newTown(t)
	ctx, cancel := context.WithCancel(t.Context())
	answered := w.syncing(ctx, w.register("one"))
	until(t, "a sync is held", func() bool { return w.server.syncs.taken() == 1 })
	cancel()
	<-answered
	until(t, "its place is free", func() bool { return w.server.syncs.taken() == 0 })
	until(t, "the request is logged", func() bool { return strings.Contains(w.log.String(), `"route":"POST /api/v1/runners/{runner}/sync"`) })
	if strings.Contains(w.log.String(), `"level":"ERROR"`) {
		t.Errorf("the log calls it a fault: %s", w.log)
	}
}

func TestWhatACallerLeftIsNotLoggedAsAFault(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := fmt.Errorf("list tasks: %w", context.Canceled)
	if p := failed(ctx, err); p.Kind != remuda.Internal {
		t.Errorf("a call that somebody else canceled is %s", p.Kind)
	}
	cancel()
	if p := failed(ctx, err); p.Status != leftEarly || p.Kind == remuda.Internal {
		t.Errorf("a call whose caller left is %+v", p)
	}
}

func TestNoMoreRequestsAreHeldThanThereArePlaces(t *testing.T) {
	w := newTown(t, func(s *Server) { s.syncs, s.followers = newPlaces("syncs", 1), newPlaces("streams", 1) })
	one, two := w.register("one"), w.register("two")
	ctx, cancel := context.WithCancel(t.Context())
	first := w.syncing(ctx, one)
	until(t, "a sync is held", func() bool { return w.server.syncs.taken() == 1 })
	answer := w.want(503, "POST", v1+"/runners/"+two.id+"/sync", two.token, `{"holding": [], "ready": true}`)
	if p := read[Problem](t, answer); p.Kind != remuda.Unavailable || answer.header.Get("Retry-After") == "" {
		t.Errorf("the sync was answered with %s", answer)
	}
	stream := w.open(ctx, "GET", v1+"/events", w.admin, nil, "Accept", eventStream)
	defer stream.Body.Close()
	w.want(503, "GET", v1+"/events", w.admin, nil, "Accept", eventStream)
	cancel()
	<-first
	until(t, "the places are free", func() bool { return w.server.syncs.taken()+w.server.followers.taken() == 0 })
}

func TestASlowBodyIsNotWaitedFor(t *testing.T) {
	w := newTown(t, func(s *Server) { s.bodyTime = time.Millisecond })
	line, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	fmt.Fprintf(line, "POST %s/organizations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{\"na", v1, w.admin)
	answer, err := http.ReadResponse(bufio.NewReader(line), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != 408 || answer.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("answered %d %s", answer.StatusCode, text)
	}
}

func TestTheDeadlineOfABodyDoesNotEndARequestThatIsHeld(t *testing.T) {
	w := newTown(t, func(s *Server) { s.bodyTime = 100 * time.Millisecond })
	answered := w.syncing(t.Context(), w.register("one"))
	until(t, "a sync is held", func() bool { return w.server.syncs.taken() == 1 })
	held := time.Now()
	until(t, "the deadline has passed", func() bool { return time.Since(held) > 300*time.Millisecond })
	w.want(201, "POST", v1+"/tasks", w.admin, helloJob)
	if answer := <-answered; answer.status != 200 || len(read[remuda.SyncAnswer](t, answer).Claims) != 1 {
		t.Errorf("the sync was answered with %s", answer)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	w := newTown(t)
	m := w.register("one")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + listener.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.server.Serve(ctx, listener) }()
	answered := w.syncing(t.Context(), m)
	until(t, "a sync is held", func() bool { return w.server.syncs.taken() == 1 })
	cancel()
	if answer := <-answered; answer.status != 503 {
		t.Errorf("the sync was answered with %s", answer)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve ended with %v", err)
	}
}

func TestServeTellsWhyItCannot(t *testing.T) {
	w := newTown(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := w.server.Serve(t.Context(), listener); err == nil {
		t.Error("Serve on a closed listener ended without an error")
	}
}

func TestHTTP2ServesTheSame(t *testing.T) {
	w := newTown(t)
	far := httptest.NewUnstartedServer(nil)
	far.Config = w.server.HTTP()
	far.EnableHTTP2 = true
	far.StartTLS()
	defer far.Close()
	w.url, w.http = far.URL, far.Client()
	if answer := w.open(t.Context(), "GET", "/healthz", "", nil); answer.ProtoMajor != 2 {
		t.Fatalf("it speaks %s", answer.Proto)
	}
	task, want := talkative(w)
	if got := printed(t, w.watch(task, "", "")); got != want {
		t.Errorf("over HTTP/2 the output is %q", got)
	}
}
