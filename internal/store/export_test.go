package store

import (
	"context"

	"github.com/remuda-dev/remuda/internal/control"
)

// OlderVersion lets tests compare versions.
var OlderVersion = olderVersion

// Measure makes the measures of output small, so that few bytes make parts.
func (s *Store) Measure(piece, part, bound int64) {
	s.outputs.piece, s.outputs.part, s.outputs.bound = piece, part, bound
}

// Outage says whether output believes that its bucket is away, and forgets it.
func (s *Store) Outage() bool {
	away := s.outputs.outage.now() != nil
	s.outputs.outage.note(nil)
	return away
}

// Asked are the texts of the queries of a look, with their arguments, which find nothing.
func Asked(look func(control.View)) (texts []string, args [][]any) {
	r := &recorder{}
	look(view{&query{session: r, shapes: shapes{}}})
	return r.texts, r.args
}

// recorder is a session that answers nothing.
type recorder struct {
	texts []string
	args  [][]any
}

func (r *recorder) note(text string, args []any) {
	r.texts, r.args = append(r.texts, text), append(r.args, args)
}

func (r *recorder) execute(text string, args []any) (int64, error) {
	r.note(text, args)
	return 0, nil
}

func (r *recorder) collect(_ context.Context, _ any, text string, args []any) error {
	r.note(text, args)
	return nil
}

func (r *recorder) first(_ any, _ shapes, text string, args []any) (bool, error) {
	r.note(text, args)
	return false, nil
}
