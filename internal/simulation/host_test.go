package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/seal"
	"github.com/remuda-dev/remuda/runner"
)

// host is a machine on which runners live one after the other: what it keeps is there when the next one starts.
type host struct {
	w       *world
	name    string
	classes []string
	slots   int
	able    []string // its capabilities
	single  bool     // each of its runners carries out one task
	key     *seal.Key
	apart   time.Duration // by how much its clock is wrong
	line    *line         // of the runner; its agents have roads of their own over it

	mu        sync.Mutex
	id, token string // the runner's identity
	credit    string // the class tokens by which it registered
	agents    map[string]*agent
	life      *life // nil while no runner lives here
	lives     int
	wrote     map[string]*agent // whatever ran here, for the end
}

// life is a runner from its start to its end.
type life struct {
	*runner.Runner
	stop  context.CancelFunc
	ended chan struct{}
	dead  context.Context // ends when it was killed: nothing that it still says is heard
	kill  context.CancelFunc
}

func (w *world) newHost(n int, r *rand.Rand) *host {
	name := "host " + strconv.Itoa(n)
	h := &host{w: w, name: name, slots: 1 + r.IntN(3), key: w.town.key, line: w.newLine(name), agents: map[string]*agent{}, wrote: map[string]*agent{}}
	h.classes = [][]string{{"acme/linux"}, {"acme/linux", "acme/mac"}, {"acme/mac"}}[n%3]
	if h.able = []string{"job"}; r.IntN(6) == 0 {
		h.single, h.slots = true, 1
	}
	h.apart = between(r, -1000*time.Hour, 1000*time.Hour)
	if n == 0 { // whatever is submitted can run somewhere
		h.classes, h.able = []string{"acme/linux", "acme/mac"}, []string{"job", "docker"}
	}
	return h
}

// start starts a runner, unless one lives here.
func (h *host) start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life != nil || h.w.isOver() || h.w.closing.Load() {
		return
	}
	if h.isStale() && len(h.agents) == 0 {
		h.id, h.token = "", "" // as one whose settings changed registers anew
	}
	h.lives++
	r := stream(h.w.plan.seed, "life", h.name, strconv.Itoa(h.lives))
	config := runner.Config{Slots: h.slots, Key: h.key, MaxRunTime: 3 * time.Minute}
	if h.w.troubled() && r.IntN(4) == 0 {
		config.DrainTimeout = between(r, time.Second, 20*time.Second)
	}
	if h.single {
		config.Mode = runner.SingleTask
	}
	if r.IntN(8) == 0 {
		config.IdleTimeout = between(r, 5*time.Second, time.Minute)
	}
	now := &life{ended: make(chan struct{})}
	now.dead, now.kill = context.WithCancel(context.Background())
	config.Register = func(ctx context.Context) (runner.ControlPlane, error) { return h.register(ctx, now) }
	var err error
	if now.Runner, err = runner.New(config, h.plane(now), h.w.executor(h), h.w.log()); err != nil {
		h.w.ledger.isBroken(sound, "%s: %v", h.name, err)
		return
	}
	var alive context.Context
	alive, now.stop = context.WithCancel(h.w.ctx)
	h.life = now
	h.w.note("%s starts its runner, slots %d, id %s", h.name, h.slots, h.id)
	if h.id != "" {
		h.w.ledger.knowsDrain(h.id, false)
	}
	h.w.background.Go(func() {
		defer close(now.ended)
		err := now.Run(alive)
		now.stop()
		h.w.note("%s: its runner ended: %v", h.name, err)
		h.leaves(now, err == nil)
	})
}

// leaves clears the place for the next runner. One that drained is nobody any more.
func (h *host) leaves(l *life, drained bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life != l {
		return // it was killed long ago
	}
	h.life = nil
	if drained {
		h.id, h.token = "", ""
	}
	for _, a := range h.agents {
		a.forwardBy(nil)
	}
}

// plane is the control plane as the runner that is known here; nil when it must register.
func (h *host) plane(l *life) runner.ControlPlane {
	if h.id == "" {
		return nil
	}
	var plane runner.ControlPlane
	if h.w.plan.http {
		plane = runner.Plane(h.line.client().Runner(h.id, h.token))
	} else {
		plane = runner.Plane(speaker{h.line, h.id, h.token})
	}
	return ears{plane, h.w, h.id, l}
}

