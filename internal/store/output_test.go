package store_test

import (
	"bytes"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func outputFacts() []fact {
	return []fact{
		{"a chunk is appended where its stream ends, and only there", chunksAreAppended},
		{"a chunk that many send at once is appended once", sentAtOnceAppendedOnce},
		{"a stream is closed at its length and with its checksum", streamsAreClosed},
		{"an attempt's stream has the bytes of all steps as they came", anAttemptHasAllSteps},
		{"output read in pieces is output read at once", piecesAreTheWhole},
		{"a read answers no more than was asked for", readsAreBounded},
		{"what is not there is empty", nothingIsEmpty},
	}
}

const wide = int64(1 << 40) // a limit that is not reached

func add(t testing.TB, s control.Store, attempt string, step int, offset, source int64, data string, limit int64) remuda.StreamState {
	t.Helper()
	state, err := s.Output().Append(t.Context(), attempt, remuda.Chunk{Step: step, Offset: offset, Source: source, Data: []byte(data)}, limit)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func chunks(t testing.TB, s control.Store, attempt string, step *int, offset int64, most int) []remuda.Chunk {
	t.Helper()
	found, err := s.Output().Chunks(t.Context(), attempt, step, offset, most)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func chunksAreAppended(t *testing.T, s control.Store) {
	attempt := newID()
	for _, c := range []struct {
		what           string
		offset, source int64
		data           string
		want           remuda.StreamState
	}{
		{"one beyond the end changes nothing", 1, 9, "x", remuda.StreamState{}},
		{"the first", 0, 10, "hello ", remuda.StreamState{Length: 6, Source: 10}},
		{"the same again changes nothing", 0, 10, "hello ", remuda.StreamState{Length: 6, Source: 10}},
		{"one that overlaps changes nothing", 5, 99, " world", remuda.StreamState{Length: 6, Source: 10}},
		{"one with a gap changes nothing", 7, 99, "world", remuda.StreamState{Length: 6, Source: 10}},
		{"the next", 6, 15, "world", remuda.StreamState{Length: 11, Source: 15}},
		{"one of no bytes moves the source", 11, 20, "", remuda.StreamState{Length: 11, Source: 20}},
	} {
		if diff := cmp.Diff(c.want, add(t, s, attempt, 3, c.offset, c.source, c.data, wide)); diff != "" {
			t.Errorf("%s: %s", c.what, diff)
		}
	}
	step := 3
	want := []remuda.Chunk{{Step: 3, Data: []byte("hello ")}, {Step: 3, Offset: 6, Data: []byte("world")}}
	if diff := cmp.Diff(want, chunks(t, s, attempt, &step, 0, 100)); diff != "" {
		t.Error(diff)
	}
	state, err := s.Output().Stream(t.Context(), attempt, 3)
	if diff := cmp.Diff(remuda.StreamState{Length: 11, Source: 20}, state); err != nil || diff != "" {
		t.Errorf("the stream is held as %+v, %v", state, err)
	}
}

func sentAtOnceAppendedOnce(t *testing.T, s control.Store) {
	attempt := newID()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if state := add(t, s, attempt, 0, 0, 4, "once", wide); state.Length != 4 {
				t.Errorf("held are %d bytes", state.Length)
			}
		})
	}
	all.Wait()
	if length, err := s.Output().Length(t.Context(), attempt); err != nil || length != 4 {
		t.Errorf("the attempt has %d bytes, %v", length, err)
	}
}

func streamsAreClosed(t *testing.T, s control.Store) {
	attempt := newID()
	add(t, s, attempt, 0, 0, 3, "abc", wide)
	add(t, s, attempt, 0, 3, 6, "def", wide)
	sum := crc32.Checksum([]byte("abcdef"), crc32.MakeTable(crc32.Castagnoli))
	end := func(step int, length int64, sum uint32) (remuda.StreamState, error) {
		return s.Output().Close(t.Context(), attempt, step, remuda.StreamClose{Length: length, Checksum: sum})
	}
	for _, c := range []struct {
		what   string
		length int64
		sum    uint32
	}{{"too short", 5, 0}, {"too long", 7, 0}, {"with another checksum", 6, sum + 1}} {
		if _, err := end(0, c.length, c.sum); remuda.KindOf(err) != remuda.Conflict {
			t.Errorf("closed %s, it answers %v", c.what, err)
		}
	}
	closed := remuda.StreamState{Length: 6, Source: 6, Closed: true}
	for _, sum := range []uint32{sum, 0, sum} { // again is as the first time
		if state, err := end(0, 6, sum); err != nil || state != closed {
			t.Errorf("closed, it answers %+v, %v", state, err)
		}
	}
	if state := add(t, s, attempt, 0, 6, 9, "ghi", wide); state != closed {
		t.Errorf("after the end it grows to %+v", state)
	}
	if state, err := end(1, 0, 0); err != nil || !state.Closed {
		t.Errorf("a step without output is closed as %+v, %v", state, err)
	}
	if length, err := s.Output().Length(t.Context(), attempt); err != nil || length != 6 {
		t.Errorf("the attempt has %d bytes, %v", length, err)
	}
}

