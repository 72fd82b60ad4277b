// Package agenttest is the suite that an Implementation must pass, with a control plane in memory to test agents with.
//
// Agents are real processes: the test's own binary, started again. So a package that uses Run or Start has
//
//	func TestMain(m *testing.M) {
//		if agenttest.IsAgent(os.Args) {
//			ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
//			os.Exit(agenttest.Main(ctx, os.Stdin, os.Stderr, New()))
//		}
//		os.Exit(m.Run())
//	}
package agenttest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// Suite says by which payloads an Implementation does what the suite is about. What a payload writes goes to the
// output of its first step. Whatever is not possible for an Implementation stays nil, and its test is left out.
type Suite struct {
	Implementation string

	// Says writes a line of text and succeeds.
	Says func(text string) remuda.Payload

	// Fails fails by itself, because of the user's doing.
	Fails func() remuda.Payload

	// Refused cannot be carried out, whatever the machine.
	Refused func() remuda.Payload

	// Touches makes a file.
	Touches func(file string) remuda.Payload

	// Hangs writes the process id of something that it runs to a file, then a line of text, and goes on until TERM.
	Hangs func(file, text string) remuda.Payload

	// Defies is like Hangs, but does not heed TERM.
	Defies func(file, text string) remuda.Payload

	// LeavesBehind starts something that leaves its process group and goes on, writes its id to a file, and succeeds.
	LeavesBehind func(file string) remuda.Payload

	// Counts writes the lines 1, 2, 3 and so on without end, after each one its number to a file, and before all of
	// them the id of its process group to another.
	Counts func(group, file string) remuda.Payload
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	tests := []struct {
		fact     string
		possible bool
		show     func(t *testing.T, s Suite)
	}{
		{"nothing runs before the control plane has acknowledged", s.Touches != nil, nothingRunsBefore},
		{"nothing runs of a claim that has ended", s.Touches != nil, nothingRunsOfAnEndedClaim},
		{"success is a result with all output", s.Says != nil, success},
		{"failure is a result with a reason and a sentence", s.Fails != nil, failure},
		{"what cannot be carried out is a failure of its config", s.Refused != nil, refused},
		{"secrets are masked", s.Says != nil, masked},
		{"a control plane that is away for a while is told all afterwards", s.Says != nil, away},
		{"answers that were lost double nothing", s.Says != nil, lostAnswers},
		{"cancel ends what heeds it before the grace is over", s.Hangs != nil, cancel},
		{"cancel ends what does not heed it when the grace is over", s.Defies != nil, cancelStubborn},
		{"a timeout ends the task with its reason", s.Hangs != nil, timeout},
		{"a claim that ends elsewhere ends the task without a result", s.Hangs != nil, gone},
		{"nothing that the task left behind survives it", s.LeavesBehind != nil, leftBehind},
		{"a killed agent loses nothing that was written", s.Counts != nil, killed},
	}
	for _, test := range tests {
		if test.possible {
			t.Run(test.fact, func(t *testing.T) { test.show(t, s) })
		}
	}
}

func (s Suite) start(t *testing.T, payload remuda.Payload, change ...func(*agent.Handoff)) *Agent {
	t.Helper()
	handoff := agent.Handoff{Claim: Claim(s.Implementation, payload)}
	for _, change := range change {
		change(&handoff)
	}
	return Start(t, NewPlane(), handoff)
}

func nothingRunsBefore(t *testing.T, s Suite) {
	file := filepath.Join(t.TempDir(), "touched")
	plane := NewPlane()
	plane.Mute()
	a := Start(t, plane, agent.Handoff{Claim: Claim(s.Implementation, s.Touches(file))})
	a.untilAsked()
	a.Stop()
	a.want(agent.ExitDone, remuda.Result{State: remuda.Canceled})
	if _, err := os.Stat(file); err == nil {
		t.Error("the task ran before its Begin was acknowledged")
	}
}

func nothingRunsOfAnEndedClaim(t *testing.T, s Suite) {
	file := filepath.Join(t.TempDir(), "touched")
	plane := NewPlane()
	plane.End()
	a := Start(t, plane, agent.Handoff{Claim: Claim(s.Implementation, s.Touches(file))})
	a.wantGone()
	if _, err := os.Stat(file); err == nil {
		t.Error("the task of a claim that had ended ran")
	}
}

func success(t *testing.T, s Suite) {
	a := s.start(t, s.Says("hello, world"))
	a.want(agent.ExitDone, remuda.Result{State: remuda.Succeeded})
	seen := a.Plane.Seen()
	if got := a.Plane.Output(0); !strings.Contains(got, "hello, world\n") {
		t.Errorf("the output is %q", got)
	}
	if stream := seen.Streams[0]; !stream.Closed || !stream.Summed {
		t.Error("the output was not closed with a checksum")
	}
	for _, step := range seen.Steps {
		if !step.State.Ended() {
			t.Errorf("step %d is %s after the end", step.Number, step.State)
		}
	}
	first := seen.Steps[0]
	if first.State != remuda.StepSucceeded || first.StartedAt == nil || first.EndedAt == nil || first.Name == "" {
		t.Errorf("the first step was reported as %+v", first)
	}
}

func failure(t *testing.T, s Suite) {
	a := s.start(t, s.Fails())
	if code := a.Wait(); code != agent.ExitDone {
		t.Fatalf("the agent ended with %d", code)
	}
	result := a.Result()
	if result.State != remuda.Failed || result.Reason != remuda.ReasonStep || result.Detail == "" {
		t.Errorf("the result is %+v", result)
	}
}

