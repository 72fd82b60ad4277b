package store_test

import (
	"bytes"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// written is an attempt's output as it came: the model against which every reading is held.
type written struct {
	all   []byte
	steps [3][]byte
}

// write appends as data says, two bytes a chunk: the step, and how many times 1499 bytes.
func (w *written) write(t *testing.T, s control.Store, attempt string, data []byte, limit int64) {
	for ; len(data) >= 2; data = data[2:] {
		step := int(data[0]) % len(w.steps)
		chunk := make([]byte, int(data[1])*1499)
		for i := range chunk {
			chunk[i] = byte(len(w.all)>>8 + i*7 + i>>8)
		}
		before := int64(len(w.steps[step]))
		state, err := s.Output().Append(t.Context(), attempt, remuda.Chunk{Step: step, Offset: before, Source: before, Data: chunk}, limit)
		if err != nil {
			t.Fatal(err)
		}
		w.steps[step], w.all = append(w.steps[step], chunk...), append(w.all, chunk...)
		if state.Length != int64(len(w.steps[step])) {
			t.Fatalf("step %d has %d bytes, and %d were appended", step, state.Length, len(w.steps[step]))
		}
	}
}

// read holds one answer against the model: in order, at most one gap, and that at its start; whole when nothing was
// dropped.
func (w *written) read(t *testing.T, s control.Store, attempt string, step int, offset int64, most int, dropped bool) {
	of, want := &step, w.all
	if step < 0 {
		of = nil
	} else {
		want = w.steps[step]
	}
	found, err := s.Output().Chunks(t.Context(), attempt, of, offset, most)
	if err != nil {
		t.Fatal(err)
	}
	at, size := offset, 0
	for i, c := range found {
		end := c.Offset + int64(len(c.Data))
		if c.Offset < at || i > 0 && c.Offset > at || end > int64(len(want)) || len(c.Data) == 0 {
			t.Fatalf("step %d from %d: chunk %d is from %d to %d, after %d, of %d", step, offset, i, c.Offset, end, at, len(want))
		}
		if !bytes.Equal(c.Data, want[c.Offset:end]) {
			t.Fatalf("step %d from %d: the bytes from %d to %d are others", step, offset, c.Offset, end)
		}
		at, size = end, size+len(c.Data)
	}
	if size > most {
		t.Fatalf("step %d from %d: %d bytes, and %d were asked for", step, offset, size, most)
	}
	if whole := min(int64(most), int64(len(want))-offset); !dropped && whole > 0 && int64(size) != whole {
		t.Fatalf("step %d from %d: %d bytes of %d", step, offset, size, whole)
	}
}

// FuzzOutputIsReadAsItWasWritten takes what is appended, the limit of what is kept, and which part of which step is read.
func FuzzOutputIsReadAsItWasWritten(f *testing.F) {
	f.Add([]byte("\x00\x01\x01\x02\x00\x03"), int64(60<<20), int64(1500), int64(2000), int8(-1))
	f.Add([]byte("\x00\xff\x00\xff\x01\xff\x00\xff\x02\x08"), int64(60<<20), int64(1<<20-1), int64(2), int8(0))
	f.Add([]byte("\x00\xff\x01\xff\x02\xff\x00\xff\x01\xff\x02\xff\x00\xff\x01\xff\x02\xff"), int64(60<<20), int64(1<<20), int64(1<<20), int8(-1))
	f.Add([]byte("\x00\xff\x01\xff\x02\xff\x00\xff\x01\xff\x02\xff"), int64(100_000), int64(40_000), int64(300_000), int8(-1))
	f.Add([]byte("\x00\x10\x00\x00\x00\x10"), int64(0), int64(0), int64(1), int8(2))
	s, err := open(f.Context(), f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() }) // with the folder
	f.Fuzz(func(t *testing.T, data []byte, limit, offset, most int64, step int8) {
		if len(data) > 40 {
			return // seconds
		}
		limit, offset = 64<<10+max(0, limit)%(64<<20), max(0, offset) // a smaller limit makes very small rows
		attempt, w := newID(), written{}
		w.write(t, s, attempt, data, limit)
		dropped := int64(len(w.all)) > limit
		asked := 1 + int(max(0, most)%(8<<20))
		for one := range 4 { // what was asked for, then all streams from their ends and middles
			w.read(t, s, attempt, max(-1, int(step)%3), offset%(int64(len(w.all))+2), asked, dropped)
			w.read(t, s, attempt, one-1, int64(len(w.all))/2, asked, dropped)
			w.read(t, s, attempt, one-1, 0, 8<<20, dropped)
		}
	})
}
