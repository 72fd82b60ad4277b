package job_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/agent/agenttest"
	"github.com/remuda-dev/remuda/internal/job"
)

// done is a job that has been carried out by an agent.
type done struct {
	*agenttest.Agent
	t      *testing.T
	result remuda.Result
	steps  []remuda.Step
}

// begin starts an agent with a job.
func begin(t *testing.T, p remuda.Payload, change ...func(*agent.Handoff)) *agenttest.Agent {
	t.Helper()
	handoff := agent.Handoff{Claim: agenttest.Claim(job.Name, p)}
	for _, change := range change {
		change(&handoff)
	}
	return agenttest.Start(t, agenttest.NewPlane(), handoff)
}

// carryOut carries out a job.
func carryOut(t *testing.T, p remuda.Payload, change ...func(*agent.Handoff)) done {
	t.Helper()
	a := begin(t, p, change...)
	if code := a.Wait(); code != agent.ExitDone {
		t.Fatalf("the agent ended with %d", code)
	}
	return done{Agent: a, t: t, result: a.Result(), steps: a.Plane.Seen().Steps}
}

func (d done) succeeded() done {
	d.t.Helper()
	if !reflect.DeepEqual(d.result, remuda.Result{State: remuda.Succeeded}) {
		d.t.Fatalf("the result is %+v; output: %q", d.result, d.outputs())
	}
	return d
}

// failed is that it failed with a reason and a sentence that holds all of the words.
func (d done) failed(reason remuda.Reason, words ...string) done {
	d.t.Helper()
	if d.result.State != remuda.Failed || d.result.Reason != reason {
		d.t.Fatalf("the result is %+v; output: %q", d.result, d.outputs())
	}
	for _, word := range words {
		if !strings.Contains(d.result.Detail, word) {
			d.t.Errorf("the detail %q does not say %q", d.result.Detail, word)
		}
	}
	return d
}

func (d done) outputs() []string {
	var outputs []string
	for n := range d.steps {
		outputs = append(outputs, d.Plane.Output(n))
	}
	return outputs
}

func (d done) wrote(step int, want string) {
	d.t.Helper()
	if got := d.Plane.Output(step); got != want {
		d.t.Errorf("step %d wrote %q, not %q", step, got, want)
	}
}

func (d done) states(want ...remuda.StepState) {
	d.t.Helper()
	var got []remuda.StepState
	for _, step := range d.steps {
		got = append(got, step.State)
	}
	if !slices.Equal(got, want) {
		d.t.Errorf("the steps are %v, not %v", got, want)
	}
}

func run(step remuda.Run) remuda.JobStep { return remuda.JobStep{Run: &step} }

func steps(steps ...remuda.JobStep) remuda.Payload { return payload(remuda.Job{Steps: steps}) }

func TestAStepStopsAtItsFirstFailure(t *testing.T) {
	d := carryOut(t, shell("echo one; false | true; echo two"))
	d.failed(remuda.ReasonStep, `step "echo one; false | true; echo two" ended with exit code 1`)
	d.wrote(0, "one\n")
	if code := d.steps[0].ExitCode; code == nil || *code != 1 {
		t.Errorf("the exit code is %v", code)
	}
}

func TestWhereThereIsNoBashTheShellIsSh(t *testing.T) {
	bin := t.TempDir()
	if err := os.Symlink("/bin/sh", filepath.Join(bin, "sh")); err != nil {
		t.Fatal(err)
	}
	d := carryOut(t, shell(`echo "${BASH_VERSION:-no bash}"; false; echo on`), func(h *agent.Handoff) {
		h.Environment = map[string]string{"PATH": bin}
	})
	d.failed(remuda.ReasonStep)
	if sh, _ := os.Readlink("/bin/sh"); strings.Contains(sh, "bash") {
		t.Skip("sh is bash on this machine")
	}
	d.wrote(0, "no bash\n")
}

