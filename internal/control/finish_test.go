package control_test

import (
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestWhatBecomesOfATaskWhenItsRunnerSpeaks(t *testing.T) {
	failed := func(reason remuda.Reason) remuda.Result {
		return remuda.Result{State: remuda.Failed, Reason: reason, Detail: "d"}
	}
	canceled := remuda.Result{State: remuda.Canceled, Detail: "d"}
	for _, c := range []struct {
		what    string
		begun   bool
		repeat  bool // retry_interrupted
		result  remuda.Result
		state   remuda.State
		reason  remuda.Reason
		attempt remuda.AttemptState
	}{
		{"it succeeds", true, false, succeeded, remuda.Succeeded, "", remuda.AttemptSucceeded},
		{"a step fails", true, true, failed(remuda.ReasonStep), remuda.Failed, remuda.ReasonStep, remuda.AttemptFailed},
		{"it takes too long", true, true, failed(remuda.ReasonTimeout), remuda.Failed, remuda.ReasonTimeout, remuda.AttemptFailed},
		{"it cannot be carried out", false, true, failed(remuda.ReasonConfig), remuda.Failed, remuda.ReasonConfig, remuda.AttemptFailed},
		{"the operator refuses it", false, true, failed(remuda.ReasonPolicy), remuda.Failed, remuda.ReasonPolicy, remuda.AttemptFailed},
		{"the machine fails before it begins", false, false, failed(remuda.ReasonInfrastructure), remuda.Queued, "", remuda.AttemptFailed},
		{"the machine fails after it began", true, false, failed(remuda.ReasonInfrastructure), remuda.Failed, remuda.ReasonInfrastructure, remuda.AttemptFailed},
		{"the machine fails after it began, and it may be repeated", true, true, failed(remuda.ReasonInfrastructure), remuda.Queued, "", remuda.AttemptFailed},
		{"the runner is stopped before it begins", false, false, canceled, remuda.Queued, "", remuda.AttemptCanceled},
		{"the runner is stopped after it began", true, false, canceled, remuda.Failed, remuda.ReasonInfrastructure, remuda.AttemptCanceled},
		{"the runner is stopped after it began, and it may be repeated", true, true, canceled, remuda.Queued, "", remuda.AttemptCanceled},
	} {
		t.Run(c.what, func(t *testing.T) {
			r := newRanch(t)
			ctx := t.Context()
			task := r.submit(with(func(s *remuda.Submission) { s.RetryInterrupted = c.repeat }))
			h := r.register(1)
			claim := r.claim(h)
			if c.begun {
				r.begin(claim)
			}
			for range 3 { // the answer may be lost; the same again changes nothing
				done(t, h.Finish(ctx, claim.ID, c.result))
			}
			shown := r.wantState(task, c.state)
			if shown.Reason != c.reason || shown.Attempts[0].State != c.attempt || shown.Attempts[0].EndedAt == nil || shown.State.Ended() != (shown.EndedAt != nil) {
				t.Errorf("it is %+v", shown)
			}
			if class := must(t, r.admin.ResourceClass, ctx, "acme/linux"); class.Running != 0 || class.Queued != map[remuda.State]int{remuda.Queued: 1}[c.state] {
				t.Errorf("counted are %+v", class)
			}
			wantKind(t, h.Return(ctx, claim.ID, remuda.Return{}), remuda.Gone)
			other := remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: "another"}
			wantKind(t, h.Finish(ctx, claim.ID, other), remuda.Conflict)
			r.wantState(task, c.state)
			if c.state == remuda.Queued {
				again := r.claim(h)
				if again.Attempt != 2 || again.ID == claim.ID || again.Task.ID != task || again.Begun {
					t.Errorf("claimed again is %+v", again)
				}
				wantKind(t, h.Finish(ctx, claim.ID, other), remuda.Conflict) // the old claim changes nothing
				r.wantState(task, remuda.Running)
			}
		})
	}
}

