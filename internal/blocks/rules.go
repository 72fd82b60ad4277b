package blocks

import (
	"context"
	"log/slog"

	"github.com/remuda-dev/remuda/internal/control"
)

// Options are what Rules are made of.
type Options struct {
	Plane *control.Plane
	Store Store // the plane's
	Keys  control.Keys
	Log   *slog.Logger

	// Redact takes secrets out of a text that another system's runner sent; when the text has not ended, also what may
	// turn out to be the beginning of one. Nothing is taken out when it is nil.
	Redact func(secrets []string, text string, ended bool) string
}

// Rules are the rules of building blocks over the same store as the plane's. Any number of them may share a store.
type Rules struct {
	plane *control.Plane
	store Store
	keys  control.Keys
	log   *slog.Logger

	redact func(secrets []string, text string, ended bool) string
}

// New makes Rules; Run must run beside it.
func New(o Options) *Rules {
	return &Rules{plane: o.Plane, store: o.Store, keys: o.Keys, log: o.Log, redact: o.Redact}
}

// look reads one consistent state.
func (r *Rules) look(ctx context.Context, look func(View) error) error {
	return r.plane.Look(ctx, func(v control.View) error { return look(r.store.BlockView(v)) })
}

// change is a transition with the rows of building blocks.
type change struct {
	*control.Transition
	tx Tx
	r  *Rules
}

// change carries out a transition while nothing else is written: what it reads of other blocks stays so.
func (r *Rules) change(ctx context.Context, actor string, do func(*change) error) error {
	return r.changeIn(ctx, control.Alone, actor, do)
}

func (r *Rules) changeIn(ctx context.Context, scope control.Scope, actor string, do func(*change) error) error {
	return r.plane.Change(ctx, scope, actor, func(t *control.Transition) error {
		return do(&change{Transition: t, tx: r.store.BlockTx(t.Tx), r: r})
	})
}
