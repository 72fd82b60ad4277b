package meshstackplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/internal/secretfile"
	"github.com/remuda-dev/remuda/runner"
)

// task is what may be said for one claim. Output and steps are kept here, and told to meshStack by whoever attends the
// claim; state, lock and saved plan go straight on.
type task struct {
	mux  *http.ServeMux
	held *claim // nil when it has ended
	id   string
}

var (
	_ runner.TaskPlane = (*task)(nil)
	_ agent.Runs       = (*task)(nil)
)

func newTask(p *Plane, id string, held *claim) *task {
	t := &task{held: held, id: id}
	t.mux = t.routes()
	return t
}

func (t *task) claim() (*claim, error) {
	if t.held == nil || t.held.isDropped() {
		return nil, remuda.Fail(remuda.Gone, "claim "+t.id+" has ended and changes nothing any more; drop it")
	}
	return t.held, nil
}

// Begin registers this runner as a source of the run's status, and asks with a first report whether somebody aborted
// the run meanwhile: registering does not tell.
func (t *task) Begin(ctx context.Context, b remuda.Begin) (begun remuda.Begun, err error) {
	c, err := t.claim()
	if err != nil {
		return begun, err
	}
	c.speaking.Lock()
	defer c.speaking.Unlock()
	now := c.now()
	if !now.Registered {
		if err := c.register(ctx, b.Steps); err != nil {
			return begun, c.judge(err)
		}
	}
	if !now.Begun {
		if err := c.change(true, func(p *progress) error { p.Begun, p.Steps = true, b.Steps; return nil }); err != nil {
			return begun, err
		}
		c.plane.hasBegun()
	}
	if !c.now().Aborted {
		words, err := c.report(remuda.Result{})
		if err == nil {
			err = c.patch(ctx, words)
		}
		if err != nil {
			return begun, err
		}
	}
	if c.now().Aborted {
		return begun, remuda.Fail(remuda.Gone, "the run was aborted before it began")
	}
	return remuda.Begun{BegunAt: time.Now()}, nil
}

// hasBegun has the runner ask for the next run: meshStack would have given this one again before.
func (p *Plane) hasBegun() {
	p.mu.Lock()
	p.askAt = time.Time{}
	p.mu.Unlock()
	nudge(p.news)
}

// Steps keeps where the steps stand.
func (t *task) Steps(_ context.Context, steps []remuda.Step) error {
	c, err := t.claim()
	if err != nil {
		return err
	}
	return c.change(false, func(p *progress) error { p.Steps = steps; return nil })
}

// Stream says what is kept of a step's output.
func (t *task) Stream(_ context.Context, step int) (remuda.StreamState, error) {
	c, err := t.claim()
	if err != nil {
		return remuda.StreamState{}, err
	}
	return c.now().Streams[step], nil
}

// mostStep bounds the numbers of steps, each of which has a file.
const mostStep = 1000

// Append keeps a chunk that starts where its stream ends.
func (t *task) Append(_ context.Context, chunk remuda.Chunk) (state remuda.StreamState, err error) {
	c, err := t.claim()
	if err != nil {
		return state, err
	}
	if chunk.Step < 0 || chunk.Step >= mostStep {
		return state, remuda.Fail(remuda.Invalid, "a run has no such step")
	}
	err = c.change(false, func(p *progress) error {
		state = p.Streams[chunk.Step]
		if state.Closed || state.Length != chunk.Offset {
			return nil
		}
		if err := keep(c.outputPath(chunk.Step), chunk.Offset, chunk.Data); err != nil {
			return err
		}
		state.Length, state.Source = chunk.Offset+int64(len(chunk.Data)), chunk.Source
		p.Streams[chunk.Step] = state
		return nil
	})
	return state, err
}

// CloseStream ends a step's output.
func (t *task) CloseStream(_ context.Context, step int, _ remuda.StreamClose) (state remuda.StreamState, err error) {
	c, err := t.claim()
	if err != nil {
		return state, err
	}
	err = c.change(false, func(p *progress) error {
		state = p.Streams[step]
		state.Closed = true
		p.Streams[step] = state
		return nil
	})
	return state, err
}

// ReportRun keeps what the run says beside its steps.
func (t *task) ReportRun(_ context.Context, report remuda.RunReport) error {
	c, err := t.claim()
	if err != nil {
		return err
	}
	return c.say(report)
}

