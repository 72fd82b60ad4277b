package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal"
)

func TestEveryBodyIsTakenAsItIs(t *testing.T) {
	s := newStation(t)
	defer s.unchanged(t)()
	for _, r := range s.operations() {
		if r.content == "" {
			continue
		}
		t.Run(r.id, func(t *testing.T) {
			path, token := s.path(r, s.names()), s.tokens[r.door]
			for _, coding := range []string{"gzip", "br", "identity, gzip"} {
				answer := s.ask(r.method, path, token, s.body(r), "Content-Encoding", coding)
				refused(t, s, r, answer, 415)
				if answer.header.Get("Accept-Encoding") != "identity" {
					t.Errorf("%s: it does not say what it takes", coding)
				}
			}
		})
	}
}

func TestATokenHasSoManyRequestsUnderWay(t *testing.T) {
	w := newTown(t, func(s *Server) { s.limits.TokenRequests = 2 })
	who, err := w.plane.Authenticate(t.Context(), w.viewer)
	if err != nil {
		t.Fatal(err)
	}
	var leave []func()
	for range 2 {
		leave = append(leave, w.server.requests.take("user/"+who.User.Token, 2))
	}
	answer := w.want(429, "GET", v1+"/whoami", w.viewer, nil)
	if p := read[Problem](t, answer); p.Kind != remuda.Limited || answer.header.Get("Retry-After") != "1" {
		t.Errorf("it is answered %s", answer)
	}
	w.want(200, "GET", v1+"/whoami", w.admin, nil) // whose own are counted apart
	leave[0]()
	w.want(200, "GET", v1+"/whoami", w.viewer, nil)
	leave[1]()
	until(t, "nothing is remembered", func() bool {
		w.server.requests.mu.Lock()
		defer w.server.requests.mu.Unlock()
		return len(w.server.requests.taken) == 0
	})
	w.counted(reasonRequests, 1)
}

// counted holds what metrics say of refusals.
func (w *town) counted(reason string, times int) {
	w.t.Helper()
	text := string(w.want(200, "GET", "/metrics", w.admin, nil).body)
	if want := fmt.Sprintf(`remuda_http_refused_total{reason=%q} %d`, reason, times); !strings.Contains(text, want+"\n") {
		w.t.Errorf("/metrics does not say %s", want)
	}
}

func TestATokenFollowsSoManyStreams(t *testing.T) {
	w := newTown(t, func(s *Server) { s.limits.TokenStreams = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	stream := w.open(ctx, "GET", v1+"/events", w.admin, nil, "Accept", eventStream)
	defer stream.Body.Close()
	if stream.StatusCode != 200 {
		t.Fatalf("it is answered %d", stream.StatusCode)
	}
	w.want(429, "GET", v1+"/events", w.admin, nil, "Accept", eventStream)
	w.want(200, "GET", v1+"/events", w.admin, nil) // a list is no stream
	cancel()
	until(t, "its share is free", func() bool { return w.server.followers.taken() == 0 })
	w.counted(reasonStreams, 1)
}

func TestARunnerHasFewSyncsOpen(t *testing.T) {
	w := newTown(t)
	m := w.register("one")
	for range runnerSyncs {
		if w.server.requests.take("sync/"+m.id, runnerSyncs) == nil {
			t.Fatal("there is no share")
		}
	}
	w.want(429, "POST", v1+"/runners/"+m.id+"/sync", m.token, `{"holding": [], "ready": true}`)
}

func TestAClaimReportsSoOften(t *testing.T) {
	w := newTown(t, func(s *Server) { s.reports, s.steps = newPace(1, 5), newPace(1, 2) })
	l := w.claim(w.register("one"))
	w.begin(l)
	steps := `{"steps": [{"number": 0, "name": "one", "state": "running"}]}`
	for range 2 {
		w.want(204, "PUT", v1+"/claims/"+l.ID+"/steps", l.token, steps)
	}
	answer := w.want(429, "PUT", v1+"/claims/"+l.ID+"/steps", l.token, steps)
	if answer.header.Get("Retry-After") != "1" {
		t.Errorf("it is answered %s", answer)
	}
	w.print(l, 0, 0, "output goes on")
	w.want(429, "GET", v1+"/claims/"+l.ID+"/steps/0/output", l.token, nil)
	w.counted(reasonPace, 2)
}

func TestAPaceAllowsABurstAndThenARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(10, 3)
		for range 3 {
			if p.take("one") != 0 {
				t.Fatal("the burst is refused")
			}
		}
		if wait := p.take("one"); wait != 100*time.Millisecond || p.spent("one") != wait {
			t.Fatalf("to wait for %s and %s", wait, p.spent("one"))
		}
		if p.take("other") != 0 || p.spent("nobody") != 0 {
			t.Error("others have to wait")
		}
		time.Sleep(100 * time.Millisecond)
		if p.take("one") != 0 || p.take("one") == 0 {
			t.Error("one is allowed after a tenth of a second, and no two")
		}
		for i := range 5000 {
			p.take(fmt.Sprint(i))
			time.Sleep(time.Millisecond)
		}
		if len(p.next) > 2100 {
			t.Errorf("%d are remembered", len(p.next))
		}
	})
}

