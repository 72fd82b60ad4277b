package store_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// BenchmarkAppend says how much output a store takes in: chunks as the agent sends them when a step floods, of a log
// that compresses as logs do.
func BenchmarkAppend(b *testing.B) {
	for _, d := range databases() {
		for _, attempts := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/%d attempts", d.name, attempts), func(b *testing.B) {
				flood(b, d.opened(b, d.fresh(b)), attempts)
			})
		}
	}
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

// logText is a log of n bytes: times, levels, names, numbers.
func logText(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"compile", "link", "test", "internal/control", "internal/store", "ok", "cached", "download", "warning: unused variable", "PASS", "=== RUN"}
	var text []byte
	for i := 0; len(text) < n; i++ {
		text = fmt.Appendf(text, "2026-11-22T04:%02d:%02d.%06dZ %s/%s_%d (%0.2fs)\n", i/60%60, i%60, r.IntN(1e6), words[r.IntN(len(words))], words[r.IntN(len(words))], r.IntN(5000), r.Float64()*10)
	}
	return text[:n]
}
