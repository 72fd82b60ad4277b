//go:build unix

package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/remuda-dev/remuda/internal/control"
)

// BenchmarkIdleSync has a thousand runners whose syncs are over with nothing to say, and who ask for the same again. Both
// sides are in the processor time a sync, of which the runners' is two calls of the system.
func BenchmarkIdleSync(b *testing.B) {
	const herd, hold = 1000, 4 * time.Second
	w := townWith(b, control.Options{IdleHold: hold, Log: slog.New(slog.DiscardHandler)})
	end := w.serve()
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = w.plane.Run(ctx) })
	var answers atomic.Int64
	conns := make([]net.Conn, herd)
	for i := range conns {
		c := w.dial()
		text := []byte(syncText(w.register(fmt.Sprint(i))))
		conns[i] = c.Conn
		running.Go(func() {
			got := make([]byte, 2048)
			for {
				if _, err := c.Write(text); err != nil {
					return
				}
				n, err := c.Read(got)
				if err != nil {
					return
				}
				if !strings.HasPrefix(string(got[:n]), "HTTP/1.1 200 OK\r\n") {
					b.Errorf("answered %s", got[:n])
					return
				}
				answers.Add(1)
			}
		})
	}
	for b.Loop() {
		await := func(n int64) {
			for until := answers.Load() + n; answers.Load() < until; {
				<-time.After(10 * time.Millisecond)
			}
		}
		await(3 * herd)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		first, used := answers.Load(), processorTime(b)
		await(2 * herd)
		syncs, took := answers.Load()-first, processorTime(b)-used
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(took.Microseconds())/float64(syncs), "cpu-µs/sync")
		b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(syncs), "allocs/sync")
		b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(syncs), "B/sync")
		for range 3 { // each halves the stacks that are too large
			runtime.GC()
		}
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.StackInuse)/herd, "stack-B/runner")
		b.ReportMetric(float64(after.HeapAlloc)/herd, "heap-B/runner")
	}
	b.StopTimer()
	for _, conn := range conns {
		_ = conn.Close()
	}
	stop()
	_ = end()
	running.Wait()
}

func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