func anAttemptHasAllSteps(t *testing.T, s control.Store) {
	attempt := newID()
	add(t, s, attempt, 0, 0, 1, "one ", wide)
	add(t, s, attempt, 1, 0, 1, "two ", wide)
	add(t, s, attempt, 0, 4, 2, "three", wide)
	add(t, s, newID(), 0, 0, 1, "another's", wide)
	want := []remuda.Chunk{{Step: 0, Data: []byte("one ")}, {Step: 1, Offset: 4, Data: []byte("two ")}, {Step: 0, Offset: 8, Data: []byte("three")}}
	if diff := cmp.Diff(want, chunks(t, s, attempt, nil, 0, 100)); diff != "" {
		t.Error(diff)
	}
	first, second := 0, 1
	if got := text(chunks(t, s, attempt, &first, 0, 100)); got != "one three" {
		t.Errorf("the first step wrote %q", got)
	}
	if got := text(chunks(t, s, attempt, &second, 1, 100)); got != "wo " {
		t.Errorf("the second step wrote %q from 1", got)
	}
}

func text(chunks []remuda.Chunk) string {
	var all strings.Builder
	for _, c := range chunks {
		all.Write(c.Data)
	}
	return all.String()
}

// told is what of an attempt's bytes belongs to one stream.
type told struct {
	step *int
	data []byte
}

func piecesAreTheWhole(t *testing.T, s control.Store) {
	rapid.Check(t, func(t *rapid.T) {
		attempt := newID()
		steps := []told{{step: pointer(0)}, {step: pointer(1)}, {step: pointer(2)}}
		all := told{}
		for i, size := range rapid.SliceOfN(rapid.IntRange(0, 40), 1, 10).Draw(t, "sizes") {
			step := rapid.IntRange(0, 2).Draw(t, "step")
			data := bytes.Repeat([]byte{byte('a' + i%26)}, size)
			state, err := s.Output().Append(t.Context(), attempt, remuda.Chunk{Step: step, Offset: int64(len(steps[step].data)), Data: data}, wide)
			if err != nil {
				t.Fatal(err)
			}
			steps[step].data = append(steps[step].data, data...)
			all.data = append(all.data, data...)
			if state.Length != int64(len(steps[step].data)) {
				t.Fatalf("held are %d bytes of %d", state.Length, len(steps[step].data))
			}
		}
		stream := append(steps, all)[rapid.IntRange(0, 3).Draw(t, "stream")]
		offset := rapid.IntRange(0, len(stream.data)+5).Draw(t, "offset")
		most := rapid.IntRange(1, 100).Draw(t, "most")
		var got []byte
		for at := int64(offset); ; {
			found, err := s.Output().Chunks(t.Context(), attempt, stream.step, at, most)
			if err != nil {
				t.Fatal(err)
			}
			if len(found) == 0 {
				break
			}
			for _, c := range found {
				if c.Offset != at {
					t.Fatalf("a chunk starts at %d, not at %d", c.Offset, at)
				}
				at += int64(len(c.Data))
				got = append(got, c.Data...)
			}
		}
		if expected := stream.data[min(offset, len(stream.data)):]; !bytes.Equal(got, expected) {
			t.Fatalf("from %d in pieces of %d it is %q, want %q", offset, most, got, expected)
		}
	})
}

func readsAreBounded(t *testing.T, s control.Store) {
	attempt := newID()
	big := make([]byte, 1<<20)
	for i := range big {
		big[i] = byte(rand.Uint32())
	}
	add(t, s, attempt, 0, 0, 0, string(big), wide)
	for _, most := range []int{1, 1000, 256 << 10, 1 << 20, 4 << 20} {
		got := text(chunks(t, s, attempt, nil, 12345, most))
		if got != string(big[12345:min(len(big), 12345+most)]) {
			t.Errorf("asked for %d bytes, it answers %d", most, len(got))
		}
	}
}

func nothingIsEmpty(t *testing.T, s control.Store) {
	state, err := s.Output().Stream(t.Context(), newID(), 0)
	length, errLength := s.Output().Length(t.Context(), newID())
	if state != (remuda.StreamState{}) || err != nil || length != 0 || errLength != nil {
		t.Errorf("held are %+v, %v and %d, %v", state, err, length, errLength)
	}
	if found := chunks(t, s, newID(), nil, 5, 100); len(found) != 0 {
		t.Errorf("chunks are %v", found)
	}
}
