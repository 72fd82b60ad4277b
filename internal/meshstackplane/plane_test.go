package meshstackplane_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/internal/meshstackplane"
	"github.com/remuda-dev/remuda/runner"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hand is a runner whose executor is the test: it takes claims from a plane, and says what an agent would.
type hand struct {
	*vendor
	plane *meshstackplane.Plane
	leave func()
}

// hire has a plane live until the test, or leave, ends it.
func (v *vendor) hire(p place, change ...func(*meshstackplane.Options)) *hand {
	plane := v.serve(p, change...)
	ctx, stop := context.WithCancel(v.t.Context())
	var living sync.WaitGroup
	living.Go(func() { plane.Run(ctx) })
	h := &hand{vendor: v, plane: plane, leave: sync.OnceFunc(func() { stop(); living.Wait() })}
	v.t.Cleanup(h.leave)
	return h
}

// sync syncs until the answer is one that counts.
func (h *hand) sync(said remuda.Sync, counts func(remuda.SyncAnswer) bool) remuda.SyncAnswer {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 30*time.Second)
	defer cancel()
	for {
		answer, err := h.plane.Sync(ctx, said)
		if err != nil {
			h.t.Fatalf("a sync is answered %v", err)
		}
		if counts(answer) {
			return answer
		}
	}
}

func (h *hand) claim(holding ...string) remuda.Claim {
	h.t.Helper()
	return h.sync(remuda.Sync{Ready: true, Holding: holding}, func(a remuda.SyncAnswer) bool { return len(a.Claims) > 0 }).Claims[0]
}

// runs is what an agent says, beside what every task says.
type runs interface {
	runner.TaskPlane
	agent.Runs
}

func (h *hand) task(c remuda.Claim) runs {
	h.t.Helper()
	task, is := h.plane.Task(c.ID, c.Token).(runs)
	if !is {
		h.t.Fatal("a task of it knows no runs")
	}
	return task
}

func (h *hand) finish(claim string, result remuda.Result) error {
	_, err := h.plane.Finish(h.t.Context(), claim, result, true)
	return err
}

func (h *hand) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// steps are those of a run, as far as it has come.
func steps(states ...remuda.StepState) (all []remuda.Step) {
	for n, name := range []string{"sources", "execute_tf", "output"} {
		all = append(all, remuda.Step{Number: n, Name: name, State: states[n]})
	}
	return all
}

func (h *hand) begin(task runs) {
	h.t.Helper()
	_, err := task.Begin(h.t.Context(), remuda.Begin{Steps: steps(remuda.StepPending, remuda.StepPending, remuda.StepPending)})
	h.ok(err)
}

func (h *hand) print(task runs, step int, text string) {
	h.t.Helper()
	state, err := task.Stream(h.t.Context(), step)
	h.ok(err)
	_, err = task.Append(h.t.Context(), remuda.Chunk{Step: step, Offset: state.Length, Source: state.Source + int64(len(text)), Data: []byte(text)})
	h.ok(err)
}

func (h *hand) succeed(task runs, claim remuda.Claim) {
	h.t.Helper()
	h.ok(task.Steps(h.t.Context(), steps(remuda.StepSucceeded, remuda.StepSucceeded, remuda.StepSucceeded)))
	h.ok(h.finish(claim.ID, remuda.Result{State: remuda.Succeeded}))
}

var changing = regexp.MustCompile(`"createdOn": "[^"]*"|127\.0\.0\.1:\d+`)

// golden holds what the vendor heard to a file: of questions for a run the first, of reports the first and the last,
// since there may be any number of them.
func (v *vendor) golden(name string) {
	v.t.Helper()
	v.mu.Lock()
	var kept []heard
	asked, reported := 0, 0
	for _, h := range v.heard {
		switch {
		case strings.Contains(h.Path, "/create?"):
			asked++
		case h.Method == http.MethodPatch && h.json["status"] == "IN_PROGRESS":
			reported++
		}
		if asked <= 1 && reported <= 1 || !strings.Contains(h.Path, "/create?") && h.json["status"] != "IN_PROGRESS" {
			kept = append(kept, h)
		}
	}
	v.mu.Unlock()
	text, err := json.MarshalIndent(kept, "", "  ")
	if err != nil {
		v.t.Fatal(err)
	}
	got := changing.ReplaceAllString(string(text), "<changing>") + "\n"
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			v.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		v.t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		v.t.Errorf("%s: -want +got:\n%s", name, diff)
	}
}