func TestAStepMayChooseItsShell(t *testing.T) {
	d := carryOut(t, payload(remuda.Job{Shell: "sh", Steps: []remuda.JobStep{
		run(remuda.Run{Command: "false; echo job"}),
		run(remuda.Run{Command: "false; echo step", Shell: "bash -c"}),
	}}))
	d.succeeded().wrote(0, "job\n")
	d.wrote(1, "step\n")
}

func TestAShellThatIsNotThereIsAFailureOfTheConfig(t *testing.T) {
	d := carryOut(t, steps(run(remuda.Run{Name: "build", Command: "true", Shell: "fishy -c"})))
	d.failed(remuda.ReasonConfig, `step "build"`, "its shell fishy is not to be found")
	d.wrote(0, "remuda: this step cannot start: its shell fishy is not to be found on this machine\n")
}

func TestACommandThatReadsItsInputDoesNotEatItsScript(t *testing.T) {
	carryOut(t, shell("cat; echo after; read x || echo empty")).succeeded().wrote(0, "after\nempty\n")
}

func TestACommandMayHaveAMebibyte(t *testing.T) {
	command := strings.Repeat(": "+strings.Repeat("x", 1021)+"\n", 1023) + "echo end"
	carryOut(t, shell(command)).succeeded().wrote(0, "end\n")
}

func TestColoursAndCarriageReturnsSurvive(t *testing.T) {
	carryOut(t, shell(`printf '\033[31mred\033[0m 10%%\r100%%\r\n\0\377'`)).succeeded().wrote(0, "\x1b[31mred\x1b[0m 10%\r100%\r\n\x00\xff")
}

func TestOpeningStandardErrorAnewCutsNothingOff(t *testing.T) {
	d := carryOut(t, shell("echo one; echo two > /dev/stderr; echo three | tee /dev/stderr; echo four > /dev/stdout; echo five >&2"))
	d.succeeded().wrote(0, "one\ntwo\nthree\nthree\nfour\nfive\n")
}

func TestALotOfOutputArrivesWhole(t *testing.T) {
	d := carryOut(t, shell("seq 1 2000000"))
	var want strings.Builder
	for n := 1; n <= 2000000; n++ {
		want.WriteString(itoa(n) + "\n")
	}
	if got := d.succeeded().Plane.Output(0); got != want.String() {
		t.Errorf("%d bytes arrived of %d, or others", len(got), want.Len())
	}
}

func TestSignalsAreNamed(t *testing.T) {
	carryOut(t, shell("kill -SEGV $$")).failed(remuda.ReasonStep, "ended by SIGSEGV")
	carryOut(t, shell("sh -c 'kill -KILL $$'")).failed(remuda.ReasonStep, "ended with exit code 137, as after SIGKILL")
}

func TestWhenDecidesWhatRunsAfterAFailure(t *testing.T) {
	d := carryOut(t, steps(
		run(remuda.Run{Command: "echo unused", When: remuda.OnFail}),
		run(remuda.Run{Command: "exit 7"}),
		run(remuda.Run{Command: "echo next"}),
		run(remuda.Run{Command: "echo sorry", When: remuda.OnFail}),
		run(remuda.Run{Command: "echo anyway; exit 8", When: remuda.Always}),
	))
	d.failed(remuda.ReasonStep, `step "exit 7" ended with exit code 7`)
	d.states(remuda.StepSkipped, remuda.StepFailed, remuda.StepSkipped, remuda.StepSucceeded, remuda.StepFailed)
	d.wrote(3, "sorry\n")
	d.wrote(4, "anyway\n")
}

func TestAfterCancelNothingMoreRuns(t *testing.T) {
	a := agenttest.Start(t, agenttest.NewPlane(), agent.Handoff{Claim: agenttest.Claim(job.Name, steps(
		run(remuda.Run{Command: "echo ready; sleep 1000"}),
		run(remuda.Run{Command: "echo always", When: remuda.Always}),
	))})
	a.Plane.Until(t, "ready", func(agenttest.Seen) bool { return a.Plane.Output(0) == "ready\n" })
	a.Stop()
	if code := a.Wait(); code != agent.ExitDone || a.Result().State != remuda.Canceled {
		t.Errorf("the agent ended with %d and %+v", code, a.Result())
	}
	if got := a.Plane.Seen().Steps[1].State; got != remuda.StepSkipped || a.Plane.Output(1) != "" {
		t.Errorf("the always step is %s", got)
	}
}

