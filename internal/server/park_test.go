package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
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

// serve runs the server as a control plane does, which lets connections be parked. end stops it.
func (w *town) serve(wrap ...func(net.Listener) net.Listener) (end func() error) {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.url = "http://" + listener.Addr().String()
	for _, change := range wrap {
		listener = change(listener)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.server.Serve(ctx, listener) }()
	return func() error {
		cancel()
		err := <-ended
		ended <- err
		return err
	}
}

// wire is a connection on which a test speaks HTTP by hand.
type wire struct {
	t testing.TB
	net.Conn
	reader *bufio.Reader
}

func (w *town) dial() *wire {
	w.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return &wire{w.t, conn, bufio.NewReader(conn)}
}

func (c *wire) sync(m machine, headers ...string) {
	c.t.Helper()
	c.say(syncText(m, headers...))
}

func (c *wire) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// syncText is an idle runner's sync as it goes over the wire.
func syncText(m machine, headers ...string) string {
	return syncSaying(m, `{"holding": [], "ready": true}`, headers...)
}

func syncSaying(m machine, body string, headers ...string) string {
	return fmt.Sprintf("POST %s/runners/%s/sync HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s",
		v1, m.id, m.token, len(body), strings.Join(headers, ""), body)
}

func (c *wire) answer() got {
	c.t.Helper()
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if answer.Close {
		answer.Header.Set("Connection", "close")
	}
	return got{answer.StatusCode, answer.Header, text}
}

func (c *wire) ended() {
	c.t.Helper()
	if _, err := c.reader.ReadByte(); err != io.EOF {
		c.t.Errorf("the connection goes on: %v", err)
	}
}

