package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/remuda-dev/remuda"
)

// chunkRow is a row of the tail. Start is its place in the attempt's output, StepStart in its step's.
type chunkRow struct {
	Step      int    `db:"step"`
	Start     int64  `db:"start"`
	StepStart int64  `db:"step_start"`
	Data      []byte `db:"data"`
}

// span is a run of bytes that a reader gets next: either data, or a place in a part.
type span struct {
	step  int
	start int64 // in the stream that is read
	size  int64
	data  []byte

	object string
	at     int64 // of the frame, within the object
	stored int64 // of the frame
	whole  int64 // of the frame, when it is decompressed
	skip   int64 // bytes of it that come before start
}

// reading collects the spans of one answer, in order and without a gap but at its start.
type reading struct {
	next  int64
	most  int64
	spans []span
	over  bool // nothing more goes into this answer
}

// take adds a run of bytes as far as it lies behind what was read and fits; front cuts some off its start.
func (r *reading) take(s span, front func(*span, int64)) {
	if r.over || s.start+s.size <= r.next {
		return
	}
	if r.most == 0 || len(r.spans) > 0 && s.start > r.next {
		r.over = true
		return
	}
	if cut := r.next - s.start; cut > 0 {
		front(&s, cut)
		s.start, s.size = s.start+cut, s.size-cut
	}
	s.size = min(s.size, r.most)
	if s.data != nil {
		s.data = s.data[:s.size]
	}
	r.spans = append(r.spans, s)
	r.most -= s.size
	r.next = s.start + s.size
}

// Chunks reads up to where something was dropped: what lies behind it is for the next time, so that each answer has at
// most one gap, and that at its start. The database is not held while the bucket answers.
func (s *outputs) Chunks(ctx context.Context, attempt string, step *int, offset int64, most int) ([]remuda.Chunk, error) {
	for again := false; ; again = true {
		r := reading{next: offset, most: int64(most)}
		if err := s.plan(ctx, attempt, step, &r); err != nil {
			return nil, err
		}
		chunks, err := s.fetchAll(ctx, r.spans)
		switch {
		case err == nil, len(chunks) > 0:
			return chunks, nil // what failed fails again when the reader comes to it
		case !errors.Is(err, remuda.NotFound) || again:
			return nil, fmt.Errorf("read output of attempt %s: %w", attempt, lost(err))
		}
		// The part may have been dropped between the two looks: then the next one does not find it.
	}
}

// lost is what a reader is told of an object that should be there and is not.
func lost(err error) error {
	if errors.Is(err, remuda.NotFound) {
		return bucketAway(err)
	}
	return err
}

// plan finds what comes next: first what lies in parts, then the rows of the tail.
func (s *outputs) plan(ctx context.Context, attempt string, step *int, r *reading) error {
	return s.db.read(ctx, func(q *query) error {
		out, err := q.output(attempt)
		if err != nil {
			return err
		}
		if out.Objects > 0 {
			if err := q.planParts(attempt, step, r); err != nil {
				return err
			}
		}
		return q.planRows(attempt, step, out.Moved, r)
	})
}

func (q *query) planParts(attempt string, step *int, r *reading) error {
	for r.most > 0 && !r.over {
		from := r.next
		var parts []partRow
		if err := q.partsFrom(&parts, attempt, step, from); err != nil || len(parts) == 0 {
			return err
		}
		for _, p := range parts {
			if err := r.takePart(p, step); err != nil {
				return fmt.Errorf("part at %d of attempt %s: %w", p.Start, attempt, err)
			}
		}
		if r.next == from {
			return nil
		}
	}
	return nil
}

// takePart takes the pieces of a part that belong to what is read.
func (r *reading) takePart(p partRow, step *int) error {
	pieces, err := decodePieces(p.Pieces)
	if err != nil {
		return err
	}
	front := func(s *span, cut int64) { s.skip += cut }
	start, at := p.Start, int64(0)
	for _, one := range pieces {
		found := span{step: one.step, start: start, size: one.size, object: p.Name, at: at, stored: one.stored, whole: one.size}
		if step != nil {
			found.start = one.start
		}
		if step == nil || one.step == *step {
			r.take(found, front)
		}
		start, at = start+one.size, at+one.stored
	}
	return nil
}

