package server

import (
	"context"

	"github.com/remuda-dev/remuda"
)

type beginClaimInput struct {
	byTask
	Claim string `path:"claim" doc:"The claim's id"`
	Body  remuda.Begin
}

func beginClaim(ctx context.Context, in *beginClaimInput) (remuda.Begun, error) {
	return in.door.Begin(ctx, in.Body)
}

// stepsReport says where steps stand: those that changed, or all of them.
type stepsReport struct {
	_     struct{}      `json:"-" additionalProperties:"true"`
	Steps []remuda.Step `json:"steps" maxItems:"1000"`
}

type reportStepsInput struct {
	byTask
	Claim string `path:"claim" doc:"The claim's id"`
	Body  stepsReport
}

func reportSteps(ctx context.Context, in *reportStepsInput) (nothing, error) {
	return nothing{}, in.door.Steps(ctx, in.Body.Steps)
}

type showStreamInput struct {
	byTask
	Claim string `path:"claim" doc:"The claim's id"`
	Step  int    `path:"step" minimum:"0" maximum:"9999" doc:"The step's number, from 0"`
}

func showStream(ctx context.Context, in *showStreamInput) (remuda.StreamState, error) {
	return in.door.Stream(ctx, in.Step)
}

type appendOutputInput struct {
	byTask
	Claim   string `path:"claim" doc:"The claim's id"`
	Step    int    `path:"step" minimum:"0" maximum:"9999" doc:"The step's number, from 0"`
	Offset  int64  `query:"offset" required:"true" minimum:"0" doc:"Of the chunk's first byte in the step's stream: what the last answer gave as length"`
	Source  int64  `query:"source" minimum:"0" doc:"How many bytes of the unfiltered spool file the stream stands for, up to the end of this chunk"`
	RawBody []byte // for the document alone: huma would copy it
}

func appendOutput(ctx context.Context, in *appendOutputInput) (remuda.StreamState, error) {
	return in.door.Append(ctx, remuda.Chunk{Step: in.Step, Offset: in.Offset, Source: in.Source, Data: in.sent})
}

type closeStreamInput struct {
	byTask
	Claim string `path:"claim" doc:"The claim's id"`
	Step  int    `path:"step" minimum:"0" maximum:"9999" doc:"The step's number, from 0"`
	Body  remuda.StreamClose
}

func closeStream(ctx context.Context, in *closeStreamInput) (remuda.StreamState, error) {
	return in.door.CloseStream(ctx, in.Step, in.Body)
}

type finishClaimInput struct {
	byRunner
	Claim string `path:"claim" doc:"The claim's id"`
	Body  remuda.Result
}

func finishClaim(ctx context.Context, in *finishClaimInput) (nothing, error) {
	return nothing{}, in.door.Finish(ctx, in.Claim, in.Body)
}

type finishClaimsInput struct {
	byRunner
	Runner string `path:"runner" doc:"The runner's id"`
	Body   claimResults
}

// claimResults are the ends of several claims.
type claimResults struct {
	_       struct{}             `json:"-" additionalProperties:"true"`
	Results []remuda.ClaimResult `json:"results" minItems:"1" maxItems:"64"`
	Next    int                  `json:"next,omitempty" minimum:"0" maximum:"64" doc:"How many tasks the runner takes with the answer, in the place of those that ended. Whoever gets no answer syncs anew, naming what it has, to be given them"`
}

// finished says which of several claims were not, and what comes next.
type finished struct {
	Refused []remuda.Refused `json:"refused" doc:"What was not finished, and why; all others were"`
	Claims  []remuda.Claim   `json:"claims,omitempty" doc:"What the runner is given in the place of what ended, as a sync would"`
}

func finishClaims(ctx context.Context, in *finishClaimsInput) (finished, error) {
	outcomes, claims, err := in.door.FinishAll(ctx, in.Body.Results, in.Body.Next)
	answer := finished{Refused: []remuda.Refused{}, Claims: claims}
	for i, outcome := range outcomes {
		switch {
		case outcome == nil:
		case remuda.KindOf(outcome) == remuda.Internal:
			err = outcome // repeating all is harmless
		default:
			known := failed(ctx, outcome)
			answer.Refused = append(answer.Refused, remuda.Refused{Claim: in.Body.Results[i].Claim, Kind: known.Kind, Detail: known.Detail})
		}
	}
	return answer, err
}

type returnClaimInput struct {
	byRunner
	Claim string `path:"claim" doc:"The claim's id"`
	Body  remuda.Return
}

func returnClaim(ctx context.Context, in *returnClaimInput) (nothing, error) {
	return nothing{}, in.door.Return(ctx, in.Claim, in.Body)
}
