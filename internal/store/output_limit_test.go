package store_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func outputLimitFacts() []fact {
	return []fact{
		{"up to the limit all output is kept", upToTheLimitAllIsKept},
		{"over the limit the head and the end are kept, and no more than the limit", headAndEndAreKept},
		{"one chunk over the limit keeps its head and its end", oneChunkOverTheLimit},
		{"a step whose output was all dropped is empty, and keeps its length", droppedStepsKeepTheirLength},
	}
}

func upToTheLimitAllIsKept(t *testing.T, s control.Store) {
	attempt := newID()
	add(t, s, attempt, 0, 0, 0, "0123456789", 10)
	if got := text(chunks(t, s, attempt, nil, 0, 100)); got != "0123456789" {
		t.Errorf("of 10 bytes %q are kept", got)
	}
}

// kept reads a stream whole: what is kept of it, and where each byte lies.
func kept(t *rapid.T, s control.Store, attempt string, step *int, most int) map[int64]byte {
	found := map[int64]byte{}
	for at := int64(0); ; {
		part, err := s.Output().Chunks(t.Context(), attempt, step, at, most)
		if err != nil {
			t.Fatal(err)
		}
		if len(part) == 0 {
			return found
		}
		for i, c := range part {
			if i > 0 && c.Offset != at || c.Offset < at {
				t.Fatalf("within one answer a chunk starts at %d, not at %d", c.Offset, at)
			}
			for j, b := range c.Data {
				found[c.Offset+int64(j)] = b
			}
			at = c.Offset + int64(len(c.Data))
		}
	}
}

func headAndEndAreKept(t *testing.T, s control.Store) {
	rapid.Check(t, func(t *rapid.T) {
		attempt := newID()
		limit := rapid.Int64Range(16, 200).Draw(t, "limit")
		var all []byte
		var steps [2][]byte
		for i, size := range rapid.SliceOfN(rapid.IntRange(1, 120), 1, 10).Draw(t, "sizes") {
			step := rapid.IntRange(0, 1).Draw(t, "step")
			data := make([]byte, size)
			for j := range data {
				data[j] = byte(i*7 + j)
			}
			state, err := s.Output().Append(t.Context(), attempt, remuda.Chunk{Step: step, Offset: int64(len(steps[step])), Data: data}, limit)
			if err != nil {
				t.Fatal(err)
			}
			steps[step], all = append(steps[step], data...), append(all, data...)
			if state.Length != int64(len(steps[step])) {
				t.Fatalf("the stream has %d bytes, not %d: nothing may fail over the limit", state.Length, len(steps[step]))
			}
		}
		most := rapid.IntRange(20, 100).Draw(t, "most")
		held := kept(t, s, attempt, nil, most)
		if int64(len(held)) > limit {
			t.Fatalf("%d bytes are kept, over the limit of %d", len(held), limit)
		}
		for at, b := range held {
			if all[at] != b {
				t.Fatalf("byte %d is %d, not %d", at, b, all[at])
			}
		}
		// The first half is the head; of the rest at least three quarters are the end, since small pieces are dropped whole.
		head := min(limit/2, int64(len(all)))
		end := (limit - limit/2) * 3 / 4
		for at := range int64(len(all)) {
			_, there := held[at]
			if !there && (at < head || at >= int64(len(all))-end || int64(len(all)) <= limit) {
				t.Fatalf("of %d bytes at a limit of %d byte %d is not kept", len(all), limit, at)
			}
		}
		of := 0
		for step := range steps {
			for at, b := range kept(t, s, attempt, &step, most) {
				if of++; steps[step][at] != b {
					t.Fatalf("byte %d of step %d is %d, not %d", at, step, b, steps[step][at])
				}
			}
		}
		if of != len(held) {
			t.Fatalf("by steps %d bytes are kept, by the attempt %d", of, len(held))
		}
	})
}

func oneChunkOverTheLimit(t *testing.T, s control.Store) {
	attempt := newID()
	data := bytes.Repeat([]byte("0123456789"), 400<<10/10)
	const limit = 100 << 10
	state := add(t, s, attempt, 0, 0, 0, string(data), limit)
	if state.Length != int64(len(data)) {
		t.Errorf("the stream has %d bytes", state.Length)
	}
	head := text(chunks(t, s, attempt, nil, 0, 4<<20))
	if head != string(data[:limit/2]) {
		t.Errorf("the head has %d bytes, want %d", len(head), limit/2)
	}
	rest := chunks(t, s, attempt, nil, limit/2, 4<<20)
	end := text(rest)
	if len(rest) == 0 || rest[0].Offset <= limit/2 || !bytes.HasSuffix(data, []byte(end)) || len(end) < limit*3/8 || len(end) > limit/2 {
		t.Errorf("the end has %d bytes", len(end))
	}
}

func droppedStepsKeepTheirLength(t *testing.T, s control.Store) {
	attempt := newID()
	add(t, s, attempt, 0, 0, 0, "head", 8)
	add(t, s, attempt, 1, 0, 0, "gone", 8)
	for i := range int64(5) {
		add(t, s, attempt, 2, i*4, 0, "more", 8)
	}
	step := 1
	if got := text(chunks(t, s, attempt, &step, 0, 100)); got != "" {
		t.Errorf("of the step in the middle %q are kept", got)
	}
	state, err := s.Output().Stream(t.Context(), attempt, 1)
	if err != nil || state.Length != 4 {
		t.Errorf("it has %d bytes, %v", state.Length, err)
	}
}
