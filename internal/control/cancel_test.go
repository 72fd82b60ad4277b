package control_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestCancellingInEachState(t *testing.T) {
	canceled := remuda.Result{State: remuda.Canceled}
	for what, c := range map[string]struct {
		lead      func(*ranch) (task string, finish func(*ranch))
		at, after remuda.State // at once; after its runner has said how it ended
	}{
		"queued": {func(r *ranch) (string, func(*ranch)) { return r.submit(hello()), nil }, remuda.Canceled, remuda.Canceled},
		"claimed": {func(r *ranch) (string, func(*ranch)) {
			task, h := r.submit(hello()), r.register(1)
			claim := r.claim(h)
			return task, func(r *ranch) { done(r.t, h.Finish(r.t.Context(), claim.ID, canceled)) }
		}, remuda.Running, remuda.Canceled},
		"begun": {func(r *ranch) (string, func(*ranch)) {
			task, h, claim, _ := r.lead(hello())
			return task, func(r *ranch) { done(r.t, h.Finish(r.t.Context(), claim.ID, canceled)) }
		}, remuda.Running, remuda.Canceled},
		"begun, and it succeeds nonetheless": {func(r *ranch) (string, func(*ranch)) {
			task, h, claim, _ := r.lead(hello())
			return task, func(r *ranch) { done(r.t, h.Finish(r.t.Context(), claim.ID, succeeded)) }
		}, remuda.Running, remuda.Succeeded},
		"begun, and its runner fails": {func(r *ranch) (string, func(*ranch)) {
			task, h, claim, _ := r.lead(with(func(s *remuda.Submission) { s.RetryInterrupted = true }))
			return task, func(r *ranch) { done(r.t, h.Return(r.t.Context(), claim.ID, remuda.Return{Detail: "x"})) }
		}, remuda.Running, remuda.Canceled},
	} {
		t.Run(what, func(t *testing.T) {
			r := newRanch(t)
			task, finish := c.lead(r)
			same(t, "answered", c.at, must(t, r.admin.CancelTask, t.Context(), task).State)
			if c.at == remuda.Running {
				if !r.task(task).CancelRequested {
					t.Error("it is not shown that it was cancelled")
				}
				same(t, "cancelled again", c.at, must(t, r.admin.CancelTask, t.Context(), task).State)
				same(t, "requests written down", 1, len(r.events(control.EventFilter{Type: "task.cancel-requested"})))
				finish(r)
			}
			ended := r.wantState(task, c.after)
			if ended.CancelRequested || ended.EndedAt == nil {
				t.Errorf("it is %+v", ended)
			}
			wantKind(t, second(r.admin.CancelTask(t.Context(), task)), remuda.Conflict)
			if class := must(t, r.admin.ResourceClass, t.Context(), "acme/linux"); class.Queued+class.Running != 0 {
				t.Errorf("counted are %+v", class)
			}
		})
	}
}

func TestACancelledTaskIsNotBegunAndKeepsItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		task, h := r.submit(hello()), r.register(1)
		claim := r.claim(h)
		must(t, r.admin.CancelTask, ctx, task)
		_, err := r.plane.AsTask(claim.ID).Begin(ctx, remuda.Begin{})
		wantKind(t, err, remuda.Conflict)
		r.submit(hello())
		open := r.sync(h, remuda.Sync{Ready: true, Holding: []string{claim.ID}, Canceling: []string{claim.ID}})
		held(t, open) // the slot is taken until the runner says that the task has ended
		done(t, h.Finish(ctx, claim.ID, remuda.Result{State: remuda.Canceled}))
		if answer := answered(t, open); len(answer.Claims) != 1 {
			t.Errorf("answered is %+v", answer)
		}
	})
}

