package store

import (
	"context"

	"github.com/remuda-dev/remuda/internal/control"
)

func (t tx) SeeRunner(_ context.Context, id string, at, silent control.Micros) error {
	return t.later(false, `update runners set last_seen_at = $2, silent_at = $3 where id = $1 and last_seen_at < $2 and gone_at = 0`, id, at, silent)
}
