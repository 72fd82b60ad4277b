package client

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/remuda-dev/remuda"
)

// States lists the versions of a block's state, the newest first.
func (u *User) States(ctx context.Context, block string, q PageQuery) (remuda.Page[remuda.BlockState], error) {
	return read[remuda.Page[remuda.BlockState]](ctx, u, path("blocks", block, "states"), q.values())
}

// StateText reads one of them, as OpenTofu wrote it. The caller closes it.
func (u *User) StateText(ctx context.Context, block string, number int) (io.ReadCloser, error) {
	return u.open(ctx, path("blocks", block, "states", strconv.Itoa(number)))
}

// RollBackState makes an earlier version the current one, as a new version.
func (u *User) RollBackState(ctx context.Context, block string, number int) (remuda.BlockState, error) {
	return send[remuda.BlockState](ctx, u, http.MethodPost, path("blocks", block, "states", strconv.Itoa(number), "rollback"), nil)
}

// StateLock is who holds a block's state; remuda.NotFound for nobody.
func (u *User) StateLock(ctx context.Context, block string) (remuda.StateLock, error) {
	return read[remuda.StateLock](ctx, u, path("blocks", block, "lock"), nil)
}

// ForceUnlockState takes the lock from its holder; only while it is the one of that id, unless that is empty.
func (u *User) ForceUnlockState(ctx context.Context, block, lock string) error {
	query := values{}
	query.set("id", lock)
	return u.remove(ctx, path("blocks", block, "lock"), query)
}
