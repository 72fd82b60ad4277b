package main

import (
	"fmt"
	"time"

	"github.com/remuda-dev/remuda/internal/store"
)

// progress tells somebody at a terminal how far a copy is; elsewhere it is silent.
type progress struct {
	program *program
	began   time.Time
	shown   time.Time
	looked  bool // somebody looks
	last    store.Progress
}

func (p *program) progress() *progress {
	return &progress{program: p, began: time.Now(), looked: p.terminal(p.stderr)}
}

// note takes down how far it is, and shows it a few times a second.
func (g *progress) note(at store.Progress) {
	g.last = at
	if g.looked && time.Since(g.shown) > 200*time.Millisecond {
		g.shown = time.Now()
		fmt.Fprintf(g.program.stderr, "\r\x1b[K%s: %s", at.Doing, g.amount())
	}
}

// end leaves the line empty.
func (g *progress) end() {
	if g.looked {
		fmt.Fprint(g.program.stderr, "\r\x1b[K")
	}
}

// amount is how much was copied and how fast.
func (g *progress) amount() string {
	took := time.Since(g.began)
	seconds := max(took.Seconds(), 1e-3)
	return fmt.Sprintf("%d rows, %s in %s (%.0f rows/s, %s/s)", g.last.Rows, bytesOf(g.last.Bytes),
		took.Round(time.Millisecond), float64(g.last.Rows)/seconds, bytesOf(int64(float64(g.last.Bytes)/seconds)))
}

// bytesOf is a size as people read it.
func bytesOf(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