func TestACancelledTaskKeepsItsPlaceUnderEveryLimitUntilItHasEnded(t *testing.T) {
	for what, limit := range map[string]func(*testing.T, *ranch){
		"the organization": func(t *testing.T, r *ranch) {
			got(r.admin.ChangeOrganization(t.Context(), "acme", control.OrganizationChange{TaskLimit: pointer(1)}))(t)
		},
		"the project": func(t *testing.T, r *ranch) {
			got(r.admin.ChangeProject(t.Context(), "acme", "default", control.ProjectChange{TaskLimit: pointer(1)}))(t)
		},
		"the class": func(t *testing.T, r *ranch) {
			got(r.admin.ChangeResourceClass(t.Context(), "acme/linux", control.ResourceClassChange{TaskLimit: pointer(1)}))(t)
		},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRanch(t)
				task, h, claim, _ := r.lead(hello())
				limit(t, r)
				next := r.submit(hello())
				must(t, r.admin.CancelTask, t.Context(), task)
				other := r.sync(r.register(1), remuda.Sync{Ready: true})
				held(t, other)
				done(t, h.Finish(t.Context(), claim.ID, remuda.Result{State: remuda.Canceled}))
				if answer := answered(t, other); len(answer.Claims) != 1 || answer.Claims[0].Task.ID != next {
					t.Errorf("then %+v are claimed", answer.Claims)
				}
			})
		})
	}
}

func TestACancelIsToldUntilTheRunnerKnowsOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		task, h, claim, _ := r.lead(hello())
		must(t, r.admin.CancelTask, ctx, task)
		for range 2 { // the first answer may be lost
			answer := must(t, h.Sync, ctx, remuda.Sync{Ready: true, Holding: []string{claim.ID}})
			same(t, "to cancel", []string{claim.ID}, answer.Cancel)
		}
		held(t, r.sync(h, remuda.Sync{Ready: true, Holding: []string{claim.ID}, Canceling: []string{claim.ID}}))
		answer := must(t, h.Sync, ctx, remuda.Sync{Ready: true}) // it has forgotten the claim
		if len(answer.Claims) != 1 || !answer.Claims[0].CancelRequested || !answer.Claims[0].Begun || len(answer.Cancel) != 0 {
			t.Errorf("delivered again is %+v", answer)
		}
	})
}

func TestACancelledTaskOfASilentRunnerEndsAsCancelled(t *testing.T) {
	for _, begun := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRanch(t)
			r.run()
			task, h := r.submit(hello()), r.register(1)
			claim := r.claim(h)
			if begun {
				r.begin(claim)
			}
			must(t, r.admin.CancelTask, t.Context(), task)
			time.Sleep(29 * time.Second)
			r.wantState(task, remuda.Running)
			if time.Sleep(3 * time.Second); begun {
				r.wantState(task, remuda.Running)
				time.Sleep(10 * time.Minute)
			}
			r.wantState(task, remuda.Canceled)
			same(t, "attempt", remuda.AttemptLost, r.task(task).Attempts[0].State)
		})
	}
}

func TestARetryIsANewTaskOfTheSameJob(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	old, h, claim, _ := r.lead(with(func(s *remuda.Submission) {
		s.Priority, s.MaxAttempts, s.RetryInterrupted, s.Project = 3, 2, true, "p"
		s.Secrets = map[string]remuda.Secret{"A": remuda.NewSecret("kept")}
	}))
	wantKind(t, second(r.admin.RetryTask(ctx, old)), remuda.Conflict) // it runs
	done(t, h.Finish(ctx, claim.ID, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep}))
	again := got(r.user(remuda.RoleMember).RetryTask(ctx, old))(t)
	before := r.wantState(old, remuda.Failed)
	if again.ID == old || again.RetryOf != old || again.JobID != before.JobID || again.State != remuda.Queued || again.SubmittedBy != "u-member" ||
		again.Priority != 3 || again.MaxAttempts != 2 || !again.RetryInterrupted || again.Project != "p" || again.StartedAt != nil || len(again.Attempts) != 0 {
		t.Errorf("it is %+v", again)
	}
	fresh := r.claim(h)
	same(t, "its secrets", map[string]string{"A": "kept"}, r.secretsOf(h, fresh))
	if fresh.Task.ID != again.ID || fresh.Attempt != 1 {
		t.Errorf("claimed is %+v", fresh)
	}
	if events := r.events(control.EventFilter{Subject: again.ID}); !slices.Contains(events, "task.queued "+again.ID+" u-member") {
		t.Errorf("events are %v", events)
	}
	must(t, r.admin.CancelTask, ctx, again.ID)
	done(t, h.Finish(ctx, fresh.ID, remuda.Result{State: remuda.Canceled}))
	must(t, r.admin.RetryTask, ctx, old) // as often as one likes
}

