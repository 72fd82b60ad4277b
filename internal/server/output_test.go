package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

// told is one server-sent event.
type told struct{ name, id, data string }

// events reads a stream until it ends, or until enough says so.
func events(t testing.TB, body io.Reader, enough func(told) bool) []told {
	t.Helper()
	var all []told
	var one told
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "event":
			one.name = value
		case "id":
			one.id = value
		case "data":
			one.data = value
		case "":
			if one.name == "" {
				continue // a comment
			}
			all = append(all, one)
			if enough != nil && enough(one) {
				return all
			}
			one = told{}
		}
	}
}

// watch reads a task's output as events, from after an id on.
func (w *town) watch(task, query, lastID string) []told {
	w.t.Helper()
	headers := []string{"Accept", eventStream}
	if lastID != "" {
		headers = append(headers, "Last-Event-ID", lastID)
	}
	answer := w.want(200, "GET", v1+"/tasks/"+task+"/output"+query, w.viewer, nil, headers...)
	if kind := answer.header.Get("Content-Type"); !strings.HasPrefix(kind, eventStream) || answer.header.Get("X-Accel-Buffering") != "no" {
		w.t.Errorf("a stream with Content-Type %q, X-Accel-Buffering %q", kind, answer.header.Get("X-Accel-Buffering"))
	}
	return events(w.t, bytes.NewReader(answer.body), nil)
}

// printed is what the output events of a stream carry.
func printed(t testing.TB, stream []told) string {
	t.Helper()
	var all strings.Builder
	for _, one := range stream {
		if one.name == "output" {
			var chunk remuda.Chunk
			if err := json.Unmarshal([]byte(one.data), &chunk); err != nil {
				t.Fatal(err)
			}
			all.Write(chunk.Data)
		}
	}
	return all.String()
}

// talkative is a task that has ended, with output of two steps, and that output.
func talkative(w *town) (string, string) {
	w.t.Helper()
	m := w.register("one")
	l := w.claim(m)
	w.begin(l)
	var all strings.Builder
	offsets := [2]int64{}
	for i := range 20 {
		step := i % 2
		line := fmt.Sprintf("\x1b[3%dmline %d\x1b[0m\r\nünïcödé %s\n", i%8, i, strings.Repeat("x", i*37))
		w.print(l, step, offsets[step], line)
		offsets[step] += int64(len(line))
		all.WriteString(line)
	}
	w.finish(m, l, `{"state": "succeeded"}`)
	return l.Task.ID, all.String()
}

func TestReadingInPiecesIsReadingAtOnce(t *testing.T) {
	w := newTown(t)
	task, want := talkative(w)
	whole := w.watch(task, "", "")
	if got := printed(t, whole); got != want {
		t.Fatalf("all at once is %q, want %q", got, want)
	}
	if last := whole[len(whole)-1]; last.name != "end" || last.data != "{}" {
		t.Errorf("the last event is %v", last)
	}
	read := 0
	for i, one := range whole {
		if one.name != "output" {
			continue
		}
		read += len(printed(t, []told{one}))
		if one.id != fmt.Sprintf("1:%d", read) {
			t.Fatalf("the id after %d bytes is %s", read, one.id)
		}
		if got := printed(t, whole[:i+1]) + printed(t, w.watch(task, "", one.id)); got != want {
			t.Errorf("reading on after %s gives %q", one.id, got)
		}
	}
	for _, offset := range []int{0, 1, 7, 100, len(want) - 1, len(want), len(want) + 10} {
		rest := want[min(offset, len(want)):]
		path := fmt.Sprintf("%s/tasks/%s/output?offset=%d", v1, task, offset)
		plain := w.want(200, "GET", path, w.viewer, nil, "Accept", plainText)
		if string(plain.body) != rest {
			t.Errorf("plain text from %d is %q, want %q", offset, plain.body, rest)
		}
		if kind := plain.header.Get("Content-Type"); kind != "text/plain; charset=utf-8" || plain.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("plain text has Content-Type %q", kind)
		}
		if followed := w.want(200, "GET", path+"&follow=true", w.viewer, nil); string(followed.body) != rest {
			t.Errorf("followed plain text from %d is %q, want %q", offset, followed.body, rest)
		}
		if got := printed(t, w.watch(task, fmt.Sprintf("?offset=%d", offset), "")); got != rest {
			t.Errorf("events from %d are %q, want %q", offset, got, rest)
		}
	}
}