func TestAStepThatTakesTooLongFailsAndTheRestIsDecidedByWhen(t *testing.T) {
	d := carryOut(t, steps(
		run(remuda.Run{Name: "slow", Command: "echo begun; sleep 1000", Timeout: remuda.Duration(200 * time.Millisecond)}),
		run(remuda.Run{Command: "echo sorry", When: remuda.OnFail}),
	))
	d.failed(remuda.ReasonTimeout, `step "slow" ran for longer than its timeout of 200ms`)
	d.wrote(0, "begun\nremuda: this step ran for longer than its timeout of 200ms and is ended now\n")
	d.wrote(1, "sorry\n")
}

func TestAStepThatSaysNothingForTooLongFails(t *testing.T) {
	d := carryOut(t, steps(run(remuda.Run{Name: "quiet", Command: "sleep 1000", NoOutputTimeout: remuda.Duration(200 * time.Millisecond)})))
	d.failed(remuda.ReasonTimeout, `step "quiet" gave no output for 200ms`)
}

func TestAStepThatGoesOnTalkingIsNotQuiet(t *testing.T) {
	d := carryOut(t, steps(run(remuda.Run{
		Command:         "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.25; done",
		NoOutputTimeout: remuda.Duration(time.Second),
	})))
	d.succeeded().wrote(0, "1\n2\n3\n4\n5\n6\n7\n8\n")
}

func TestTheOutputOfStepsArrivesInTheOrderInWhichTheyRan(t *testing.T) {
	plane := agenttest.NewPlane()
	plane.LoseAnswers(1) // the first step's sender has to ask again, while the second step runs
	a := agenttest.Start(t, plane, agent.Handoff{Claim: agenttest.Claim(job.Name, steps(
		run(remuda.Run{Command: "echo one; sleep 0.03; echo again"}),
		run(remuda.Run{Command: "echo two"}),
		run(remuda.Run{Command: "echo three"}),
	))})
	if code := a.Wait(); code != agent.ExitDone {
		t.Fatalf("the agent ended with %d", code)
	}
	if got, want := string(plane.Seen().All), "one\nagain\ntwo\nthree\n"; got != want {
		t.Errorf("what arrived is %q, not %q", got, want)
	}
}

func TestABackgroundStepIsEndedAfterTheLastOne(t *testing.T) {
	d := carryOut(t, steps(
		run(remuda.Run{Name: "server", Command: "trap 'echo bye; exit 0' TERM; sleep 1000 & echo up > up; wait", Background: true}),
		run(remuda.Run{Command: "until [ -e up ]; do sleep 0.01; done; echo served"}),
	))
	d.succeeded().states(remuda.StepSucceeded, remuda.StepSucceeded)
	d.wrote(0, "bye\n")
	d.wrote(1, "served\n")
	if !d.steps[0].Background {
		t.Error("it is not shown as a background step")
	}
}

