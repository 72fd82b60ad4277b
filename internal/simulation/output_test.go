package simulation

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// reading is what somebody has read of one stream: what of its middle was dropped is not there.
type reading struct {
	chunks []remuda.Chunk
	next   int64
	gaps   int
	size   int64
}

// takes adds what came next; the answer is what is wrong with that. Nothing is ever missing of what the limit keeps at
// the start.
func (r *reading) takes(chunks []remuda.Chunk, next, limit int64) string {
	for _, chunk := range chunks {
		if chunk.Offset < r.next {
			return fmt.Sprintf("%d bytes were read, and those from %d on are given again", r.next, chunk.Offset)
		}
		if chunk.Offset > r.next {
			if limit == 0 || r.next < limit/2 {
				return fmt.Sprintf("%d bytes were read, and those from %d on are given next; %d are kept", r.next, chunk.Offset, limit)
			}
			r.gaps++
		}
		r.chunks = append(r.chunks, chunk)
		r.next, r.size = chunk.Offset+int64(len(chunk.Data)), r.size+int64(len(chunk.Data))
	}
	if next != 0 && next < r.next {
		return fmt.Sprintf("%d bytes were read, and %d are said to be next", r.next, next)
	}
	r.next = max(r.next, next)
	return ""
}

// of is what was read of one step.
func (r *reading) of(step int) (data []byte) {
	for _, chunk := range r.chunks {
		if chunk.Step == step {
			data = append(data, chunk.Data...)
		}
	}
	return data
}

// spread lays what was read out where it belongs; what is not there is zero, which no output is.
func (r *reading) spread(length int64) []byte {
	data := make([]byte, length)
	for _, chunk := range r.chunks {
		copy(data[min(chunk.Offset, length):], chunk.Data)
	}
	return data
}

// readAll reads a stream as it is held.
func readAll(ctx context.Context, held control.OutputStore, claim string, step *int) (*reading, error) {
	r := &reading{}
	for {
		chunks, err := held.Chunks(ctx, claim, step, r.next, 1<<20)
		if err != nil || len(chunks) == 0 {
			return r, err
		}
		if was := r.takes(chunks, 0, 1); was != "" { // how much may be missing is looked at later
			return r, remuda.Fail(remuda.Internal, was)
		}
	}
}

// auditOutput holds what is held of a claim's output against what its agent wrote.
func (w *world) auditOutput(ctx context.Context, held control.OutputStore, claim string, a *agent) error {
	whole, err := readAll(ctx, held, claim, nil)
	if err != nil {
		return err
	}
	length, err := held.Length(ctx, claim)
	if err != nil {
		return err
	}
	produced, size := int64(0), int64(0)
	for n, out := range a.streams {
		read, err := readAll(ctx, held, claim, &n)
		if err != nil {
			return err
		}
		state, err := held.Stream(ctx, claim, n)
		if err != nil {
			return err
		}
		w.auditStream(claim, n, out, state, read)
		if !bytes.Equal(read.of(n), whole.of(n)) {
			w.ledger.breaks(kept, "step %d of claim %s is read otherwise by itself than with the others", n, claim)
		}
		produced, size = produced+state.Length, size+read.size
	}
	if size != whole.size || length != produced {
		w.ledger.breaks(kept, "claim %s has %d bytes by its steps, of which %d are kept, and %d in all, of which %d are", claim, produced, size, length, whole.size)
	}
	w.auditLimit(claim, length, whole)
	w.auditFollowers(claim, length, whole)
	return nil
}

// auditStream holds one step's output against what the step wrote.
func (w *world) auditStream(claim string, n int, out *output, state remuda.StreamState, read *reading) {
	for _, chunk := range read.chunks {
		if end := chunk.Offset + int64(len(chunk.Data)); end > int64(len(out.data)) || !bytes.Equal(chunk.Data, out.data[chunk.Offset:end]) {
			w.ledger.breaks(kept, "step %d of claim %s wrote other bytes than those that are held from %d to %d", n, claim, chunk.Offset, end)
			return
		}
	}
	switch {
	case state.Length < out.acked || state.Length > int64(len(out.data)):
		w.ledger.breaks(kept, "step %d of claim %s: %d bytes were acknowledged of %d, and it is said to have %d", n, claim, out.acked, len(out.data), state.Length)
	case w.plan.limit == 0 && (read.size != state.Length || read.gaps > 0):
		w.ledger.breaks(kept, "step %d of claim %s has %d bytes, and %d are held", n, claim, state.Length, read.size)
	case out.closed && (!state.Closed || state.Length < int64(len(out.data))):
		w.ledger.breaks(kept, "step %d of claim %s was closed at %d bytes; it has %d, closed %v", n, claim, len(out.data), state.Length, state.Closed)
	}
}

// auditLimit holds what is kept of an attempt's output against the limit. What is dropped goes in whole pieces.
func (w *world) auditLimit(claim string, length int64, whole *reading) {
	limit := w.plan.limit
	if limit == 0 || length <= limit {
		if whole.size != length || whole.gaps > 0 {
			w.ledger.breaks(kept, "claim %s has %d bytes and a limit of %d, and %d are held", claim, length, limit, whole.size)
		}
		return
	}
	first := int64(0) // of what is there at the start
	for _, chunk := range whole.chunks {
		if chunk.Offset == first {
			first += int64(len(chunk.Data))
		}
	}
	piece := max(1, (limit-limit/2)/4)
	if w.plan.bucket {
		piece = partSize
	}
	if whole.size > limit || whole.size <= limit-piece || whole.gaps != 1 || first < limit/2 || whole.next != length {
		w.ledger.breaks(trimmed, "claim %s has %d bytes and a limit of %d: %d are held up to byte %d, the first %d of them before one of %d gaps",
			claim, length, limit, whole.size, whole.next, first, whole.gaps)
	}
}

// auditFollowers holds what followers have read against what is still there.
func (w *world) auditFollowers(claim string, length int64, whole *reading) {
	truth := w.ledger.attempts[claim]
	if truth == nil {
		return
	}
	held := whole.spread(length)
	for _, read := range truth.read {
		if read.next > length {
			w.ledger.breaks(kept, "a follower read %d bytes of claim %s, which has %d", read.next, claim, length)
			continue
		}
		for i, b := range read.spread(length) {
			if b != 0 && held[i] != 0 && b != held[i] {
				w.ledger.breaks(kept, "a follower read another byte %d of claim %s than is held", i, claim)
				break
			}
		}
	}
}

// auditBucket removes all output, as retention would: then nothing may be left of it in the bucket.
func (w *world) auditBucket(ctx context.Context, held control.OutputStore) error {
	if w.shed == nil {
		return nil
	}
	if _, err := held.Remove(ctx, slices.Sorted(maps.Keys(w.ledger.attempts))); err != nil {
		return err
	}
	err := held.Tend(ctx)
	for range 10 { // one that has just failed is let alone for a moment
		if err == nil {
			break
		}
		pause(ctx, 2*time.Second)
		err = held.Tend(ctx)
	}
	if err != nil {
		return err
	}
	for _, name := range w.shed.names() {
		if name != "probe" {
			w.ledger.breaks(emptied, "all output was removed, and object %s is left", name)
		}
	}
	return nil
}
