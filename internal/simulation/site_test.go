package simulation

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server"
)

// luck is how the store answers one call.
type luck int

const (
	fine   luck = iota
	again       // the transition is run twice
	away        // nothing happened
	unsure      // it happened, and the answer says that the store is away
)

// site is where the control planes run: any of them answers any call.
type site struct {
	ahead atomic.Int64 // by how much the clocks on the wall are ahead
	w     *world
	store control.Store // as a mutation left it
	sick  atomic.Bool   // the store is away now and then
	dry   atomic.Bool   // the bucket is

	listens atomic.Bool // planes hear each other

	peace chan struct{} // closed when nothing is stopped any more

	mu       sync.Mutex
	replicas []*replica // nil where none runs
	started  int
	asked    map[string]int
	full     bool      // the store takes no writes
	filled   time.Time // since when, or the last time
	emptied  time.Time // when that was over
}

// replica is one control plane from its start to its end.
type replica struct {
	site    *site
	plane   *control.Plane
	handler http.Handler // nil unless people speak HTTP
	life    context.Context
	kill    context.CancelFunc
	ended   chan struct{}
	apart   atomic.Int64 // by how much its clock is ahead of the others'

	mu     sync.Mutex
	refuse time.Time                 // when it had to know that the store takes no writes: the first time of the last such time
	hear   func(topic string, n int) // nil until it listens
	frozen time.Time                 // until when the process is stopped
	chance *rand.Rand
}

func newSite(w *world, store control.Store) *site {
	return &site{w: w, store: store, replicas: make([]*replica, w.plan.replicas), asked: map[string]int{}, peace: make(chan struct{})}
}

// start starts the nth replica, unless it runs.
func (s *site) start(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replicas[n] != nil || s.w.isOver() {
		return
	}
	s.started++
	r := &replica{site: s, ended: make(chan struct{}), chance: stream(s.w.plan.seed, "luck", strconv.Itoa(s.started))}
	r.life, r.kill = context.WithCancel(s.w.ctx)
	r.plane = control.New(control.Options{Store: watched{s.store, s.w, r}, Keys: s.w.town.keys, Log: s.w.log(), Clock: r.clock, OutputLimit: s.w.plan.limit})
	r.corrects(r.chance)
	if n%2 == 1 {
		r.apart.Add(int64(s.w.mutation.astray))
	}
	if s.w.plan.http {
		r.handler = server.New(server.Options{Plane: r.plane, Log: slog.New(slog.DiscardHandler)})
	}
	s.replicas[n] = r
	s.w.note("control plane %d starts", n)
	s.w.background.Go(func() {
		defer close(r.ended)
		if err := r.plane.Run(r.life); err != nil {
			s.w.ledger.isBroken(sound, "the control plane ends: %v", err)
		}
	})
}

// clock is the one on the wall of this replica's machine. People set all of them; and each goes its own way.
func (r *replica) clock() time.Time {
	return time.Now().Add(time.Duration(r.site.ahead.Load() + r.apart.Load()))
}

// fewSeconds is by how much clocks may be wrong; docs/operate.md asks for no more.
const fewSeconds = 3 * time.Second

// apart is by how much two clocks may differ.
func (p plan) apart() time.Duration {
	if p.clocks {
		return 2 * fewSeconds
	}
	return 0
}

// corrects sets the clock of one machine, as what keeps it right does.
func (r *replica) corrects(chance *rand.Rand) {
	if r.site.w.plan.clocks {
		r.apart.Store(int64(between(chance, -fewSeconds, fewSeconds)))
	}
}

// corrects sets the clock of the nth replica.
func (s *site) corrects(n int, chance *rand.Rand) {
	s.mu.Lock()
	r := s.replicas[n]
	s.mu.Unlock()
	if r != nil {
		r.corrects(chance)
	}
}

// fills has the store take no writes until there is room again. It is read as always.
func (s *site) fills() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.full {
		s.full, s.filled = true, time.Now()
	}
}

// hasRoom ends that.
func (s *site) hasRoom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		s.full, s.emptied = false, time.Now()
	}
}

