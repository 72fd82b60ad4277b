package runnertest

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/runner"
)

func succeeds(t *testing.T, tr *trial) {
	tr.does(t, "echo hello; echo there >&2")
	tr.execute(t).endsWith(t, remuda.Succeeded, "")
	tr.outputIs(t, "hello\nthere\n")
	steps, begun := tr.plane.Said()
	if !begun || len(steps) != 1 || steps[0].State != remuda.StepSucceeded {
		t.Errorf("begun is %t, the steps are %+v", begun, steps)
	}
	tr.isForgotten(t)
}

func stepFails(t *testing.T, tr *trial) {
	tr.does(t, "echo no; exit 3")
	tr.execute(t).endsWith(t, remuda.Failed, remuda.ReasonStep)
	tr.outputIs(t, "no\n")
	if steps, _ := tr.plane.Said(); len(steps) != 1 || steps[0].ExitCode == nil || *steps[0].ExitCode != 3 {
		t.Errorf("the steps are %+v", steps)
	}
	tr.isForgotten(t)
}

func outputIsComplete(t *testing.T, tr *trial) {
	const lines = 200_000
	tr.does(t, fmt.Sprintf("seq %d", lines))
	tr.execute(t).endsWith(t, remuda.Succeeded, "")
	tr.outputIs(t, counted(lines))
}

func counted(lines int) string {
	var text strings.Builder
	for n := 1; n <= lines; n++ {
		text.WriteString(strconv.Itoa(n))
		text.WriteByte('\n')
	}
	return text.String()
}

func secretsAreHidden(t *testing.T, tr *trial) {
	tr.secrets = map[string]string{"PASSWORD": "correct horse battery"}
	tr.does(t, `test "$PASSWORD" = "correct horse battery" && echo "it is $PASSWORD"`)
	tr.execute(t).endsWith(t, remuda.Succeeded, "")
	if output, _ := tr.plane.Output(0); strings.Contains(output, "horse") || !strings.HasPrefix(output, "it is ") {
		t.Errorf("the output is %q", output)
	}
}

func cancelReaches(t *testing.T, tr *trial) {
	inTime(t, tr, 0, 250*time.Millisecond, func() time.Duration {
		tr.does(t, `trap 'date +%s%N; exit 0' TERM; echo ready; while :; do sleep 0.01; done`)
		r := tr.execute(t)
		tr.shows(t, "ready")
		canceled := time.Now()
		r.end(runner.ErrCanceled)
		result, err := r.ends(t)
		if err != nil || result.State == remuda.Failed {
			t.Errorf("ended with %+v, %v", result, err)
		}
		output, _ := tr.plane.Output(0)
		nanoseconds, err := strconv.ParseInt(lastLine(output), 10, 64)
		if err != nil {
			t.Fatalf("the output is %q", output)
		}
		return time.Unix(0, nanoseconds).Sub(canceled)
	})
}

// tries is how often something may take too long because other things go on on the machine.
const tries = 5

