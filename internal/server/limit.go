package server

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
)

// Limits bound what may be asked of a server at once. A member that is 0 has its usual value.
type Limits struct {
	Syncs   int // requests of runners that are held open; 20,000
	Streams int // streams of output or events that are open; 2,000

	TokenRequests int // of one token of a person, runner or task that are under way; 128
	TokenStreams  int // of one token of a person that are open; 64
}

func (l Limits) complete() Limits {
	for member, usual := range map[*int]int{&l.Syncs: 20_000, &l.Streams: 2_000, &l.TokenRequests: 128, &l.TokenStreams: 64} {
		if *member <= 0 {
			*member = usual
		}
	}
	return l
}

// What else is bounded. docs/operate.md lists all of it.
const (
	runnerSyncs = 4                // open at once of one runner: the last one counts, those before it are about to end
	mostLists   = 4                // lists that are read at once: half of a store's readers, so that others stay free for short looks
	workTime    = 20 * time.Second // how long a request may wait for the store
	claimPace   = 300              // calls a second of one claim's agent; a second's worth of output at 100 MB/s is a third of that
	claimBurst  = 600
	stepsPace   = 60 // of these, reports of steps a second: an agent sends 50 at most
	stepsBurst  = 120
	wrongPace   = 20 // wrong tokens a second from one address
	wrongBurst  = 1000
	mostProven  = 1 << 16
)

// Reasons for which requests are refused before any rule was asked, as metrics count them.
const (
	reasonRequests = "requests" // too many of one token
	reasonStreams  = "streams"  // too many of one token
	reasonPace     = "pace"     // too often
	reasonAddress  = "address"  // too many wrong tokens from there
	reasonFull     = "full"     // too many are held open, whoever they are
	reasonBusy     = "busy"     // the store did not come to it
	reasonBody     = "body"     // too large, too slow, encoded
)

// limited is a refusal of one who asks too much; who waits is served.
func limited(reason, detail string, wait time.Duration) *Problem {
	return &Problem{Kind: remuda.Limited, Detail: detail, retry: max(wait, time.Second), reason: reason}
}

// shares bound how many requests of each token are under way at once.
type shares struct {
	mu    sync.Mutex
	taken map[string]int
}

func newShares() *shares { return &shares{taken: map[string]int{}} }

// take takes one of most until leave is called; leave is nil when there is none.
func (s *shares) take(who string, most int) (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[who] >= most {
		return nil
	}
	s.taken[who]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.taken[who]--; s.taken[who] == 0 {
			delete(s.taken, who)
		}
	}
}

// pace bounds how often each may ask: so many a second, and so many more at once after a rest.
type pace struct {
	every time.Duration // between two, in the long run
	burst time.Duration // how far ahead of that one may be

	mu    sync.Mutex
	next  map[string]time.Time // when each would be on time again; who is not here is
	sweep int                  // how many there may be before those on time are dropped
}

func newPace(second, burst int) *pace {
	every := time.Second / time.Duration(second)
	return &pace{every: every, burst: every * time.Duration(burst-1), next: map[string]time.Time{}, sweep: 1024}
}

// take counts one, unless that is too often: then it answers how long to wait.
func (p *pace) take(who string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	next := p.next[who]
	if next.Before(now) {
		next = now
	}
	if wait := next.Sub(now) - p.burst; wait > 0 {
		return wait
	}
	p.next[who] = next.Add(p.every)
	if len(p.next) > p.sweep {
		for other, when := range p.next {
			if when.Before(now) {
				delete(p.next, other)
			}
		}
		p.sweep = max(1024, 2*len(p.next))
	}
	return 0
}

// spent is how long who has to wait, without counting.
func (p *pace) spent(who string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	next, known := p.next[who]
	if !known {
		return 0
	}
	return max(0, time.Until(next)-p.burst)
}

// gate keeps addresses from which too many wrong tokens came from having more of them looked up. Tokens that were good
// before pass it: a thousand runners may share an address with one that is set up wrongly.
type gate struct {
	wrong *pace

	mu     sync.Mutex
	proven map[string]struct{} // hashes of tokens that were good; only a first guess, each is looked up again
}

func newGate() *gate {
	return &gate{wrong: newPace(wrongPace, wrongBurst), proven: map[string]struct{}{}}
}

// check refuses a token that is not worth looking up.
func (g *gate) check(address, token string) error {
	wait := g.wrong.spent(address)
	if wait == 0 {
		return nil
	}
	g.mu.Lock()
	_, good := g.proven[token]
	g.mu.Unlock()
	if good {
		return nil
	}
	return limited(reasonAddress, "too many wrong tokens came from this address; check the token, and wait for as long as Retry-After says", wait)
}

// good notes that a token was.
func (g *gate) good(token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.proven) >= mostProven {
		clear(g.proven)
	}
	g.proven[token] = struct{}{}
}

// bad notes that a token was not.
func (g *gate) bad(address string) { _ = g.wrong.take(address) }

// origin is the address by which wrong tokens are counted: whoever has an IPv6 address has 2^64 of them.
func origin(r *http.Request) string {
	text := host(r)
	address, err := netip.ParseAddr(text)
	if err != nil || !address.Is6() || address.Is4In6() {
		return text
	}
	network, err := address.WithZone("").Prefix(64)
	if err != nil {
		return text
	}
	return network.String()
}

// full is how a request is refused when all places for its kind are taken.
func full(what string, most int) error {
	return &Problem{
		Kind: remuda.Unavailable, retry: 5 * time.Second, reason: reasonFull,
		Detail: fmt.Sprintf("all %d %s are taken; try again in a few seconds", most, what),
	}
}

// seconds is a wait as Retry-After says it, rounded up.
func seconds(wait time.Duration) int { return int(math.Ceil(wait.Seconds())) }