// RunToken is what this runner itself reports by.
func (t *task) RunToken(context.Context) (remuda.RunToken, error) {
	c, err := t.claim()
	if err != nil {
		return remuda.RunToken{}, err
	}
	if !c.isAsync() {
		return remuda.RunToken{}, remuda.Fail(remuda.Forbidden, "this run is not asynchronous: nothing else reports how it ends")
	}
	return remuda.RunToken{Token: c.given.Claim.Token, URL: c.plane.api.base.String()}, nil
}

// SavePlan keeps a DETECT's plan for the last report.
func (t *task) SavePlan(_ context.Context, plan []byte) error {
	c, err := t.claim()
	if err != nil {
		return err
	}
	if err := secretfile.Write(c.path(planName), plan); err != nil {
		return fmt.Errorf("keep the plan of claim %s: %w", t.id, err)
	}
	return nil
}

// SavedPlan fetches the plan that an APPLY is to apply.
func (t *task) SavedPlan(ctx context.Context) ([]byte, error) {
	c, err := t.claim()
	if err != nil {
		return nil, err
	}
	if c.given.Roads.Plan == "" {
		return nil, remuda.Fail(remuda.NotFound, "this run is to make its own plan")
	}
	got, err := c.asRun(ctx, call{method: http.MethodGet, url: c.given.Roads.Plan, media: "application/octet-stream"})
	return got.body, err
}

// stateUser is any word: the run's token, which is the password, decides.
const stateUser = "remuda"

// state makes a call of OpenTofu's http backend, as meshStack serves it.
func (t *task) state(ctx context.Context, method, lock string, body []byte, header http.Header) (answer, error) {
	c, err := t.claim()
	if err != nil {
		return answer{}, err
	}
	to := c.given.Roads.State
	if lock != "" {
		to += "?" + url.Values{"ID": {lock}}.Encode()
	}
	return c.plane.api.send(ctx, call{method: method, url: to, media: "application/json", raw: body, header: header}, func(r *http.Request) {
		r.SetBasicAuth(stateUser, c.given.Claim.Token)
	})
}

// refusedState is a call of the backend that was refused, as the error that it means.
func (t *task) refusedState(got answer, err error) error {
	if err != nil {
		return err
	}
	return t.held.plane.api.refused(got)
}

// State is the block's state.
func (t *task) State(ctx context.Context) ([]byte, error) {
	got, err := t.state(ctx, http.MethodGet, "", nil, nil)
	if err := t.refusedState(got, err); err != nil {
		return nil, err
	}
	if len(got.body) == 0 {
		return nil, remuda.Fail(remuda.NotFound, "the block has no state yet")
	}
	if want := got.header.Get("Content-MD5"); want != "" && want != sumOf(got.body) {
		return nil, remuda.Fail(remuda.Unavailable, "the state broke on its way: its MD5 is another one")
	}
	return got.body, nil
}

// WriteState keeps a new state.
func (t *task) WriteState(ctx context.Context, lock string, state []byte) error {
	_, err := t.locked(t.state(ctx, http.MethodPost, lock, state, http.Header{"Content-Md5": {sumOf(state)}}))
	return err
}

// DeleteState leaves the block without a state.
func (t *task) DeleteState(ctx context.Context, lock string) error {
	_, err := t.locked(t.state(ctx, http.MethodDelete, lock, nil, nil))
	return err
}

// LockState takes the state's lock.
func (t *task) LockState(ctx context.Context, lock remuda.StateLock) (remuda.StateLock, error) {
	words, err := json.Marshal(lock)
	if err != nil {
		return remuda.StateLock{}, remuda.Fail(remuda.Invalid, "the lock cannot be written as JSON")
	}
	holder, err := t.locked(t.state(ctx, "LOCK", "", words, nil))
	if err == nil {
		holder = lock
	}
	return holder, err
}

// UnlockState gives it back.
func (t *task) UnlockState(ctx context.Context, id string) (remuda.StateLock, error) {
	words, err := json.Marshal(remuda.StateLock{ID: id})
	if err != nil {
		return remuda.StateLock{}, err
	}
	if id == "" {
		words = nil // as 'tofu force-unlock' does
	}
	return t.locked(t.state(ctx, "UNLOCK", "", words, nil))
}

// locked reads an answer that tells who holds the lock when somebody else does.
func (t *task) locked(got answer, err error) (holder remuda.StateLock, _ error) {
	err = t.refusedState(got, err)
	if errors.Is(err, remuda.Conflict) && json.Unmarshal(got.body, &holder) != nil {
		holder = remuda.StateLock{}
	}
	return holder, err
}