func refused(t *testing.T, s Suite) {
	a := s.start(t, s.Refused())
	if code := a.Wait(); code != agent.ExitDone {
		t.Fatalf("the agent ended with %d", code)
	}
	result := a.Result()
	if result.State != remuda.Failed || result.Reason != remuda.ReasonConfig || result.Detail == "" {
		t.Errorf("the result is %+v", result)
	}
}

func masked(t *testing.T, s Suite) {
	const secret = "correct-horse-battery-staple"
	a := s.start(t, s.Says("before "+secret+" after"), func(h *agent.Handoff) {
		h.Secrets = map[string]string{"PHRASE": secret}
	})
	a.want(agent.ExitDone, remuda.Result{State: remuda.Succeeded})
	for n, stream := range a.Plane.Seen().Streams {
		if strings.Contains(string(stream.Data), secret) {
			t.Errorf("the output of step %d holds a secret: %q", n, stream.Data)
		}
	}
	if got := a.Plane.Output(0); !strings.Contains(got, "before ") || !strings.Contains(got, " after\n") {
		t.Errorf("the output is %q", got)
	}
}

func away(t *testing.T, s Suite) {
	a := s.start(t, s.Says("told late"))
	a.Plane.Until(t, "begin", func(seen Seen) bool { return seen.Begun })
	a.Plane.Away(true)
	a.UntilResult()
	a.Plane.Away(false)
	a.want(agent.ExitDone, remuda.Result{State: remuda.Succeeded})
	if got := a.Plane.Output(0); strings.Count(got, "told late\n") != 1 {
		t.Errorf("the output is %q", got)
	}
}

func lostAnswers(t *testing.T, s Suite) {
	plane := NewPlane()
	plane.LoseAnswers(2)
	a := Start(t, plane, agent.Handoff{Claim: Claim(s.Implementation, s.Says("told once"))})
	a.want(agent.ExitDone, remuda.Result{State: remuda.Succeeded})
	if got := a.Plane.Output(0); strings.Count(got, "told once\n") != 1 {
		t.Errorf("the output is %q", got)
	}
}

func cancel(t *testing.T, s Suite) {
	file := filepath.Join(t.TempDir(), "pid")
	a := s.start(t, s.Hangs(file, "here I am"), func(h *agent.Handoff) {
		h.Claim.CancelGrace = remuda.Duration(patience)
	})
	a.untilSaid("here I am")
	begin := time.Now()
	a.Stop()
	a.want(agent.ExitDone, remuda.Result{State: remuda.Canceled})
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("it took %s", took)
	}
	a.wantDead(file)
	a.wantStep(0, remuda.StepCanceled)
}

func cancelStubborn(t *testing.T, s Suite) {
	const grace = 300 * time.Millisecond
	file := filepath.Join(t.TempDir(), "pid")
	a := s.start(t, s.Defies(file, "here I stay"), func(h *agent.Handoff) {
		h.Claim.CancelGrace = remuda.Duration(grace)
	})
	a.untilSaid("here I stay")
	begin := time.Now()
	a.Stop()
	a.want(agent.ExitDone, remuda.Result{State: remuda.Canceled})
	if took := time.Since(begin); took < grace {
		t.Errorf("it was killed after %s, before its grace of %s was over", took, grace)
	}
	a.wantDead(file)
}

func timeout(t *testing.T, s Suite) {
	file := filepath.Join(t.TempDir(), "pid")
	a := s.start(t, s.Hangs(file, "on and on"), func(h *agent.Handoff) {
		h.Claim.Timeout = remuda.Duration(2 * time.Second)
	})
	if code := a.Wait(); code != agent.ExitDone {
		t.Fatalf("the agent ended with %d", code)
	}
	result := a.Result()
	if result.State != remuda.Failed || result.Reason != remuda.ReasonTimeout || !strings.Contains(result.Detail, "2s") {
		t.Errorf("the result is %+v", result)
	}
	a.wantDead(file)
}

func gone(t *testing.T, s Suite) {
	file := filepath.Join(t.TempDir(), "pid")
	plane := NewPlane()
	a := Start(t, plane, agent.Handoff{Claim: Claim(s.Implementation, s.Hangs(file, "whose am I?"))})
	plane.Until(t, "begin", func(seen Seen) bool { return seen.Begun })
	plane.End() // the next word, at the latest the step's output, tells the agent
	a.wantGone()
	a.wantDead(file)
}

func leftBehind(t *testing.T, s Suite) {
	file := filepath.Join(t.TempDir(), "pid")
	a := s.start(t, s.LeavesBehind(file))
	a.want(agent.ExitDone, remuda.Result{State: remuda.Succeeded})
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	a.wantDead(file)
}

func killed(t *testing.T, s Suite) {
	group, file := filepath.Join(t.TempDir(), "group"), filepath.Join(t.TempDir(), "count")
	a := s.start(t, s.Counts(group, file))
	a.untilSaid("\n500\n")
	a.Kill()

	// From here on as an executor does: hold, kill, send.
	remains, err := agent.Hold(a.Handoff.Folder())
	if err != nil {
		t.Fatal(err)
	}
	defer remains.Close()
	killSession(t, a.number(group))
	if err := remains.Ship(t.Context(), a.Plane, nil, a.log()); err != nil {
		t.Fatal(err)
	}
	count, output := a.number(file), a.Plane.Output(0)
	for n, line := range strings.Split(strings.TrimSuffix(output, "\n"), "\n") {
		if line != strconv.Itoa(n+1) && n < count {
			t.Fatalf("line %d is %q", n+1, line)
		}
	}
	if got := strings.Count(output, "\n"); got < count {
		t.Errorf("%d lines were written, %d arrived", count, got)
	}
	if stream := a.Plane.Seen().Streams[0]; !stream.Closed {
		t.Error("the output was not closed")
	}
}
