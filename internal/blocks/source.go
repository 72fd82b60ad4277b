package blocks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// A run that another system's runner carries out is reported by sources: the runner, and whatever it set going that goes
// on after it. Each tells again and again all that it knows. The steps of all of them are the steps of the run's task,
// in the order in which they were first told.

// Source is one of those who report of a run.
type Source struct {
	Name        string // unique in its run
	ExternalID  string
	ExternalURL string
	Steps       []SourceStep
}

// SourceStep is a step as its source tells of it.
type SourceStep struct {
	ID      string // unique in its source
	Name    string
	Status  remuda.RunStatus
	Message *string // to whoever ordered the block; nil when nothing is said
	Log     *string // all that it printed so far; nil when nothing is said
	Outputs map[string]remuda.RunOutput
}

// SourceReport is all that a source knows.
type SourceReport struct {
	Name    string
	Status  remuda.RunStatus
	Summary string
	Steps   []SourceStep
	Plan    []byte // that a DETECT saved; empty for none
	Changes *bool  // whether that plan has any
}

// The bounds of what sources say.
const (
	mostSources     = 20
	mostSourceSteps = 100
	longestWord     = 500
	longestMessage  = 64 << 10
)

// sourceSpec is what is kept of a source.
type sourceSpec struct {
	Runner      bool         `json:"runner,omitempty"` // it is who claimed the run
	ExternalID  string       `json:"external_id,omitempty"`
	ExternalURL string       `json:"external_url,omitempty"`
	Summary     string       `json:"summary,omitempty"`
	Steps       []sourceStep `json:"steps"`
}

// sourceStep is what is kept of a source's step. Its output lies in a stream; Held and MAC tell whether what is told now
// goes on from there.
type sourceStep struct {
	ID      string           `json:"id"`
	Name    string           `json:"name"`
	Status  remuda.RunStatus `json:"status"`
	Message string           `json:"message,omitempty"`
	Number  int              `json:"number"` // of the task's step
	Held    int              `json:"held,omitempty"`
	MAC     []byte           `json:"mac,omitempty"`
	Started *time.Time       `json:"started,omitempty"`
	Ended   *time.Time       `json:"ended,omitempty"`
}

// stepState is what a source's word for a step means for the task's.
func stepState(s remuda.RunStatus) remuda.StepState {
	switch s {
	case remuda.RunInProgress:
		return remuda.StepRunning
	case remuda.RunSucceeded:
		return remuda.StepSucceeded
	case remuda.RunFailed:
		return remuda.StepFailed
	case remuda.RunAborted:
		return remuda.StepCanceled
	default:
		return remuda.StepPending
	}
}

func (s sourceStep) words() remuda.Step {
	return remuda.Step{Number: s.Number, Name: s.Name, State: stepState(s.Status), StartedAt: s.Started, EndedAt: s.Ended}
}

// replaced is a step whose output began anew: what it printed before stays under its old number.
const replaced = "its output began anew: a later step of the same name goes on"

// sources are those of a run, with what is kept of each.
type sources struct {
	rows  []RunSourceRow
	specs []sourceSpec
}

func sourcesOf(ctx context.Context, v View, run string) (s sources, err error) {
	if s.rows, err = v.RunSources(ctx, run); err != nil {
		return s, err
	}
	s.specs = make([]sourceSpec, len(s.rows))
	for i, row := range s.rows {
		if err := json.Unmarshal([]byte(row.Spec), &s.specs[i]); err != nil {
			return s, fmt.Errorf("read source %s of run %s: %w", row.Name, run, err)
		}
	}
	return s, nil
}

// next is the number of the next step: after those of the sources, and of an agent of ours.
func (s sources) next(attempt control.AttemptRow) (next int, err error) {
	for _, spec := range s.specs {
		for _, step := range spec.Steps {
			next = max(next, step.Number+1)
		}
	}
	if attempt.Steps == "" {
		return next, nil
	}
	var steps []remuda.Step
	if err := json.Unmarshal([]byte(attempt.Steps), &steps); err != nil {
		return next, fmt.Errorf("read the steps of claim %s: %w", attempt.ID, err)
	}
	for _, step := range steps {
		next = max(next, step.Number+1)
	}
	return next, nil
}