func TestABackgroundStepThatFailsByItselfFailsTheJob(t *testing.T) {
	dir := t.TempDir()
	begun, release := filepath.Join(dir, "begun"), filepath.Join(dir, "release")
	until := func(file string) string { return "until [ -e " + file + " ]; do sleep 0.01; done; " }
	a := agenttest.Start(t, agenttest.NewPlane(), agent.Handoff{Claim: agenttest.Claim(job.Name, steps(
		run(remuda.Run{Name: "server", Command: until(begun) + "exit 9", Background: true}),
		run(remuda.Run{Command: "touch " + begun + "; " + until(release) + "echo finished"}),
		run(remuda.Run{Command: "echo next"}),
		run(remuda.Run{Command: "echo sorry", When: remuda.OnFail}),
	))})
	a.Plane.Until(t, "the server's failure", func(seen agenttest.Seen) bool {
		return seen.Begun && seen.Steps[0].State == remuda.StepFailed
	})
	if err := os.WriteFile(release, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := a.Wait(); code != agent.ExitDone {
		t.Fatalf("the agent ended with %d", code)
	}
	d := done{Agent: a, t: t, result: a.Result(), steps: a.Plane.Seen().Steps}
	d.failed(remuda.ReasonStep, `step "server" ended with exit code 9`)
	d.states(remuda.StepFailed, remuda.StepSucceeded, remuda.StepSkipped, remuda.StepSucceeded)
	d.wrote(1, "finished\n")
}

func TestABackgroundStepThatHeedsNoTermIsKilledAfterTheGrace(t *testing.T) {
	d := carryOut(t, steps(
		run(remuda.Run{Command: "trap '' TERM; echo $$ > pid; while :; do sleep 0.01; done", Background: true}),
		run(remuda.Run{Command: "until [ -s pid ]; do sleep 0.01; done"}),
	), func(h *agent.Handoff) { h.Claim.CancelGrace = remuda.Duration(100 * time.Millisecond) })
	d.succeeded().states(remuda.StepSucceeded, remuda.StepSucceeded)
}

func TestWorkingDirectoriesAreRelativeToTheOneAbove(t *testing.T) {
	d := carryOut(t, payload(remuda.Job{WorkingDirectory: "app/src", Steps: []remuda.JobStep{
		run(remuda.Run{Command: "pwd; mkdir deep"}),
		run(remuda.Run{Command: "pwd", WorkingDirectory: "deep"}),
		run(remuda.Run{Command: "pwd", WorkingDirectory: "~"}),
		run(remuda.Run{Command: "pwd", WorkingDirectory: "/"}),
	}}))
	work := d.Handoff.WorkPath()
	d.succeeded().wrote(0, work+"/app/src\n")
	d.wrote(1, work+"/app/src/deep\n")
	d.wrote(2, d.Handoff.Folder().Home()+"\n")
	d.wrote(3, "/\n")
}

func TestAWorkingDirectoryOfAStepHasToBeThere(t *testing.T) {
	d := carryOut(t, steps(run(remuda.Run{Name: "build", Command: "true", WorkingDirectory: "nowhere"})))
	d.failed(remuda.ReasonConfig, `step "build" cannot start in its working directory "nowhere": it does not exist`)
}

func TestAStepWithoutANameIsCalledByItsFirstLine(t *testing.T) {
	d := carryOut(t, shell("\n  echo one\necho two\n")).succeeded()
	if got := d.steps[0].Name; got != "echo one" {
		t.Errorf("it is called %q", got)
	}
}

func TestWhatAShellLeavesRunningDoesNotHoldUpItsStepAndMayGoOnWriting(t *testing.T) {
	// What it writes after its step has no reader; more than a pipe holds must not bring it to a stand.
	d := carryOut(t, shell(
		"(until [ -e go ]; do sleep 0.01; done; head -c 3000000 /dev/zero; echo done > written) & echo left",
		"touch go; until [ -s written ]; do sleep 0.01; done; cat written",
	))
	d.succeeded().wrote(0, "left\n")
	d.wrote(1, "done\n")
}

func TestAJobThatCannotBeReadIsAFailureOfTheConfig(t *testing.T) {
	for payload, word := range map[string]string{
		`{"steps": []}`:                          "no steps",
		`[]`:                                     "cannot be read",
		`{"steps": [{"run": {"command": " "}}]}`: "step 1: it has no command",
		`{"steps": [{"run": {"command": "x"}, "checkout": {}}]}`:                 "both run and checkout",
		`{"steps": [{"run": {"command": "x", "when": "never"}}]}`:                `when "never"`,
		`{"environment": {"A B": ""}, "steps": [{"run": {"command": "x"}}]}`:     `"A B" is no name of a variable`,
		`{"steps": [{"run": {"command": "x", "environment": {"A": "\u0000"}}}]}`: "NUL byte",
	} {
		_, err := job.New().Steps(agenttest.Claim(job.Name, remuda.Payload(payload)))
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v does not say %q", payload, err, word)
		}
	}
}
