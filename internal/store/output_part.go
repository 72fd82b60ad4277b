package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/remuda-dev/remuda"
)

// partRow is a part as the database knows it.
type partRow struct {
	Start  int64  `db:"start"`
	Size   int64  `db:"size"`
	Stored int64  `db:"stored"`
	Name   string `db:"name"`
	Pieces []byte `db:"pieces"`
}

// piece is some bytes of one step within a part, compressed to a frame of their own.
type piece struct {
	step   int
	start  int64 // in the step's stream
	size   int64
	stored int64 // of the frame
	data   []byte
}

// part is what goes into one object, before it has a row.
type part struct {
	partRow
	pieces []piece
}

// pieces are written as four numbers each, in their order: what lies where follows from their sizes.
func encodePieces(pieces []piece) []byte {
	var text []byte
	for _, p := range pieces {
		for _, n := range [...]int64{int64(p.step), p.start, p.size, p.stored} {
			text = binary.AppendUvarint(text, uint64(n))
		}
	}
	return text
}

var errPieces = errors.New("the pieces of a part cannot be read")

func decodePieces(text []byte) ([]piece, error) {
	var pieces []piece
	for len(text) > 0 {
		var numbers [4]int64
		for i := range numbers {
			n, read := binary.Uvarint(text)
			if read <= 0 {
				return nil, errPieces
			}
			numbers[i], text = int64(n), text[read:]
		}
		pieces = append(pieces, piece{step: int(numbers[0]), start: numbers[1], size: numbers[2], stored: numbers[3]})
	}
	return pieces, nil
}

// add puts bytes of one step at the end of a part, into its last piece as long as that is small and goes on there.
func (p *part) add(c remuda.Chunk, most int64) {
	for data, at := c.Data, c.Offset; len(data) > 0; {
		n := len(p.pieces)
		if n == 0 || p.pieces[n-1].step != c.Step || p.pieces[n-1].start+p.pieces[n-1].size != at || p.pieces[n-1].size >= most {
			p.pieces = append(p.pieces, piece{step: c.Step, start: at})
			continue
		}
		last := &p.pieces[n-1]
		some := min(int64(len(data)), most-last.size)
		if last.data == nil {
			last.data = data[:some:some] // as it came, unless more is added
		} else {
			last.data = append(last.data, data[:some]...)
		}
		last.size, p.Size = last.size+some, p.Size+some
		data, at = data[some:], at+some
	}
}

// send compresses a part and puts it into the bucket. Each try has a name of its own: so what loses a race, or comes
// too late, is never what somebody else has counted on.
func (s *outputs) send(ctx context.Context, attempt string, p *part) error {
	s.puts <- struct{}{}
	defer func() { <-s.puts }()
	if err := s.outage.admit(); err != nil {
		return err
	}
	packed, err := s.zstd.pack(p.pieces)
	if err != nil {
		return err
	}
	p.Name = fmt.Sprintf("%s/%020d-%s", attempt, p.Start, uuid.NewString()[:8])
	p.Stored, p.Pieces = int64(len(packed.data)), encodePieces(p.pieces)
	if err := s.put(ctx, p.Name, packed.data); err != nil {
		return err // what the bucket was given may still be on its way
	}
	s.zstd.letGo(packed)
	return nil
}

// errMoved says that an attempt's output changed while a part of it was made.
var errMoved = errors.New("the output has changed meanwhile")

// appendParts adds a chunk that makes a part, or several, together with the tail. While the bucket is away the tail
// grows instead, to its bound.
func (s *outputs) appendParts(ctx context.Context, attempt string, c remuda.Chunk, limit int64) (state remuda.StreamState, err error) {
	var sent []string
	for range 3 { // somebody else may append another step's output meanwhile
		var f *filling
		if f, err = s.fill(ctx, attempt, c); err == nil && f != nil {
			for i := 0; err == nil && i < len(f.parts); i++ {
				err = s.send(ctx, attempt, &f.parts[i])
				sent = append(sent, f.parts[i].Name) // a failure may have come after the object
			}
		}
		if failed := (bucketError{}); f == nil && err == nil || errors.As(err, &failed) {
			break
		}
		if err != nil {
			return state, err
		}
		state, err = s.commitParts(ctx, attempt, c, limit, f, sent)
		if !errors.Is(err, errMoved) {
			return state, err
		}
		sent = nil // they are doomed
	}
	return s.appendRows(ctx, attempt, c, limit, s.bound, sent)
}

// filling is the parts that a tail and a chunk make, and what is left of the chunk.
type filling struct {
	stream streamRow
	output outputRow
	parts  []part
	rest   remuda.Chunk
}

// fill makes parts of the tail and a chunk. It is nil when they are none any more. A tail that is a part by itself,
// as after the bucket was away, is moved first.
func (s *outputs) fill(ctx context.Context, attempt string, c remuda.Chunk) (*filling, error) {
	f, tail, err := s.look(ctx, attempt, c)
	if err == nil && f.output.Tail >= s.part {
		if err = s.moveTail(ctx, attempt); err == nil {
			f, tail, err = s.look(ctx, attempt, c)
		}
	}
	if err != nil {
		return nil, err
	}
	if !f.stream.takes(c) || f.output.Tail >= s.part || f.output.Tail+int64(len(c.Data)) < s.part {
		return nil, nil
	}
	if !f.output.Parted {
		if err := s.expectParts(ctx, attempt); err != nil {
			return nil, err
		}
	}
	f.make(tail, c, s.part, s.piece)
	return f, nil
}

