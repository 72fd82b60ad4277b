package meshstackplane

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/remuda-dev/remuda"
)

const (
	// lateAnswer is how long a claim that is on its way is waited for when the runner wants to say something else: one
	// whose answer is lost would be nobody's.
	lateAnswer = 10 * time.Second
	longestAsk = time.Minute // between two tries while meshStack does not answer
	// mostKeyRefusals is how often in a row our API key may be refused before an idle runner gives up, once it was good.
	mostKeyRefusals = 5
)

// ask asks for a run. An error ends an idle runner: our key is no good.
func (p *Plane) ask(ctx context.Context) error {
	asking, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(lateAnswer, func() { cancel(context.Cause(ctx)) })
	})()
	got, err := p.api.asKey(asking, call{
		method: http.MethodPost, media: kindRun,
		url: p.api.base.String() + runsPath + "/create?" + url.Values{"forRunnerUuid": {p.options.Pool}}.Encode(),
	})
	if err == nil {
		err = p.api.refused(got)
	}
	switch {
	case errors.Is(err, remuda.NotFound):
		p.asked(nil, p.options.Poll)
		return nil
	case errors.Is(err, remuda.Conflict):
		p.asked(nil, min(p.options.Poll, time.Second)) // another machine of the pool was faster
		return nil
	case err != nil:
		return p.unanswered(err)
	}
	var run givenRun
	if json.Unmarshal(got.body, &run) != nil || !isUUID(run.Metadata.UUID) || run.Spec.RunToken == "" {
		return p.unanswered(remuda.Fail(remuda.Unavailable, "meshStack answers with something that is no run"))
	}
	p.asked(nil, p.options.Poll)
	return p.receive(run)
}

// asked notes when to ask again.
func (p *Plane) asked(err error, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		if p.complains {
			p.log.Info("meshStack answers again")
		}
		p.failures, p.refused, p.signedIn, p.complains = 0, 0, true, false
	}
	p.askAt = time.Now().Add(spread(wait))
}

// unanswered waits longer each time that asking went wrong. An idle runner whose key is refused is told so.
func (p *Plane) unanswered(err error) error {
	p.mu.Lock()
	p.failures++
	failures, idle, first := p.failures, len(p.claims) == 0, !p.complains
	p.complains = true
	kind := remuda.KindOf(err)
	if kind == remuda.Unauthenticated || kind == remuda.Forbidden {
		p.refused++
	} else {
		p.refused = 0
	}
	final := p.refused > 0 && idle && (!p.signedIn || p.refused >= mostKeyRefusals)
	p.mu.Unlock()
	if final {
		return err
	}
	if first {
		p.log.Warn("meshStack gives no runs; trying on", "error", err)
	}
	wait := min(p.options.Poll<<min(failures-1, 10), max(longestAsk, p.options.Poll))
	p.asked(err, max(wait, min(askedFor(err), longestRetry)))
	return nil
}

// receive takes a run in. One that is here already was delivered again since it has not begun.
func (p *Plane) receive(run givenRun) error {
	id := claimID(run)
	p.mu.Lock()
	known := p.claims[id] != nil
	p.mu.Unlock()
	if known {
		return nil
	}
	to, err := p.api.roadsOf(run)
	if err != nil {
		p.log.Error("a run is not carried out, since nobody could be told of it", "run", run.Metadata.UUID, "error", err)
		return nil
	}
	g := given{Roads: to}
	if g.Claim, err = claimOf(run, p.options.Opens, p.options.Key, p.options.Pool); err != nil {
		g.Refused = err.Error()
		g.Claim.Payload, g.Claim.Sealed = nil, nil
	}
	c, err := p.keepClaim(g)
	if err != nil {
		// The disk does not take it, but whoever ordered the block can be told.
		p.log.Error("a run cannot be taken in", "run", run.Metadata.UUID, "error", err)
		g.Refused = "the runner's disk takes no new run"
		c = p.claimFor(g)
	}
	p.log.Info("claimed", "claim", id, "run", describe(run), "block", run.Spec.BuildingBlock.UUID, "refused", g.Refused)
	p.mu.Lock()
	p.claims[id] = c
	p.mu.Unlock()
	nudge(p.arrived)
	return nil
}
