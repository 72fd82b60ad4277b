package job_test

import (
	"testing"

	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/agent/agenttest"
	"github.com/remuda-dev/remuda/internal/job"
)

// The whole road: a shell writes, the agent spools, filters and sends over its socket, and a plane in memory takes it.
func BenchmarkAStepThatFloods(b *testing.B) {
	const size = 256 << 20
	b.SetBytes(size)
	for b.Loop() {
		a := agenttest.Start(b, agenttest.NewPlane(), agent.Handoff{
			Claim:   agenttest.Claim(job.Name, shell("yes '2026-03-04T05:06:07.089Z INFO build: compiled package github.com/acme/app/internal/p7 in 33ms' 2>/dev/null | head -c "+itoa(size)+" || true")),
			Secrets: map[string]string{"A": "correct-horse-battery-staple", "B": "9f86d081884c7d659a2feaa0c55ad015"},
		})
		if code := a.Wait(); code != agent.ExitDone {
			b.Fatalf("the agent ended with %d", code)
		}
		if got := len(a.Plane.Seen().Streams[0].Data); got != size {
			b.Fatalf("%d bytes arrived", got)
		}
	}
}

// What an empty task costs, from the start of its agent to its end.
func BenchmarkTrue(b *testing.B) {
	for b.Loop() {
		a := agenttest.Start(b, agenttest.NewPlane(), agent.Handoff{Claim: agenttest.Claim(job.Name, shell("true"))})
		if code := a.Wait(); code != agent.ExitDone {
			b.Fatalf("the agent ended with %d", code)
		}
	}
}
