// Package meshstackplane is a meshStack as a runner's control plane: it claims the runs of a pool by the protocol of the
// vendor's own runner, and tells in its words how they go. The runner's loop, its executor and its agents know nothing
// of that: what they say through runner.ControlPlane and through an agent's socket is kept here, and told onwards.
//
// meshStack keeps nothing of a run but what it was told last. So all that a successor must know, which native control
// planes remember for their runners, lies in the runner's own folder.
package meshstackplane

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/seal"
	"github.com/remuda-dev/remuda/runner"
)

// DefaultPoll is how often a free runner asks for a run, as the vendor's does.
const DefaultPoll = 10 * time.Second

// Options are what a Plane is made of.
type Options struct {
	URL          string // meshStack's address
	Pool         string // the UUID of the building block runner whose runs are carried out
	ClientID     string
	ClientSecret remuda.Secret

	Opens *seal.RSAKey // opens what is sealed to the pool; nil where its runs have no secrets
	Key   *seal.Key    // the runner's own
	Dir   string       // where claims are kept; the runner's alone

	Node          string        // tells this machine of the pool from the others; the same after a restart
	Name, Version string        // of the runner
	Slots         int           // how many runs it carries out at once
	Poll          time.Duration // between two questions for a run
	Beat          time.Duration // meshStack hears of each run at least so often; 10 s when 0

	Transport http.RoundTripper
	Insecure  bool // allows tokens over plain HTTP to another machine
	Log       *slog.Logger
}

// Plane is a runner.ControlPlane. Run is to be called beside the runner's loop.
type Plane struct {
	options Options
	api     *api
	log     *slog.Logger

	news    chan struct{} // holds one element when there may be something to answer
	arrived chan struct{} // holds one element when there may be a claim to attend

	mu        sync.Mutex
	claims    map[string]*claim
	attended  map[string]bool
	answered  bool      // a sync of this life was answered
	draining  bool      // it was acknowledged that the runner drains
	askAt     time.Time // when to ask for a run the next time
	failures  int       // in a row, of asking
	refused   int       // of these, how often in a row our key was refused
	signedIn  bool      // it was not, once
	complains bool      // it was said that asking does not work
}

var _ runner.ControlPlane = (*Plane)(nil)

// New makes a Plane, with what an earlier runner left in its folder.
func New(o Options) (*Plane, error) {
	o.Poll, o.Slots, o.Beat = cmp.Or(o.Poll, DefaultPoll), max(o.Slots, 1), cmp.Or(o.Beat, usualBeat)
	api, err := newAPI(o)
	if err != nil {
		return nil, err
	}
	p := &Plane{
		options: o, api: api, log: o.Log, news: make(chan struct{}, 1), arrived: make(chan struct{}, 1),
		claims: map[string]*claim{}, attended: map[string]bool{},
	}
	return p, p.load()
}

// Check signs in and looks at the pool, as far as our key may: what is set up wrongly should not wait for the first run
// to be found out.
func (p *Plane) Check(ctx context.Context) error {
	got, err := p.api.asKey(ctx, call{
		method: http.MethodGet, url: p.api.base.String() + objects + "/meshbuildingblockrunners/" + url.PathEscape(p.options.Pool), media: kindRunner,
	})
	if err == nil {
		err = p.api.refused(got)
	}
	switch {
	case errors.Is(err, remuda.Forbidden):
		p.log.Debug("our API key may not look at the pool", "error", err)
		return nil
	case errors.Is(err, remuda.NotFound):
		return remuda.Fail(remuda.NotFound, "meshStack has no building block runner "+p.options.Pool)
	case err != nil:
		return err
	}
	var pool struct {
		Spec struct {
			PublicKey string `json:"publicKey"`
		} `json:"spec"`
	}
	if json.Unmarshal(got.body, &pool) == nil && pool.Spec.PublicKey != "" && p.options.Opens != nil && !p.options.Opens.Opens([]byte(pool.Spec.PublicKey)) {
		return remuda.Fail(remuda.Invalid, "the private key is not the one that belongs to the publicKey of building block runner "+p.options.Pool)
	}
	return nil
}

// Run tells meshStack of each claim, until ctx ends.
func (p *Plane) Run(ctx context.Context) {
	var attending sync.WaitGroup
	defer attending.Wait()
	for {
		for _, c := range p.unattended() {
			attending.Go(func() { c.attend(ctx) })
		}
		select {
		case <-p.arrived:
		case <-ctx.Done():
			return
		}
	}
}

