package simulation

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/remuda-dev/remuda"
)

// fault is something that may happen to a message.
type fault string

const (
	refused      fault = "refused"       // nobody listens
	lostThere    fault = "lost there"    // the request is lost, and the connection breaks
	deafThere    fault = "deaf there"    // the request is lost, and nothing says so
	lostBack     fault = "lost back"     // it was carried out; the connection breaks before the answer
	deafBack     fault = "deaf back"     // it was carried out; no answer comes, and nothing says so
	slowThere    fault = "slow there"    // the request arrives late, maybe when its sender has given up
	slowBack     fault = "slow back"     // the answer is late
	twice        fault = "twice"         // the request arrives again, later
	tooMany      fault = "429"           // something in between asks to wait
	failedBefore fault = "500 before"    // something in between fails before it was carried out
	failedAfter  fault = "500 after"     // and after
	gateBefore   fault = "502 before"    // a proxy finds nobody
	gateAfter    fault = "502 after"     // a proxy loses the answer
	expired      fault = "token expired" // the token is not known any more; runners alone
)

func allFaults() []fault {
	return []fault{refused, lostThere, deafThere, lostBack, deafBack, slowThere, slowBack, twice, tooMany,
		failedBefore, failedAfter, gateBefore, gateAfter, expired}
}

// fate is what becomes of one message.
type fate struct {
	fault       fault
	there, back time.Duration
	again       time.Duration // when it arrives twice
	orphan      bool          // the far side never learns that its caller has left
}

// call is a message as its far side sees it.
type call struct {
	what     string // sync, begin, steps, stream, append, close, finish, return, goodbye, register; of people their verb
	from     string // the line's name
	runner   string
	claim    string
	result   remuda.Result // of a finish
	draining bool          // of a return
	replaces bool          // of a submission: it takes the place of what its group has
}

type callKey struct{}

// callOf is the call on whose behalf something is done.
func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// line is the road of one client. What travels on it may be lost, late, twice, or in another order.
type line struct {
	w    *world
	name string
	cut  atomic.Bool // nothing arrives, and nothing says so

	mu   sync.Mutex
	sent map[string]int
}

func (w *world) newLine(name string) *line { return &line{w: w, name: name, sent: map[string]int{}} }

// fate draws what becomes of the next message of its kind.
func (l *line) fate(what string) fate {
	l.mu.Lock()
	l.sent[what]++
	n := l.sent[what]
	l.mu.Unlock()
	r := stream(l.w.plan.seed, "fate", l.name, what, strconv.Itoa(n))
	f := fate{there: between(r, 50*time.Microsecond, 3*time.Millisecond), back: between(r, 50*time.Microsecond, 3*time.Millisecond)}
	switch {
	case !l.w.troubled():
		return f
	case l.cut.Load():
		f.fault = deafThere
	case len(l.w.plan.faults) > 0 && r.Float64() < l.w.plan.bad:
		l.strike(&f, r)
	}
	return f
}

func (l *line) strike(f *fate, r *rand.Rand) {
	f.fault = one(r, l.w.plan.faults)
	f.orphan = r.IntN(3) == 0
	switch f.fault {
	case slowThere:
		f.there = slowly(r)
	case slowBack:
		f.back = slowly(r)
	case twice:
		f.again = slowly(r)
	case lostThere, lostBack:
		f.there, f.back = between(r, 0, time.Second), between(r, 0, 2*time.Second)
	case expired:
		if r.IntN(8) > 0 {
			f.fault = refused
		}
	}
}

// slowly is often around the times in which something is given up.
func slowly(r *rand.Rand) time.Duration {
	return between(r, 0, one(r, []time.Duration{100 * time.Millisecond, 2 * time.Second, 15 * time.Second, 80 * time.Second}))
}

// unreachable is what a client makes of a road that broke.
func unreachable(why string) error {
	return &remuda.Error{Kind: remuda.Unavailable, Detail: "cannot reach the control plane: " + why}
}

// refusal is what a client makes of an answer by something in between.
func refusal(code int) error {
	switch code {
	case 401:
		return remuda.Fail(remuda.Unauthenticated, "the token is not known")
	case 429:
		return &remuda.Error{Kind: remuda.Limited, Detail: "too often", Retry: 2 * time.Second}
	case 500:
		return remuda.Fail(remuda.Internal, "something went wrong")
	}
	return remuda.Fail(remuda.Unavailable, "bad gateway")
}