func TestAParkedConnectionIsAnsweredAndGoesOn(t *testing.T) {
	w := newTown(t)
	end := w.serve()
	m := w.register("one")
	c := w.dial()
	for range 3 {
		c.sync(m)
		until(t, "it is parked", func() bool { return w.server.syncs.taken() == 1 })
		w.want(201, "POST", v1+"/tasks", w.admin, helloJob)
		answer := c.answer()
		if answer.status != 200 || len(read[remuda.SyncAnswer](t, answer).Claims) != 1 {
			t.Fatalf("it is answered %s", answer)
		}
		for name, want := range map[string]string{
			"Content-Type": jsonType, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Connection": "",
		} {
			if got := answer.header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if answer.header.Get("Date") == "" || answer.header.Get("X-Request-Id") == "" {
			t.Errorf("the headers are %v", answer.header)
		}
		claim := read[remuda.SyncAnswer](t, answer).Claims[0]
		fmt.Fprintf(c, "POST %s/claims/%s/finish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 21\r\n\r\n%s",
			v1, claim.ID, m.token, `{"state":"succeeded"}`)
		if answer := c.answer(); answer.status != 204 {
			t.Fatalf("the next request of the connection is answered %s", answer)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestWhoLeavesAParkedConnectionIsNoticed(t *testing.T) {
	w := newTown(t)
	end := w.serve()
	c := w.dial()
	c.sync(w.register("one"))
	until(t, "it is parked", func() bool { return w.server.syncs.taken() == 1 })
	_ = c.Close()
	until(t, "it is noticed", func() bool { return w.server.syncs.taken() == 0 })
	until(t, "it is counted", func() bool {
		return strings.Contains(w.log.String(), `"route":"POST /api/v1/runners/{runner}/sync"`)
	})
	if err := end(); err != nil || strings.Contains(w.log.String(), `"level":"ERROR"`) {
		t.Errorf("%v: %s", err, w.log)
	}
}

func TestAParkedConnectionIsAnsweredWhenTheServerStops(t *testing.T) {
	w := newTown(t)
	end := w.serve()
	c := w.dial()
	c.sync(w.register("one"))
	until(t, "it is parked", func() bool { return w.server.syncs.taken() == 1 })
	started := time.Now()
	if err := end(); err != nil {
		t.Error(err)
	}
	if took := time.Since(started); took > shutdownTime/2 {
		t.Errorf("it took %s to end", took)
	}
	answer := c.answer()
	if p := read[Problem](t, answer); answer.status != 503 || p.Kind != remuda.Unavailable ||
		answer.header.Get("Retry-After") != "1" || answer.header.Get("Connection") != "close" {
		t.Errorf("it is answered %s with %v", answer, answer.header)
	}
	c.ended()
}

func TestWhoSpeaksWhileItsRequestIsHeldIsHeardWhenThatWasAnswered(t *testing.T) {
	w := newTown(t)
	end := w.serve()
	m := w.register("one")
	c := w.dial()
	const early = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, text := range []string{syncText(m) + early, syncText(m)} {
		c.say(text)
		until(t, "it is parked", func() bool { return w.server.syncs.taken() == 1 })
		if !strings.HasSuffix(text, early) {
			c.say(early)
		}
		w.want(201, "POST", v1+"/tasks", w.admin, helloJob)
		answer := c.answer()
		if answer.status != 200 || answer.header.Get("Connection") != "" {
			t.Errorf("it is answered %s with %v", answer, answer.header)
		}
		if answer := c.answer(); answer.status != 200 || strings.Contains(string(answer.body), "{") {
			t.Errorf("its next request is answered %s", answer)
		}
		claim := read[remuda.SyncAnswer](t, answer).Claims[0]
		w.want(204, "POST", v1+"/claims/"+claim.ID+"/finish", m.token, `{"state": "succeeded"}`)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestAConnectionThatIsToEndAfterItsRequestDoes(t *testing.T) {
	w := newTown(t)
	end := w.serve()
	m := w.register("one")
	c := w.dial()
	w.want(201, "POST", v1+"/tasks", w.admin, helloJob)
	c.sync(m, "Connection: close\r\n")
	if answer := c.answer(); answer.status != 200 || answer.header.Get("Connection") != "close" {
		t.Errorf("it is answered %s with %v", answer, answer.header)
	}
	c.ended()
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestAProblemOfAParkedRequestIsOneToo(t *testing.T) {
	w := newTown(t)
	end := w.serve()
	m := w.register("one")
	c := w.dial()
	c.sync(m)
	until(t, "it is parked", func() bool { return w.server.syncs.taken() == 1 })
	w.want(204, "DELETE", v1+"/runners/"+m.id, m.token, nil)
	answer := c.answer()
	if p := read[Problem](t, answer); answer.status != 410 || p.Kind != remuda.Gone || answer.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("it is answered %s", answer)
	}
	c.sync(m) // the connection goes on
	if answer := c.answer(); answer.status != 401 {
		t.Errorf("it is answered %s", answer)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestAParkedConnectionMayBeOfTLS(t *testing.T) {
	w := newTown(t)
	m := w.register("one")
	far := httptest.NewTLSServer(nil) // for its certificate
	defer far.Close()
	end := w.serve(func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{Certificates: far.TLS.Certificates, MinVersion: tls.VersionTLS12})
	})
	w.url, w.http = strings.Replace(w.url, "http://", "https://", 1), far.Client()
	for range 2 {
		answered := w.syncing(t.Context(), m)
		until(t, "it is parked", func() bool { return w.server.syncs.taken() == 1 })
		w.want(201, "POST", v1+"/tasks", w.admin, helloJob)
		answer := <-answered
		var given remuda.SyncAnswer
		if err := json.Unmarshal(answer.body, &given); err != nil || len(given.Claims) != 1 {
			t.Fatalf("it is answered %s", answer)
		}
		// Else the next one is answered at once.
		w.want(204, "POST", v1+"/claims/"+given.Claims[0].ID+"/finish", m.token, `{"state": "failed", "reason": "config"}`)
	}
	w.http.CloseIdleConnections()
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestAHerdIsLetGoAtOnce(t *testing.T) {
	w := newTown(t)
	end := w.serve()
	const herd = 200
	var answers []<-chan got
	for i := range herd {
		answers = append(answers, w.syncing(t.Context(), w.register(fmt.Sprint(i))))
	}
	until(t, "all are parked", func() bool { return w.server.syncs.taken() == herd })
	if err := end(); err != nil {
		t.Error(err)
	}
	for _, answer := range answers {
		if got := <-answer; got.status != 503 {
			t.Errorf("one is answered %s", got)
		}
	}
}
