// Package runnertest is the suite that an Executor must pass: real agents, real shells, and a control plane in memory.
package runnertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/runner"
)

// Suite says how to get at the Executor under test. It needs implementation job and a machine with a shell.
type Suite struct {
	// Open starts an Executor on dir. Called again with the same dir, after close, it starts the first one's successor.
	Open func(t *testing.T, dir string) (executor runner.Executor, close func())
	// Dir makes a folder for Open, Shared one that tasks see under the same path and may write to.
	Dir, Shared func(t *testing.T) string
	// Alive tells whether a process runs, by its id as the task sees it.
	Alive func(pid int) bool
	// KillAgent kills the agent of a claim, with no time for last words, and returns when it is dead.
	KillAgent func(t *testing.T, dir, claimID string)
	// AwaitResult returns when the agent of a claim has left its result for a successor.
	AwaitResult func(t *testing.T, dir, claimID string)
	// Clean fails the test when anything of a claim's task is left on disk, its result excepted.
	Clean func(t *testing.T, dir, claimID string)
}

// patience is how long a test waits for what should come within seconds at most.
const patience = 30 * time.Second

// Run runs the suite.
func (s Suite) Run(t *testing.T) {
	tests := map[string]func(*testing.T, *trial){
		"a task succeeds":                                  succeeds,
		"a failed step fails the task":                     stepFails,
		"output is complete and in order":                  outputIsComplete,
		"secrets reach the steps and not the output":       secretsAreHidden,
		"cancel reaches the process within 250 ms":         cancelReaches,
		"what ignores TERM is dead a second after grace":   ignoresTerm,
		"a task that ran for too long ends likewise":       timesOut,
		"cancelled while it starts, nothing is left":       cancelledAtOnce,
		"nothing that was left running outlives Execute":   daemonsDie,
		"the result is kept until it is forgotten":         resultIsKept,
		"a successor adopts what runs":                     adopts,
		"a successor finds the result of an agent's death": adoptsDead,
		"an agent's death loses no output":                 agentDies,
		"a claim that began elsewhere is handed back":      beganElsewhere,
		"forget ends and removes what runs":                forgets,
		"tasks do not see each other's folders":            tasksAreApart,
		"one that is fit says so, before a task and after": isFit,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, s.try(t)) })
	}
}

// trial is one Executor with one claim.
type trial struct {
	Suite
	dir      string
	executor runner.Executor
	close    func()
	plane    *Plane
	claim    remuda.Claim
	secrets  map[string]string
}

func (s Suite) try(t *testing.T) *trial {
	tr := &trial{Suite: s, dir: s.Dir(t)}
	tr.open(t)
	t.Cleanup(func() { tr.close() })
	tr.newClaim()
	return tr
}

func (tr *trial) open(t *testing.T) { tr.executor, tr.close = tr.Open(t, tr.dir) }

// newClaim makes a claim whose id no other has, in this process or another one at the same time.
func (tr *trial) newClaim() {
	id := fmt.Sprintf("claim-%d-%d", os.Getpid(), time.Now().UnixNano())
	tr.plane = NewPlane(id)
	tr.claim = remuda.Claim{
		ID: id, Attempt: 1, ClaimedAt: time.Now(),
		Timeout: remuda.Duration(time.Minute), CancelGrace: remuda.Duration(time.Second), OutputLimit: 64 << 20,
		Task: remuda.ClaimTask{ID: "task of " + id, Name: "trial", Organization: "acme", Project: "app",
			ResourceClass: "acme/linux", Implementation: "job", Total: 1},
	}
}

// does sets what the claim's one step does.
func (tr *trial) does(t *testing.T, command string) {
	t.Helper()
	payload, err := json.Marshal(remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: command}}}})
	if err != nil {
		t.Fatal(err)
	}
	tr.claim.Payload = payload
}

// running is an Execute under way.
type running struct {
	end    context.CancelCauseFunc
	done   chan struct{}
	result remuda.Result
	err    error
}

func (tr *trial) execute(t *testing.T) *running {
	t.Helper()
	ctx, end := context.WithCancelCause(context.Background())
	r := &running{end: end, done: make(chan struct{})}
	work := runner.Work{Claim: tr.claim, Secrets: tr.secrets, Plane: tr.plane}
	go func() {
		defer close(r.done)
		r.result, r.err = tr.executor.Execute(ctx, work)
		tr.plane.end(r.result)
	}()
	t.Cleanup(func() {
		r.end(runner.ErrCanceled)
		<-r.done
	})
	return r
}

// ends waits for the end of Execute.
func (r *running) ends(t *testing.T) (remuda.Result, error) {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(patience):
		t.Fatal("Execute does not return")
	}
	return r.result, r.err
}

// endsWith waits for the end of Execute, which is to be this one.
func (r *running) endsWith(t *testing.T, state remuda.State, reason remuda.Reason) {
	t.Helper()
	result, err := r.ends(t)
	if err != nil || result.State != state || result.Reason != reason {
		t.Fatalf("ended with %+v, %v; want %s %s", result, err, state, reason)
	}
}

// shows waits until the step's output contains text.
func (tr *trial) shows(t *testing.T, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	is := func() bool {
		output, _ := tr.plane.Output(0)
		return strings.Contains(output, text)
	}
	if !tr.plane.Await(ctx, is) {
		output, _ := tr.plane.Output(0)
		t.Fatalf("the output never showed %q; it is %q", text, output)
	}
}

// outputIs compares the whole output of the step, which must have been closed.
func (tr *trial) outputIs(t *testing.T, want string) {
	t.Helper()
	output, closed := tr.plane.Output(0)
	if output != want {
		t.Errorf("the output is %s, want %s", abridged(output), abridged(want))
	}
	if !closed {
		t.Error("the output was not closed")
	}
}

func abridged(text string) string {
	if len(text) <= 300 {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("%q … %q (%d bytes)", text[:150], text[len(text)-150:], len(text))
}

// succeed ends the Executor as a runner that is told to stop does, and starts its successor.
func (tr *trial) succeed(t *testing.T, r *running) {
	t.Helper()
	tr.stop(t, r)
	tr.successor(t)
}

func (tr *trial) stop(t *testing.T, r *running) {
	t.Helper()
	r.end(errors.New("the runner stops"))
	if result, err := r.ends(t); err == nil {
		t.Fatalf("a runner that stopped said %+v", result)
	}
	tr.close()
}

func (tr *trial) successor(t *testing.T) {
	t.Helper()
	tr.open(t)
	left, err := tr.executor.Left(t.Context())
	if err != nil || len(left) != 1 || left[0] != tr.claim.ID {
		t.Fatalf("the successor finds %v, %v", left, err)
	}
	tr.claim.Begun = true
}

// isForgotten forgets the claim and checks that nothing is left of it.
func (tr *trial) isForgotten(t *testing.T) {
	t.Helper()
	tr.Clean(t, tr.dir, tr.claim.ID)
	if err := tr.executor.Forget(t.Context(), tr.claim.ID); err != nil {
		t.Fatal(err)
	}
	if left, err := tr.executor.Left(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("after all was forgotten, left are %v, %v", left, err)
	}
}

// touch makes a file for which a step waits.
func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// until polls is, for what gives no sign of itself.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !is(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s never came true", what)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
