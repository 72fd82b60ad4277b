package client

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/together"
)

// syncHold is how long the control plane may hold a sync: up to 50 s, and then some for the road.
const syncHold = 55 * time.Second

// Register introduces a runner; its class tokens are the credential. It is not repeated by itself, since a lost
// answer would leave a runner behind that nobody is.
func (c *Client) Register(ctx context.Context, r remuda.Registration) (remuda.Registered, error) {
	tokens := make([]string, len(r.Tokens))
	for i, token := range r.Tokens {
		tokens[i] = token.Reveal()
	}
	wire := struct {
		remuda.Registration
		Tokens []string `json:"tokens"` // hides the embedded one, which would send marks
	}{r, tokens}
	var registered remuda.Registered
	err := door{client: c}.do(ctx, call{method: http.MethodPost, path: "/runners", body: wire}, &registered)
	return registered, err
}

// Runner is what a registered runner may ask. Nothing is repeated by itself: the runner's loop knows better when.
type Runner struct {
	door door
	id   string
	ends *together.Group[end]
}

// end is how a claim's task ended, on its way.
type end struct {
	ctx context.Context
	remuda.ClaimResult
	next bool            // the runner takes another task in its place
	came *[]remuda.Claim // with the answer
}

// Tasks of a busy runner end faster than one call after the other says so: those that wait for a call go together.
const (
	endsAtOnce   = 1
	endsTogether = 64
)

// Runner gives the door of the runner that Register named.
func (c *Client) Runner(id, token string) *Runner {
	r := &Runner{door: door{client: c, token: token}, id: id}
	r.ends = together.New(endsAtOnce, endsTogether, r.finish)
	return r
}

// Sync is the runner's one open request: the control plane holds it until there is something to say.
func (r *Runner) Sync(ctx context.Context, s remuda.Sync) (remuda.SyncAnswer, error) {
	if s.Holding == nil {
		s.Holding = []string{} // "null" is no list
	}
	var answer remuda.SyncAnswer
	err := r.door.do(ctx, call{method: http.MethodPost, path: path("runners", r.id, "sync"), body: s, hold: syncHold}, &answer)
	return answer, err
}

// Finish says how a claim's task ended. Saying the same again is harmless. With next, the runner takes another task in its
// place: the answer may bring that, or several when the ends of several were said in one call. Whoever gets no answer syncs
// anew to be given it.
func (r *Runner) Finish(ctx context.Context, claimID string, result remuda.Result, next bool) (came []remuda.Claim, err error) {
	err = r.ends.Do(ctx, end{ctx, remuda.ClaimResult{Claim: claimID, Result: result}, next, &came})
	return came, err
}

// finish says ends in one call, and each by itself if they are too much for one.
func (r *Runner) finish(ends []end) []error {
	outcomes := make([]error, len(ends))
	if len(ends) > 1 || ends[0].next {
		err := r.finishAll(ends, outcomes)
		if !errors.Is(err, remuda.TooLarge) {
			for i := range outcomes {
				outcomes[i] = cmp.Or(outcomes[i], err)
			}
			return outcomes
		}
	}
	for i, one := range ends {
		outcomes[i] = r.door.do(one.ctx, call{method: http.MethodPost, path: path("claims", one.Claim, "finish"), body: one.Result}, nil)
	}
	return outcomes
}

// finishAll fills in what was refused. Its error concerns all.
func (r *Runner) finishAll(ends []end, outcomes []error) error {
	var said struct {
		Results []remuda.ClaimResult `json:"results"`
		Next    int                  `json:"next,omitempty"`
	}
	places, takes := map[string]int{}, 0
	for i, one := range ends {
		said.Results = append(said.Results, one.ClaimResult)
		places[one.Claim] = i
		if one.next {
			said.Next, takes = said.Next+1, i
		}
	}
	var answer struct {
		Refused []remuda.Refused `json:"refused"`
		Claims  []remuda.Claim   `json:"claims"`
	}
	err := r.door.do(ends[0].ctx, call{method: http.MethodPost, path: path("runners", r.id, "finish"), body: said}, &answer)
	for _, refused := range answer.Refused {
		if i, ours := places[refused.Claim]; ours {
			outcomes[i] = remuda.Fail(refused.Kind, refused.Detail)
		}
	}
	*ends[takes].came = answer.Claims
	return err
}

// Return hands a claim back that could not be carried out.
func (r *Runner) Return(ctx context.Context, claimID string, why remuda.Return) error {
	return r.door.do(ctx, call{method: http.MethodPost, path: path("claims", claimID, "return"), body: why}, nil)
}

// Goodbye says that the runner ends and holds nothing.
func (r *Runner) Goodbye(ctx context.Context) error {
	return r.door.do(ctx, call{method: http.MethodDelete, path: path("runners", r.id)}, nil)
}

// Task gives the door of one of the runner's claims.
func (r *Runner) Task(claimID, token string) *Task { return r.door.client.Task(claimID, token) }
