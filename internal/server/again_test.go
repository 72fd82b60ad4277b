package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// pasture is a town whose idle runners are not held for long, and one of them.
type pasture struct {
	*town
	m    machine
	c    *wire
	end  func() error
	dial func() *wire
}

// Holds of syncs: of which tests wait for the end, and of which they do something meanwhile.
const (
	shortHold = 100 * time.Millisecond
	longHold  = time.Second
)

// newPasture has a runner whose next sync, if it is the same, is held again without being read anew.
func newPasture(t *testing.T, secure bool, hold time.Duration, adjust ...func(*Server)) *pasture {
	t.Helper()
	p := &pasture{town: townWith(t, control.Options{IdleHold: hold}, adjust...)}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = p.plane.Run(ctx) }) // writes down who was seen
	t.Cleanup(func() { stop(); running.Wait() })
	p.m = p.register("one")
	api := p.url
	p.dial = p.town.dial
	if secure {
		far := httptest.NewTLSServer(nil) // for its certificate
		far.Close()
		p.end = p.serve(func(l net.Listener) net.Listener {
			return tls.NewListener(l, &tls.Config{Certificates: far.TLS.Certificates, MinVersion: tls.VersionTLS12})
		})
		trusted := x509.NewCertPool()
		trusted.AddCert(far.Certificate())
		address := strings.TrimPrefix(p.url, "http://")
		p.dial = func() *wire {
			conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12, ServerName: "example.com"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			return &wire{t, conn, bufio.NewReader(conn)}
		}
		p.url = api // what else is asked goes to the other listener
	} else {
		p.end = p.serve()
	}
	p.c = p.dial()
	p.rest()
	return p
}

// repeated is how many syncs were held again without being read anew.
func (p *pasture) repeated() (n int) {
	p.t.Helper()
	text := string(p.want(200, "GET", "/metrics", p.admin, nil).body)
	_, text, found := strings.Cut(text, "\nremuda_http_syncs_repeated_total ")
	if _, err := fmt.Sscan(text, &n); !found || err != nil {
		p.t.Fatalf("/metrics does not tell: %v", err)
	}
	return n
}

// rest has the runner sync until one of its syncs was held again without being read anew.
func (p *pasture) rest() {
	p.t.Helper()
	for before := p.repeated(); p.repeated() == before; {
		p.nothing()
	}
}

// nothing has the runner sync until its hold is over.
func (p *pasture) nothing() got {
	p.t.Helper()
	p.c.sync(p.m)
	answer := p.c.answer()
	if answer.status != 200 || strings.Contains(string(answer.body), "claims") {
		p.t.Fatalf("it is answered %s", answer)
	}
	return answer
}

// ways runs a test plain and over TLS.
func ways(t *testing.T, test func(t *testing.T, secure bool)) {
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "TLS"}[secure], func(t *testing.T) { test(t, secure) })
	}
}

