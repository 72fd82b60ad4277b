package blocks

import (
	"context"
	"log/slog"

	"github.com/remuda-dev/remuda/internal/control"
)

// Options are what Rules are made of.
type Options struct {
	Plane *control.Plane
	Keys  control.Keys
	Log   *slog.Logger
}

// Rules are the rules of building blocks over the same store as the plane's.
type Rules struct {
	plane *control.Plane
	keys  control.Keys
	log   *slog.Logger
}

// New makes Rules; Run must run beside it.
func New(o Options) *Rules { return &Rules{plane: o.Plane, keys: o.Keys, log: o.Log} }

// Run settles what tasks that ended mean for their blocks, and what only time brings about, until ctx ends.
func (r *Rules) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
