// Package agent is the task-agent's loop: it asks leave to begin, runs an Implementation, sends what its steps write,
// and leaves a result for the runner. It also sends what an agent that died left behind.
package agent

import (
	"context"

	"github.com/remuda-dev/remuda"
)

// Plane is what the agent says to the control plane about its one claim. Each call may be repeated.
type Plane interface {
	// Begin asks for leave to execute. remuda.Gone means that the claim has ended: execute nothing.
	Begin(ctx context.Context, begin remuda.Begin) (remuda.Begun, error)

	// Steps reports all steps as they stand now.
	Steps(ctx context.Context, steps []remuda.Step) error

	// Stream says what is held of a step's output.
	Stream(ctx context.Context, step int) (remuda.StreamState, error)

	// Append adds a chunk that starts at the length held; any other changes nothing. The answer is what is held then.
	Append(ctx context.Context, chunk remuda.Chunk) (remuda.StreamState, error)

	// CloseStream ends a step's output.
	CloseStream(ctx context.Context, step int, end remuda.StreamClose) (remuda.StreamState, error)
}

// The exit codes of an agent.
const (
	ExitDone   = 0 // the result is in the claim folder, all output is sent
	ExitError  = 1 // the task could not be carried out, which says nothing about it: hand it back. Standard error says why
	ExitUsage  = 2 // no usable Handoff; nothing was done
	ExitGone   = 3 // the claim is not ours any more: there is nothing to say
	ExitUnsent = 4 // the result is in the claim folder; the runner sends the rest of the output
)