func TestARunIsCarriedOutInTheVendorsWords(t *testing.T) {
	v := newVendor(t)
	h := v.hire(newPlace(t), func(o *meshstackplane.Options) { o.Slots = 1 })
	ctx := t.Context()
	h.ok(h.plane.Check(ctx))
	v.offer(v.run(runUUID, "run-token-1"))
	claim := h.claim()
	task := h.task(claim)
	h.begin(task)

	if _, err := task.State(ctx); !errors.Is(err, remuda.NotFound) {
		t.Errorf("without a state, it is answered %v", err)
	}
	_, err := task.LockState(ctx, remuda.StateLock{ID: "lock-1", Who: "me"})
	h.ok(err)
	holder, err := task.LockState(ctx, remuda.StateLock{ID: "lock-2"})
	if !errors.Is(err, remuda.Conflict) || holder.ID != "lock-1" || holder.Who != "me" {
		t.Errorf("a lock that is held is answered %+v (%v)", holder, err)
	}
	h.ok(task.WriteState(ctx, "lock-1", []byte(`{"version":4}`)))
	if state, err := task.State(ctx); err != nil || string(state) != `{"version":4}` {
		t.Errorf("the state is %s (%v)", state, err)
	}
	if holder, err := task.UnlockState(ctx, "lock-2"); !errors.Is(err, remuda.Conflict) || holder.ID != "lock-1" {
		t.Errorf("another lock's release is answered %+v (%v)", holder, err)
	}
	_, err = task.UnlockState(ctx, "lock-1")
	h.ok(err)
	h.ok(task.DeleteState(ctx, ""))

	h.print(task, 0, "cloned\n")
	h.print(task, 1, "applied\n")
	changes := true
	h.ok(task.ReportRun(ctx, remuda.RunReport{Changes: &changes, Plan: &remuda.PlanSummary{Add: 2}}))
	h.ok(task.ReportRun(ctx, remuda.RunReport{
		Messages: []remuda.StepMessage{{Step: "execute_tf", Message: "Here you are"}},
		Outputs: map[string]remuda.RunOutput{
			"url":      {Type: remuda.TypeString, Value: []byte(`"https://x"`)},
			"password": {Type: remuda.TypeString, Value: []byte(`"a-secret-output"`), Sensitive: true},
		},
	}))
	h.succeed(task, claim)
	if err := h.finish(claim.ID, remuda.Result{State: remuda.Succeeded}); !errors.Is(err, remuda.Gone) {
		t.Errorf("said again, it is answered %v", err)
	}
	v.golden("apply")
}

func TestADetectHandsItsPlanInAndAnApplyFetchesIt(t *testing.T) {
	v := newVendor(t)
	h := v.hire(newPlace(t))
	plan := []byte("a plan\x00of bytes")
	v.offer(v.run(runUUID, "run-token-1", func(run m) { run["spec"].(m)["behavior"] = "DETECT" }))
	claim := h.claim()
	task := h.task(claim)
	h.begin(task)
	if _, err := task.SavedPlan(t.Context()); !errors.Is(err, remuda.NotFound) {
		t.Errorf("a plan that nobody named is answered %v", err)
	}
	h.ok(task.SavePlan(t.Context(), plan))
	none := false
	h.ok(task.ReportRun(t.Context(), remuda.RunReport{Changes: &none, Plan: &remuda.PlanSummary{}}))
	h.succeed(task, claim)
	last := v.await("the last report", reported("SUCCEEDED"))
	if last.json["artifact"] != "YSBwbGFuAG9mIGJ5dGVz" || last.json["changesDetected"] != false {
		t.Errorf("the last report is %v", last.json)
	}

	v.set(func() { v.plan = plan })
	v.offer(v.run("5d1f0b51-0000-4000-8000-00000000bbbb", "run-token-2", func(run m) {
		run["_links"].(m)["planArtifact"] = m{"href": "/api/meshobjects/meshbuildingblockruns/x/plan"}
	}))
	claim = h.claim()
	var order remuda.RunOrder
	h.ok(json.Unmarshal(claim.Payload, &order))
	given, err := h.task(claim).SavedPlan(t.Context())
	if err != nil || string(given) != string(plan) || !order.Plan {
		t.Errorf("the plan is %q (%v), and the order says %t", given, err, order.Plan)
	}
}

