package server

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

// RunChoice is how runs are chosen.
type RunChoice struct {
	Status   []remuda.RunStatus `query:"status,explode" enum:"pending,in_progress,succeeded,failed,aborted" maxItems:"5" doc:"Only those with one of these; say it once for each"`
	Approval remuda.Approval    `query:"approval" enum:"waiting,approved,rejected,stale" doc:"Only those whose plan stands there"`
}

type listRunsInput struct {
	byBlockUser
	Organization string `query:"organization" maxLength:"64" doc:"Only those of blocks that this organization ordered"`
	Block        string `query:"block" maxLength:"64" doc:"Only those of the block with this id"`
	RunChoice
	Paging
}

func listRuns(ctx context.Context, in *listRunsInput) (remuda.Page[remuda.BlockRun], error) {
	filter := blocks.RunFilter{Organization: in.Organization, Block: in.Block, Status: in.Status, Approval: in.Approval}
	return listedBlocks(in.blocks.Runs(ctx, filter, in.span()))
}

type listBlockRunsInput struct {
	byBlockUser
	BlockID
	RunChoice
	Paging
}

func listBlockRuns(ctx context.Context, in *listBlockRunsInput) (remuda.Page[remuda.BlockRun], error) {
	if _, err := in.blocks.Block(ctx, in.Block); err != nil {
		return remuda.Page[remuda.BlockRun]{}, err
	}
	filter := blocks.RunFilter{Block: in.Block, Status: in.Status, Approval: in.Approval}
	return listedBlocks(in.blocks.Runs(ctx, filter, in.span()))
}

type runBlockInput struct {
	byBlockUser
	BlockID
	Body remuda.RunRequest
}

func runBlock(ctx context.Context, in *runBlockInput) (remuda.BlockRun, error) {
	return in.blocks.RunBlock(ctx, in.Block, in.Body)
}

// RunID is how paths name a run.
type RunID struct {
	Run string `path:"run" doc:"The run's id"`
}

type runInput struct {
	byBlockUser
	RunID
}

func showRun(ctx context.Context, in *runInput) (remuda.BlockRun, error) {
	return in.blocks.Run(ctx, in.Run)
}

func approveRun(ctx context.Context, in *runInput) (remuda.BlockRun, error) {
	return in.blocks.ApproveRun(ctx, in.Run)
}

func rejectRun(ctx context.Context, in *runInput) (remuda.BlockRun, error) {
	return in.blocks.RejectRun(ctx, in.Run)
}

func abortRun(ctx context.Context, in *runInput) (remuda.BlockRun, error) {
	return in.blocks.AbortRun(ctx, in.Run)
}

// manualEnd is how a manual run ended.
type manualEnd struct {
	Status  remuda.RunStatus        `json:"status" enum:"succeeded,failed" doc:"How it ended"`
	Outputs map[string]remuda.Value `json:"outputs,omitempty" maxProperties:"200" doc:"By key, where they are not what the inputs are"`
}

type finishRunInput struct {
	byBlockUser
	RunID
	Body manualEnd
}

func finishRun(ctx context.Context, in *finishRunInput) (remuda.BlockRun, error) {
	return in.blocks.FinishManualRun(ctx, in.Run, in.Body.Status, in.Body.Outputs)
}

func readPlan(ctx context.Context, in *runInput) (func(huma.Context), error) {
	plan, err := in.blocks.Plan(ctx, in.Run)
	return asBytes(rawContent, plan, err)
}
