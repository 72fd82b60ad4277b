package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/agent/agenttest"
)

func TestMain(m *testing.M) {
	if agenttest.IsAgent(os.Args) {
		ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		os.Exit(agenttest.Main(ctx, os.Stdin, os.Stderr, puppet{}))
	}
	goleak.VerifyTestMain(m)
}

// puppet is an Implementation that does what its payload, the name of one of these, says.
type puppet struct{}

func puppets() map[string]func(context.Context, *agent.Task) (remuda.Result, error) {
	return map[string]func(context.Context, *agent.Task) (remuda.Result, error){
		"breaks":         breaks,
		"forgets":        forgets,
		"masks":          masks,
		"masks and dies": masksAndDies,
		"lies":           lies,
		"leaves many":    leavesMany,
		"wins the race":  winsTheRace,
		"exposes":        exposes,
		"is put to rest": isPutToRest,
	}
}

func (puppet) Steps(claim remuda.Claim) ([]remuda.Step, error) {
	return []remuda.Step{
		{Number: 0, Name: "first", State: remuda.StepPending},
		{Number: 1, Name: "second", State: remuda.StepPending},
	}, nil
}

func (puppet) Run(ctx context.Context, task *agent.Task) (remuda.Result, error) {
	var name string
	if err := json.Unmarshal(task.Claim.Payload, &name); err != nil {
		return remuda.Result{}, err
	}
	return puppets()[name](ctx, task)
}

func play(t *testing.T, name string, change ...func(*agent.Handoff)) *agenttest.Agent {
	t.Helper()
	handoff := agent.Handoff{Claim: agenttest.Claim("puppet", remuda.Payload(`"`+name+`"`))}
	for _, change := range change {
		change(&handoff)
	}
	return agenttest.Start(t, agenttest.NewPlane(), handoff)
}

// start runs a shell's command as a step's process.
func start(task *agent.Task, step *agent.Step, command string) *agent.Process {
	process, err := task.Start(&exec.Cmd{
		Path: "/bin/sh", Args: []string{"sh", "-c", command}, Env: []string{"PATH=/usr/bin:/bin"},
		Dir: task.Workspace, Stdout: step.Output(), Stderr: step.Output(),
	})
	if err != nil {
		panic(err)
	}
	return process
}

func breaks(_ context.Context, task *agent.Task) (remuda.Result, error) {
	if err := task.Step(0).Start(); err != nil {
		return remuda.Result{}, err
	}
	_, _ = fmt.Fprintln(task.Step(0).Output(), "so far")
	return remuda.Result{}, errors.New("the disk is on fire")
}

func TestAFaultOfTheMachineIsNoResult(t *testing.T) {
	a := play(t, "breaks")
	if code := a.Wait(); code != agent.ExitError {
		t.Errorf("the agent ended with %d", code)
	}
	if result, found, err := a.Handoff.Folder().Result(); found || err != nil {
		t.Errorf("it left %+v (%v)", result, err)
	}
	if got := a.Plane.Output(0); got != "so far\n" {
		t.Errorf("the output is %q", got)
	}
}

func forgets(_ context.Context, task *agent.Task) (remuda.Result, error) {
	if err := task.Step(0).Start(); err != nil {
		return remuda.Result{}, err
	}
	return remuda.Result{State: remuda.Succeeded}, nil
}

func TestStepsWithoutAnEndAreGivenOne(t *testing.T) {
	a := play(t, "forgets")
	if code := a.Wait(); code != agent.ExitDone {
		t.Fatalf("the agent ended with %d", code)
	}
	steps := a.Plane.Seen().Steps
	if steps[0].State != remuda.StepSucceeded || steps[1].State != remuda.StepSkipped {
		t.Errorf("the steps are %+v", steps)
	}
	if steps[1].EndedAt != nil || steps[0].EndedAt == nil {
		t.Errorf("the steps ended at %v and %v", steps[0].EndedAt, steps[1].EndedAt)
	}
}

func masks(_ context.Context, task *agent.Task) (remuda.Result, error) {
	step := task.Step(0)
	if err := errors.Join(step.Start(), task.Mask("learned-while-running")); err != nil {
		return remuda.Result{}, err
	}
	if err := task.Mask(strings.Repeat("long", 20000)); err == nil {
		return remuda.Result{}, errors.New("a value was taken that no successor would read")
	}
	_, _ = fmt.Fprintln(step.Output(), "I learned-while-running that")
	step.Finish(remuda.StepFailed, nil, "ended by learned-while-running")
	return remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: "told: learned-while-running"}, nil
}