// register makes the runner known, with the tokens as they are now.
func (h *host) register(ctx context.Context, l *life) (runner.ControlPlane, error) {
	said := remuda.Registration{Name: h.name, Slots: h.slots, Capabilities: h.able, PublicKey: h.key.Public()}
	for _, class := range h.classes {
		said.Tokens = append(said.Tokens, remuda.NewSecret(h.w.tokenOf(class)))
	}
	credit := h.tokens()
	var registered remuda.Registered
	var err error
	if h.w.plan.http {
		registered, err = h.line.client().Register(ctx, said)
	} else {
		registered, err = send(ctx, h.line, call{what: "register"}, func(ctx context.Context, r *replica) (remuda.Registered, error) {
			return r.plane.Register(ctx, said, "127.0.0.1")
		})
	}
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life != l {
		return nil, errDead
	}
	h.id, h.token, h.credit = registered.ID, registered.Token, credit
	h.w.note("%s is registered as %s", h.name, h.id)
	return h.plane(l), nil
}

// tokens are the class tokens that the operator has given to the runners here.
func (h *host) tokens() string {
	all := ""
	for _, class := range h.classes {
		all += h.w.tokenOf(class)
	}
	return all
}

// isStale is true when the runner registered with tokens that have been replaced since.
func (h *host) isStale() bool { return h.id != "" && h.credit != h.tokens() }

// renew lets a runner whose tokens were replaced make room for one that has the new ones.
func (h *host) renew() {
	h.mu.Lock()
	stale, living := h.isStale(), h.life
	h.mu.Unlock()
	if stale && living != nil {
		living.Drain()
	}
}

var errDead = errors.New("this runner was killed")

// stop ends the runner as its service does: it has a little time for last words. Its agents live on.
func (h *host) stop() {
	if l := h.living(); l != nil {
		h.w.note("%s: its runner is stopped", h.name)
		l.stop()
		<-l.ended
	}
}

// kill ends the runner at once. Its agents live on.
func (h *host) kill() {
	l := h.living()
	if l == nil {
		return
	}
	h.w.note("%s: its runner is killed", h.name)
	h.leaves(l, false)
	l.kill()
	l.stop()
}

// reboot ends all that runs here, and what was kept of it.
func (h *host) reboot() {
	h.kill()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.w.note("%s reboots", h.name)
	for id, a := range h.agents {
		a.kill()
		delete(h.agents, id)
	}
}

// living is the runner that lives here, or nil.
func (h *host) living() *life {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.life
}

// Execute starts an agent, or adopts the one that is here.
func (h *host) Execute(ctx context.Context, w runner.Work) (remuda.Result, error) {
	h.mu.Lock()
	a := h.agents[w.Claim.ID]
	switch {
	case a == nil && w.Claim.Begun:
		h.mu.Unlock()
		return remuda.Result{}, errors.New("it had begun, and nothing of it is left on this machine")
	case a == nil:
		a = h.newAgent(w)
		h.agents[w.Claim.ID], h.wrote[w.Claim.ID] = a, a
		h.w.background.Go(a.run)
	default:
		a.forwardBy(w.Plane)
	}
	h.mu.Unlock()
	select {
	case <-a.ended:
	case <-ctx.Done():
		if !runner.Ends(ctx) {
			return remuda.Result{}, fmt.Errorf("the agent runs on: %w", context.Cause(ctx))
		}
		a.terminate()
		grace := time.NewTimer(w.Claim.CancelGrace.Std() + 500*time.Millisecond)
		defer grace.Stop()
		select {
		case <-a.ended:
		case <-grace.C:
			if !a.hasWorked() {
				a.kill()
			}
			late := time.NewTimer(30 * time.Second) // what it wrote is sent for so long
			defer late.Stop()
			select {
			case <-a.ended:
			case <-late.C:
				a.kill()
			}
			<-a.ended
		}
	}
	result, err := a.outcome()
	if err != nil && runner.Ends(ctx) {
		return remuda.Result{State: remuda.Canceled}, nil
	}
	return result, err
}

// hasWorked is true when only output is left to send.
func (a *agent) hasWorked() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.begun
}

// Left are the claims of which something is here.
func (h *host) Left(context.Context) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []string
	for id := range h.agents {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, nil
}

// Forget kills what runs of a claim, and forgets it.
func (h *host) Forget(_ context.Context, claim string) error {
	h.mu.Lock()
	a := h.agents[claim]
	delete(h.agents, claim)
	h.mu.Unlock()
	if a != nil && !a.isDone() {
		a.kill()
		<-a.ended
	}
	return nil
}

func (a *agent) isDone() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.done
}