func (s sources) index(name string) int {
	for i, row := range s.rows {
		if row.Name == name {
			return i
		}
	}
	return -1
}

// messages are what all sources say to whoever ordered the block.
func (s sources) messages() []remuda.StepMessage {
	messages := []remuda.StepMessage{}
	for _, spec := range s.specs {
		for _, step := range spec.Steps {
			if step.Message != "" {
				messages = append(messages, remuda.StepMessage{Step: step.Name, Message: step.Message})
			}
		}
	}
	return messages
}

// verdict is how the run ended by what its sources say; pending while it goes on.
func (s sources) verdict() (status remuda.RunStatus, summary string) {
	all := len(s.rows) > 0
	for i, row := range s.rows {
		summary = s.specs[i].Summary
		switch row.Status {
		case remuda.RunFailed, remuda.RunAborted:
			return row.Status, summary
		case remuda.RunSucceeded:
		default:
			all = false
		}
	}
	if all {
		return remuda.RunSucceeded, summary
	}
	return remuda.RunPending, ""
}

func (s Source) valid() error {
	var wrong problems
	if s.Name == "" || len(s.Name) > longestWord {
		wrong.add("body.source.id", fmt.Sprintf("a source has an id of 1 to %d bytes", longestWord))
	}
	if len(s.ExternalID) > longestWord || len(s.ExternalURL) > 2048 {
		wrong.add("body.source", fmt.Sprintf("its externalId has at most %d bytes, its externalUrl 2048", longestWord))
	}
	validSourceSteps(s.Steps, &wrong)
	return wrong.err("the source is not kept")
}

func validSourceSteps(steps []SourceStep, wrong *problems) {
	if len(steps) > mostSourceSteps {
		wrong.add("body.steps", fmt.Sprintf("a source has at most %d steps", mostSourceSteps))
	}
	for i, step := range steps {
		if step.ID == "" || len(step.ID) > longestWord || len(step.Name) > longestWord {
			wrong.add(fmt.Sprintf("body.steps[%d]", i), fmt.Sprintf("a step has an id of 1 to %d bytes, and a name of as many at most", longestWord))
		}
	}
}

// RegisterSource makes a source known, and has the run begin with the first one. One that is there is a conflict.
func (d RunDoor) RegisterSource(ctx context.Context, s Source) error {
	if err := s.valid(); err != nil {
		return err
	}
	agent := d.r.plane.AsTask(d.claim)
	if _, err := agent.Begin(ctx, remuda.Begin{}); err != nil {
		return err
	}
	var steps []remuda.Step
	err := d.hold(ctx, func(t *change, h holding) error {
		known, attempt, err := t.heard(ctx, d.claim, h.run.ID)
		if err != nil {
			return err
		}
		if known.index(s.Name) >= 0 {
			return remuda.Fail(remuda.Conflict, "source "+s.Name+" is registered already")
		}
		if len(known.rows) >= mostSources {
			return remuda.Fail(remuda.Invalid, fmt.Sprintf("a run has at most %d sources", mostSources))
		}
		spec := sourceSpec{ExternalID: s.ExternalID, ExternalURL: s.ExternalURL}
		if spec.Runner, err = t.speaksForRunner(ctx, known, attempt); err != nil {
			return err
		}
		next, err := known.next(attempt)
		if err != nil {
			return err
		}
		steps = spec.take(s.Steps, next, t.Now().Time())
		row := RunSourceRow{
			ID: control.NewID(), RunID: h.run.ID, Name: s.Name, Position: len(known.rows), Status: remuda.RunPending,
			CreatedAt: t.Now(), UpdatedAt: t.Now(),
		}
		if row.Spec, err = encode(spec); err != nil {
			return err
		}
		return t.tx.Insert(ctx, &row)
	})
	if err != nil || len(steps) == 0 {
		return err
	}
	return agent.Steps(ctx, steps)
}

