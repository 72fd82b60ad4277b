package meshstack

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

type registration struct {
	Source struct {
		ID          string  `json:"id"`
		ExternalID  *string `json:"externalId"`
		ExternalURL *string `json:"externalUrl"`
	} `json:"source"`
	Steps []reportStep `json:"steps"`
}

type report struct {
	BlockRunID      string       `json:"blockRunId"`
	Source          any          `json:"source"`
	Type            string       `json:"type"`
	Status          string       `json:"status"`
	CreatedOn       any          `json:"createdOn"`
	Summary         *string      `json:"summary"`
	Steps           []reportStep `json:"steps"`
	Artifact        string       `json:"artifact"`
	ChangesDetected *bool        `json:"changesDetected"`
}

type reportStep struct {
	ID            string                  `json:"id"`
	DisplayName   string                  `json:"displayName"`
	Status        string                  `json:"status"`
	UserMessage   *string                 `json:"userMessage"`
	SystemMessage *string                 `json:"systemMessage"`
	Outputs       map[string]reportOutput `json:"outputs"`
}

type reportOutput struct {
	Value       json.RawMessage `json:"value"`
	Type        string          `json:"type"`
	IsSensitive bool            `json:"isSensitive"`
}

// statusWord reads a status; none for one that says nothing.
func statusWord(word string) (remuda.RunStatus, error) {
	switch s := remuda.RunStatus(strings.ToLower(word)); s {
	case "", remuda.RunPending, remuda.RunInProgress, remuda.RunSucceeded, remuda.RunFailed, remuda.RunAborted:
		return s, nil
	}
	return "", remuda.Fail(remuda.Invalid, "a status is PENDING, IN_PROGRESS, SUCCEEDED, FAILED or ABORTED, not "+word)
}

func sourceSteps(told []reportStep) ([]blocks.SourceStep, error) {
	steps := make([]blocks.SourceStep, 0, len(told))
	for _, one := range told {
		status, err := statusWord(one.Status)
		if err != nil {
			return nil, err
		}
		step := blocks.SourceStep{ID: one.ID, Name: one.DisplayName, Status: status, Message: one.UserMessage, Log: one.SystemMessage}
		for key, out := range one.Outputs {
			if step.Outputs == nil {
				step.Outputs = map[string]remuda.RunOutput{}
			}
			step.Outputs[key] = remuda.RunOutput{Type: remuda.ValueType(strings.ToLower(out.Type)), Value: out.Value, Sensitive: out.IsSensitive}
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// registerSource makes one known who reports of a run.
func registerSource(c *call) (answer, error) {
	var in registration
	if err := c.body(&in, mostBody); err != nil {
		return answer{}, err
	}
	steps, err := sourceSteps(in.Steps)
	if err != nil {
		return answer{}, err
	}
	source := blocks.Source{Name: in.Source.ID, ExternalID: text(in.Source.ExternalID), ExternalURL: text(in.Source.ExternalURL), Steps: steps}
	if err := c.door().RegisterSource(c.ctx, source); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

// reportSource takes what a source knows of a run.
func reportSource(c *call) (answer, error) {
	var in report
	if err := c.body(&in, mostReport); err != nil {
		return answer{}, err
	}
	steps, err := sourceSteps(in.Steps)
	if err != nil {
		return answer{}, err
	}
	r := blocks.SourceReport{Name: c.request.PathValue("source"), Summary: text(in.Summary), Steps: steps, Changes: in.ChangesDetected}
	if r.Status, err = statusWord(in.Status); err != nil {
		return answer{}, err
	}
	if in.Artifact != "" {
		if r.Plan, err = base64.StdEncoding.DecodeString(in.Artifact); err != nil {
			return answer{}, remuda.Fail(remuda.Invalid, "the artifact is no base64")
		}
	}
	aborted, err := c.door().ReportSource(c.ctx, r)
	if err != nil {
		return answer{}, err
	}
	return ok(map[string]bool{"runAborted": aborted}), nil
}

// readPlan gives the plan that a run is to apply.
func readPlan(c *call) (answer, error) {
	plan, err := c.door().SavedPlan(c.ctx)
	return ok(plan), err
}