func TestWhatARunnerGetsIsTheRunWithItsSecretsSealedToIt(t *testing.T) {
	v := newVendor(t)
	p := newPlace(t)
	h := v.hire(p)
	v.offer(v.run(runUUID, "run-token-1"))
	claim := h.claim()
	plain, err := p.key.Open([]byte(claim.ID), claim.Sealed)
	h.ok(err)
	var secrets map[string]string
	h.ok(json.Unmarshal(plain, &secrets))
	if diff := cmp.Diff(map[string]string{"inputs/token": "a-secret-token", "implementation/ssh_key": "a-private-key"}, secrets); diff != "" {
		t.Errorf("secrets: -want +got:\n%s", diff)
	}
	var got any
	h.ok(json.Unmarshal(claim.Payload, &got))
	want := any(m{
		"run": runUUID, "number": 3.0, "behavior": "APPLY", "trigger": "MANUAL_EXECUTION", "author": m{"kind": "User", "name": "ann", "display_name": "Ann"},
		"block":      m{"id": "block-1", "name": "logs", "organization": "acme", "project": "shop"},
		"definition": m{"id": "definition-1", "organization": "plat", "version": 2.0},
		"inputs": []any{
			m{"key": "name", "type": "string", "value": "x"}, m{"key": "sizes", "type": "multi_select", "value": `["a"]`, "environment": true},
			m{"key": "token", "type": "string", "secret": "inputs/token"}, m{"key": "none", "type": "string", "value": nil},
		},
		"parents": []any{m{"block": "parent-1", "definition": "definition-0"}},
		"implementation": m{"type": "opentofu", "opentofu": m{
			"version": "1.10.10", "repository": "git@example.com:x.git", "path": "modules/a", "ref": "main", "ssh_key": m{"hash": "implementation/ssh_key"},
			"known_host": m{"host": "example.com", "key_type": "ssh-ed25519", "key": "AAAA"}, "pre_run_script": "true",
		}},
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the order: -want +got:\n%s", diff)
	}
	if claim.Task.Organization != "plat" || claim.Task.Source.Repository != "git@example.com:x.git" || claim.Task.Implementation != "opentofu" || claim.CancelGrace.Std() != time.Minute {
		t.Errorf("its task is %+v", claim)
	}
	// What lies in the runner's folder is closed, too: outputs may be secret.
	task := h.task(claim)
	h.begin(task)
	h.ok(task.ReportRun(t.Context(), remuda.RunReport{Outputs: map[string]remuda.RunOutput{"p": {Type: remuda.TypeString, Value: []byte(`"a-secret-output"`), Sensitive: true}}}))
	kept := p.files(t)
	for _, secret := range []string{"a-secret-token", "a-private-key", "a-secret-output", "the-client-secret"} {
		if strings.Contains(kept, secret) {
			t.Errorf("the runner's folder holds %s", secret)
		}
	}
	if !strings.Contains(kept, "run-token-1") {
		t.Error("a successor would have no run token")
	}
}

func TestARunThatCannotBeCarriedOutFailsWithASentence(t *testing.T) {
	implementation := func(run m) m {
		return run["spec"].(m)["buildingBlockDefinition"].(m)["spec"].(m)["implementation"].(m)
	}
	for name, test := range map[string]struct {
		change func(m)
		noKey  bool
		want   string
	}{
		"a pipeline's":             {change: func(run m) { implementation(run)["type"] = "GITHUB_WORKFLOW" }, want: "OpenTofu and Terraform alone, not GITHUB_WORKFLOW"},
		"a secret of another pool": {change: func(run m) { implementation(run)["sshPrivateKey"] = "aGVsbG8=" }, want: "not sealed to this runner's private key"},
		"a secret without a key":   {noKey: true, change: func(m) {}, want: "--meshstack-private-key-file"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t)
			p := newPlace(t)
			h := v.hire(p, func(o *meshstackplane.Options) {
				if test.noKey {
					o.Opens = nil
				}
			})
			v.offer(v.run(runUUID, "run-token-1", test.change))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			asking := make(chan error, 1)
			go func() {
				for {
					answer, err := h.plane.Sync(ctx, remuda.Sync{Ready: true})
					if err != nil || len(answer.Claims) > 0 {
						asking <- fmt.Errorf("it has %d claims: %w", len(answer.Claims), err)
						return
					}
				}
			}()
			failed := v.await("a failure", reported("FAILED"))
			if summary, _ := failed.json["summary"].(string); !strings.Contains(summary, test.want) {
				t.Errorf("it failed with %q", summary)
			}
			v.await("another question", func(heard) bool { return len(p.files(t)) == 0 })
			cancel()
			if err := <-asking; !errors.Is(err, context.Canceled) {
				t.Errorf("the runner is answered %v", err)
			}
		})
	}
}

