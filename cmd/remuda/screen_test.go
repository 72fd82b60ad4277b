package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// onScreen gives a screen and what it shows.
func onScreen(prefix string) (*screen, *bytes.Buffer) {
	var shown bytes.Buffer
	p := &program{stdout: &shown, env: func(string) (string, bool) { return "", false }}
	return newScreen(p, prefix), &shown
}

func at(attempt int, steps ...remuda.Step) client.Followed {
	return client.Followed{Task: &remuda.Task{Name: "build", State: remuda.Running, Attempts: []remuda.Attempt{{Number: attempt, Runner: "herd-1", Steps: steps}}}}
}

func aStep(n int, name string, state remuda.StepState) remuda.Step {
	s := remuda.Step{Number: n, Name: name, State: state}
	if state.Ended() {
		start := time.Unix(0, 0)
		end := start.Add(1500 * time.Millisecond)
		s.StartedAt, s.EndedAt = &start, &end
	}
	return s
}

func wrote(step int, text string) client.Followed {
	return client.Followed{Output: &remuda.Chunk{Step: step, Data: []byte(text)}}
}

func TestOutputOfTheNextStepWaitsForTheEndOfTheLast(t *testing.T) {
	s, shown := onScreen("")
	s.told(at(1, aStep(0, "one", remuda.StepRunning), aStep(1, "two", remuda.StepPending)))
	s.told(wrote(0, "first\nunfinished"))
	s.told(wrote(1, "second\n")) // overtakes the news that step 0 has ended
	if strings.Contains(shown.String(), "second") {
		t.Errorf("shown too early:\n%s", shown)
	}
	s.told(at(1, aStep(0, "one", remuda.StepSucceeded), aStep(1, "two", remuda.StepRunning)))
	s.told(at(1, aStep(0, "one", remuda.StepSucceeded), aStep(1, "two", remuda.StepFailed), aStep(2, "three", remuda.StepSkipped)))
	s.result(remuda.Task{Name: "build", State: remuda.Failed, Reason: remuda.ReasonStep, Detail: "step two"})
	want := "▸ one\nfirst\nunfinished\n✓ one  1.5s\n▸ two\nsecond\n✗ two  1.5s\n– three skipped\n✗ build failed (step): step two\n"
	if diff := cmp.Diff(want, shown.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAStepWithoutOutputIsShownBeforeTheOutputOfLaterOnes(t *testing.T) {
	s, shown := onScreen("")
	s.told(at(1, aStep(0, "true", remuda.StepRunning), aStep(1, "one", remuda.StepPending), aStep(2, "true", remuda.StepPending), aStep(3, "two", remuda.StepPending)))
	s.told(wrote(1, "1\n")) // both overtake the news that the steps before them have ended
	s.told(wrote(3, "2\n"))
	s.told(at(1, aStep(0, "true", remuda.StepSucceeded), aStep(1, "one", remuda.StepRunning), aStep(2, "true", remuda.StepPending), aStep(3, "two", remuda.StepPending)))
	if want := "▸ true\n✓ true  1.5s\n▸ one\n1\n"; shown.String() != want {
		t.Errorf("got %q, want %q", shown, want)
	}
	s.told(at(1, aStep(0, "true", remuda.StepSucceeded), aStep(1, "one", remuda.StepSucceeded), aStep(2, "true", remuda.StepSucceeded), aStep(3, "two", remuda.StepRunning)))
	want := "▸ true\n✓ true  1.5s\n▸ one\n1\n✓ one  1.5s\n▸ true\n✓ true  1.5s\n▸ two\n2\n"
	if diff := cmp.Diff(want, shown.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAStepThatWritesNothingIsShownAfterAMoment(t *testing.T) {
	s, shown := onScreen("")
	s.told(at(1, aStep(0, "sleep", remuda.StepRunning)))
	s.flush(true) // what the timer does
	s.flush(true)
	s.told(at(1, aStep(0, "sleep", remuda.StepSucceeded)))
	s.flush(true)
	if want := "▸ sleep\n✓ sleep  1.5s\n"; shown.String() != want {
		t.Errorf("got %q, want %q", shown, want)
	}
}

func TestABackgroundStepHoldsNobodyUp(t *testing.T) {
	s, shown := onScreen("")
	service := aStep(0, "service", remuda.StepRunning)
	service.Background = true
	s.told(at(1, service, aStep(1, "ask", remuda.StepRunning)))
	s.told(wrote(0, "listening\n"))
	s.told(wrote(1, "answer\n"))
	want := "▸ service\nlistening\n▸ ask\nanswer\n"
	if shown.String() != want {
		t.Errorf("got %q, want %q", shown, want)
	}
}

func TestTasksThatShareAScreenShowWholeLines(t *testing.T) {
	s, shown := onScreen("[1/2] ")
	s.told(at(1, aStep(0, "one", remuda.StepRunning)))
	s.told(wrote(0, "be"))
	s.told(wrote(0, "gin\nend"))
	s.result(remuda.Task{Name: "build", State: remuda.Succeeded})
	want := "[1/2] ▸ one\n[1/2] begin\n[1/2] end\n[1/2] ✓ build succeeded\n"
	if shown.String() != want {
		t.Errorf("got %q, want %q", shown, want)
	}
}

func TestANewAttemptIsSaid(t *testing.T) {
	s, shown := onScreen("")
	s.told(at(1, aStep(0, "one", remuda.StepRunning)))
	s.told(wrote(0, "first try\n"))
	s.told(at(2, aStep(0, "one", remuda.StepRunning)))
	s.told(wrote(0, "second try\n"))
	want := "▸ one\nfirst try\n↻ attempt 2, on herd-1\n▸ one\nsecond try\n"
	if shown.String() != want {
		t.Errorf("got %q, want %q", shown, want)
	}
}

func TestNamesOfOthersMoveNoCursor(t *testing.T) {
	s, shown := onScreen("")
	s.told(at(1, aStep(0, "evil\x1b[2J\rname\nline", remuda.StepSucceeded)))
	s.flush(true)
	if strings.ContainsAny(shown.String(), "\x1b\r") || strings.Count(shown.String(), "\n") != 2 {
		t.Errorf("got %q", shown)
	}
}