// isRefused says whether there is no room for a transition. That is nothing that the replica has to remember when it is
// asked for no more than a note of what happened.
func (r *replica) isRefused(ctx context.Context, scope control.Scope) bool {
	r.site.mu.Lock()
	full, since := r.site.full, r.site.filled
	r.site.mu.Unlock()
	if !full || !r.site.w.trouble.Load() {
		return false
	}
	noted := scope == control.Claiming
	if c := callOf(ctx); c != nil {
		noted = noted || slices.Contains([]string{"begin", "steps", "finish", "return"}, c.what)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if noted && r.refuse.Before(since) {
		r.refuse = time.Now()
	}
	return true
}

// deafUntil is until when this replica could write nothing, if that was long enough for a sweep to find it out.
func (r *replica) deafUntil() time.Time {
	r.mu.Lock()
	refused := r.refuse
	r.mu.Unlock()
	r.site.mu.Lock()
	defer r.site.mu.Unlock()
	if r.site.full || refused.Before(r.site.filled) || r.site.emptied.Sub(refused) < 3*time.Second {
		return time.Time{}
	}
	return r.site.emptied
}

// stop kills the nth replica: what it has not written by now it never will, and what it was asked is not answered.
func (s *site) stop(n int) {
	s.mu.Lock()
	r := s.replicas[n]
	s.replicas[n] = nil
	s.mu.Unlock()
	if r != nil {
		s.w.note("control plane %d is killed", n)
		r.kill()
	}
}

// pick is the replica that a load balancer chooses for a caller's next call; nil when none runs.
func (s *site) pick(name string) *replica {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[name]++
	r := stream(s.w.plan.seed, "pick", name, strconv.Itoa(s.asked[name]))
	first := r.IntN(len(s.replicas))
	for i := range s.replicas {
		if found := s.replicas[(first+i)%len(s.replicas)]; found != nil {
			return found
		}
	}
	return nil
}

// freeze stops the process of the nth replica for a while.
func (s *site) freeze(n int, d time.Duration) {
	s.mu.Lock()
	r := s.replicas[n]
	s.mu.Unlock()
	if r == nil {
		return
	}
	s.w.note("control plane %d is stopped for %s", n, d)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frozen = time.Now().Add(d)
}

// dawdles lets time pass between a look and the change that follows from it.
func (r *replica) dawdles() {
	if !r.site.w.troubled() || !r.site.w.plan.slow {
		return
	}
	r.mu.Lock()
	wait, slow := between(r.chance, 0, 8*time.Second), r.chance.IntN(4) == 0
	r.mu.Unlock()
	if slow {
		pause(r.life, wait)
	}
}

// touches is called before each use of the store: a process that is stopped goes no further, and one that is dead
// never comes back.
func (r *replica) touches() (luck, error) {
	r.mu.Lock()
	frozen := r.frozen
	draw := r.chance.IntN(100)
	r.mu.Unlock()
	if wait := time.Until(frozen); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.site.peace:
		case <-r.life.Done():
		}
	}
	switch {
	case r.life.Err() != nil:
		return away, storeAway()
	case !r.site.w.troubled() || !r.site.sick.Load():
		return fine, nil
	case draw < 5:
		return away, nil
	case draw < 10:
		return unsure, nil
	case draw < 25:
		return again, nil
	}
	return fine, nil
}

// tell brings wake-ups to the other replicas.
func (s *site) tell(from *replica, topics map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w.plan.deaf || s.w.mutation.deaf {
		return
	}
	for _, r := range s.replicas {
		if r == nil || r == from {
			continue
		}
		s.w.background.Go(func() {
			if !pause(r.life, time.Millisecond) {
				return
			}
			r.mu.Lock()
			hear := r.hear
			r.mu.Unlock()
			for topic, n := range topics {
				if hear != nil {
					hear(topic, n)
				}
			}
		})
	}
}

func (s *site) listen(ctx context.Context, r *replica, hear func(topic string, n int)) error {
	if s.w.plan.replicas == 1 {
		return nil
	}
	s.listens.Store(true)
	r.mu.Lock()
	r.hear = hear
	r.mu.Unlock()
	<-ctx.Done()
	return nil
}

// hearsAll is true when every wake-up reaches whom it concerns.
func (s *site) hearsAll() bool {
	return s.w.plan.replicas == 1 || s.listens.Load() && !s.w.plan.deaf
}