// A thousand runners behind one address go on when one that is set up wrongly uses up what the address may guess.
func TestWrongTokensAreBoundedAndGoodOnesPass(t *testing.T) {
	w := newTown(t)
	m := w.register("one")
	w.want(403, "GET", v1+"/whoami", m.token, nil) // known to be good from now on
	w.server.gate.wrong = newPace(1, 3)
	wrong := w.viewer[:len(w.viewer)-1] + "x"
	for range 3 {
		w.want(401, "GET", v1+"/whoami", wrong, nil)
	}
	answer := w.want(429, "GET", v1+"/whoami", wrong, nil)
	if p := read[Problem](t, answer); p.Kind != remuda.Limited || answer.header.Get("Retry-After") == "" {
		t.Errorf("it is answered %s", answer)
	}
	w.want(429, "POST", v1+"/runners", "", strangers(t))
	w.want(429, "GET", "/metrics", wrong, nil)
	w.want(200, "GET", v1+"/whoami", w.admin, nil)
	w.register("three") // with a class token that registered before
	w.want(403, "GET", v1+"/whoami", m.token, nil)
}

func TestWrongClassTokensCountToo(t *testing.T) {
	w := newTown(t)
	w.server.gate.wrong = newPace(1, 1)
	w.want(401, "POST", v1+"/runners", "", strangers(t))
	w.want(429, "POST", v1+"/runners", "", strangers(t))
}

// strangers is a registration with a token that nobody has.
func strangers(t *testing.T) string {
	t.Helper()
	key, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"tokens": ["rmd_cls_wrong"], "name": "two", "public_key": %s}`, public)
}

// homeOf is what browsers are shown by one handler.
type homeOf struct{ http.Handler }

// Patterns are one of each kind.
func (homeOf) Patterns() (pages, streams []string) {
	return []string{"GET /{$}", "GET /assets/{file}", "POST /sign-in"}, []string{"GET /live/{$}"}
}

func TestSigningInIsBounded(t *testing.T) {
	w := newTown(t)
	home := homeOf{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) })}
	s := New(Options{Plane: w.plane, Log: w.server.log, Home: home})
	s.gate.wrong = newPace(1, 2)
	for _, want := range []int{401, 401, 429} {
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, httptest.NewRequest("POST", "/sign-in", strings.NewReader("token=wrong")))
		if answer.Code != want {
			t.Errorf("it is answered %d, want %d", answer.Code, want)
		}
	}
}

func TestAddressesOfOneNetworkCountAsOne(t *testing.T) {
	for from, want := range map[string]string{
		"192.0.2.7:1234":              "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:1234": "2001:db8:1:2::/64",
		"[2001:db8:1:2::9%eth0]:12":   "2001:db8:1:2::/64",
		"[::ffff:192.0.2.7]:1234":     "::ffff:192.0.2.7",
		"@":                           "@",
	} {
		if got := origin(&http.Request{RemoteAddr: from}); got != want {
			t.Errorf("%s counts as %s, want %s", from, got, want)
		}
	}
}

// All the lists that are read leave the store free for others.
func TestListsTakeTurns(t *testing.T) {
	w := newTown(t)
	w.server.workTime = 50 * time.Millisecond
	var leave []func()
	for range mostLists {
		one, err := w.server.lists.take()
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, one)
	}
	for _, r := range w.server.routes {
		if !r.lists() {
			continue
		}
		path := strings.NewReplacer("{organization}", "acme").Replace(r.path)
		answer := w.want(503, r.method, path, w.admin, nil)
		if p := read[Problem](t, answer); p.Kind != remuda.Unavailable || answer.header.Get("Retry-After") == "" {
			t.Errorf("%s is answered %s", r.id, answer)
		}
	}
	w.server.workTime = workTime
	w.want(200, "GET", v1+"/whoami", w.admin, nil)
	w.want(200, "GET", v1+"/organizations/acme", w.admin, nil)
	for _, one := range leave {
		one()
	}
	w.want(200, "GET", v1+"/tasks", w.admin, nil)
}

// A store whose writer is stuck does not keep a request for ever.
func TestARequestDoesNotWaitForTheStoreForEver(t *testing.T) {
	w := newTown(t)
	stuck, release := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- w.store.Write(t.Context(), control.Beside, func(control.Tx) error {
			close(stuck)
			<-release
			return nil
		})
	}()
	<-stuck
	w.server.workTime = 50 * time.Millisecond
	answer := w.want(503, "POST", v1+"/organizations", w.admin, `{"name": "later"}`)
	if p := read[Problem](t, answer); p.Kind != remuda.Unavailable || answer.header.Get("Retry-After") == "" {
		t.Errorf("it is answered %s", answer)
	}
	w.server.workTime = workTime
	close(release)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.want(404, "GET", v1+"/organizations/later", w.admin, nil) // as the answer said, nothing was changed
	w.want(201, "POST", v1+"/organizations", w.admin, `{"name": "later"}`)
}

func TestPathsThatMeanAnotherAreNothing(t *testing.T) {
	w := newTown(t)
	for _, path := range []string{"/../..", "//api/v1/tasks", "/api/v1/../v1/tasks", "/api/v1/./tasks", "/api//v1/tasks"} {
		line, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer line.Close()
		fmt.Fprintf(line, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
		answer, err := http.ReadResponse(bufio.NewReader(line), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != 404 || answer.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s is answered %d %s", path, answer.StatusCode, text)
		}
	}
}

// A reader that takes nothing is let go when its pipe is full.
func TestAReaderThatStandsStillDoesNotHoldAStream(t *testing.T) {
	w := newTown(t, func(s *Server) { s.writeTime = 100 * time.Millisecond })
	l := w.claim(w.register("one"))
	w.begin(l)
	line := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	for i := range 8 {
		w.print(l, 0, int64(i*len(line)), line)
	}
	still, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer still.Close()
	if err := still.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(still, "GET %s/tasks/%s/output?follow=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", v1, l.Task.ID, w.admin)
	until(t, "it follows", func() bool { return w.server.followers.taken() == 1 })
	until(t, "it is let go", func() bool { return w.server.followers.taken() == 0 })
}
