package meshstackplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// sourceID names this runner among those who report of a run. It is the same for every attempt: a run whose runner died
// is told of by the next one in its place.
const sourceID = "remuda"

const (
	usualBeat  = 10 * time.Second // meshStack hears of each run at least so often
	soon       = 5                // as many reports are made in a beat while there is news
	largeLog   = 256 << 10        // more than this is told only with each beat
	longest429 = 5 * time.Minute  // that meshStack may ask for between two reports
	// mostRefusals is how often in a row meshStack may refuse a run's token before the run is taken for somebody else's.
	mostRefusals = 5
)

// attend tells meshStack where a run stands, until nothing is to be told any more.
func (c *claim) attend(ctx context.Context) {
	if c.given.Refused != "" {
		c.refuse(ctx)
		return
	}
	beat := c.plane.options.Beat
	for ctx.Err() == nil {
		select {
		case <-c.dirty:
		case <-time.After(beat):
		case <-ctx.Done():
			return
		case <-c.over:
			return
		}
		now := c.now()
		if !now.Begun || now.Aborted {
			continue
		}
		started := time.Now()
		size, err := c.tell(ctx)
		pause := beat / soon
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			pause = c.pauseAfter(err)
		case size > largeLog:
			pause = beat
		}
		if !c.wait(ctx, max(pause-time.Since(started), 0)) {
			return
		}
	}
}

// pauseAfter says for how long meshStack is left alone that did not take a report, or drops a run that is not ours.
func (c *claim) pauseAfter(err error) time.Duration {
	if errors.Is(err, remuda.Gone) {
		c.log.Warn("meshStack does not know this run as ours any more; its task is ended", "error", err)
		if err := c.plane.drop(c); err != nil {
			c.log.Error("the claim is not removed", "error", err)
		}
		return 0
	}
	c.log.Warn("meshStack does not take a report; trying again", "error", err)
	nudge(c.dirty)
	beat := c.plane.options.Beat
	return max(min(askedFor(err), longest429), beat/soon) + rand.N(beat/2) //nolint:gosec // chance is all that is asked of it
}

// askedFor is how long meshStack wants to be left alone.
func askedFor(err error) time.Duration {
	var known *remuda.Error
	if errors.As(err, &known) {
		return known.Retry
	}
	return 0
}

// refuse says of a run that it cannot be carried out here, until meshStack has heard it.
func (c *claim) refuse(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.end(ctx, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonConfig, Detail: c.given.Refused})
		if err == nil || errors.Is(err, remuda.Gone) || ctx.Err() != nil {
			return
		}
		if !c.wait(ctx, c.pauseAfter(err)) {
			return
		}
	}
}

// tell tells where the run stands now.
func (c *claim) tell(ctx context.Context) (size int, err error) {
	c.speaking.Lock()
	defer c.speaking.Unlock()
	if c.now().Aborted || c.isDropped() {
		return 0, nil
	}
	words, err := c.report(remuda.Result{})
	if err != nil {
		return 0, err
	}
	for _, step := range words.Steps {
		size += len(step.SystemMessage)
	}
	return size, c.patch(ctx, words)
}

func (c *claim) isDropped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped
}

// end says how the run ended, and drops it when that was heard.
func (c *claim) end(ctx context.Context, result remuda.Result) error {
	c.speaking.Lock()
	defer c.speaking.Unlock()
	if len(result.Steps) > 0 {
		if err := c.change(false, func(p *progress) error { p.Steps = result.Steps; return nil }); err != nil {
			return err
		}
	}
	now := c.now()
	switch {
	case c.isDropped():
		return remuda.Fail(remuda.Gone, "claim "+c.id()+" has ended already")
	case now.Aborted:
		return c.plane.drop(c)
	}
	err := c.lastWord(ctx, now, result)
	if err != nil && !errors.Is(err, remuda.Gone) {
		return err
	}
	return errors.Join(err, c.plane.drop(c))
}

// lastWord tells the result.
func (c *claim) lastWord(ctx context.Context, now progress, result remuda.Result) error {
	if !now.Registered {
		if err := c.register(ctx, now.Steps); err != nil {
			return c.judge(err)
		}
	}
	words, err := c.report(result)
	if err == nil {
		words.Artifact, err = c.artifact()
	}
	if err != nil {
		return err
	}
	return c.patch(ctx, words)
}

// patch sends a report, and heeds the answer.
func (c *claim) patch(ctx context.Context, words report) error {
	got, err := c.asRun(ctx, call{method: http.MethodPatch, url: c.given.Roads.Update, media: kindRun, body: words})
	if err != nil {
		return c.judge(err)
	}
	c.judged()
	var said struct {
		RunAborted bool `json:"runAborted"`
	}
	if len(got.body) > 0 && json.Unmarshal(got.body, &said) != nil {
		return remuda.Fail(remuda.Unavailable, "meshStack answers a report with something that is no JSON")
	}
	if said.RunAborted {
		c.abort()
	}
	return nil
}

// asRun makes a request by the run's own token.
func (c *claim) asRun(ctx context.Context, in call) (answer, error) {
	got, err := c.plane.api.send(ctx, in, bearer(c.given.Claim.Token))
	if err == nil {
		err = c.plane.api.refused(got)
	}
	return got, err
}

