package redact

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// tokens makes secrets as they usually are: random, of 32 to 50 characters.
func tokens(n int) []string {
	random := rand.New(rand.NewPCG(1, 2))
	var all []string
	for range n {
		bytes := make([]byte, 24+random.IntN(12))
		for i := range bytes {
			bytes[i] = byte(random.Uint32())
		}
		all = append(all, base64.StdEncoding.EncodeToString(bytes))
	}
	return all
}

// logText is what a build prints, of about a MiB.
func logText() []byte {
	var text strings.Builder
	for i := 0; text.Len() < 1<<20; i++ {
		fmt.Fprintf(&text, "2026-03-04T05:06:%02d.%03dZ INFO  build: compiled github.com/acme/app/internal/p%d in %d ms (cached=%v)\n",
			i%60, i%1000, i%77, i%333, i%2 == 0)
	}
	return []byte(text.String())
}

func BenchmarkNext(b *testing.B) {
	for _, c := range []struct {
		name    string
		secrets []string
		piece   int
	}{
		{"no secret, pieces of 32 KiB", nil, 32 << 10},
		{"20 secrets, pieces of 32 KiB", tokens(20), 32 << 10},
		{"20 secrets, pieces of 100 B", tokens(20), 100},
		{"200 secrets, pieces of 32 KiB", tokens(200), 32 << 10},
	} {
		b.Run(c.name, func(b *testing.B) {
			text, f := logText(), New(c.secrets...)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				s := f.Stream()
				for at := 0; at < len(text); at += c.piece {
					s.Next(text[at:min(at+c.piece, len(text))])
				}
				s.Flush()
			}
		})
	}
}

func BenchmarkAdd(b *testing.B) {
	secrets := tokens(21)
	for b.Loop() {
		b.StopTimer()
		f := New(secrets[:20]...)
		b.StartTimer()
		f.Add(secrets[20])
	}
}
