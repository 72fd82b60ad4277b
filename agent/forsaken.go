package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/remuda-dev/remuda"
)

// forsaken is a Plane that knows when nobody will answer any more. The claim folder goes only when the claim is over, or
// with the runner's own folder: then no successor comes, whoever is called. Without it an agent would call for ever.
type forsaken struct {
	plane  Plane
	folder Folder
}

// judge makes a failure final when the claim folder is not there any more.
func (f forsaken) judge(err error) error {
	if !errors.Is(err, remuda.Unavailable) {
		return err
	}
	if _, gone := os.Lstat(string(f.folder)); errors.Is(gone, fs.ErrNotExist) {
		return &remuda.Error{Kind: remuda.Gone, Detail: "the claim's folder was removed, and its runner does not answer", Cause: err}
	}
	return err
}

// Begin implements Plane.
func (f forsaken) Begin(ctx context.Context, begin remuda.Begin) (remuda.Begun, error) {
	begun, err := f.plane.Begin(ctx, begin)
	return begun, f.judge(err)
}

// Steps implements Plane.
func (f forsaken) Steps(ctx context.Context, steps []remuda.Step) error {
	return f.judge(f.plane.Steps(ctx, steps))
}

// Stream implements Plane.
func (f forsaken) Stream(ctx context.Context, step int) (remuda.StreamState, error) {
	state, err := f.plane.Stream(ctx, step)
	return state, f.judge(err)
}

// Append implements Plane.
func (f forsaken) Append(ctx context.Context, chunk remuda.Chunk) (remuda.StreamState, error) {
	state, err := f.plane.Append(ctx, chunk)
	return state, f.judge(err)
}

// CloseStream implements Plane.
func (f forsaken) CloseStream(ctx context.Context, step int, end remuda.StreamClose) (remuda.StreamState, error) {
	state, err := f.plane.CloseStream(ctx, step, end)
	return state, f.judge(err)
}
