package block

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// runShown is the page of one run.
type runShown struct {
	blocks.RunSight
	Of      remuda.Block
	Task    *remuda.Task // absent for those who may not see it, and when it is kept no longer
	Attempt remuda.Attempt
	All     bool // all of the plan is asked for
	Wrong   *remuda.Error
	Said    map[string]string // what was given for outputs just now
}

func showRun(v *page.Visit) (page.View, error) { return runView(v, nil, nil) }

// runView is the page of the run in the address, with what is wrong with what was asked for there, and what was said for
// its outputs.
func runView(v *page.Visit, said map[string]string, wrong *remuda.Error) (page.View, error) {
	sight, err := v.Blocks.RunSight(v.Context(), v.Path("run"))
	if err != nil {
		return page.View{}, err
	}
	r := runShown{RunSight: sight, Said: said, Wrong: wrong, All: v.Query("plan") == "all"}
	if r.Of, err = v.Blocks.Block(v.Context(), r.Block); err != nil {
		return page.View{}, err
	}
	if r.BlockRun.Task != "" {
		task, err := v.Door.Task(v.Context(), r.BlockRun.Task)
		switch kind := remuda.KindOf(err); {
		case err == nil:
			r.Task = &task
			if n := len(task.Attempts); n > 0 {
				r.Attempt = task.Attempts[n-1]
			}
		case kind != remuda.NotFound && kind != remuda.Forbidden:
			return page.View{}, err
		}
	}
	return page.View{
		Title: fmt.Sprintf("Run %d of %s", r.Number, r.BlockName), Area: page.Blocks, Body: runBody(r), Files: files(),
		Trail: []page.Link{{Text: "Building blocks", To: "/blocks"}, {Text: r.BlockName, To: at(r.Block)}},
	}, nil
}

// applied says whether what stands in a run's plan has been done.
func applied(r blocks.RunSight) bool {
	return r.Status == remuda.RunSucceeded && (r.Behavior == remuda.Apply || r.Behavior == remuda.Destroy)
}

// deedOf is what a run does, where a word is not enough.
func (r runShown) deedOf() string {
	switch {
	case r.Behavior == remuda.Detect && r.Trigger == remuda.TriggerSchedule:
		return "Plan, to look for drift"
	case r.PlanOf != "":
		return "Apply of a plan that was approved"
	default:
		return deed(r.Behavior)
	}
}

// waits says whether somebody is to approve the run's plan.
func (r runShown) waits() bool { return r.Approval == remuda.ApprovalWaiting }

// planTitle is what stands above a run's plan.
func (r runShown) planTitle() string {
	if applied(r.RunSight) {
		return "What was done"
	}
	return "Plan"
}

func (r runShown) askApprove() string {
	text := "Exactly this plan is applied"
	if r.Plan != nil {
		text += ": " + counts(r.Plan, false)
	}
	return text + ". Nothing is planned anew. If anything has changed since the plan was made, it is refused."
}

func (r runShown) askReject() string {
	return "The plan is dropped and nothing is applied. What was ordered stays ordered: to have it planned again, apply the block, or change its inputs."
}

func (r runShown) askAbort() string {
	if r.Status == remuda.RunPending {
		return "The run has not begun, and never will."
	}
	return "OpenTofu is told to stop, and has a minute to write down what it has made. What is half made stays half made, until the block is applied again."
}

// about is why a plan that is not there to be approved is not.
func (r runShown) about() string {
	switch r.Approval {
	case remuda.ApprovalStale:
		return "The plan is stale: something happened after it was made, such as another run or another input. It cannot be applied. Apply the block to have it planned again."
	case remuda.ApprovalRejected:
		return "The plan was rejected by " + r.ApprovedBy + ". Nothing of it is applied."
	case remuda.ApprovalApproved:
		return "The plan was approved by " + r.ApprovedBy + "."
	default:
		return ""
	}
}

// nobodySees is why somebody does not see more of a run.
func (r runShown) nobodySees() string {
	return "What this run plans, does and prints is for " + r.Owner + " alone, whose definition it is: it does not share its runs with those who order. What its steps say to you stands here."
}

// inputs are what a run goes by: what was frozen when it was queued, or the block's own for a manual run that has not
// ended.
func (r runShown) inputs() (names []string, values map[string]remuda.Value) {
	values = map[string]remuda.Value{}
	if r.Manual {
		if !r.Status.Ended() {
			values = r.Of.Inputs
		}
		return inOrder(values, inputOrder(r.Given)), values
	}
	for _, in := range r.Inputs {
		names = append(names, in.Key)
		values[in.Key] = remuda.Value{Value: in.Value}
	}
	return names, values
}

// secret says whether an input was queued as a secret.
func (r runShown) secret(key string) bool {
	for _, in := range r.Inputs {
		if in.Key == key {
			return in.Secret != ""
		}
	}
	return false
}

// said is what stands in the field of an output: what was given just now, or what it is now.
func (r runShown) said(key string) string {
	if text, given := r.Said[key]; given {
		return text
	}
	if isNothing(r.Outputs[key].Value) {
		return ""
	}
	return plainText(r.Outputs[key].Value)
}

// given are the outputs that a form gives which are others than they were.
func given(v *page.Visit, gives map[string]remuda.Output, now map[string]remuda.Value) (outputs map[string]remuda.Value, said map[string]string) {
	outputs, said = map[string]remuda.Value{}, map[string]string{}
	for key, out := range gives {
		fields, sent := v.Request.PostForm[outputField(key)]
		if !sent || len(fields) == 0 {
			continue
		}
		text := strings.ReplaceAll(fields[0], "\r\n", "\n")
		if out.Sensitive {
			if text != "" { // an empty one keeps what there is
				secret := remuda.NewSecret(text)
				outputs[key] = remuda.Value{Secret: &secret}
			}
			continue
		}
		said[key] = text
		if text == "" && isNothing(now[key].Value) || !isNothing(now[key].Value) && text == plainText(now[key].Value) {
			continue
		}
		outputs[key] = remuda.Value{Value: typed(out.Type, text)}
	}
	return outputs, said
}

// typed is a text as the value of an output. What is no number is sent on as text, and refused by the rules in words.
func typed(t remuda.ValueType, text string) json.RawMessage {
	if t == remuda.TypeInteger || t == remuda.TypeBoolean {
		if trimmed := strings.TrimSpace(text); json.Valid([]byte(trimmed)) {
			return json.RawMessage(trimmed)
		}
	}
	encoded, err := json.Marshal(text)
	if err != nil {
		return json.RawMessage("null")
	}
	return encoded
}

func outputField(key string) string { return "output." + key }
