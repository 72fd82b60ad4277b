package server

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/remuda-dev/remuda"
)

type listStatesInput struct {
	byBlockUser
	BlockID
	Paging
}

func listStates(ctx context.Context, in *listStatesInput) (remuda.Page[remuda.BlockState], error) {
	return listedBlocks(in.blocks.States(ctx, in.Block, in.span()))
}

type stateInput struct {
	byBlockUser
	BlockID
	Number string `path:"number" doc:"The state's number, as the control plane counts them"`
}

func readStateVersion(ctx context.Context, in *stateInput) (func(huma.Context), error) {
	number, err := numberOf(in.Number, "state")
	if err != nil {
		return nil, err
	}
	state, err := in.blocks.State(ctx, in.Block, number)
	return asBytes(jsonType, state, err)
}

func rollBackState(ctx context.Context, in *stateInput) (remuda.BlockState, error) {
	number, err := numberOf(in.Number, "state")
	if err != nil {
		return remuda.BlockState{}, err
	}
	return in.blocks.RollBackState(ctx, in.Block, number)
}

func showLock(ctx context.Context, in *blockInput) (remuda.StateLock, error) {
	return in.blocks.StateLock(ctx, in.Block)
}

type forceUnlockInput struct {
	byBlockUser
	BlockID
	ID string `query:"id" maxLength:"200" doc:"Only while it is this lock; whichever it is when empty"`
}

func forceUnlock(ctx context.Context, in *forceUnlockInput) (nothing, error) {
	return nothing{}, in.blocks.ForceUnlockState(ctx, in.Block, in.ID)
}