func TestAValueThatIsMaskedWhileRunningIsHiddenFromThenOn(t *testing.T) {
	a := play(t, "masks")
	if code := a.Wait(); code != agent.ExitDone {
		t.Fatalf("the agent ended with %d", code)
	}
	if got := a.Plane.Output(0); got != "I [secret] that\n" {
		t.Errorf("the output is %q", got)
	}
	if got := a.Plane.Seen().Steps[0].Detail; got != "ended by [secret]" {
		t.Errorf("the step's detail is %q", got)
	}
	if got := a.Result().Detail; got != "told: [secret]" {
		t.Errorf("the result's detail is %q", got)
	}
}

func masksAndDies(_ context.Context, task *agent.Task) (remuda.Result, error) {
	step := task.Step(0)
	if err := errors.Join(task.Mask("learned\nwhile running"), step.Start()); err != nil {
		return remuda.Result{}, err
	}
	<-start(task, step, `printf 'and so I learned\nwhile running, with hunter22'; until [ -s ../steps/0.out ]; do :; done; echo $$ > pid; kill -KILL $PPID; exec sleep 1000`).Done()
	select {}
}

func TestASuccessorKnowsAllMasks(t *testing.T) {
	a := play(t, "masks and dies", func(h *agent.Handoff) { h.Secrets = map[string]string{"A": "hunter22"} })
	if code := a.Wait(); code != -1 {
		t.Fatalf("the agent ended with %d", code)
	}
	defer end(t, a.Handoff.WorkPath()+"/pid")
	info, err := os.Stat(string(a.Handoff.Folder()) + "/masks")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the masks are %v (%v)", info, err)
	}
	if err := agent.Ship(t.Context(), a.Plane, a.Handoff.Folder(), a.Handoff.Secrets, quiet()); err != nil {
		t.Fatal(err)
	}
	if got := a.Plane.Output(0); got != "and so I [secret], with [secret]" {
		t.Errorf("the output is %q", got)
	}
}

// end kills the process whose id is in a file.
func end(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if process, err := os.FindProcess(pid); err != nil || process.Kill() != nil {
		t.Errorf("process %d cannot be killed", pid)
	}
}

func lies(context.Context, *agent.Task) (remuda.Result, error) {
	return remuda.Result{State: remuda.Failed, Reason: remuda.ReasonLost}, nil
}

func TestAResultThatIsNotAnAgentsToGiveIsAFault(t *testing.T) {
	a := play(t, "lies")
	if code := a.Wait(); code != agent.ExitError {
		t.Errorf("the agent ended with %d", code)
	}
}

func leavesMany(_ context.Context, task *agent.Task) (remuda.Result, error) {
	step := task.Step(0)
	if err := step.Start(); err != nil {
		return remuda.Result{}, err
	}
	// Orphans in sessions of their own, some of which go on starting others.
	<-start(task, step, `for i in 1 2 3 4 5 6 7 8 9 10; do
	setsid sh -c 'echo $$ >> pids; while :; do sleep 0.01; done' &
done; until [ "$(wc -l < pids)" = 10 ]; do sleep 0.01; done`).Done()
	return remuda.Result{State: remuda.Succeeded}, nil
}

func TestAllOrphansAreDeadWhenTheAgentHasEnded(t *testing.T) {
	a := play(t, "leaves many")
	if code := a.Wait(); code != agent.ExitDone {
		t.Fatalf("the agent ended with %d", code)
	}
	text, err := os.ReadFile(a.Handoff.WorkPath() + "/pids")
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range strings.Fields(string(text)) {
		if _, err := os.Stat("/proc/" + pid); err == nil {
			t.Errorf("process %s is still there", pid)
		}
	}
}

func winsTheRace(ctx context.Context, task *agent.Task) (remuda.Result, error) {
	if err := task.Step(0).Start(); err != nil {
		return remuda.Result{}, err
	}
	_, _ = fmt.Fprintln(task.Step(0).Output(), "ready")
	<-ctx.Done() // cancelled just when all was done
	return remuda.Result{State: remuda.Succeeded}, nil
}

func TestWhatSucceededBeforeItWasCancelledHasSucceeded(t *testing.T) {
	a := play(t, "wins the race")
	a.Plane.Until(t, "ready", func(seen agenttest.Seen) bool { return len(seen.Streams[0].Data) > 0 })
	a.Stop()
	if code := a.Wait(); code != agent.ExitDone || a.Result().State != remuda.Succeeded {
		t.Errorf("the agent ended with %d, %+v", code, a.Result())
	}
}

