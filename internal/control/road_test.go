package control_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestATaskTravelsFromSubmitToResult(t *testing.T) {
	r := newRanch(t)
	submission := hello()
	submission.Secrets = map[string]remuda.Secret{"PASSWORD": remuda.NewSecret("hunter2")}
	id := r.submit(submission)
	r.wantState(id, remuda.Queued)

	h := r.register(1)
	claim := r.claim(h)
	r.wantState(id, remuda.Running)
	if secrets := r.secretsOf(h, claim); secrets["PASSWORD"] != "hunter2" {
		t.Errorf("secrets = %v", secrets)
	}
	principal := must(t, r.plane.Authenticate, t.Context(), claim.Token)
	if principal.Claim != claim.ID {
		t.Errorf("the task token speaks for %q, want %q", principal.Claim, claim.ID)
	}

	agent := r.begin(claim)
	state := must(t, agent.Append, t.Context(), remuda.Chunk{Data: []byte("hello\n"), Source: 6})
	if state.Length != 6 {
		t.Errorf("held = %d, want 6", state.Length)
	}
	if err := agent.Steps(t.Context(), []remuda.Step{{Name: "echo", State: remuda.StepSucceeded}}); err != nil {
		t.Fatal(err)
	}
	if err := h.Finish(t.Context(), claim.ID, remuda.Result{State: remuda.Succeeded}); err != nil {
		t.Fatal(err)
	}
	task := r.wantState(id, remuda.Succeeded)
	if got := task.Attempts[0].Steps[0].State; got != remuda.StepSucceeded {
		t.Errorf("step is %s", got)
	}
	part, err := r.admin.Output(t.Context(), id, control.OutputQuery{})
	if err != nil || len(part.Chunks) != 1 || string(part.Chunks[0].Data) != "hello\n" {
		t.Errorf("output = %+v, %v", part, err)
	}
}

func TestFinishSaidAgainAnswersTheSameAndAnotherResultIsAConflict(t *testing.T) {
	r := newRanch(t)
	id := r.submit(hello())
	h := r.register(1)
	claim := r.claim(h)
	r.begin(claim)
	failed := remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: "step 1 ended with exit code 2"}
	for range 2 {
		if err := h.Finish(t.Context(), claim.ID, failed); err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, h.Finish(t.Context(), claim.ID, remuda.Result{State: remuda.Succeeded}), remuda.Conflict)
	r.wantState(id, remuda.Failed)
}

func TestALiveClaimThatTheRunnerDoesNotNameIsDeliveredAgain(t *testing.T) {
	r := newRanch(t)
	r.submit(hello())
	h := r.register(1)
	first := r.claim(h) // its answer is lost
	second := r.claim(h)
	if first.ID != second.ID || second.Attempt != 1 {
		t.Errorf("delivered %s attempt %d, want %s attempt 1", second.ID, second.Attempt, first.ID)
	}
}

func TestASilentRunnersClaim(t *testing.T) {
	for _, c := range []struct {
		fact             string
		begun            bool
		retryInterrupted bool
		after            time.Duration
		want             remuda.State
		reason           remuda.Reason
	}{
		{"that had not begun goes back to the queue", false, false, 35 * time.Second, remuda.Queued, ""},
		{"that had begun is kept until lost_after", true, false, 9 * time.Minute, remuda.Running, ""},
		{"that had begun fails as lost after lost_after", true, false, 11 * time.Minute, remuda.Failed, remuda.ReasonLost},
		{"that may be repeated is queued again", true, true, 11 * time.Minute, remuda.Queued, ""},
	} {
		t.Run(c.fact, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRanch(t)
				r.run()
				submission := hello()
				submission.RetryInterrupted = c.retryInterrupted
				id := r.submit(submission)
				h := r.register(1)
				claim := r.claim(h)
				if c.begun {
					r.begin(claim)
				}
				time.Sleep(c.after)
				task := r.wantState(id, c.want)
				if task.Reason != c.reason {
					t.Errorf("reason = %q, want %q", task.Reason, c.reason)
				}
				if c.want == remuda.Running {
					if task.SilentSince == nil {
						t.Error("it is not shown as silent")
					}
					return
				}
				_, err := r.plane.AsTask(claim.ID).Begin(t.Context(), remuda.Begin{})
				wantKind(t, err, remuda.Gone)
				wantKind(t, h.Finish(t.Context(), claim.ID, remuda.Result{State: remuda.Succeeded}), remuda.Gone)
				answer := must(t, h.Sync, t.Context(), remuda.Sync{Holding: []string{claim.ID}})
				if len(answer.Lost) != 1 {
					t.Errorf("lost = %v, want the old claim", answer.Lost)
				}
			})
		})
	}
}