func TestAnIdleRunnerThatAsksTheSameIsAnsweredTheSame(t *testing.T) {
	ways(t, func(t *testing.T, secure bool) {
		p := newPasture(t, secure, shortHold)
		another := p.dial()
		another.sync(p.register("two"))
		first := another.answer()
		p.rest()
		again := p.nothing()
		for name := range first.header {
			if one, two := first.header.Get(name), again.header.Get(name); one != two && name != "Date" && name != "X-Request-Id" && name != "Content-Length" {
				t.Errorf("%s is %q at first and %q again", name, one, two)
			}
		}
		if len(first.header) != len(again.header) || first.header.Get("X-Request-Id") == again.header.Get("X-Request-Id") {
			t.Errorf("the headers are %v, and %v again", first.header, again.header)
		}
		if one, two := string(first.body), string(again.body); one != two {
			t.Errorf("%s at first, %s again", one, two)
		}
		until(t, "it is logged", func() bool { return strings.Count(p.log.String(), again.header.Get("X-Request-Id")) == 1 })
		if err := p.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestATaskComesToARunnerThatAskedTheSame(t *testing.T) {
	ways(t, func(t *testing.T, secure bool) {
		p := newPasture(t, secure, shortHold)
		for range 2 {
			p.want(201, "POST", v1+"/tasks", p.admin, helloJob) // while it rests, or is held
			p.c.sync(p.m)
			answer := p.c.answer()
			claims := read[remuda.SyncAnswer](t, answer).Claims
			if answer.status != 200 || len(claims) != 1 {
				t.Fatalf("it is answered %s", answer)
			}
			p.c.say(fmt.Sprintf("POST %s/claims/%s/finish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 21\r\n\r\n%s",
				v1, claims[0].ID, p.m.token, `{"state":"succeeded"}`))
			if answer := p.c.answer(); answer.status != 204 {
				t.Fatalf("the next request of the connection is answered %s", answer)
			}
			p.rest()
		}
		if err := p.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestATaskIsClaimedByASyncThatIsHeldAgain(t *testing.T) {
	p := newPasture(t, false, longHold)
	for given := false; !given; {
		before := p.repeated()
		p.c.sync(p.m)
		until(t, "it is parked", func() bool { return p.server.syncs.taken() == 1 })
		p.want(201, "POST", v1+"/tasks", p.admin, helloJob)
		claims := read[remuda.SyncAnswer](t, p.c.answer()).Claims
		for _, claim := range claims {
			p.want(204, "POST", v1+"/claims/"+claim.ID+"/finish", p.m.token, `{"state": "succeeded"}`)
		}
		given = len(claims) == 1 && p.repeated() > before
		if !given {
			p.rest()
		}
	}
}

func TestARunnerThatSaysSomethingElseOnItsConnectionIsHeard(t *testing.T) {
	ways(t, func(t *testing.T, secure bool) {
		p := newPasture(t, secure, shortHold)
		p.c.say(syncSaying(p.m, `{"holding": [], "ready": false, "draining": true}`))
		if answer := p.c.answer(); answer.status != 200 || !read[remuda.SyncAnswer](t, answer).Drain {
			t.Errorf("it is answered %s", answer)
		}
		p.c.sync(p.m) // and now what it said before
		if answer := p.c.answer(); answer.status != 200 {
			t.Errorf("it is answered %s", answer)
		}
	})
}

func TestWhoSpeaksForNobodyIsRefusedOnAConnectionThatRests(t *testing.T) {
	ways(t, func(t *testing.T, secure bool) {
		p := newPasture(t, secure, shortHold)
		other := p.register("two")
		p.c.sync(machine{id: p.m.id, token: other.token})
		if answer := p.c.answer(); answer.status != 403 {
			t.Errorf("with another runner's token it is answered %s", answer)
		}
		p.c.sync(machine{id: p.m.id, token: "rmd_run_nonsense"})
		if answer := p.c.answer(); answer.status != 401 {
			t.Errorf("with nobody's token it is answered %s", answer)
		}
		p.rest()
		p.want(204, "DELETE", v1+"/runners/"+p.m.id, p.m.token, nil)
		p.c.sync(p.m)
		if answer := p.c.answer(); answer.status != 401 {
			t.Errorf("when it has gone it is answered %s", answer)
		}
	})
}

func TestRequestsThatComeTogetherAreAllAnswered(t *testing.T) {
	ways(t, func(t *testing.T, secure bool) {
		p := newPasture(t, secure, shortHold)
		const health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
		for _, texts := range [][]string{
			{syncText(p.m), syncText(p.m)}, {syncText(p.m), health, syncText(p.m)}, {health, syncText(p.m)}, {syncText(p.m), syncText(p.m), syncText(p.m)},
		} {
			p.c.say(strings.Join(texts, ""))
			for _, text := range texts {
				answer := p.c.answer()
				if answer.status != 200 || strings.Contains(string(answer.body), "{") != (text != health) {
					t.Fatalf("of %d together, %.16q is answered %s", len(texts), text, answer)
				}
			}
			p.nothing() // nothing else was
		}
		p.rest()
	})
}

func TestARequestThatComesInPiecesIsRead(t *testing.T) {
	ways(t, func(t *testing.T, secure bool) {
		p := newPasture(t, secure, shortHold)
		for i, piece := range strings.SplitAfter(syncText(p.m), "\n") {
			p.c.say(piece)
			if i == 0 { // net/http has the connection before the rest comes
				until(t, "it has", func() bool { return p.server.parking.here.Load() == 0 })
			}
		}
		if answer := p.c.answer(); answer.status != 200 {
			t.Errorf("it is answered %s", answer)
		}
		p.rest()
	})
}

func TestAConnectionOnWhichTheNextRequestDoesNotComeEnds(t *testing.T) {
	ways(t, func(t *testing.T, secure bool) {
		p := newPasture(t, secure, shortHold, func(s *Server) { s.lineTime = 20 * shortHold })
		p.c.ended()
		p.c = p.dial()
		p.rest()
		p.c.say("POST /api/v1/run") // and no more
		if answer, err := io.ReadAll(p.c.reader); len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 400") {
			t.Errorf("half a line is answered %s, %v", answer, err)
		}
	})
}

func TestWhoLeavesBetweenTwoSyncsIsNoticed(t *testing.T) {
	ways(t, func(t *testing.T, secure bool) {
		p := newPasture(t, secure, shortHold)
		_ = p.c.Close()
		until(t, "nothing of it is left", func() bool { return p.server.parking.here.Load() == 0 })
		if strings.Contains(p.log.String(), `"level":"ERROR"`) {
			t.Errorf("it is called a fault: %s", p.log)
		}
	})
}

func TestWhoLeavesWhileItIsHeldAgainIsNoticed(t *testing.T) {
	p := newPasture(t, false, longHold)
	p.c.sync(p.m)
	until(t, "it is parked", func() bool { return p.server.syncs.taken() == 1 })
	_ = p.c.Close()
	until(t, "nothing of it is left", func() bool { return p.server.parking.here.Load() == 0 && p.server.syncs.taken() == 0 })
}

func TestAServerThatStopsLetsGoOfAConnectionThatRests(t *testing.T) {
	ways(t, func(t *testing.T, secure bool) {
		p := newPasture(t, secure, shortHold)
		if err := p.end(); err != nil {
			t.Error(err)
		}
		p.c.ended()
	})
}

func TestAServerThatStopsAnswersWhoIsHeldAgain(t *testing.T) {
	ways(t, func(t *testing.T, secure bool) {
		p := newPasture(t, secure, longHold)
		p.c.sync(p.m)
		until(t, "it is parked", func() bool { return p.server.syncs.taken() == 1 })
		if err := p.end(); err != nil {
			t.Error(err)
		}
		answer := p.c.answer()
		if answer.status != 503 || answer.header.Get("Connection") != "close" {
			t.Errorf("it is answered %s with %v", answer, answer.header)
		}
		p.c.ended()
	})
}

func TestARunnerThatComesBackIsRefusedWhenAllPlacesAreTaken(t *testing.T) {
	p := newPasture(t, false, shortHold)
	var leave []func()
	for {
		one, err := p.server.syncs.take()
		if err != nil {
			break
		}
		leave = append(leave, one)
	}
	p.c.sync(p.m)
	if answer := p.c.answer(); answer.status != 503 || answer.header.Get("Retry-After") == "" {
		t.Errorf("it is answered %s", answer)
	}
	for _, one := range leave {
		one()
	}
	p.rest()
}

func TestAConnectionOfTLSThatWentBackIsOneStill(t *testing.T) {
	ways(t, func(t *testing.T, secure bool) {
		p := newPasture(t, secure, shortHold, func(s *Server) {
			s.mux.HandleFunc("GET /secure", func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, r.TLS != nil && r.TLS.HandshakeComplete)
			})
		})
		p.c.say("GET /secure HTTP/1.1\r\nHost: x\r\n\r\n")
		if answer := p.c.answer(); string(answer.body) != fmt.Sprint(secure) {
			t.Errorf("it is of TLS: %s", answer)
		}
	})
}

func TestOnlyATextOfOneRequestIsRecognized(t *testing.T) {
	const path = "/api/v1/runners/x/sync"
	const head = "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
	request := &http.Request{Method: "POST", RequestURI: path, Proto: "HTTP/1.1", ContentLength: 2}
	for text, want := range map[string]bool{
		head + "\r\n{}":                   true,
		"":                                false,
		head + "\r\n{":                    false,
		head + "\r\n{}G":                  false,
		head + "\r\n{}" + head + "\r\n{}": false,
		"GET / HTTP/1.1\r\n\r\n" + head + "\r\n{}":                  false,
		"GET / HTTP/1.1\n\n" + head + "\r\n{}":                      false,
		"\r\n" + head + "\r\n{}":                                    false,
		head + "X: " + strings.Repeat("x", mostSame) + "\r\n\r\n{}": false,
	} {
		if isAll([]byte(text), request) != want {
			t.Errorf("%q is taken for one request: %t", text, !want)
		}
	}
	request.ContentLength = -1
	if isAll([]byte(head+"\r\n{}"), request) {
		t.Error("one of an unknown length is recognized")
	}
}