func (p *Plane) unattended() (found []*claim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.attended {
		if p.claims[id] == nil {
			delete(p.attended, id)
		}
	}
	for id, c := range p.claims {
		if !p.attended[id] {
			p.attended[id] = true
			found = append(found, c)
		}
	}
	return found
}

// How long a sync is held that has nothing to say: as long as a native control plane would.
const (
	holdBusy = 10 * time.Second
	holdIdle = 50 * time.Second
)

// Sync implements runner.ControlPlane. While the runner has room, it asks for a run from time to time.
func (p *Plane) Sync(ctx context.Context, said remuda.Sync) (remuda.SyncAnswer, error) {
	hold := holdIdle
	if len(said.Holding) > 0 {
		hold = holdBusy
	}
	over := time.NewTimer(hold)
	defer over.Stop()
	for {
		answer, now := p.answer(said)
		if now {
			return answer, nil
		}
		ask := time.NewTimer(p.untilAsking(said))
		select {
		case <-ask.C:
			if err := p.ask(ctx); err != nil {
				return remuda.SyncAnswer{}, err
			}
		case <-p.news:
		case <-over.C:
			return remuda.SyncAnswer{}, nil
		case <-ctx.Done():
			return remuda.SyncAnswer{}, context.Cause(ctx)
		}
		ask.Stop()
	}
}

// answer is what a runner should hear that said so, and whether it should at once.
func (p *Plane) answer(said remuda.Sync) (answer remuda.SyncAnswer, now bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, c := range p.claims {
		if c.given.Refused != "" {
			continue
		}
		stands := c.now()
		switch {
		case !slices.Contains(said.Holding, id):
			words := c.given.Claim
			words.Begun, words.CancelRequested = stands.Begun, stands.Aborted
			answer.Claims = append(answer.Claims, words)
		case stands.Aborted && !slices.Contains(said.Canceling, id):
			answer.Cancel = append(answer.Cancel, id)
		}
	}
	for _, id := range said.Holding {
		if p.claims[id] == nil {
			answer.Lost = append(answer.Lost, id)
		}
	}
	now = len(answer.Claims)+len(answer.Cancel)+len(answer.Lost) > 0 || !p.answered || said.Draining && !p.draining
	p.answered, p.draining = true, p.draining || said.Draining
	return answer, now
}

// untilAsking is when to ask for a run: in longer than any sync is held, where there is no room for one.
func (p *Plane) untilAsking(said remuda.Sync) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !said.Ready || said.Draining || len(p.claims) >= p.options.Slots {
		return 2 * holdIdle
	}
	return time.Until(p.askAt)
}

// Goodbye implements runner.ControlPlane. meshStack has no word for it.
func (p *Plane) Goodbye(context.Context) error { return nil }

// Task implements runner.ControlPlane.
func (p *Plane) Task(claimID, _ string) runner.TaskPlane {
	p.mu.Lock()
	defer p.mu.Unlock()
	return newTask(p, claimID, p.claims[claimID])
}

// Finish implements runner.ControlPlane. What comes next is fetched by Sync.
func (p *Plane) Finish(ctx context.Context, claimID string, result remuda.Result, _ bool) ([]remuda.Claim, error) {
	c, err := p.claim(claimID)
	if err != nil {
		return nil, err
	}
	return nil, c.end(ctx, result)
}

// Return implements runner.ControlPlane. meshStack does not take a run back: what was claimed and cannot be carried out
// has failed, and says why.
func (p *Plane) Return(ctx context.Context, claimID string, why remuda.Return) error {
	detail := "the runner could not carry the run out: " + why.Detail
	if why.Draining {
		detail = "the runner was told to end before the run began; nothing of it was carried out: start it again"
	}
	_, err := p.Finish(ctx, claimID, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonInfrastructure, Detail: detail}, false)
	return err
}

func (p *Plane) claim(id string) (*claim, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.claims[id]; c != nil {
		return c, nil
	}
	return nil, remuda.Fail(remuda.Gone, "claim "+id+" has ended and changes nothing any more; drop it")
}

// spread is a time that differs by a tenth, so that the machines of a pool do not ask together.
func spread(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1) //nolint:gosec // chance is all that is asked of it
}

// describe names a run for the log.
func describe(run givenRun) string {
	return fmt.Sprintf("%s %d", run.Spec.Behavior, run.Spec.RunNumber)
}