func TestAnAbortedRunIsCancelledAndMeshStackHearsNoMoreOfIt(t *testing.T) {
	v := newVendor(t)
	h := v.hire(newPlace(t))
	v.offer(v.run(runUUID, "run-token-1"))
	claim := h.claim()
	task := h.task(claim)
	h.begin(task)
	v.set(func() { v.abort = true })
	h.print(task, 1, "applying\n")
	answer := h.sync(remuda.Sync{Holding: []string{claim.ID}}, func(a remuda.SyncAnswer) bool { return len(a.Cancel) > 0 })
	if answer.Cancel[0] != claim.ID {
		t.Errorf("to be cancelled is %v", answer.Cancel)
	}
	// It ends what it is at: its state and its lock are taken, and of what it says nothing is told.
	before := v.many(http.MethodPatch, "/remuda")
	h.print(task, 1, "interrupted\n")
	h.ok(task.WriteState(t.Context(), "", []byte(`{"version":4}`)))
	_, err := task.UnlockState(t.Context(), "lock-1")
	h.ok(err)
	h.ok(h.finish(claim.ID, remuda.Result{State: remuda.Canceled}))
	if after := v.many(http.MethodPatch, "/remuda"); after != before {
		t.Errorf("%d reports came after the run was aborted", after-before)
	}
	if v.many("UNLOCK", "/block-1") != 1 {
		t.Error("its lock was not given back")
	}
}

func TestARunThatWasAbortedBeforeItBeganIsNotBegun(t *testing.T) {
	v := newVendor(t)
	h := v.hire(newPlace(t))
	v.offer(v.run(runUUID, "run-token-1"))
	claim := h.claim()
	v.set(func() { v.abort = true })
	if _, err := h.task(claim).Begin(t.Context(), remuda.Begin{}); !errors.Is(err, remuda.Gone) {
		t.Errorf("leave to begin is answered %v", err)
	}
}

func TestASuccessorFindsWhatWasClaimedAndGoesOnWhereItWas(t *testing.T) {
	v := newVendor(t)
	p := newPlace(t)
	first := v.hire(p)
	v.offer(v.run(runUUID, "run-token-1"), v.run("5d1f0b51-0000-4000-8000-00000000bbbb", "run-token-2"))
	begun := first.claim()
	task := first.task(begun)
	first.begin(task)
	first.ok(task.Steps(t.Context(), steps(remuda.StepSucceeded, remuda.StepRunning, remuda.StepPending)))
	first.print(task, 1, "before\n")
	waiting := first.claim(begun.ID)
	first.leave()

	second := v.hire(p)
	answer := second.sync(remuda.Sync{Ready: true}, func(a remuda.SyncAnswer) bool { return len(a.Claims) > 0 })
	stands := map[string]bool{}
	for _, claim := range answer.Claims {
		stands[claim.ID] = claim.Begun
	}
	if diff := cmp.Diff(map[string]bool{begun.ID: true, waiting.ID: false}, stands); diff != "" {
		t.Fatalf("the successor is given -want +got:\n%s", diff)
	}
	task = second.task(begun)
	if state, err := task.Stream(t.Context(), 1); err != nil || state.Length != 7 || state.Source != 7 {
		t.Errorf("its output stands at %+v (%v)", state, err)
	}
	second.print(task, 1, "after\n")
	second.succeed(task, begun)
	last := v.await("the last report", reported("SUCCEEDED"))
	if log := last.json["steps"].([]any)[1].(m)["systemMessage"]; log != "before\nafter\n" {
		t.Errorf("its log is %q", log)
	}
	if n := v.many(http.MethodPost, "/status/source"); n != 1 {
		t.Errorf("its source was registered %d times", n)
	}
	// Of what began, nothing is here any more: that is said, and nothing is started again.
	second.ok(second.plane.Return(t.Context(), waiting.ID, remuda.Return{Detail: "nothing of it is left on this machine"}))
	failed := v.await("a failure", reported("FAILED"))
	if summary, _ := failed.json["summary"].(string); !strings.Contains(summary, "nothing of it is left") {
		t.Errorf("it failed with %q", summary)
	}
	if left := p.files(t); left != "" {
		t.Errorf("there is left %s", left)
	}
}
