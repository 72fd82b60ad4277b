package store_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/store"
)

// memory is a bucket that can be away, and that can forget to say that it has done what it was asked for.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	away    bool
	silent  bool
	puts    int
	read    int64 // bytes
	onPut   func()
}

func newMemory() *memory { return &memory{objects: map[string][]byte{}} }

var errBucket = errors.New("no route to bucket")

func (m *memory) set(away, silent bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away, m.silent = away, silent
}

func (m *memory) Put(_ context.Context, name string, data []byte) error {
	m.mu.Lock()
	hook := m.onPut
	m.onPut = nil
	m.mu.Unlock()
	if hook != nil {
		hook()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return errBucket
	}
	m.puts++
	m.objects[name] = bytes.Clone(data)
	if m.silent {
		return errBucket
	}
	return nil
}

func (m *memory) Read(_ context.Context, name string, offset, size int64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, there := m.objects[name]
	switch {
	case m.away:
		return nil, errBucket
	case !there:
		return nil, remuda.NotFound
	}
	m.read += size
	return data[offset:][:size], nil
}

func (m *memory) Delete(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return errBucket
	}
	delete(m.objects, name)
	return nil
}

func (m *memory) DeleteAll(_ context.Context, folder string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return errBucket
	}
	maps.DeleteFunc(m.objects, func(name string, _ []byte) bool { return strings.HasPrefix(name, folder+"/") })
	return nil
}

// of names the objects of an attempt.
func (m *memory) of(attempt string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.objects {
		if strings.HasPrefix(name, attempt+"/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// bucketed is what a store with a bucket can do besides.
type bucketed interface {
	opened
	KeepOutputIn(store.Bucket)
	MeasureOutput(piece, part, bound int64)
	Outage() bool
}

// withBucket opens an empty store with small parts in a bucket of memory.
func (d database) withBucket(t testing.TB) (bucketed, *memory) {
	t.Helper()
	s, m := d.opened(t, d.fresh(t)).(bucketed), newMemory()
	s.KeepOutputIn(m)
	s.MeasureOutput(smallPiece, smallPart, smallBound)
	return s, m
}

// Small measures: a limit of at least eight parts has output go to the bucket.
const (
	smallPiece = 16
	smallPart  = 64
	smallBound = 256
	smallLimit = 8 * smallPart
)

// inEach runs a test on every database.
func inEach(t *testing.T, test func(*testing.T, database)) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) { test(t, d) })
	}
}

// TestOutputIsWhatWasAppended draws chunks, ends, outages, answers that are lost, moves and reads, and holds all that
// can be read against plain bytes.
func TestOutputIsWhatWasAppended(t *testing.T) {
	inEach(t, func(t *testing.T, d database) {
		s, m := d.withBucket(t)
		drawn := 0
		rapid.Check(t, func(t *rapid.T) {
			if drawn++; d.name != "sqlite" && drawn%4 != 0 {
				return // each call takes several times as long there
			}
			m.set(false, false)
			s.Outage()
			w := &ledger{t: t, s: s, bucket: m, attempt: newID(), limit: rapid.SampledFrom([]int64{smallLimit - 1, smallLimit, 700, 1500, wide}).Draw(t, "limit")}
			t.Repeat(map[string]func(*rapid.T){
				"append":        w.append,
				"append again":  w.again,
				"append astray": w.astray,
				"away":          func(*rapid.T) { m.set(true, false) },
				"silent":        func(*rapid.T) { m.set(false, true) },
				"back":          func(*rapid.T) { m.set(false, false); s.Outage() },
				"tend":          func(t *rapid.T) { _ = s.Output().Tend(context.Background()) },
				"read":          w.read,
			})
			m.set(false, false)
			s.Outage()
			w.t = t
			w.settle()
		})
	})
}

// ledger is the model: the bytes of an attempt and of its steps.
type ledger struct {
	t       *rapid.T
	s       control.Store
	bucket  *memory
	attempt string
	limit   int64
	all     []byte
	steps   [3][]byte
	last    *remuda.Chunk
}

func (w *ledger) append(t *rapid.T) {
	step := rapid.IntRange(0, len(w.steps)-1).Draw(t, "step")
	data := make([]byte, rapid.SampledFrom([]int{0, 1, 5, 20, 63, 64, 65, 130, 300}).Draw(t, "size"))
	for i := range data {
		data[i] = byte(len(w.all) + i*7 + (len(w.all)+i)>>8)
	}
	c := remuda.Chunk{Step: step, Offset: int64(len(w.steps[step])), Source: int64(len(w.all)), Data: data}
	state, err := w.s.Output().Append(context.Background(), w.attempt, c, w.limit)
	if err != nil {
		var away *remuda.Error
		if !errors.As(err, &away) || away.Kind != remuda.Unavailable || away.Retry == 0 || away.Cause == nil {
			t.Fatalf("append answers %v", err)
		}
		if !w.bucket.away && !w.bucket.silent {
			t.Fatalf("append is refused with the bucket there: %v", err)
		}
		return
	}
	w.steps[step], w.all, w.last = append(w.steps[step], data...), append(w.all, data...), &c
	if state.Length != int64(len(w.steps[step])) || state.Source != c.Source {
		t.Fatalf("held are %+v of %d bytes", state, len(w.steps[step]))
	}
}

// again sends a chunk whose answer was lost.
func (w *ledger) again(t *rapid.T) {
	if w.last == nil || len(w.last.Data) == 0 {
		return
	}
	state, err := w.s.Output().Append(context.Background(), w.attempt, *w.last, w.limit)
	if err != nil || state.Length != int64(len(w.steps[w.last.Step])) {
		t.Fatalf("sent again, held are %+v, %v", state, err)
	}
}