func TestAStepHasAStreamOfItsOwn(t *testing.T) {
	w := newTown(t)
	m := w.register("one")
	l := w.claim(m)
	w.begin(l)
	w.print(l, 0, 0, "first ")
	w.print(l, 1, 0, "second ")
	w.print(l, 0, 6, "first again")
	w.finish(m, l, `{"state": "succeeded"}`)
	for query, want := range map[string]string{
		"?step=0": "first first again", "?step=1": "second ", "?step=0&offset=6": "first again", "?step=7": "", "": "first second first again",
		"?attempt=1": "first second first again",
	} {
		if got := string(w.want(200, "GET", v1+"/tasks/"+l.Task.ID+"/output"+query, w.viewer, nil).body); got != want {
			t.Errorf("plain %s is %q, want %q", query, got, want)
		}
		if got := printed(t, w.watch(l.Task.ID, query, "")); got != want {
			t.Errorf("events %s are %q, want %q", query, got, want)
		}
	}
	w.want(404, "GET", v1+"/tasks/"+l.Task.ID+"/output?attempt=2", w.viewer, nil)
	w.want(404, "GET", v1+"/tasks/"+l.Task.ID+"/output?attempt=2", w.viewer, nil, "Accept", eventStream)
}

func TestAReaderOfAnEarlierAttemptIsGivenTheRestOfIt(t *testing.T) {
	w := newTown(t)
	m := w.register("one")
	job := `{"name": "twice", "resource_class": "acme/linux", "retry_interrupted": true, "job": {"steps": [{"run": {"command": "true"}}]}}`
	w.want(201, "POST", v1+"/tasks", w.admin, job)
	first := w.claimNext(m)
	w.begin(first)
	w.print(first, 0, 0, "one two three")
	w.want(204, "POST", v1+"/claims/"+first.ID+"/return", m.token, `{"detail": "the disk is full"}`)
	second := w.claimNext(m)
	if second.Attempt != 2 || second.Task.ID != first.Task.ID {
		t.Fatalf("claimed attempt %d of %s", second.Attempt, second.Task.ID)
	}
	w.begin(second)
	w.print(second, 0, 0, "four five six seven eight")
	w.finish(m, second, `{"state": "succeeded"}`)

	for id, want := range map[string]string{
		"":     "four five six seven eight", // who comes late reads the last attempt
		"1:4":  "two threefour five six seven eight",
		"1:13": "four five six seven eight",
		"2:5":  "five six seven eight",
		"2:25": "",
	} {
		if got := printed(t, w.watch(first.Task.ID, "", id)); got != want {
			t.Errorf("after %q come %q, want %q", id, got, want)
		}
	}
	if got := printed(t, w.watch(first.Task.ID, "?attempt=1", "1:4")); got != "two three" {
		t.Errorf("of the first attempt alone come %q", got)
	}
	for _, bad := range []string{"x", "1", "1:", ":1", "-1:4", "1:-4", "1:4:5"} {
		w.want(422, "GET", v1+"/tasks/"+first.Task.ID+"/output", w.viewer, nil, "Accept", eventStream, "Last-Event-ID", bad)
	}
}