// codes are the answers of things in between; those of an "after" come when the request was carried out.
func (f fate) code() (code int, after bool) {
	switch f.fault {
	case tooMany:
		return 429, false
	case failedBefore:
		return 500, false
	case failedAfter:
		return 500, true
	case gateBefore:
		return 502, false
	case gateAfter:
		return 502, true
	case expired:
		return 401, false
	}
	return 0, false
}

type reply[T any] struct {
	answer T
	err    error
}

// exchange sends a call and gives its answer, if one comes back. What was sent goes its own way: it may arrive when
// its sender has long given up.
func exchange[T any](ctx context.Context, l *line, c call, there func(context.Context, *replica) (T, error), refuse func(code int) (T, error)) (T, error) {
	var none T
	c.from = l.name
	f := l.fate(c.what)
	if f.fault == expired && c.what != "sync" {
		f.fault = refused
	}
	code, after := f.code()
	request, hangUp := context.WithCancel(context.WithValue(l.w.ctx, callKey{}, &c))
	replies := make(chan reply[T], 1)
	l.w.background.Go(func() {
		defer hangUp()
		pause(l.w.ctx, f.there)
		l.w.gathers()
		switch {
		case f.fault == deafThere:
			return
		case f.fault == refused, f.fault == lostThere:
			replies <- reply[T]{none, unreachable(string(f.fault))}
			return
		case code != 0 && !after:
			answer, err := refuse(code)
			replies <- reply[T]{answer, err}
			return
		}
		answer, err := serve(request, l, &c, there)
		if f.fault == twice {
			l.w.background.Go(func() {
				pause(l.w.ctx, f.again)
				_, _ = serve(context.WithValue(l.w.ctx, callKey{}, &c), l, &c, there)
			})
		}
		replies <- reply[T]{answer, err}
	})
	select {
	case got := <-replies:
		return deliver(ctx, l, c, f, got, refuse)
	case <-ctx.Done():
		if !f.orphan {
			time.AfterFunc(f.back, hangUp)
		}
		l.w.note("%s %s given up: %v (%s)", l.name, c.what, context.Cause(ctx), f.fault)
		return none, context.Cause(ctx)
	}
}

// gathers has calls arrive together, when this seed's do.
func (w *world) gathers() {
	const every = 20 * time.Millisecond
	if w.plan.coarse {
		pause(w.ctx, every-time.Since(w.began)%every)
	}
}

// deliver brings an answer back.
func deliver[T any](ctx context.Context, l *line, c call, f fate, got reply[T], refuse func(code int) (T, error)) (T, error) {
	var none T
	if f.fault == deafBack || l.cut.Load() && l.w.troubled() {
		<-ctx.Done()
		l.w.note("%s %s was carried out, and heard nothing", l.name, c.what)
		return none, context.Cause(ctx)
	}
	if !pause(ctx, f.back) {
		return none, context.Cause(ctx)
	}
	code, after := f.code()
	switch {
	case f.fault == lostBack:
		l.w.note("%s %s was carried out: the answer is lost", l.name, c.what)
		return none, unreachable(string(f.fault))
	case code != 0 && after:
		l.w.note("%s %s was carried out and answered %d", l.name, c.what, code)
		return refuse(code)
	}
	l.w.note("%s %s %s: %v (%s)", l.name, c.what, c.claim, got.err, f.fault)
	return got.answer, got.err
}

// serve has a replica carry a call out.
func serve[T any](ctx context.Context, l *line, c *call, there func(context.Context, *replica) (T, error)) (T, error) {
	var none T
	r := l.w.site.pick(l.name)
	if r == nil {
		return none, unreachable("no control plane runs")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.life, cancel)()
	l.w.ledger.arrives(c)
	answer, err := there(ctx, r)
	if f, fails := any(answer).(interface{ failure() error }); fails && err == nil {
		l.w.ledger.leaves(c, f.failure())
	} else {
		l.w.ledger.leaves(c, err)
	}
	if r.life.Err() != nil {
		return none, unreachable("the control plane stopped")
	}
	return answer, err
}

// pause waits; it is false when ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
