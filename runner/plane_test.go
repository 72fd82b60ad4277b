package runner_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/internal/seal"
	"github.com/remuda-dev/remuda/runner"
)

// fakePlane is a control plane in memory that knows one runner, and answers as the real one does: held open, and with
// the difference between what it knows and what the runner says.
type fakePlane struct {
	key     *seal.Key
	slots   int
	mu      sync.Mutex
	changed chan struct{} // closed and replaced when there may be something to say
	queue   []remuda.Claim
	live    map[string]remuda.Claim
	cancels map[string]bool
	order   bool  // it tells the runner to drain
	resume  int64 // its order to leave quarantine
	spread  remuda.Duration
	refused string            // why it gives the runner nothing new
	knows   bool              // it has been told that the runner drains
	tokens  map[string]string // of each claim's task
	over    map[string]bool   // claims that the runner ended

	syncs     []remuda.Sync
	finished  map[string][]remuda.Result
	returned  map[string][]remuda.Return
	goodbyes  int
	deafUntil int                 // so many of the next requests are never answered
	loseNext  int                 // so many of the next answers with claims get lost on the road
	repeat    bool                // each claim is delivered twice in one answer
	finishErr func(try int) error // what Finish fails with
	next      bool                // it answers Finish with the next claim
	told      map[string]bool     // claims that it gave so since the last sync
	forgets   bool                // its open sync does not know of those
	slow      time.Duration       // how long its answers to syncs are on their way
	slowWord  time.Duration       // and the one to the first Finish
	wanted    []bool              // whether each Finish asked for one
	loseWord  int                 // so many of the next answers to Finish get lost on the road
	syncErr   func(try int) error // what Sync fails with
}

func newPlane() *fakePlane {
	key, err := seal.NewKey()
	if err != nil {
		panic(err)
	}
	return &fakePlane{
		key: key, slots: 1, changed: make(chan struct{}), live: map[string]remuda.Claim{}, cancels: map[string]bool{}, tokens: map[string]string{}, over: map[string]bool{},
		finished: map[string][]remuda.Result{}, returned: map[string][]remuda.Return{},
	}
}

// claim makes one that is sealed to the runner.
func (p *fakePlane) claim(id string) remuda.Claim {
	plain, err := json.Marshal(map[string]string{"PASSWORD": "of " + id})
	if err != nil {
		panic(err)
	}
	sealed, err := seal.To(p.key.Public(), []byte(id), plain)
	if err != nil {
		panic(err)
	}
	return remuda.Claim{
		ID: id, Attempt: 1, Token: "token of " + id, Sealed: sealed, ClaimedAt: time.Now(),
		Task: remuda.ClaimTask{ID: "task of " + id, Implementation: "job", Organization: "acme"},
	}
}

func (p *fakePlane) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// submit queues tasks for the runner.
func (p *fakePlane) submit(claims ...remuda.Claim) {
	p.change(func() { p.queue = append(p.queue, claims...) })
}

// holds makes claims live as if the runner had them from an earlier life.
func (p *fakePlane) holds(claims ...remuda.Claim) {
	p.change(func() {
		for _, claim := range claims {
			p.live[claim.ID] = claim
		}
	})
}

func (p *fakePlane) cancel(id string) { p.change(func() { p.cancels[id] = true }) }

// lose takes a claim from the runner.
func (p *fakePlane) lose(id string) { p.change(func() { delete(p.live, id) }) }

func (p *fakePlane) Sync(ctx context.Context, said remuda.Sync) (remuda.SyncAnswer, error) {
	p.mu.Lock()
	p.syncs, p.told = append(p.syncs, said), map[string]bool{}
	try := len(p.syncs)
	deaf, fail := p.deafUntil > 0, p.syncErr
	if deaf {
		p.deafUntil--
	}
	p.mu.Unlock()
	if fail != nil {
		if err := fail(try); err != nil {
			return remuda.SyncAnswer{}, err
		}
	}
	hold := 50 * time.Second
	if len(said.Holding) > 0 {
		hold = 10 * time.Second
	}
	over := time.NewTimer(hold)
	defer over.Stop()
	for {
		p.mu.Lock()
		changed := p.changed
		var answer remuda.SyncAnswer
		if !deaf {
			answer = p.answer(said)
		}
		lost := len(answer.Claims) > 0 && p.loseNext > 0
		if lost {
			p.loseNext--
			deaf = true
		}
		news := len(answer.Claims)+len(answer.Cancel)+len(answer.Lost) > 0 || answer.Drain || answer.Resume != 0 || said.Draining && !p.knows
		if !deaf {
			p.knows = said.Draining
		}
		p.mu.Unlock()
		if news && !deaf {
			<-time.After(p.slow)
			return answer, nil
		}
		expired := over.C
		if deaf {
			expired = nil
		}
		select {
		case <-changed:
		case <-expired:
			p.mu.Lock()
			defer p.mu.Unlock()
			return remuda.SyncAnswer{Refused: p.refused}, nil
		case <-ctx.Done():
			return remuda.SyncAnswer{}, remuda.Fail(remuda.Unavailable, ctx.Err().Error())
		}
	}
}

