package blocks

import (
	"context"
	"crypto/hmac"
	"errors"
	"strings"

	"github.com/remuda-dev/remuda"
)

// told is what follows from a report once it is kept.
type told struct {
	steps   []remuda.Step
	logs    map[int]string // all that each of the task's steps printed
	verdict remuda.RunStatus
	summary string
}

// tell keeps a report.
func (d RunDoor) tell(ctx context.Context, r SourceReport) (told, error) {
	var after told
	err := d.hold(ctx, func(t *change, h holding) error {
		after = told{logs: map[int]string{}}
		known, attempt, err := t.heard(ctx, d.claim, h.run.ID)
		if err != nil {
			return err
		}
		i := known.index(r.Name)
		if i < 0 {
			return remuda.Fail(remuda.NotFound, "run "+h.run.ID+" has no source "+r.Name+"; register it first")
		}
		row, spec := &known.rows[i], &known.specs[i]
		next, err := known.next(attempt)
		if err != nil {
			return err
		}
		after.steps = spec.take(r.Steps, next, t.Now().Time())
		for _, step := range r.Steps {
			if step.Log != nil && *step.Log != "" {
				if next, err = known.next(attempt); err != nil {
					return err
				}
				after.steps = append(after.steps, t.revise(spec, step, next, h.run.ID)...)
				after.logs[spec.Steps[spec.index(step.ID)].Number] = *step.Log
			}
		}
		if r.Summary != "" {
			spec.Summary = cut(r.Summary, longestMessage)
		}
		if r.Status != "" {
			row.Status = r.Status
		}
		row.UpdatedAt = t.Now()
		if row.Spec, err = encode(spec); err != nil {
			return err
		}
		if err := t.tx.Update(ctx, row, "status", "spec", "updated_at"); err != nil {
			return err
		}
		async, err := t.sourced(ctx, h.run.ID, known, r)
		if err != nil {
			return err
		}
		after.verdict, after.summary, err = t.judge(ctx, known, attempt, async)
		return err
	})
	return after, err
}

// revise says where the output of a step goes on: after what is held when that is how the text begins, else under a new
// number, since streams are only ever appended to.
func (t *change) revise(spec *sourceSpec, step SourceStep, next int, run string) (changed []remuda.Step) {
	kept := &spec.Steps[spec.index(step.ID)]
	text := *step.Log
	purpose := "output of run " + run
	if kept.Held > 0 && (len(text) < kept.Held || !hmac.Equal(t.r.keys.MAC(purpose, text[:kept.Held]), kept.MAC)) {
		old := kept.words()
		old.State, old.Detail = remuda.StepSkipped, replaced
		kept.Number, kept.Held = next, 0
		changed = []remuda.Step{old, kept.words()}
	}
	if len(text) > kept.Held {
		kept.Held, kept.MAC = len(text), t.r.keys.MAC(purpose, text)
	}
	return changed
}

// sourced keeps what a report says of the run itself. Outputs that are told are added to those of other sources.
func (t *change) sourced(ctx context.Context, id string, known sources, r SourceReport) (async bool, err error) {
	var run RunRow
	if err := t.Get(ctx, &run, id); err != nil {
		return false, err
	}
	var row VersionRow
	if err := t.Get(ctx, &row, run.VersionID); err != nil {
		return false, err
	}
	version, err := readVersion(row)
	if err != nil {
		return false, err
	}
	columns, err := t.said(ctx, &run, remuda.RunReport{Changes: r.Changes, Messages: known.messages()})
	if err != nil {
		return false, err
	}
	if err := t.Update(ctx, &run, columns...); err != nil {
		return false, err
	}
	given := map[string]remuda.RunOutput{}
	for _, step := range r.Steps {
		for key, out := range step.Outputs {
			given[key] = out
		}
	}
	if len(given) == 0 {
		return asynchronous(version.Implementation), nil
	}
	return asynchronous(version.Implementation), t.addOutputs(ctx, &run, version, given)
}

func (t *change) addOutputs(ctx context.Context, run *RunRow, version remuda.Version, given map[string]remuda.RunOutput) error {
	outputs, err := readObject[remuda.Value](run.Outputs)
	if err != nil {
		return err
	}
	secrets, err := t.r.openSecrets("runs", run.ID, run.Secrets)
	if err != nil {
		return err
	}
	added, hidden, err := t.r.reported(run.BlockID, version, given)
	if err != nil {
		return err
	}
	for key, value := range added {
		outputs[key] = value
		delete(secrets, outputSecret(key))
	}
	for name, secret := range hidden {
		secrets[name] = secret
	}
	return t.giveOutputs(ctx, run, outputs, secrets)
}

// asynchronous says whether a run goes on after its runner is done with it.
func asynchronous(b remuda.Blueprint) bool {
	switch {
	case b.OpenTofu != nil:
		return b.OpenTofu.Async
	case b.GitHub != nil:
		return b.GitHub.Async
	case b.AzureDevOps != nil:
		return b.AzureDevOps.Async
	}
	return false
}

// mostChunk bounds a piece of output that is appended at once.
const mostChunk = 512 << 10

// print appends what is new of each step's output. The stream says how much is held: what a report that was cut off did
// not append, the next one does.
func (d RunDoor) print(ctx context.Context, t told) error {
	agent := d.r.plane.AsTask(d.claim)
	if len(t.steps) > 0 {
		if err := agent.Steps(ctx, t.steps); err != nil {
			return err
		}
	}
	for number, text := range t.logs {
		state, err := agent.Stream(ctx, number)
		if err != nil {
			return err
		}
		for state.Length < int64(len(text)) {
			from := state.Length
			piece := text[from:min(int64(len(text)), from+mostChunk)]
			state, err = agent.Append(ctx, remuda.Chunk{Step: number, Offset: from, Source: from + int64(len(piece)), Data: []byte(piece)})
			if err != nil {
				return err
			}
			if state.Length <= from {
				break // it is closed
			}
		}
	}
	return nil
}

// finishSources ends the claim, and settles what that means for the block at once: whoever asks next is told.
func (d RunDoor) finishSources(ctx context.Context, status remuda.RunStatus, summary string) error {
	result := remuda.Result{State: remuda.Succeeded, Detail: cut(summary, 4096)}
	switch status {
	case remuda.RunFailed:
		result.State, result.Reason = remuda.Failed, remuda.ReasonStep
	case remuda.RunAborted:
		result.State = remuda.Canceled
	}
	runner, err := d.r.plane.NodeOf(ctx, d.claim)
	if errors.Is(err, remuda.Forbidden) {
		return nil // its runner is ours, and says so by itself
	}
	if err != nil {
		return err
	}
	err = runner.Finish(ctx, d.claim, result)
	if errors.Is(err, remuda.Gone) || errors.Is(err, remuda.Conflict) {
		return nil // another report ended it
	}
	if err != nil {
		return err
	}
	place, err := d.Place(ctx)
	if err != nil {
		return err
	}
	return d.r.settleRun(ctx, place.Run)
}

// cut is the beginning of a text, whole characters of it.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}