func TestACancelReachesTheOpenSyncAtOnceAndTheTaskEndsWhenItsRunnerSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		id := r.submit(hello())
		h := r.register(1)
		claim := r.claim(h)
		r.begin(claim)
		start := time.Now()
		answers := make(chan remuda.SyncAnswer)
		go func() {
			answer, err := h.Sync(t.Context(), remuda.Sync{Holding: []string{claim.ID}, Ready: true})
			if err != nil {
				t.Error(err)
			}
			answers <- answer
		}()
		synctest.Wait()
		must(t, r.admin.CancelTask, t.Context(), id)
		if answer := <-answers; len(answer.Cancel) != 1 || time.Since(start) != 0 {
			t.Errorf("answer = %+v after %s", answer, time.Since(start))
		}
		r.wantState(id, remuda.Running)
		if err := h.Finish(t.Context(), claim.ID, remuda.Result{State: remuda.Canceled}); err != nil {
			t.Fatal(err)
		}
		r.wantState(id, remuda.Canceled)
	})
}

func TestAWaitingRunnerGetsATaskTheMomentItIsSubmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		start := time.Now()
		answers := make(chan remuda.SyncAnswer)
		go func() {
			answer, err := h.Sync(t.Context(), remuda.Sync{Ready: true})
			if err != nil {
				t.Error(err)
			}
			answers <- answer
		}()
		synctest.Wait()
		r.submit(hello())
		if answer := <-answers; len(answer.Claims) != 1 || time.Since(start) != 0 {
			t.Errorf("answer = %+v after %s", answer, time.Since(start))
		}
	})
}

func TestAnIdleSyncIsHeldForAboutFiftySecondsAndABusyOneForTen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(2)
		start := time.Now()
		must(t, h.Sync, t.Context(), remuda.Sync{Ready: true})
		if took := time.Since(start); took < 40*time.Second || took > 50*time.Second {
			t.Errorf("idle sync took %s", took)
		}
		r.submit(hello())
		claim := r.claim(h)
		start = time.Now()
		must(t, h.Sync, t.Context(), remuda.Sync{Holding: []string{claim.ID}, Ready: true})
		if took := time.Since(start); took <= 9900*time.Millisecond || took > 10*time.Second {
			t.Errorf("busy sync took %s", took)
		}
	})
}

// So the process is woken ten times a second, however many runners rest.
func TestSyncsThatEndAtAboutTheSameTimeEndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		var all sync.WaitGroup
		for range 50 {
			answer := r.sync(r.register(1), remuda.Sync{Ready: true})
			all.Go(func() {
				<-answer
				if past := time.Now().UnixNano() % int64(100*time.Millisecond); past != 0 {
					t.Errorf("a sync ended %s after the others", time.Duration(past))
				}
			})
			time.Sleep(7 * time.Millisecond)
		}
		all.Wait()
	})
}

func TestALimitIsNeverExceededAndItsEndLetsTheNextTaskGo(t *testing.T) {
	r := newRanch(t)
	limit := 1
	if _, err := r.admin.ChangeOrganization(t.Context(), "acme", control.OrganizationChange{TaskLimit: &limit}); err != nil {
		t.Fatal(err)
	}
	first, second := r.submit(hello()), r.submit(hello())
	h := r.register(5)
	claim := r.claim(h)
	r.wantState(first, remuda.Running)
	why := must(t, r.admin.Why, t.Context(), second)
	if len(why.Reasons) == 0 || !strings.Contains(why.Reasons[0], "acme is at its limit of 1") {
		t.Errorf("why = %q", why.Reasons)
	}
	if err := h.Finish(t.Context(), claim.ID, remuda.Result{State: remuda.Succeeded}); err != nil {
		t.Fatal(err)
	}
	r.claim(h)
	r.wantState(second, remuda.Running)
}

func TestAFollowerSeesEveryByteOnceAndThenTheEnd(t *testing.T) {
	r := newRanch(t)
	id := r.submit(hello())
	h := r.register(1)
	claim := r.claim(h)
	agent := r.begin(claim)
	must(t, agent.Append, t.Context(), remuda.Chunk{Data: []byte("one "), Source: 4})
	text, last, sent := "", remuda.Task{}, false
	err := r.admin.Follow(t.Context(), id, control.OutputQuery{}, func(f control.Followed) error {
		if f.Task != nil {
			last = *f.Task
		}
		if f.Output != nil {
			for _, chunk := range f.Output.Chunks {
				text += string(chunk.Data)
			}
		}
		if text == "one " && !sent {
			sent = true
			must(t, agent.Append, t.Context(), remuda.Chunk{Offset: 4, Data: []byte("two"), Source: 7})
			return h.Finish(t.Context(), claim.ID, remuda.Result{State: remuda.Succeeded})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if text != "one two" || last.State != remuda.Succeeded {
		t.Errorf("followed %q to %s", text, last.State)
	}
}

func TestTheSameIdempotencyKeySubmitsOnce(t *testing.T) {
	r := newRanch(t)
	first, err := r.admin.Submit(t.Context(), hello(), "k")
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.admin.Submit(t.Context(), hello(), "k")
	if err != nil || again.ID != first.ID || again.Tasks[0].ID != first.Tasks[0].ID {
		t.Errorf("again = %+v, %v", again, err)
	}
	other := hello()
	other.Name = "another"
	_, err = r.admin.Submit(t.Context(), other, "k")
	wantKind(t, err, remuda.Conflict)
}