func TestAnAgentThatIsToldToStopLeavesOutputThatNobodyTakesToTheRunner(t *testing.T) {
	a := play(t, "wins the race")
	a.Plane.Until(t, "ready", func(seen agenttest.Seen) bool { return len(seen.Streams[0].Data) > 0 })
	a.Plane.Away(true)
	a.Stop()
	if code := a.Wait(); code != agent.ExitUnsent || a.Result().State != remuda.Succeeded {
		t.Errorf("the agent ended with %d, %+v", code, a.Result())
	}
	a.Plane.Away(false)
	if err := agent.Ship(t.Context(), a.Plane, a.Handoff.Folder(), nil, quiet()); err != nil {
		t.Fatal(err)
	}
	if stream := a.Plane.Seen().Streams[0]; string(stream.Data) != "ready\n" || !stream.Closed {
		t.Errorf("the plane holds %+v", stream)
	}
}

func exposes(_ context.Context, task *agent.Task) (remuda.Result, error) {
	if err := task.Step(0).Start(); err != nil {
		return remuda.Result{}, err
	}
	<-start(task, task.Step(0), `cat /proc/$PPID/cmdline /proc/$PPID/environ | tr '\0' '\n' | grep -c -e hunter22 -e '"claim"'
stat -c %a ../steps ../steps/0.out ../steps/0.pipe ../home ../tmp
ps -o tty= -p $$ | tr -d ' '
sed -n 's/NoNewPrivs:\t//p; s/SigIgn:\t//p; s/SigBlk:\t//p' /proc/self/status`).Done()
	return remuda.Result{State: remuda.Succeeded}, nil
}

func TestAStepSeesNothingOfTheClaimAndInheritsNothing(t *testing.T) {
	a := play(t, "exposes", func(h *agent.Handoff) { h.Secrets = map[string]string{"A": "hunter22"} })
	if code := a.Wait(); code != agent.ExitDone {
		t.Fatalf("the agent ended with %d", code)
	}
	lines := strings.Fields(a.Plane.Output(0))
	if want := "0 700 600 600 700 700 ?"; strings.Join(lines[:7], " ") != want {
		t.Errorf("it saw %q, not %q", lines, want)
	}
	for _, mask := range lines[7:9] {
		// Signals 32 and 33 are the C library's own; GNU make starts its children with them ignored.
		if signals, err := strconv.ParseUint(mask, 16, 64); err != nil || signals&^(1<<31|1<<32) != 0 {
			t.Errorf("signals are ignored or blocked: %q", lines)
		}
	}
}

func isPutToRest(ctx context.Context, task *agent.Task) (remuda.Result, error) {
	step := task.Step(0)
	if err := step.Start(); err != nil {
		return remuda.Result{}, err
	}
	// The leader ends at once; another of its group needs a moment to tidy up.
	process := start(task, step, `sh -c 'trap "sleep 0.2; echo tidied; exit" TERM; echo ready; while :; do sleep 0.01; done' & trap "exit 1" TERM; wait`)
	<-ctx.Done()
	process.End(task.Claim.CancelGrace.Std())
	step.Finish(remuda.StepCanceled, nil, "")
	return remuda.Result{State: remuda.Canceled}, nil
}

func TestTheWholeGroupHasTheGraceNotOnlyItsLeader(t *testing.T) {
	a := play(t, "is put to rest")
	a.Plane.Until(t, "ready", func(seen agenttest.Seen) bool { return len(seen.Streams[0].Data) > 0 })
	began := time.Now()
	a.Stop()
	if code := a.Wait(); code != agent.ExitDone {
		t.Fatalf("the agent ended with %d", code)
	}
	if got := a.Plane.Output(0); !strings.HasSuffix(got, "tidied\n") {
		t.Errorf("the output is %q", got)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s, as if it had waited for the whole grace", took)
	}
}

func TestOneClaimFolderIsForOneAgent(t *testing.T) {
	first := play(t, "forgets")
	first.Wait()
	second := play(t, "forgets", func(h *agent.Handoff) { h.Dir = first.Handoff.Dir })
	if code := second.Wait(); code != agent.ExitError {
		t.Errorf("the second agent ended with %d", code)
	}
	if second.Plane.Seen().Asked {
		t.Error("the second agent asked to begin")
	}
}