// partsFrom finds the next few parts that reach past an offset of the attempt's stream, or of one step's.
func (q *query) partsFrom(into *[]partRow, attempt string, step *int, offset int64) error {
	if step != nil {
		return q.all(into, `select p.start, p.name, p.pieces from part_steps s join parts p on p.attempt_id = s.attempt_id and p.start = s.start
			where s.attempt_id = $1 and s.step = $2 and s.step_start >= coalesce(
				(select first from (select c.step_start as first, c.size from part_steps c where c.attempt_id = $1 and c.step = $2 and c.step_start <= $3
					order by c.step_start desc limit 1) as before where first + size > $3), $3) order by s.step_start limit 4`, attempt, *step, offset)
	}
	return q.all(into, `select start, name, pieces from parts where attempt_id = $1 and start >= coalesce(
		(select first from (select c.start as first, c.size from parts c where c.attempt_id = $1 and c.start <= $2
			order by c.start desc limit 1) as before where first + size > $2), $2) order by start limit 4`, attempt, offset)
}

func (q *query) planRows(attempt string, step *int, moved int64, r *reading) error {
	front := func(s *span, cut int64) { s.data = s.data[cut:] }
	for r.most > 0 && !r.over {
		from := r.next
		var rows []chunkRow
		if err := q.chunksFrom(&rows, attempt, step, moved, from); err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			found := span{step: row.Step, start: row.Start, size: int64(len(row.Data)), data: row.Data}
			if step != nil {
				found.start = row.StepStart
			}
			r.take(found, front)
		}
		if r.next == from {
			return nil
		}
	}
	return nil
}

// chunksFrom finds the next few rows of the tail that reach past an offset of the attempt's stream, or of one step's.
func (q *query) chunksFrom(into *[]chunkRow, attempt string, step *int, moved, offset int64) error {
	if step != nil {
		return q.all(into, `select step, start, step_start, data from chunks where attempt_id = $1 and step = $2 and start >= $4 and step_start >= coalesce(
			(select first from (select c.step_start as first, c.size from chunks c where c.attempt_id = $1 and c.step = $2 and c.step_start <= $3
				order by c.step_start desc limit 1) as before where first + size > $3), $3) order by step_start limit 16`, attempt, *step, offset, moved)
	}
	return q.all(into, `select step, start, step_start, data from chunks where attempt_id = $1 and start >= $3 and start >= coalesce(
		(select first from (select c.start as first, c.size from chunks c where c.attempt_id = $1 and c.start <= $2
			order by c.start desc limit 1) as before where first + size > $2), $2) order by start limit 16`, attempt, offset, moved)
}

// fetchAll gives the bytes of spans, as far as they can be had.
func (s *outputs) fetchAll(ctx context.Context, spans []span) ([]remuda.Chunk, error) {
	var chunks []remuda.Chunk
	for len(spans) > 0 {
		run := nearby(spans)
		found, err := s.fetchRun(ctx, spans[:run])
		if err != nil {
			return chunks, err
		}
		chunks, spans = append(chunks, found...), spans[run:]
	}
	return chunks, nil
}

// near is how many bytes of an object are rather read and thrown away than asked for apart.
const near = 64 << 10

// nearby counts how many spans, from the first on, one look into the bucket reads.
func nearby(spans []span) int {
	for i := 1; i < len(spans); i++ {
		last := spans[i-1]
		if spans[i].object != last.object || spans[i].object == "" || spans[i].at-last.at-last.stored > near {
			return i
		}
	}
	return len(spans)
}

func (s *outputs) fetchRun(ctx context.Context, run []span) ([]remuda.Chunk, error) {
	first, last := run[0], run[len(run)-1]
	var bytes []byte
	if first.object != "" {
		var err error
		if bytes, err = s.fetch(ctx, first.object, first.at, last.at+last.stored-first.at); err != nil {
			return nil, err
		}
	}
	var chunks []remuda.Chunk
	for _, one := range run {
		data := one.data
		if one.object != "" {
			whole, err := s.zstd.open(bytes[one.at-first.at:][:one.stored], one.whole)
			if err != nil {
				return chunks, fmt.Errorf("object %s at %d: %w", one.object, one.at, err)
			}
			data = whole[one.skip:][:one.size]
		}
		chunks = append(chunks, remuda.Chunk{Step: one.step, Offset: one.start, Data: data})
	}
	return chunks, nil
}
