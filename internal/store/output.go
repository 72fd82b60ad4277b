package store

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/remuda-dev/remuda"
)

// outputs implements control.OutputStore: the end of each attempt's output in a database of its own, every full MiB
// before it as a part in a bucket.
type outputs struct {
	db     *database
	bucket Bucket // nil: all output stays in the database
	zstd   codec
	outage outage
	puts   chan struct{} // holds one for each part that is on its way

	// The measures, in bytes; constant outside of tests.
	piece int64 // the most in a row, or in a frame of a part; what reading a little costs
	part  int64 // what goes into a part
	bound int64 // the most that an attempt keeps in the database while the bucket is away
}

func newOutputs(db *database) *outputs {
	return &outputs{db: db, puts: make(chan struct{}, mostPuts), piece: 256 << 10, part: 1 << 20, bound: 4 << 20}
}

// mostPuts bounds how many parts are on their way at once, and so the memory they take.
const mostPuts = 16

// castagnoli is CRC-32C, the checksum of streams.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

type streamRow struct {
	Length   int64 `db:"length"`
	Source   int64 `db:"source"`
	Checksum int64 `db:"checksum"`
	Closed   bool  `db:"closed"`
}

func (r streamRow) words() remuda.StreamState {
	return remuda.StreamState{Length: r.Length, Source: r.Source, Closed: r.Closed}
}

// takes says whether a chunk is the next of its stream.
func (r streamRow) takes(c remuda.Chunk) bool { return !r.Closed && c.Offset == r.Length }

// grown is the stream after a chunk.
func (r streamRow) grown(c remuda.Chunk) streamRow {
	r.Length += int64(len(c.Data))
	r.Source = c.Source
	r.Checksum = int64(crc32.Update(uint32(r.Checksum), castagnoli(), c.Data))
	return r
}

func (q *query) stream(attempt string, step int) (row streamRow, err error) {
	err = q.one(&row, `select length, source, checksum, closed from streams where attempt_id = $1 and step = $2`, attempt, step)
	return row, ignoreNotFound(err) // nothing was appended yet
}

// keep writes a stream's state.
func (q *query) keep(attempt string, step int, r streamRow) error {
	_, err := q.exec(`insert into streams (attempt_id, step, length, source, checksum, closed) values ($1, $2, $3, $4, $5, $6)
		on conflict (attempt_id, step) do update set length = excluded.length, source = excluded.source,
			checksum = excluded.checksum, closed = excluded.closed`, attempt, step, r.Length, r.Source, r.Checksum, r.Closed)
	return err
}

// outputRow is an attempt's output as a whole; see the migration for what its numbers count.
type outputRow struct {
	Length  int64 `db:"length"`
	Kept    int64 `db:"kept"`
	Moved   int64 `db:"moved"`
	Tail    int64 `db:"tail"`
	Held    int64 `db:"held"`
	Objects int64 `db:"objects"`
	Parted  bool  `db:"parted"`
}

func (q *query) output(attempt string) (row outputRow, err error) {
	err = q.one(&row, `select length, kept, moved, tail, held, objects, parted from outputs where attempt_id = $1`, attempt)
	return row, ignoreNotFound(err)
}

func (q *query) keepOutput(attempt string, r outputRow) error {
	_, err := q.exec(`insert into outputs (attempt_id, length, kept, moved, tail, held, objects, parted) values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict (attempt_id) do update set length = excluded.length, kept = excluded.kept, moved = excluded.moved,
			tail = excluded.tail, held = excluded.held, objects = excluded.objects, parted = excluded.parted`,
		attempt, r.Length, r.Kept, r.Moved, r.Tail, r.Held, r.Objects, r.Parted)
	return err
}

// Append adds a chunk to its stream: to the rows of the attempt's tail, or, when they and it are a part, to the bucket.
func (s *outputs) Append(ctx context.Context, attempt string, c remuda.Chunk, limit int64) (state remuda.StreamState, err error) {
	if !s.parts(limit) {
		return s.appendRows(ctx, attempt, c, limit, wide, nil)
	}
	if int64(len(c.Data)) >= s.part {
		return s.appendParts(ctx, attempt, c, limit)
	}
	full := false
	err = s.db.write(ctx, func(q *query) error {
		full = false
		row, out, err := q.lockOutput(attempt, c.Step)
		if err != nil {
			return err
		}
		state = row.words()
		if !row.takes(c) {
			return nil
		}
		if full = out.Tail+int64(len(c.Data)) >= s.part; !full {
			state, err = s.grow(q, attempt, c, limit, row, out)
		}
		return err
	})
	if err != nil || !full {
		return state, err
	}
	return s.appendParts(ctx, attempt, c, limit)
}

// parts says whether output with this limit goes to the bucket. With a small one, all of it is a tail.
func (s *outputs) parts(limit int64) bool { return s.bucket != nil && limit >= 8*s.part }

// wide is no bound.
const wide = int64(1) << 62

// appendRows adds a chunk to the tail's rows, unless they would hold more than bound. It dooms objects that are not
// needed after all.
func (s *outputs) appendRows(ctx context.Context, attempt string, c remuda.Chunk, limit, bound int64, doomed []string) (state remuda.StreamState, err error) {
	full := false
	err = s.db.write(ctx, func(q *query) error {
		full = false
		if err := q.doom(doomed...); err != nil {
			return err
		}
		row, out, err := q.lockOutput(attempt, c.Step)
		if err != nil {
			return err
		}
		state = row.words()
		if !row.takes(c) {
			return nil
		}
		if full = out.Tail+int64(len(c.Data)) > bound; full {
			return nil
		}
		state, err = s.grow(q, attempt, c, limit, row, out)
		return err
	})
	if err == nil && full {
		err = s.outage.refusal()
	}
	return state, err
}