// judge says what a report that was refused means. A token is refused for good only when that comes again and again:
// what stands before meshStack may be at fault.
func (c *claim) judge(err error) error {
	kind := remuda.KindOf(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if kind == remuda.Unauthenticated || kind == remuda.Forbidden {
		c.refusals++
		kind = remuda.Unavailable
		if c.refusals >= mostRefusals {
			kind = remuda.Gone
		}
		return &remuda.Error{Kind: kind, Detail: "meshStack refuses the run's token", Cause: err}
	}
	c.refusals = 0
	if kind == remuda.NotFound || kind == remuda.Gone {
		return &remuda.Error{Kind: remuda.Gone, Detail: "meshStack knows nothing of this run", Cause: err}
	}
	return err
}

func (c *claim) judged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals = 0
}

// register makes this runner known as one that reports of the run. That it is already is as good.
func (c *claim) register(ctx context.Context, steps []remuda.Step) error {
	var words registration
	words.Source.ID = sourceID
	words.Steps = []registeredStep{}
	for _, step := range steps {
		words.Steps = append(words.Steps, registeredStep{step.Name, displayName(step.Name), stepWord(step.State)})
	}
	_, err := c.asRun(ctx, call{method: http.MethodPost, url: c.given.Roads.Register, media: kindRun, body: words})
	if err != nil && !errors.Is(err, remuda.Conflict) {
		return err
	}
	return c.change(true, func(p *progress) error { p.Registered = true; return nil })
}

// report is the run as it stands. A result ends it.
func (c *claim) report(result remuda.Result) (report, error) {
	c.mu.Lock()
	now, said := c.progress, c.said
	c.mu.Unlock()
	words := report{
		BlockRunID: c.given.Claim.Task.ID, Source: sourceID, Type: "TERRAFORM", Status: statusWord(result.State),
		CreatedOn: c.given.Claim.ClaimedAt.UTC().Format(time.RFC3339), Summary: result.Detail, Steps: []reportedStep{}, ChangesDetected: said.Changes,
	}
	if result.State == remuda.Succeeded && c.isAsync() {
		words.Status = statusWord("") // It is in the hands of what it set going, which says how it ends.
	}
	if words.Summary == "" && said.Plan != nil && result.State == remuda.Succeeded {
		words.Summary = fmt.Sprintf("%d added, %d changed, %d destroyed", said.Plan.Add, said.Plan.Change, said.Plan.Destroy)
		if c.behavior() == remuda.Detect {
			words.Summary = fmt.Sprintf("%d to add, %d to change, %d to destroy", said.Plan.Add, said.Plan.Change, said.Plan.Destroy)
		}
	}
	for i, step := range now.Steps {
		told := reportedStep{ID: step.Name, DisplayName: displayName(step.Name), Status: stepWord(step.State), UserMessage: step.Detail}
		if result.State != "" && !step.State.Ended() {
			told.Status = "ABORTED"
		}
		for _, message := range said.Messages {
			if message.Step == step.Name {
				told.UserMessage = message.Message
			}
		}
		whole := step.State.Ended() && now.Streams[step.Number].Closed || result.State != ""
		var err error
		if told.SystemMessage, err = printed(c.outputPath(step.Number), now.Streams[step.Number].Length, whole); err != nil {
			return report{}, err
		}
		if i == len(now.Steps)-1 {
			told.Outputs = outputWords(said.Outputs)
		}
		words.Steps = append(words.Steps, told)
	}
	return words, nil
}

// asked is what the claim's run is to do. Without it a summary reads a little differently.
func (c *claim) asked() (order remuda.RunOrder) {
	_ = json.Unmarshal(c.given.Claim.Payload, &order)
	return order
}

func (c *claim) behavior() remuda.Behavior { return c.asked().Behavior }

// isAsync is whether something else reports how the run ends.
func (c *claim) isAsync() bool {
	tofu := c.asked().Implementation.OpenTofu
	return tofu != nil && tofu.Async
}

// artifact is the plan that a DETECT saved.
func (c *claim) artifact() ([]byte, error) {
	plan, err := os.ReadFile(c.path(planName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return plan, err
}

func outputWords(outputs map[string]remuda.RunOutput) map[string]reportedOutput {
	words := map[string]reportedOutput{}
	for key, out := range outputs {
		words[key] = reportedOutput{out.Value, strings.ToUpper(string(out.Type)), out.Sensitive}
	}
	return words
}

// statusWord is how a run stands that ended so, or goes on.
func statusWord(s remuda.State) string {
	switch s {
	case remuda.Succeeded:
		return "SUCCEEDED"
	case remuda.Failed:
		return "FAILED"
	case remuda.Canceled:
		return "ABORTED"
	default:
		return "IN_PROGRESS"
	}
}

func stepWord(s remuda.StepState) string {
	switch s {
	case remuda.StepRunning:
		return "IN_PROGRESS"
	case remuda.StepSucceeded:
		return "SUCCEEDED"
	case remuda.StepFailed:
		return "FAILED"
	case remuda.StepCanceled, remuda.StepSkipped:
		return "ABORTED"
	default:
		return "PENDING"
	}
}

// displayName is what people read for a step.
func displayName(id string) string {
	name, known := map[string]string{
		"sources": "Get the module", "input": "Write the inputs", "init_tf": "Initialize", "pre_run_script": "Pre-run script",
		"execute_tf": "Run OpenTofu", "output": "Read the outputs", "trigger": "Trigger",
	}[id]
	if !known {
		return id
	}
	return name
}
