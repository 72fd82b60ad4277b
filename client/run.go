package client

import (
	"context"
	"io"
	"net/http"

	"github.com/remuda-dev/remuda"
)

// RunFilter chooses runs; empty members choose all.
type RunFilter struct {
	Organization, Block string
	Status              []remuda.RunStatus
	Approval            remuda.Approval
}

// Runs lists those that the caller may see, the newest first.
func (u *User) Runs(ctx context.Context, f RunFilter, q PageQuery) (remuda.Page[remuda.BlockRun], error) {
	query := q.values()
	query.set("organization", f.Organization)
	query.set("block", f.Block)
	query.set("approval", string(f.Approval))
	for _, status := range f.Status {
		query.set("status", string(status))
	}
	return read[remuda.Page[remuda.BlockRun]](ctx, u, "/runs", query)
}

// Run shows one.
func (u *User) Run(ctx context.Context, id string) (remuda.BlockRun, error) {
	return read[remuda.BlockRun](ctx, u, path("runs", id), nil)
}

// ApproveRun queues the APPLY of the very plan that a DETECT saved.
func (u *User) ApproveRun(ctx context.Context, id string) (remuda.BlockRun, error) {
	return send[remuda.BlockRun](ctx, u, http.MethodPost, path("runs", id, "approve"), nil)
}

// RejectRun drops the plan of a DETECT.
func (u *User) RejectRun(ctx context.Context, id string) (remuda.BlockRun, error) {
	return send[remuda.BlockRun](ctx, u, http.MethodPost, path("runs", id, "reject"), nil)
}

// AbortRun ends a run and releases the lock that it holds.
func (u *User) AbortRun(ctx context.Context, id string) (remuda.BlockRun, error) {
	return send[remuda.BlockRun](ctx, u, http.MethodPost, path("runs", id, "abort"), nil)
}

// FinishManualRun says how a manual run ended.
func (u *User) FinishManualRun(ctx context.Context, id string, status remuda.RunStatus, outputs map[string]remuda.Value) (remuda.BlockRun, error) {
	body, err := treeOf(struct {
		Status  remuda.RunStatus        `json:"status"`
		Outputs map[string]remuda.Value `json:"outputs,omitempty"`
	}{status, outputs})
	if err != nil {
		return remuda.BlockRun{}, err
	}
	body.revealAll(outputs, "outputs")
	return send[remuda.BlockRun](ctx, u, http.MethodPost, path("runs", id, "finish"), body)
}

// Plan is the plan that a DETECT saved, as OpenTofu wrote it. The caller closes it.
func (u *User) Plan(ctx context.Context, run string) (io.ReadCloser, error) {
	return u.open(ctx, path("runs", run, "plan"))
}

// open begins to read an answer of bytes.
func (u *User) open(ctx context.Context, path string) (io.ReadCloser, error) {
	answer, err := u.door.send(ctx, call{method: http.MethodGet, path: path, accept: "*/*"})
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}
