package store

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/remuda-dev/remuda"
)

// outputStore implements control.OutputStore in a database of its own.
type outputStore struct{ db *database }

// maxPiece bounds a row of output, and with it what reading a little of it costs.
const maxPiece int64 = 256 << 10

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

func (s outputStore) Append(ctx context.Context, attempt string, c remuda.Chunk, limit int64) (state remuda.StreamState, err error) {
	err = s.db.write(ctx, func(q *query) error {
		row, err := q.stream(attempt, c.Step)
		if err != nil {
			return err
		}
		state = row.words()
		if row.Closed || c.Offset != row.Length {
			return nil
		}
		if err := q.grow(attempt, c, limit); err != nil {
			return err
		}
		row.Length += int64(len(c.Data))
		row.Source = c.Source
		row.Checksum = int64(crc32.Update(uint32(row.Checksum), castagnoli(), c.Data))
		state = row.words()
		return q.keep(attempt, c.Step, row)
	})
	return state, err
}

func (q *query) length(attempt string) (length int64, err error) {
	err = q.one(&length, `select length from outputs where attempt_id = $1`, attempt)
	return length, ignoreNotFound(err)
}

// grow adds bytes to what is kept of an attempt and, past the limit, drops the oldest behind the first half of it: head
// and tail stay.
func (q *query) grow(attempt string, c remuda.Chunk, limit int64) error {
	if len(c.Data) == 0 {
		return nil
	}
	start, err := q.length(attempt)
	if err != nil {
		return err
	}
	head := limit / 2
	for data, at := c.Data, start; len(data) > 0; {
		n := pieceAt(at, head, limit, len(data))
		_, err := q.exec(`insert into chunks (attempt_id, start, step, step_start, size, data) values ($1, $2, $3, $4, $5, $6)`,
			attempt, at, c.Step, c.Offset+at-start, n, data[:n])
		if err != nil {
			return err
		}
		data, at = data[n:], at+int64(n)
	}
	by := int64(len(c.Data))
	var kept int64
	err = q.one(&kept, `insert into outputs (attempt_id, length, kept) values ($1, $2, $2)
		on conflict (attempt_id) do update set length = outputs.length + $2, kept = outputs.kept + $2 returning kept`, attempt, by)
	if err != nil || kept <= limit {
		return err
	}
	return q.drop(attempt, head, kept, limit)
}

// pieceAt is how many bytes go into one row: none lies on both sides of where the head ends, and each is small beside
// the tail, from which whole rows are dropped.
func pieceAt(at, head, limit int64, n int) int {
	most := min(maxPiece, max(1, (limit-head)/4))
	if at < head {
		most = min(most, head-at)
	}
	return int(min(most, int64(n)))
}

// drop takes the oldest pieces behind the head away until no more than limit is kept.
func (q *query) drop(attempt string, head, kept, limit int64) error {
	for kept > limit {
		var oldest struct {
			Start int64 `db:"start"`
			Size  int64 `db:"size"`
		}
		err := q.one(&oldest, `select start, size from chunks where attempt_id = $1 and start >= $2 order by start limit 1`, attempt, head)
		if err != nil {
			return fmt.Errorf("find the oldest output of attempt %s: %w", attempt, err)
		}
		if _, err := q.exec(`delete from chunks where attempt_id = $1 and start = $2`, attempt, oldest.Start); err != nil {
			return err
		}
		kept -= oldest.Size
	}
	_, err := q.exec(`update outputs set kept = $2 where attempt_id = $1`, attempt, kept)
	return err
}

func ignoreNotFound(err error) error {
	if errors.Is(err, remuda.NotFound) {
		return nil
	}
	return err
}

func (s outputStore) Stream(ctx context.Context, attempt string, step int) (state remuda.StreamState, err error) {
	err = s.db.read(ctx, func(q *query) error {
		row, err := q.stream(attempt, step)
		state = row.words()
		return err
	})
	return state, err
}

func (s outputStore) Close(ctx context.Context, attempt string, step int, c remuda.StreamClose) (state remuda.StreamState, err error) {
	err = s.db.write(ctx, func(q *query) error {
		row, err := q.stream(attempt, step)
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

func (s outputStore) Length(ctx context.Context, attempt string) (length int64, err error) {
	err = s.db.read(ctx, func(q *query) error {
		length, err = q.length(attempt)
		return err
	})
	return length, err
}

type chunkRow struct {
	Step  int    `db:"step"`
	Start int64  `db:"start"`
	Data  []byte `db:"data"`
}

// Chunks reads up to where something was dropped: what lies behind it is for the next time, so that each answer has at
// most one gap, and that at its start.
func (s outputStore) Chunks(ctx context.Context, attempt string, step *int, offset int64, most int) ([]remuda.Chunk, error) {
	var chunks []remuda.Chunk
	err := s.db.read(ctx, func(q *query) error {
		for next := offset; most > 0; {
			var found []chunkRow
			if err := q.chunksFrom(&found, attempt, step, next); err != nil || len(found) == 0 {
				return err
			}
			for _, row := range found {
				if most == 0 || len(chunks) > 0 && row.Start > next {
					return nil
				}
				if cut := next - row.Start; cut > 0 {
					row.Data, row.Start = row.Data[cut:], next
				}
				row.Data = row.Data[:min(most, len(row.Data))]
				chunks = append(chunks, remuda.Chunk{Step: row.Step, Offset: row.Start, Data: row.Data})
				most -= len(row.Data)
				next = row.Start + int64(len(row.Data))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return chunks, nil
}

// chunksFrom finds the next few chunks that reach past an offset of the attempt's stream, or of one step's.
func (q *query) chunksFrom(into any, attempt string, step *int, offset int64) error {
	if step != nil {
		return q.all(into, `select step, step_start as start, data from chunks where attempt_id = $1 and step = $2 and step_start >= coalesce(
			(select first from (select c.step_start as first, c.size from chunks c where c.attempt_id = $1 and c.step = $2 and c.step_start <= $3
				order by c.step_start desc limit 1) as before where first + size > $3), $3) order by step_start limit 16`, attempt, *step, offset)
	}
	return q.all(into, `select step, start, data from chunks where attempt_id = $1 and start >= coalesce(
		(select first from (select c.start as first, c.size from chunks c where c.attempt_id = $1 and c.start <= $2
			order by c.start desc limit 1) as before where first + size > $2), $2) order by start limit 16`, attempt, offset)
}