func TestAFollowerIsToldWhileItHappens(t *testing.T) {
	w := newTown(t)
	m := w.register("one")
	l := w.claim(m)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answer := w.open(ctx, "GET", v1+"/tasks/"+l.Task.ID+"/output", w.viewer, nil, "Accept", eventStream)
	defer answer.Body.Close()
	plain := w.open(ctx, "GET", v1+"/tasks/"+l.Task.ID+"/output?follow=true", w.viewer, nil)
	defer plain.Body.Close()

	stream := bufio.NewReader(answer.Body)
	next := func(name string) told {
		t.Helper()
		for {
			one := events(t, stream, func(told) bool { return true })
			if len(one) == 0 {
				t.Fatalf("the stream ended before %s", name)
			}
			if one[0].name == name {
				return one[0]
			}
		}
	}
	next("task")
	w.begin(l)
	w.print(l, 0, 0, "hello ")
	if one := next("output"); printed(t, []told{one}) != "hello " || one.id != "1:6" {
		t.Errorf("the first output is %v", one)
	}
	state := read[remuda.StreamState](t, w.want(200, "GET", v1+"/claims/"+l.ID+"/steps/0/output", l.token, nil))
	if !state.Following || state.Length != 6 {
		t.Errorf("the sender is told %+v while somebody follows", state)
	}
	w.print(l, 0, 6, "world")
	if one := next("output"); printed(t, []told{one}) != "world" {
		t.Errorf("the second output is %v", one)
	}
	w.finish(m, l, `{"state": "failed", "reason": "step"}`)
	next("end")
	if _, err := stream.ReadByte(); err != io.EOF {
		t.Errorf("after the end comes %v", err)
	}
	whole, err := io.ReadAll(plain.Body)
	if err != nil || string(whole) != "hello world" {
		t.Errorf("plain text is %q, %v", whole, err)
	}
}

func TestEventsGoOnWhereTheReaderWas(t *testing.T) {
	w := newTown(t)
	talkative(w)
	all := read[remuda.Page[remuda.Event]](t, w.want(200, "GET", v1+"/events", w.admin, nil)).Items
	if len(all) < 5 {
		t.Fatalf("only %d events", len(all))
	}
	var paged []remuda.Event
	for after := ""; ; {
		page := read[remuda.Page[remuda.Event]](t, w.want(200, "GET", v1+"/events?limit=2&after="+after, w.admin, nil))
		paged = append(paged, page.Items...)
		if after = page.Next; after == "" {
			break
		}
	}
	if len(paged) != len(all) {
		t.Errorf("in pages there are %d events, at once %d", len(paged), len(all))
	}
	half := all[len(all)/2]
	for _, how := range [][]string{{"Last-Event-ID", fmt.Sprint(half.ID)}, nil} {
		path := v1 + "/events"
		if how == nil {
			path += fmt.Sprintf("?after=%d", half.ID)
		}
		ctx, cancel := context.WithCancel(t.Context())
		answer := w.open(ctx, "GET", path, w.admin, nil, append(how, "Accept", eventStream)...)
		want := all[len(all)/2+1:]
		last := fmt.Sprint(want[len(want)-1].ID)
		stream := events(t, answer.Body, func(one told) bool { return one.id == last })
		if len(stream) != len(want) {
			t.Errorf("after %d come %d events, want %d", half.ID, len(stream), len(want))
		}
		for i, one := range stream {
			if one.name != "event" || one.id != fmt.Sprint(want[i].ID) {
				t.Errorf("event %d is %v", i, one)
			}
		}
		cancel()
		answer.Body.Close()
	}
	w.want(404, "GET", v1+"/events?organization=nobody", w.admin, nil, "Accept", eventStream)
	w.want(422, "GET", v1+"/events", w.admin, nil, "Accept", eventStream, "Last-Event-ID", "x")
}

func TestAStreamBeatsWhileNothingHappens(t *testing.T) {
	w := newTown(t, func(s *Server) { s.heartbeat = 1 }) // as often as it can
	w.want(201, "POST", v1+"/tasks", w.admin, helloJob)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answer := w.open(ctx, "GET", v1+"/events", w.admin, nil, "Accept", eventStream)
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for beats := 0; beats < 5; {
		if !lines.Scan() {
			t.Fatalf("the stream ended: %v", lines.Err())
		}
		if strings.HasPrefix(lines.Text(), ":") {
			beats++
		}
	}
}

func TestAHeadOfAStreamDoesNotFollow(t *testing.T) {
	w := newTown(t)
	m := w.register("one")
	l := w.claim(m)
	answer := w.want(200, http.MethodHead, v1+"/tasks/"+l.Task.ID+"/output", w.viewer, nil, "Accept", eventStream)
	if len(answer.body) != 0 {
		t.Errorf("HEAD answers %q", answer.body)
	}
}