// answer is what there is to say now.
func (p *fakePlane) answer(said remuda.Sync) remuda.SyncAnswer {
	var answer remuda.SyncAnswer
	for _, id := range said.Holding {
		if _, live := p.live[id]; !live && p.ended(id) {
			continue // That the runner ended it itself is no news.
		} else if !live {
			answer.Lost = append(answer.Lost, id)
		} else if p.cancels[id] && !slices.Contains(said.Canceling, id) {
			answer.Cancel = append(answer.Cancel, id)
		}
	}
	for id, claim := range p.live {
		if !slices.Contains(said.Holding, id) && !p.told[id] {
			claim.CancelRequested = p.cancels[id]
			answer.Claims = append(answer.Claims, claim)
		}
	}
	for said.Ready && len(p.queue) > 0 && len(p.live) < p.slots && (said.Most == 0 || len(answer.Claims) < said.Most) {
		claim := p.queue[0]
		p.queue = p.queue[1:]
		p.live[claim.ID] = claim
		answer.Claims = append(answer.Claims, claim)
	}
	if p.repeat {
		answer.Claims = append(answer.Claims, answer.Claims...)
	}
	answer.Drain = p.order && !said.Draining
	if said.Quarantined && p.resume > said.Resumed {
		answer.Resume = p.resume
	}
	answer.Spread, answer.Refused = p.spread, p.refused
	return answer
}

func (p *fakePlane) ended(id string) bool { return p.over[id] }

func (p *fakePlane) Finish(_ context.Context, id string, result remuda.Result, next bool) (came []remuda.Claim, err error) {
	p.change(func() {
		p.wanted = append(p.wanted, next)
		p.finished[id] = append(p.finished[id], result)
		if p.finishErr != nil {
			if err = p.finishErr(len(p.finished[id])); err != nil {
				return
			}
		}
		if p.over[id] && p.next {
			return // and so nothing comes with it
		}
		if _, live := p.live[id]; !live {
			err = remuda.Fail(remuda.Gone, "the claim has ended")
			return
		}
		delete(p.live, id)
		p.over[id] = true
		if p.next && next && len(p.queue) > 0 {
			came = p.queue[:1]
			p.queue = p.queue[1:]
			p.live[came[0].ID], p.told[came[0].ID] = came[0], !p.forgets
		}
		if p.loseWord > 0 {
			p.loseWord--
			came, err = nil, remuda.Fail(remuda.Unavailable, "the answer is lost")
		}
	})
	if len(p.results("c1")) == 1 && id == "c1" {
		<-time.After(p.slowWord)
	}
	return came, err
}

func (p *fakePlane) Return(_ context.Context, id string, why remuda.Return) error {
	p.change(func() {
		p.returned[id] = append(p.returned[id], why)
		delete(p.live, id)
		p.over[id] = true
	})
	return nil
}

func (p *fakePlane) Goodbye(context.Context) error {
	p.change(func() { p.goodbyes++ })
	return nil
}

func (p *fakePlane) Task(claimID, token string) runner.TaskPlane {
	p.change(func() { p.tokens[claimID] = token })
	return fakeTask{}
}

// results are what was said of a claim, whether it was acknowledged or not.
func (p *fakePlane) results(id string) []remuda.Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.finished[id])
}

func (p *fakePlane) returns(id string) []remuda.Return {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.returned[id])
}

func (p *fakePlane) said() []remuda.Sync {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.syncs)
}

// fakeTask is enough of a claim's plane for an executor that says nothing.
type fakeTask struct {
	agent.Plane
	http.Handler
}

// fakeExecutor carries out tasks as a test tells it.
type fakeExecutor struct {
	do     func(ctx context.Context, w runner.Work) (remuda.Result, error)
	left   []string
	mu     sync.Mutex
	works  []runner.Work
	forgot []string
	unfit  error // what Check says
	checks int
}

// Check says what the test set.
func (e *fakeExecutor) Check(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.checks++
	return e.unfit
}

// change changes what the executor does.
func (e *fakeExecutor) change(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func (e *fakeExecutor) Execute(ctx context.Context, w runner.Work) (remuda.Result, error) {
	e.mu.Lock()
	e.works = append(e.works, w)
	do := e.do
	e.mu.Unlock()
	return do(ctx, w)
}

func (e *fakeExecutor) Left(context.Context) ([]string, error) { return e.left, nil }

func (e *fakeExecutor) Forget(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgot = append(e.forgot, id)
	return nil
}

func (e *fakeExecutor) executed() []runner.Work {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.works)
}

func (e *fakeExecutor) forgotten() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.forgot)
}

// succeeds is a task that takes so long and succeeds, or ends as its context says.
func succeeds(after time.Duration) func(context.Context, runner.Work) (remuda.Result, error) {
	return func(ctx context.Context, _ runner.Work) (remuda.Result, error) {
		select {
		case <-time.After(after):
			return remuda.Result{State: remuda.Succeeded}, nil
		case <-ctx.Done():
			if !runner.Ends(ctx) {
				return remuda.Result{}, context.Cause(ctx)
			}
			return remuda.Result{State: remuda.Canceled}, nil
		}
	}
}