// take takes what a source tells of its steps, and answers those of the task that changed. Steps that are new get
// numbers from next on.
func (s *sourceSpec) take(told []SourceStep, next int, now time.Time) (changed []remuda.Step) {
	for _, step := range told {
		i := s.index(step.ID)
		if i < 0 {
			s.Steps = append(s.Steps, sourceStep{ID: step.ID, Number: next})
			i, next = len(s.Steps)-1, next+1
		}
		kept := &s.Steps[i]
		before := *kept
		if step.Name != "" {
			kept.Name = step.Name
		}
		if kept.Name == "" {
			kept.Name = kept.ID
		}
		if step.Status != "" {
			kept.Status = step.Status
		}
		if kept.Status == "" {
			kept.Status = remuda.RunPending
		}
		if kept.Started == nil && kept.Status != remuda.RunPending {
			kept.Started = &now
		}
		if kept.Ended == nil && kept.Status.Ended() {
			kept.Ended = &now
		}
		if step.Message != nil {
			kept.Message = *step.Message
		}
		if before.Name != kept.Name || before.Status != kept.Status {
			changed = append(changed, kept.words())
		}
	}
	return changed
}

func (s *sourceSpec) index(id string) int {
	for i, step := range s.Steps {
		if step.ID == id {
			return i
		}
	}
	return -1
}

// ReportSource takes all that a source knows of a run, and answers whether the run is over for whoever carries it out,
// since somebody aborted it. What a source says of a run that has ended changes nothing.
func (d RunDoor) ReportSource(ctx context.Context, r SourceReport) (aborted bool, err error) {
	state, err := d.attempt(ctx)
	if err != nil {
		return false, err
	}
	switch {
	case !state.State.Live():
		return state.State != remuda.AttemptSucceeded && state.State != remuda.AttemptFailed, nil
	case state.State == remuda.AttemptClaimed && state.CancelRequested:
		return true, d.finishSources(ctx, remuda.RunAborted, "")
	}
	var wrong problems
	if validSourceSteps(r.Steps, &wrong); len(wrong) > 0 {
		return false, wrong.err("the report is not taken")
	}
	if err := d.hide(ctx, &r); err != nil {
		return false, err
	}
	if len(r.Plan) > 0 {
		if err := d.SavePlan(ctx, r.Plan); err != nil && !errors.Is(err, remuda.Conflict) { // only a DETECT's is kept
			return false, err
		}
	}
	told, err := d.tell(ctx, r)
	if err != nil {
		return false, err
	}
	if err := d.print(ctx, told); err != nil {
		return false, err
	}
	if state.CancelRequested {
		return true, d.finishSources(ctx, remuda.RunAborted, told.summary)
	}
	if !told.verdict.Ended() {
		return false, nil
	}
	return false, d.finishSources(ctx, told.verdict, told.summary)
}

func (d RunDoor) attempt(ctx context.Context) (attempt control.AttemptView, err error) {
	err = d.r.look(ctx, func(v View) (err error) {
		attempt, err = v.Attempt(ctx, d.claim)
		return orAbsent(err, "claim", d.claim)
	})
	return attempt, err
}

// hide takes the run's secrets out of what a source says.
func (d RunDoor) hide(ctx context.Context, r *SourceReport) error {
	if d.r.redact == nil {
		return nil
	}
	secrets, err := d.r.plane.AsTask(d.claim).Hidden(ctx)
	if err != nil {
		return err
	}
	for _, step := range r.Steps {
		for _, out := range step.Outputs {
			if out.Sensitive {
				secrets = append(secrets, plainText(out.Value))
			}
		}
	}
	if len(secrets) == 0 {
		return nil
	}
	r.Summary = d.r.redact(secrets, r.Summary, true)
	for i := range r.Steps {
		step := &r.Steps[i]
		if step.Message != nil {
			text := d.r.redact(secrets, *step.Message, true)
			step.Message = &text
		}
		if step.Log != nil {
			text := d.r.redact(secrets, *step.Log, step.Status.Ended())
			step.Log = &text
		}
	}
	return nil
}