func TestAResultHasRulesOfForm(t *testing.T) {
	r := newRanch(t)
	task, h, claim, _ := r.lead(hello())
	for _, bad := range []remuda.Result{
		{}, {State: remuda.Queued}, {State: remuda.Skipped}, {State: remuda.Failed}, {State: remuda.Failed, Reason: "whim"},
		{State: remuda.Failed, Reason: remuda.ReasonLost}, {State: remuda.Succeeded, Reason: remuda.ReasonStep},
		{State: remuda.Canceled, Reason: remuda.ReasonTimeout}, {State: remuda.Succeeded, Detail: strings.Repeat("x", 4097)},
	} {
		wantKind(t, h.Finish(t.Context(), claim.ID, bad), remuda.Invalid)
	}
	wantKind(t, h.Return(t.Context(), claim.ID, remuda.Return{Detail: strings.Repeat("x", 4097)}), remuda.Invalid)
	r.wantState(task, remuda.Running)
}

func TestAClaimIsItsRunnersAlone(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	task, _, claim, _ := r.lead(hello())
	other := r.register(1)
	for _, id := range []string{claim.ID, "nothing"} {
		wantKind(t, other.Finish(ctx, id, succeeded), remuda.NotFound)
		wantKind(t, other.Return(ctx, id, remuda.Return{}), remuda.NotFound)
	}
	r.wantState(task, remuda.Running)
}

func TestAClaimThatIsHandedBackIsRepeatedUntilItsAttemptsAreUsed(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	task := r.submit(with(func(s *remuda.Submission) { s.MaxAttempts = 2 }))
	h := r.register(1)
	for attempt := 1; attempt <= 6; attempt++ {
		claim := r.claim(h)
		same(t, "attempt", attempt, claim.Attempt)
		draining := attempt%3 != 0 // two of three say nothing about the task
		for range 2 {
			done(t, h.Return(ctx, claim.ID, remuda.Return{Detail: "no space left", Draining: draining}))
		}
		wantKind(t, h.Finish(ctx, claim.ID, succeeded), remuda.Gone)
		if attempt < 6 {
			r.wantState(task, remuda.Queued)
		}
	}
	failed := r.wantState(task, remuda.Failed)
	if failed.Reason != remuda.ReasonInfrastructure || failed.Detail != "attempt 2 of 2: no space left" || len(failed.Attempts) != 6 {
		t.Errorf("it is %+v", failed)
	}
	if a := failed.Attempts[0]; a.State != remuda.AttemptReturned || a.Detail != "no space left" || a.Runner != "horse" {
		t.Errorf("its first attempt is %+v", a)
	}
}

func TestAClaimThatHadBegunIsHandedBackForGoodUnlessItMayBeRepeated(t *testing.T) {
	for _, repeat := range []bool{false, true} {
		for _, draining := range []bool{false, true} {
			r := newRanch(t)
			task, h, claim, _ := r.lead(with(func(s *remuda.Submission) { s.RetryInterrupted, s.MaxAttempts = repeat, 1 }))
			done(t, h.Return(t.Context(), claim.ID, remuda.Return{Detail: "d", Draining: draining}))
			want := remuda.Failed
			if repeat && draining {
				want = remuda.Queued // it was no attempt
			}
			shown := r.wantState(task, want)
			if want == remuda.Failed && shown.Reason != remuda.ReasonInfrastructure {
				t.Errorf("it is %+v", shown)
			}
		}
	}
}

func TestAnAttemptThatEndsUnheardShowsItsStepsAsOver(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	task, h, claim, agent := r.lead(hello())
	done(t, agent.Steps(ctx, []remuda.Step{
		{Number: 0, State: remuda.StepSucceeded}, {Number: 1, State: remuda.StepRunning}, {Number: 2, State: remuda.StepPending},
	}))
	done(t, h.Return(ctx, claim.ID, remuda.Return{Detail: "d"}))
	var states []remuda.StepState
	for _, step := range r.task(task).Attempts[0].Steps {
		states = append(states, step.State)
		if step.State == remuda.StepCanceled && step.EndedAt == nil {
			t.Error("a step that was ended has no end")
		}
	}
	same(t, "steps", []remuda.StepState{remuda.StepSucceeded, remuda.StepCanceled, remuda.StepSkipped}, states)
}

