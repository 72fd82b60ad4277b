package store_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/bucket"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/store"
)

// BenchmarkAppend says how much output a store takes in: chunks as the agent sends them when a step floods, of a log
// that compresses as logs do. Beside it, what it takes without a bucket.
func BenchmarkAppend(b *testing.B) {
	for _, d := range databases() {
		for _, bucketed := range []bool{true, false} {
			for _, attempts := range []int{1, 4} {
				b.Run(fmt.Sprintf("%s/bucket=%t/attempts=%d", d.name, bucketed, attempts), func(b *testing.B) {
					s := d.opened(b, d.fresh(b))
					if bucketed {
						s.(*store.Store).KeepOutputIn(folderBucket(b))
					}
					flood(b, s, attempts)
				})
			}
		}
	}
}

func folderBucket(t testing.TB) *bucket.Bucket {
	t.Helper()
	address, err := bucket.FolderAddress(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	found, err := bucket.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := found.Close(); err != nil {
			t.Error(err)
		}
	})
	return found
}

func flood(b *testing.B, s control.Store, attempts int) {
	data := logText(1 << 20)
	b.SetBytes(int64(len(data)))
	b.ResetTimer()
	var all sync.WaitGroup
	for range attempts {
		all.Go(func() {
			attempt, at := newID(), int64(0)
			for range b.N / attempts {
				state, err := s.Output().Append(b.Context(), attempt, remuda.Chunk{Offset: at, Data: data}, 64<<20)
				if err != nil {
					b.Error(err)
					return
				}
				if at = state.Length; at > 48<<20 {
					attempt, at = newID(), 0
				}
			}
		})
	}
	all.Wait()
}

// logText is a log of n bytes, which compresses to a sixth or so.
func logText(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"compile", "link", "internal/control", "internal/store", "cached", "download", "warning: unused variable", "PASS", "=== RUN"}
	var text []byte
	for i := 0; len(text) < n; i++ {
		text = fmt.Appendf(text, "2026-11-22T04:%02d:%02d.%03dZ [%d/5000] %s %s/%s_%d.o\n", i/6000%60, i/100%60, i*10%1000, i,
			words[r.IntN(len(words))], words[r.IntN(len(words))], words[r.IntN(len(words))], r.IntN(100))
	}
	return text[:n]
}