func TestARetryIsHeldToWhatHoldsNow(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	must(t, r.admin.CreateOrganization, ctx, remuda.Organization{Name: "guest"})
	hosted := control.ResourceClassChange{Access: pointer(remuda.AccessAll)}
	got(r.admin.ChangeResourceClass(ctx, "acme/linux", hosted))(t)
	guest := r.userOf("guest", remuda.RoleMember)
	task := got(guest.Submit(ctx, hello(), ""))(t).Tasks[0].ID
	got(guest.CancelTask(ctx, task))(t)
	hosted.Access = pointer(remuda.AccessOwner)
	got(r.admin.ChangeResourceClass(ctx, "acme/linux", hosted))(t)
	wantKind(t, second(guest.RetryTask(ctx, task)), remuda.NotFound)
	if n := len(got(guest.Tasks(ctx, control.TaskFilter{}, control.PageQuery{}))(t).Items); n != 1 {
		t.Errorf("%d tasks", n)
	}
}

func TestWhyATaskWaits(t *testing.T) {
	for what, c := range map[string]struct {
		lead func(*testing.T, *ranch)
		want []string // the first reasons; "" for any
	}{
		"nobody is there": {func(*testing.T, *ranch) {}, []string{"no runner is connected for acme/linux"}},
		"a runner comes": {func(t *testing.T, r *ranch) { must(t, r.register(1).Sync, t.Context(), remuda.Sync{Ready: true}) },
			[]string{"a runner is taking it now"}},
		"just registered": {func(t *testing.T, r *ranch) { r.register(1) },
			[]string{"the only runner of acme/linux is not ready"}},
		"not ready": {func(t *testing.T, r *ranch) {
			must(t, r.register(1).Sync, t.Context(), remuda.Sync{Reason: "the disk is full"})
		}, []string{"the only runner of acme/linux is not ready (the disk is full)"}},
		"busy": {func(t *testing.T, r *ranch) { r.submit(hello()); r.claim(r.register(1)) },
			[]string{"the only runner of acme/linux is busy"}},
		"paused and draining": {func(t *testing.T, r *ranch) {
			got(r.admin.PauseRunner(t.Context(), r.register(1).id, true))(t)
			must(t, r.admin.DrainRunner, t.Context(), r.register(1).id)
		}, []string{"none of the 2 runners of acme/linux can take it: 1 is draining, 1 is paused"}},
		"gone": {func(t *testing.T, r *ranch) { done(t, r.register(1).Goodbye(t.Context())) }, []string{"no runner is connected for acme/linux"}},
		"silent": {func(t *testing.T, r *ranch) { r.register(1); time.Sleep(31 * time.Second) },
			[]string{"no runner is connected for acme/linux; 1 was, and is silent now"}},
		"at limits": {func(t *testing.T, r *ranch) {
			r.submit(hello())
			h := r.register(5)
			r.claim(h)
			got(r.admin.ChangeOrganization(t.Context(), "acme", control.OrganizationChange{TaskLimit: pointer(1)}))(t)
			got(r.admin.ChangeProject(t.Context(), "acme", "default", control.ProjectChange{TaskLimit: pointer(1)}))(t)
			got(r.admin.ChangeResourceClass(t.Context(), "acme/linux", control.ResourceClassChange{TaskLimit: pointer(1)}))(t)
		}, []string{"acme is at its limit of 1 running task; project default is at its limit of 1 running task; acme/linux is at its limit of 1 running task"}},
		"others are ahead": {func(t *testing.T, r *ranch) { r.submit(hello()); r.submit(hello()) },
			[]string{"no runner is connected for acme/linux", "2 ahead of it in acme/linux"}},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRanch(t)
				c.lead(t, r)
				time.Sleep(time.Millisecond)
				why := must(t, r.admin.Why, t.Context(), r.submit(hello()))
				same(t, "why", c.want, why.Reasons)
			})
		})
	}
}

func TestATaskThatDoesNotWaitHasNoReasons(t *testing.T) {
	r := newRanch(t)
	task, h, claim, _ := r.lead(hello())
	for _, state := range []remuda.State{remuda.Running, remuda.Succeeded} {
		why := must(t, r.admin.Why, t.Context(), task)
		if why.State != state || len(why.Reasons) != 0 || why.Reasons == nil {
			t.Errorf("why is %+v", why)
		}
		if state == remuda.Running {
			done(t, h.Finish(t.Context(), claim.ID, succeeded))
		}
	}
	if !strings.Contains(second(r.admin.Why(t.Context(), "nothing")).Error(), "there is no task nothing") {
		t.Error("an unknown task is explained")
	}
}