func TestEachMoveIsWrittenDownByWhoMadeIt(t *testing.T) {
	r := newRanch(t)
	ctx, member := t.Context(), r.user(remuda.RoleMember)
	last := r.lastEvent()
	task := got(member.Submit(ctx, hello(), ""))(t).Tasks[0].ID
	h := r.register(1)
	claim := r.claim(h)
	done(t, h.Return(ctx, claim.ID, remuda.Return{Detail: "d"}))
	claim = r.claim(h)
	r.begin(claim)
	got(member.CancelTask(ctx, task))(t)
	done(t, h.Finish(ctx, claim.ID, remuda.Result{State: remuda.Canceled}))
	runner := "runner " + h.id
	same(t, "events of the task", []string{
		"task.queued " + task + " u-member", "task.running " + task + " " + runner, "task.queued " + task + " " + runner,
		"task.running " + task + " " + runner, "task.cancel-requested " + task + " u-member", "task.canceled " + task + " " + runner,
	}, r.events(control.EventFilter{After: last, Subject: task}))
	all := must(t, r.admin.Events, ctx, control.EventFilter{After: last})
	for i, event := range all {
		if i > 0 && (event.ID <= all[i-1].ID || event.At.Before(all[i-1].At)) {
			t.Errorf("event %d comes after %d", event.ID, all[i-1].ID)
		}
	}
}

func TestAResultTellsHowTheStepsStoodAtTheEnd(t *testing.T) {
	r := newRanch(t)
	task := r.submit(hello())
	h := r.register(1)
	claim := r.claim(h)
	r.begin(claim)
	result := succeeded
	result.Steps = []remuda.Step{{Number: 0, Name: "greet", State: remuda.StepSucceeded}}
	for range 2 {
		done(t, h.Finish(t.Context(), claim.ID, result))
	}
	steps := r.wantState(task, remuda.Succeeded).Attempts[0].Steps
	if len(steps) != 1 || steps[0].State != remuda.StepSucceeded || steps[0].Name != "greet" {
		t.Errorf("the steps are %+v", steps)
	}
	result.Steps = []remuda.Step{{Number: 10000}}
	wantKind(t, h.Finish(t.Context(), claim.ID, result), remuda.Invalid)
}

func TestSeveralClaimsAreFinishedAtOnceAndEachAsByItself(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	tasks := []string{r.submit(hello()), r.submit(hello()), r.submit(hello())}
	h := r.register(3)
	claims := must(t, h.Sync, ctx, remuda.Sync{Ready: true}).Claims
	if len(claims) != 3 {
		t.Fatalf("claims = %d, want 3", len(claims))
	}
	for _, claim := range claims {
		r.begin(claim)
	}
	failed := remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: "exit code 1"}
	done(t, h.Finish(ctx, claims[0].ID, succeeded))
	results := []remuda.ClaimResult{
		{Claim: claims[0].ID, Result: failed}, {Claim: claims[1].ID, Result: failed}, {Claim: "nobody's", Result: succeeded},
		{Claim: claims[2].ID, Result: remuda.Result{State: "over"}}, {Claim: claims[1].ID, Result: failed},
	}
	for range 2 { // the answer may be lost
		outcomes, _, err := h.FinishAll(ctx, results, 0)
		done(t, err)
		wantKind(t, outcomes[0], remuda.Conflict)
		done(t, outcomes[1])
		wantKind(t, outcomes[2], remuda.NotFound)
		wantKind(t, outcomes[3], remuda.Invalid)
		done(t, outcomes[4])
	}
	states := map[string]remuda.State{claims[0].ID: remuda.Succeeded, claims[1].ID: remuda.Failed, claims[2].ID: remuda.Running}
	for _, id := range tasks {
		task := r.task(id)
		if want := states[task.Attempts[0].ID]; task.State != want {
			t.Errorf("task %s is %s, want %s", id, task.State, want)
		}
	}
	other := r.register(1)
	outcomes, _, err := other.FinishAll(ctx, []remuda.ClaimResult{{Claim: claims[2].ID, Result: succeeded}, {Claim: claims[1].ID, Result: failed}}, 2)
	done(t, err)
	wantKind(t, outcomes[0], remuda.NotFound)
	if class := must(t, r.admin.ResourceClass, ctx, "acme/linux"); class.Running != 1 {
		t.Errorf("counted are %+v", class)
	}
}
