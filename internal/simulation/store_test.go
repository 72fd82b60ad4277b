package simulation

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// watched is the store as one replica has it: it can be away, and the ledger sees what is written through it. Below it
// lies the store that a mutation may have broken.
type watched struct {
	control.Store
	w *world
	r *replica
}

// errAgain takes a transition back to run it again.
var errAgain = errors.New("run again")

// Write carries out a transition. With bad luck it is run twice, as a database does that could not serialize it, or the
// answer of a commit is lost.
func (s watched) Write(ctx context.Context, scope control.Scope, transition func(control.Tx) error) error {
	if callOf(ctx) == nil {
		s.r.dawdles() // what nobody asked for acts on what it saw a while ago
	}
	luck, err := s.r.touches()
	if err != nil {
		return err
	}
	if s.r.isRefused(ctx, scope) {
		luck = away
	}
	if luck == again {
		err := s.Store.Write(ctx, scope, func(tx control.Tx) error {
			if err := transition(tx); err != nil {
				return err
			}
			return errAgain
		})
		if !errors.Is(err, errAgain) {
			return err
		}
	}
	if luck == away {
		return storeAway()
	}
	var seen *watchedTx // of its last run
	turn := newTurn()
	err = s.Store.Write(ctx, scope, func(tx control.Tx) error {
		seen = &watchedTx{Tx: tx}
		defer s.w.order.runs(turn)
		return transition(seen)
	})
	if err != nil {
		s.w.order.ends(turn, nil)
		return err
	}
	s.w.order.ends(turn, func() {
		s.w.ledger.applies(callOf(ctx), s.r, seen.changes)
		for _, sign := range seen.signs {
			s.w.ledger.signed(sign)
		}
	})
	if luck == unsure {
		return storeAway()
	}
	return nil
}

// Read looks, unless the store is away.
func (s watched) Read(ctx context.Context, look func(control.View) error) error {
	luck, err := s.r.touches()
	if err != nil {
		return err
	}
	if luck == away {
		return storeAway()
	}
	return s.Store.Read(ctx, look)
}

// Tell brings wake-ups to the other replicas a moment later, unless this seed's are all lost.
func (s watched) Tell(topics map[string]int) { s.r.site.tell(s.r, topics) }

// Listen hears what other replicas tell.
func (s watched) Listen(ctx context.Context, hear func(topic string, n int)) error {
	return s.r.site.listen(ctx, s.r, hear)
}

func storeAway() error {
	return &remuda.Error{Kind: remuda.Unavailable, Detail: "the store cannot be used now", Retry: 2 * time.Second, Cause: errors.New("away")}
}

// watchedTx notes what a transition writes.
type watchedTx struct {
	control.Tx
	changes []change
	signs   []sign
}

// Insert notes the row.
func (t *watchedTx) Insert(ctx context.Context, row control.Row) error {
	err := t.Tx.Insert(ctx, row)
	if err == nil {
		t.changes = append(t.changes, change{"insert", copied(row), nil})
	}
	return err
}

// Update notes the columns.
func (t *watchedTx) Update(ctx context.Context, row control.Row, columns ...string) error {
	err := t.Tx.Update(ctx, row, columns...)
	if err == nil {
		t.changes = append(t.changes, change{"update", copied(row), slices.Clone(columns)})
	}
	return err
}

// Delete notes the row.
func (t *watchedTx) Delete(ctx context.Context, row control.Row) error {
	err := t.Tx.Delete(ctx, row)
	if err == nil {
		t.changes = append(t.changes, change{"delete", copied(row), nil})
	}
	return err
}

// Sign notes the claims.
func (t *watchedTx) Sign(ctx context.Context, runner string, claims []string, at control.Micros) error {
	err := t.Tx.Sign(ctx, runner, claims, at)
	if err == nil && len(claims) > 0 {
		t.signs = append(t.signs, sign{runner, slices.Clone(claims), at})
	}
	return err
}

// copied is a row that its owner cannot change any more.
func copied(row control.Row) any {
	value := reflect.Indirect(reflect.ValueOf(row))
	fresh := reflect.New(value.Type())
	fresh.Elem().Set(value)
	return fresh.Interface()
}

// merge writes the named columns of a row into what is known of it.
func merge[R any](known, row *R, columns []string) {
	to, from := reflect.ValueOf(known).Elem(), reflect.ValueOf(row).Elem()
	kind := to.Type()
	for i := range kind.NumField() {
		if slices.Contains(columns, kind.Field(i).Tag.Get("db")) {
			to.Field(i).Set(from.Field(i))
		}
	}
}