// look reads what a chunk would be added to.
func (s *outputs) look(ctx context.Context, attempt string, c remuda.Chunk) (f *filling, tail []chunkRow, err error) {
	f = &filling{}
	err = s.db.read(ctx, func(q *query) (err error) {
		if f.output, err = q.output(attempt); err != nil {
			return err
		}
		if f.stream, err = q.stream(attempt, c.Step); err != nil || f.output.Tail == 0 || f.output.Tail >= s.part {
			return err
		}
		return q.all(&tail, `select step, start, step_start, data from chunks where attempt_id = $1 and start >= $2 order by start`, attempt, f.output.Moved)
	})
	return f, tail, err
}

// expectParts notes, before the first object of an attempt, that there are some: so retention looks for what a crash
// leaves.
func (s *outputs) expectParts(ctx context.Context, attempt string) error {
	return s.db.write(ctx, func(q *query) error {
		_, out, err := q.lockOutput(attempt, 0)
		if err != nil || out.Parted {
			return err
		}
		out.Parted = true
		return q.keepOutput(attempt, out)
	})
}

func (f *filling) make(tail []chunkRow, c remuda.Chunk, size, most int64) {
	next := part{}
	for _, row := range tail {
		if end := next.Start + next.Size; next.Size > 0 && row.Start != end {
			f.parts = append(f.parts, next) // something was dropped behind it
			next = part{}
		}
		if next.Size == 0 {
			next.Start = row.Start
		}
		next.add(remuda.Chunk{Step: row.Step, Offset: row.StepStart, Data: row.Data}, most)
	}
	if next.Size == 0 {
		next.Start = f.output.Length
	}
	f.rest = c
	for next.Size+int64(len(f.rest.Data)) >= size {
		n := size - next.Size
		next.add(remuda.Chunk{Step: c.Step, Offset: f.rest.Offset, Data: f.rest.Data[:n]}, most)
		f.rest.Data, f.rest.Offset = f.rest.Data[n:], f.rest.Offset+n
		f.parts = append(f.parts, next)
		next = part{partRow: partRow{Start: next.Start + next.Size}}
	}
	if next.Size > 0 { // no full one, behind a gap
		next.add(f.rest, most)
		f.rest.Data, f.rest.Offset = nil, f.rest.Offset+int64(len(f.rest.Data))
		f.parts = append(f.parts, next)
	}
}

// commitParts makes parts that lie in the bucket count, and with them the chunk. When the output is not any more as it
// was when they were made, nothing of them counts, and all objects are doomed.
func (s *outputs) commitParts(ctx context.Context, attempt string, c remuda.Chunk, limit int64, f *filling, sent []string) (state remuda.StreamState, err error) {
	moved, deleted := false, int64(0)
	err = s.db.write(ctx, func(q *query) error {
		row, out, err := q.lockOutput(attempt, c.Step)
		if err != nil {
			return err
		}
		state = row.words()
		if moved = row != f.stream || out.same() != f.output.same(); moved {
			return q.doom(sent...)
		}
		before := out.Tail
		for _, p := range f.parts {
			if err := q.insertPart(attempt, p); err != nil {
				return err
			}
			out.Moved = p.Start + p.Size
			out.Length, out.Objects = out.Moved, out.Objects+1
			out.Kept, out.Held = out.Kept+p.Size, out.Held+p.Stored
		}
		out.Kept, out.Held, out.Tail = out.Kept-before, out.Held-before, 0
		if deleted, err = q.deleteDead(attempt, out.Moved); err != nil {
			return err
		}
		if err := s.insert(q, attempt, f.rest, limit, &out); err != nil {
			return err
		}
		if err := q.drop(attempt, limit, &out); err != nil {
			return err
		}
		if err := q.keepOutput(attempt, out); err != nil {
			return err
		}
		row = row.grown(c)
		state = row.words()
		return q.keep(attempt, c.Step, row)
	})
	switch {
	case err != nil:
		return state, err
	case moved:
		return state, errMoved
	case deleted == mostDeleted:
		return state, s.bury(ctx, attempt)
	}
	return state, nil
}

// same is what must not change while parts are made.
func (r outputRow) same() [4]int64 { return [...]int64{r.Length, r.Moved, r.Tail, r.Kept} }

func (q *query) insertPart(attempt string, p part) error {
	_, err := q.exec(`insert into parts (attempt_id, start, size, stored, name, pieces) values ($1, $2, $3, $4, $5, $6)`,
		attempt, p.Start, p.Size, p.Stored, p.Name, p.Pieces)
	if err != nil {
		return err
	}
	steps := map[int]piece{} // what of each there is
	var order []int
	for _, one := range p.pieces {
		known, seen := steps[one.step]
		if !seen {
			order, known = append(order, one.step), piece{start: one.start}
		}
		known.size += one.size
		steps[one.step] = known
	}
	for _, step := range order {
		_, err := q.exec(`insert into part_steps (attempt_id, step, step_start, size, start) values ($1, $2, $3, $4, $5)`,
			attempt, step, steps[step].start, steps[step].size, p.Start)
		if err != nil {
			return err
		}
	}
	return nil
}