func (w *ledger) astray(t *rapid.T) {
	step := rapid.IntRange(0, len(w.steps)-1).Draw(t, "step")
	c := remuda.Chunk{Step: step, Offset: int64(len(w.steps[step])) + rapid.Int64Range(1, 100).Draw(t, "gap"), Data: make([]byte, 200)}
	state, err := w.s.Output().Append(context.Background(), w.attempt, c, w.limit)
	if err != nil || state.Length != int64(len(w.steps[step])) {
		t.Fatalf("sent with a gap, held are %+v, %v", state, err)
	}
}

// read holds one answer against the model.
func (w *ledger) read(t *rapid.T) {
	of, want := w.stream(rapid.IntRange(-1, len(w.steps)-1).Draw(t, "stream"))
	offset := rapid.IntRange(0, len(want)+5).Draw(t, "offset")
	most := rapid.SampledFrom([]int{1, 10, 50, 64, 200, 1000}).Draw(t, "most")
	found, err := w.s.Output().Chunks(context.Background(), w.attempt, of, int64(offset), most)
	if err != nil {
		if !w.bucket.away || remuda.KindOf(err) != remuda.Unavailable {
			t.Fatalf("reading answers %v", err)
		}
		return
	}
	w.check(found, want, int64(offset), most)
}

// stream is one of the steps, or the whole attempt.
func (w *ledger) stream(n int) (*int, []byte) {
	if n < 0 {
		return nil, w.all
	}
	return &n, w.steps[n]
}

func (w *ledger) check(found []remuda.Chunk, want []byte, offset int64, most int) (end int64) {
	at, size := offset, 0
	for i, c := range found {
		if c.Offset < at || i > 0 && c.Offset != at || len(c.Data) == 0 {
			w.t.Fatalf("chunk %d is at %d, after %d", i, c.Offset, at)
		}
		at = c.Offset + int64(len(c.Data))
		if at > int64(len(want)) || !bytes.Equal(c.Data, want[c.Offset:at]) {
			w.t.Fatalf("the bytes from %d to %d are others", c.Offset, at)
		}
		size += len(c.Data)
	}
	if size > most {
		w.t.Fatalf("%d bytes were read, not %d", size, most)
	}
	return at
}

// settle lets everything come to rest and looks at the whole.
func (w *ledger) settle() {
	ctx := context.Background()
	if err := w.s.Output().Tend(ctx); err != nil {
		w.t.Fatal(err)
	}
	length, err := w.s.Output().Length(ctx, w.attempt)
	if err != nil || length != int64(len(w.all)) {
		w.t.Fatalf("the attempt has %d bytes, %v; want %d", length, err, len(w.all))
	}
	var sizes []int
	for n := -1; n < len(w.steps); n++ {
		of, want := w.stream(n)
		held := make([]bool, len(want))
		for at := int64(0); ; {
			found, err := w.s.Output().Chunks(ctx, w.attempt, of, at, 100)
			if err != nil {
				w.t.Fatal(err)
			}
			if len(found) == 0 {
				break
			}
			at = w.check(found, want, at, 100)
			for _, c := range found {
				for i := range c.Data {
					held[c.Offset+int64(i)] = true
				}
			}
		}
		size := 0
		for at, there := range held {
			if there {
				size++
			} else if n < 0 {
				w.mayBeDropped(int64(at))
			}
		}
		sizes = append(sizes, size)
	}
	if sizes[0] != sizes[1]+sizes[2]+sizes[3] {
		w.t.Fatalf("the attempt keeps %d bytes, its steps %v", sizes[0], sizes[1:])
	}
	if int64(sizes[0]) > w.limit {
		w.t.Fatalf("%d bytes are kept, over the limit of %d", sizes[0], w.limit)
	}
	w.forgotten()
}

// mayBeDropped says which bytes need not be there: none of the head, none of the end but for a part and a piece.
func (w *ledger) mayBeDropped(at int64) {
	length := int64(len(w.all))
	head, slack := w.limit/2, (w.limit-w.limit/2)/2
	if length <= w.limit || at < head || at >= length-(w.limit-head-slack) {
		w.t.Fatalf("of %d bytes at a limit of %d byte %d is not kept", length, w.limit, at)
	}
}

// forgotten shows that nothing is left of an attempt that is forgotten.
func (w *ledger) forgotten() {
	ctx := context.Background()
	for range 2 {
		if _, err := w.s.Output().Remove(ctx, []string{w.attempt}); err != nil {
			w.t.Fatal(err)
		}
		found, err := w.s.Output().Chunks(ctx, w.attempt, nil, 0, 1000)
		length, errLength := w.s.Output().Length(ctx, w.attempt)
		if err != nil || errLength != nil || len(found) > 0 || length != int64(len(w.all)) {
			w.t.Fatalf("after its removal there are %d chunks of %d bytes, %v, %v", len(found), length, err, errLength)
		}
	}
	if err := w.s.Output().Forget(ctx, []string{w.attempt}); err != nil {
		w.t.Fatal(err)
	}
	if length, err := w.s.Output().Length(ctx, w.attempt); err != nil || length != 0 {
		w.t.Fatalf("when it is forgotten it has %d bytes, %v", length, err)
	}
	if err := w.s.Output().Tend(ctx); err != nil {
		w.t.Fatal(err)
	}
	if left := w.bucket.of(w.attempt); len(left) > 0 {
		w.t.Fatalf("the bucket still has %v", left)
	}
	held, err := w.s.Output().Held(ctx)
	if err != nil || held != (control.OutputHeld{}) {
		w.t.Fatalf("held are %+v, %v", held, err)
	}
}