// lockOutput reads an attempt's output and one of its streams, which nobody else changes until the transaction ends.
func (q *query) lockOutput(attempt string, step int) (row streamRow, out outputRow, err error) {
	if err := q.hold("output " + attempt); err != nil {
		return row, out, err
	}
	if out, err = q.output(attempt); err != nil {
		return row, out, err
	}
	row, err = q.stream(attempt, step)
	return row, out, err
}

// grow adds a chunk to the tail's rows and, past the limit, drops the oldest bytes behind the first half of it: head
// and tail stay.
func (s *outputs) grow(q *query, attempt string, c remuda.Chunk, limit int64, row streamRow, out outputRow) (remuda.StreamState, error) {
	if len(c.Data) > 0 {
		if err := s.insert(q, attempt, c, limit, &out); err != nil {
			return row.words(), err
		}
		if err := q.drop(attempt, limit, &out); err != nil {
			return row.words(), err
		}
		if err := q.keepOutput(attempt, out); err != nil {
			return row.words(), err
		}
	}
	row = row.grown(c)
	return row.words(), q.keep(attempt, c.Step, row)
}

// insert writes a chunk as rows at the end of the attempt's output.
func (s *outputs) insert(q *query, attempt string, c remuda.Chunk, limit int64, out *outputRow) error {
	for data, at := c.Data, c.Offset; len(data) > 0; {
		n := s.pieceAt(out.Length, limit, len(data))
		_, err := q.exec(`insert into chunks (attempt_id, start, step, step_start, size, data) values ($1, $2, $3, $4, $5, $6)`,
			attempt, out.Length, c.Step, at, n, data[:n])
		if err != nil {
			return err
		}
		data, at = data[n:], at+int64(n)
		out.Length, out.Kept, out.Tail, out.Held = out.Length+int64(n), out.Kept+int64(n), out.Tail+int64(n), out.Held+int64(n)
	}
	return nil
}

// pieceAt is how many bytes go into one row: none lies on both sides of where the head ends, and each is small beside
// the tail, from which whole rows are dropped.
func (s *outputs) pieceAt(at, limit int64, n int) int {
	head := limit / 2
	most := min(s.piece, max(1, (limit-head)/4))
	if at < head {
		most = min(most, head-at)
	}
	return int(min(most, int64(n)))
}

// drop takes the oldest bytes behind the head away until no more than the limit is kept: parts come before rows.
func (q *query) drop(attempt string, limit int64, out *outputRow) error {
	for out.Kept > limit {
		dropped, err := q.dropPart(attempt, limit/2, out)
		if err != nil {
			return err
		}
		if dropped {
			continue
		}
		var oldest struct {
			Start int64 `db:"start"`
			Size  int64 `db:"size"`
		}
		err = q.one(&oldest, `select start, size from chunks where attempt_id = $1 and start >= $2 order by start limit 1`, attempt, max(limit/2, out.Moved))
		if err != nil {
			return fmt.Errorf("find the oldest output of attempt %s: %w", attempt, err)
		}
		if _, err := q.exec(`delete from chunks where attempt_id = $1 and start = $2`, attempt, oldest.Start); err != nil {
			return err
		}
		out.Kept, out.Tail, out.Held = out.Kept-oldest.Size, out.Tail-oldest.Size, out.Held-oldest.Size
	}
	return nil
}

// dropPart takes the oldest part behind the head away, if there is one.
func (q *query) dropPart(attempt string, head int64, out *outputRow) (bool, error) {
	if out.Objects == 0 {
		return false, nil
	}
	var oldest partRow
	err := q.one(&oldest, `select start, size, stored, name from parts where attempt_id = $1 and start >= $2 order by start limit 1`, attempt, head)
	if errors.Is(err, remuda.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find the oldest part of attempt %s: %w", attempt, err)
	}
	if err := q.deletePart(attempt, oldest); err != nil {
		return false, err
	}
	out.Kept, out.Held, out.Objects = out.Kept-oldest.Size, out.Held-oldest.Stored, out.Objects-1
	return true, nil
}

func ignoreNotFound(err error) error {
	if errors.Is(err, remuda.NotFound) {
		return nil
	}
	return err
}

// Stream tells how much is held of a step's output.
func (s *outputs) Stream(ctx context.Context, attempt string, step int) (state remuda.StreamState, err error) {
	err = s.db.read(ctx, func(q *query) error {
		row, err := q.stream(attempt, step)
		state = row.words()
		return err
	})
	return state, err
}

// Close ends a step's output.
func (s *outputs) Close(ctx context.Context, attempt string, step int, c remuda.StreamClose) (state remuda.StreamState, err error) {
	err = s.db.write(ctx, func(q *query) error {
		row, _, err := q.lockOutput(attempt, step)
		if err != nil {
			return err
		}
		state = row.words()
		if c.Length != row.Length || c.Checksum != 0 && int64(c.Checksum) != row.Checksum {
			return remuda.Fail(remuda.Conflict, fmt.Sprintf(
				"step %d is closed at %d bytes with checksum %08x, and %d bytes with checksum %08x are held", step, c.Length, c.Checksum, row.Length, row.Checksum))
		}
		row.Closed = true
		state.Closed = true
		return q.keep(attempt, step, row)
	})
	return state, err
}

// Length is how much an attempt has produced.
func (s *outputs) Length(ctx context.Context, attempt string) (length int64, err error) {
	err = s.db.read(ctx, func(q *query) error {
		out, err := q.output(attempt)
		length = out.Length
		return err
	})
	return length, err
}