func (q *query) deletePart(attempt string, p partRow) error {
	if _, err := q.exec(`delete from parts where attempt_id = $1 and start = $2`, attempt, p.Start); err != nil {
		return err
	}
	if _, err := q.exec(`delete from part_steps where attempt_id = $1 and start = $2`, attempt, p.Start); err != nil {
		return err
	}
	return q.doom(p.Name)
}

// doom has objects deleted, once it is durable that nothing refers to them.
func (q *query) doom(names ...string) error {
	for _, name := range names {
		if name == "" {
			continue // it was not tried
		}
		if _, err := q.exec(`insert into doomed (name) values ($1) on conflict (name) do nothing`, name); err != nil {
			return err
		}
	}
	return nil
}

// mostDeleted bounds how many rows of output a transaction deletes, and so how long others wait for it.
const mostDeleted = 64

// deleteDead deletes rows that lie in parts; the answer is how many.
func (q *query) deleteDead(attempt string, moved int64) (int64, error) {
	return q.exec(`delete from chunks where attempt_id = $1 and start in
		(select start from chunks where attempt_id = $1 and start < $2 order by start limit 64)`, attempt, moved)
}

// bury deletes what is left of an attempt's dead rows. Until then they take up space, and nobody sees them.
func (s *outputs) bury(ctx context.Context, attempt string) error {
	for deleted := int64(mostDeleted); deleted == mostDeleted; {
		err := s.db.write(context.WithoutCancel(ctx), func(q *query) error {
			out, err := q.output(attempt)
			if err == nil {
				deleted, err = q.deleteDead(attempt, out.Moved)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// moveTail moves parts of an attempt's tail to the bucket until it is less than one.
func (s *outputs) moveTail(ctx context.Context, attempt string) error {
	for {
		var p part
		var out outputRow
		err := s.db.read(ctx, func(q *query) (err error) {
			if out, err = q.output(attempt); err != nil || out.Tail < s.part {
				return err
			}
			p, err = s.oldest(q, attempt, out.Moved)
			return err
		})
		if err != nil || p.Size == 0 {
			return err
		}
		if err := s.send(ctx, attempt, &p); err != nil {
			return errors.Join(err, s.giveUp(ctx, p))
		}
		if err := s.commitMove(ctx, attempt, out.Moved, p); err != nil {
			return err
		}
	}
}

// giveUp dooms the object of a part that could not be put: the failure may have come after it.
func (s *outputs) giveUp(ctx context.Context, p part) error {
	if p.Name == "" {
		return nil
	}
	return s.db.write(context.WithoutCancel(ctx), func(q *query) error { return q.doom(p.Name) })
}

// oldest makes a part of the first rows of the tail: not more than are a part, and none behind a gap.
func (s *outputs) oldest(q *query, attempt string, from int64) (p part, err error) {
	p.Start = from
	for p.Size < s.part {
		var rows []chunkRow
		err := q.all(&rows, `select step, start, step_start, data from chunks where attempt_id = $1 and start >= $2 order by start limit 16`, attempt, p.Start+p.Size)
		if err != nil || len(rows) == 0 {
			return p, err
		}
		for _, row := range rows {
			if p.Size == 0 {
				p.Start = row.Start
			}
			if row.Start != p.Start+p.Size || p.Size >= s.part {
				return p, nil
			}
			p.add(remuda.Chunk{Step: row.Step, Offset: row.StepStart, Data: row.Data}, s.piece)
		}
	}
	return p, nil
}

// commitMove makes a part count that was made of rows. When somebody else was first, its object is doomed.
func (s *outputs) commitMove(ctx context.Context, attempt string, moved int64, p part) error {
	var deleted int64
	err := s.db.write(ctx, func(q *query) error {
		_, out, err := q.lockOutput(attempt, 0)
		if err != nil {
			return err
		}
		var size int64
		err = q.one(&size, `select cast(coalesce(sum(size), 0) as bigint) from chunks where attempt_id = $1 and start >= $2 and start < $3`, attempt, p.Start, p.Start+p.Size)
		if err != nil {
			return err
		}
		if out.Moved != moved || size != p.Size {
			return q.doom(p.Name)
		}
		if err := q.insertPart(attempt, p); err != nil {
			return err
		}
		out.Moved, out.Objects, out.Parted = p.Start+p.Size, out.Objects+1, true
		out.Tail, out.Held = out.Tail-p.Size, out.Held-p.Size+p.Stored
		if deleted, err = q.deleteDead(attempt, out.Moved); err != nil {
			return err
		}
		return q.keepOutput(attempt, out)
	})
	if err != nil || deleted < mostDeleted {
		return err
	}
	return s.bury(ctx, attempt)
}