// inTime holds that something takes from least to most, in one of a few tries, each with a claim of its own; never less.
func inTime(t *testing.T, tr *trial, least, most time.Duration, do func() time.Duration) {
	t.Helper()
	for try := 1; ; try++ {
		took := do()
		tr.isForgotten(t)
		switch {
		case took < least:
			t.Fatalf("it took %s, and has to take %s", took, least)
		case took <= most:
			return
		case try == tries:
			t.Fatalf("it took %s, and may take %s; so did all tries before", took, most)
		}
		tr.newClaim()
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

const ignoring = `trap '' TERM; echo $$; while :; do sleep 0.1; done`

func ignoresTerm(t *testing.T, tr *trial) {
	grace := tr.claim.CancelGrace.Std()
	inTime(t, tr, grace, grace+time.Second, func() time.Duration {
		tr.does(t, ignoring)
		r := tr.execute(t)
		tr.shows(t, "\n")
		canceled := time.Now()
		r.end(runner.ErrCanceled)
		r.endsWith(t, remuda.Canceled, "")
		took := time.Since(canceled)
		tr.isDead(t, 0)
		return took
	})
}

func timesOut(t *testing.T, tr *trial) {
	tr.does(t, ignoring)
	r := tr.execute(t)
	tr.shows(t, "\n")
	r.end(runner.ErrTimeout)
	// Its agent knows only that it was told to end; that it was for its time, the runner knows.
	if result, err := r.ends(t); err != nil || result.State == remuda.Succeeded {
		t.Errorf("ended with %+v, %v", result, err)
	}
	tr.isDead(t, 0)
	tr.isForgotten(t)
}

// isDead looks whether the process runs whose id is in line n of the output.
func (tr *trial) isDead(t *testing.T, line int) {
	t.Helper()
	if pid := tr.pid(t, line); tr.Alive(pid) {
		t.Errorf("process %d of the task lives on", pid)
	}
}

func (tr *trial) pid(t *testing.T, line int) int {
	t.Helper()
	output, _ := tr.plane.Output(0)
	lines := strings.Split(output, "\n")
	if len(lines) <= line {
		t.Fatalf("the output is %q", output)
	}
	pid, err := strconv.Atoi(lines[line])
	if err != nil {
		t.Fatalf("the output is %q", output)
	}
	return pid
}

func cancelledAtOnce(t *testing.T, tr *trial) {
	tr.does(t, "sleep 60")
	r := tr.execute(t)
	r.end(runner.ErrCanceled)
	if result, err := r.ends(t); err == nil && result.State != remuda.Canceled {
		t.Errorf("ended with %+v", result)
	}
	tr.isForgotten(t)
}

// daemons is left running in four ways: in the background, in a session of its own, as an orphan, and without its
// environment.
const daemons = `
daemon='echo $$; exec sleep 300'
sh -c "$daemon" &
setsid sh -c "$daemon" &
(setsid sh -c "$daemon" &)
(env -i PATH="$PATH" setsid sh -c "trap '' TERM HUP; $daemon" &)
while [ "$(wc -l < "$OUT")" -lt 4 ]; do sleep 0.01; done
`

func daemonsDie(t *testing.T, tr *trial) {
	out := filepath.Join(tr.Shared(t), "pids")
	tr.does(t, "OUT="+out+"; (umask 0; : > $OUT); exec 3>&1 > $OUT\n"+daemons+"cat $OUT >&3")
	tr.execute(t).endsWith(t, remuda.Succeeded, "")
	for line := range 4 {
		tr.isDead(t, line)
	}
	tr.isForgotten(t)
}

func resultIsKept(t *testing.T, tr *trial) {
	tr.does(t, "echo once; exit 7")
	tr.execute(t).endsWith(t, remuda.Failed, remuda.ReasonStep)
	tr.close()
	tr.successor(t)
	tr.execute(t).endsWith(t, remuda.Failed, remuda.ReasonStep)
	tr.outputIs(t, "once\n")
	tr.isForgotten(t)
}

func adopts(t *testing.T, tr *trial) {
	shared := tr.Shared(t)
	tr.does(t, "echo one; "+waitFor(shared, "two")+"; echo two; "+waitFor(shared, "three")+"; echo three")
	r := tr.execute(t)
	tr.shows(t, "one")
	tr.stop(t, r)
	touch(t, filepath.Join(shared, "two")) // written while nobody listens
	tr.successor(t)
	r = tr.execute(t)
	tr.shows(t, "two")
	tr.succeed(t, r)
	r = tr.execute(t)
	touch(t, filepath.Join(shared, "three"))
	r.endsWith(t, remuda.Succeeded, "")
	tr.outputIs(t, "one\ntwo\nthree\n")
	tr.isForgotten(t)
}

func waitFor(dir, name string) string {
	return fmt.Sprintf("while [ ! -e %s ]; do sleep 0.01; done", filepath.Join(dir, name))
}

func adoptsDead(t *testing.T, tr *trial) {
	shared := tr.Shared(t)
	tr.does(t, "echo one; "+waitFor(shared, "go")+"; echo two; exit 5")
	r := tr.execute(t)
	tr.shows(t, "one")
	tr.stop(t, r)
	touch(t, filepath.Join(shared, "go"))
	tr.AwaitResult(t, tr.dir, tr.claim.ID)
	tr.KillAgent(t, tr.dir, tr.claim.ID) // which still waits for a runner that takes its output
	tr.successor(t)
	tr.execute(t).endsWith(t, remuda.Failed, remuda.ReasonStep)
	tr.outputIs(t, "one\ntwo\n")
	tr.isForgotten(t)
}

func agentDies(t *testing.T, tr *trial) {
	tr.secrets = map[string]string{"PASSWORD": "correct horse battery"}
	written := filepath.Join(tr.Shared(t), "written")
	tr.does(t, `echo $$; seq 1000; printf "it is $PASSWORD"; (umask 0; : > `+written+`); exec sleep 300`)
	r := tr.execute(t)
	until(t, "the step's last word", func() bool { return exists(written) })
	tr.KillAgent(t, tr.dir, tr.claim.ID)
	result, err := r.ends(t)
	if err == nil {
		t.Errorf("ended with %+v", result)
	}
	output, closed := tr.plane.Output(0)
	_, rest, _ := strings.Cut(output, "\n")
	rest, cut := strings.CutPrefix(rest, counted(1000)+"it is ")
	if !cut || rest == "" || strings.Contains(rest, "horse") || !closed {
		t.Errorf("closed is %t, the output is %s", closed, abridged(output))
	}
	tr.isDead(t, 0)
	tr.isForgotten(t)
}

func beganElsewhere(t *testing.T, tr *trial) {
	tr.does(t, "echo again")
	tr.claim.Begun = true
	if result, err := tr.execute(t).ends(t); err == nil {
		t.Errorf("ended with %+v", result)
	}
	if output, _ := tr.plane.Output(0); output != "" {
		t.Errorf("it ran: %q", output)
	}
	tr.isForgotten(t)
}

func forgets(t *testing.T, tr *trial) {
	tr.does(t, ignoring)
	r := tr.execute(t)
	tr.shows(t, "\n")
	tr.succeed(t, r)
	if err := tr.executor.Forget(t.Context(), tr.claim.ID); err != nil {
		t.Fatal(err)
	}
	tr.isDead(t, 0)
	tr.isForgotten(t)
	if err := tr.executor.Forget(t.Context(), tr.claim.ID); err != nil {
		t.Errorf("forgotten twice: %v", err)
	}
}

func tasksAreApart(t *testing.T, tr *trial) {
	tr.does(t, `pwd; echo $HOME; echo $TMPDIR; touch "$HOME/x" "$TMPDIR/x" x`)
	tr.execute(t).endsWith(t, remuda.Succeeded, "")
	first, _ := tr.plane.Output(0)
	tr.isForgotten(t)
	tr.newClaim()
	tr.does(t, `pwd; echo $HOME; echo $TMPDIR; ! [ -e "$HOME/x" -o -e "$TMPDIR/x" -o -e x ]`)
	tr.execute(t).endsWith(t, remuda.Succeeded, "")
	second, _ := tr.plane.Output(0)
	places := strings.Fields(first)
	if len(places) != 3 {
		t.Fatalf("the first task's places are %q", first)
	}
	for i, place := range strings.Fields(second) {
		if place == places[i] {
			t.Errorf("both tasks have %s", place)
		}
	}
	tr.isForgotten(t)
}

// isFit asks an Executor that can tell whether it could carry out a task; the suite's could.
func isFit(t *testing.T, tr *trial) {
	checker, ok := tr.executor.(runner.Checker)
	if !ok {
		return // It need not be able to tell.
	}
	tr.does(t, "exit 1")
	if err := checker.Check(t.Context()); err != nil {
		t.Errorf("before a task it says %v", err)
	}
	tr.execute(t).endsWith(t, remuda.Failed, remuda.ReasonStep)
	if err := checker.Check(t.Context()); err != nil {
		t.Errorf("after a task it says %v", err)
	}
	if left, err := tr.executor.Left(t.Context()); err != nil || len(left) != 1 {
		t.Errorf("the checks left %v, %v", left, err)
	}
	tr.isForgotten(t)
}
