package control_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal"
)

// inGroup is hello in the group deploy.
func inGroup(policy remuda.ConcurrencyPolicy, limit int) remuda.Submission {
	return with(func(s *remuda.Submission) {
		s.Concurrency = &remuda.Concurrency{Group: "deploy", Limit: limit, Policy: policy}
	})
}

// needing is hello that needs capabilities.
func needing(capabilities ...string) remuda.Submission {
	return with(func(s *remuda.Submission) { s.Capabilities = capabilities })
}

func (r *ranch) submitted(s remuda.Submission) remuda.JobSubmitted {
	r.t.Helper()
	return got(r.admin.Submit(r.t.Context(), s, ""))(r.t)
}

// registerAs registers a runner with one slot that says more of itself.
func (r *ranch) registerAs(change func(*remuda.Registration)) horse {
	r.t.Helper()
	key, err := seal.NewKey()
	done(r.t, err)
	registration := remuda.Registration{Name: "horse", Slots: 1, PublicKey: key.Public(), Tokens: []remuda.Secret{remuda.NewSecret(r.token)}}
	change(&registration)
	registered := got(r.plane.Register(r.t.Context(), registration, "127.0.0.1"))(r.t)
	return horse{r.plane.AsRunner(registered.ID), registered.ID, key}
}

func (r *ranch) capable(capabilities ...string) horse {
	return r.registerAs(func(s *remuda.Registration) { s.Capabilities = capabilities })
}

func TestOfAGroupOnlySoManyRunAtOnce(t *testing.T) {
	r := newRanch(t)
	job := r.submitted(with(func(s *remuda.Submission) {
		s.Parallelism, s.Concurrency = 4, &remuda.Concurrency{Group: "deploy", Limit: 2}
	}))
	other := r.submit(hello())
	h := r.register(10)
	first := must(t, h.Sync, t.Context(), remuda.Sync{Ready: true}).Claims
	same(t, "claims", 3, len(first)) // two of the group, and the other
	same(t, "group", "deploy", r.task(job.Tasks[0].ID).ConcurrencyGroup)
	same(t, "group of the other", "", r.task(other).ConcurrencyGroup)
	done(t, h.Finish(t.Context(), first[0].ID, succeeded))
	if next := r.claim(h, first[1].ID, first[2].ID); next.Task.Index != 2 {
		t.Errorf("when one has ended, task %d comes", next.Task.Index)
	}
}

func TestTheNewestJobSaysTheLimitOfItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		for range 3 {
			r.submit(inGroup("", 0))
		}
		one := r.register(10)
		same(t, "claims at the usual limit", 1, len(must(t, one.Sync, t.Context(), remuda.Sync{Ready: true}).Claims))
		two := r.register(10)
		waiting := r.sync(two, remuda.Sync{Ready: true})
		held(t, waiting)
		r.submit(inGroup("", 3))
		running := answered(t, waiting).Claims
		same(t, "claims when one more comes with a limit of 3", 2, len(running))
		r.submit(inGroup("", 1))
		idle := r.sync(r.register(10), remuda.Sync{Ready: true})
		for _, claim := range running {
			done(t, two.Finish(t.Context(), claim.ID, succeeded))
			held(t, idle) // the first one runs still
		}
		done(t, one.Finish(t.Context(), r.runner(one).Claims[0], succeeded))
		same(t, "claims when none runs any more", 1, len(answered(t, idle).Claims))
	})
}

func TestAJobThatReplacesHasTheOlderOnesOfItsGroupCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		running := r.submit(inGroup("", 0))
		h := r.register(2)
		claim := r.claim(h)
		r.begin(claim)
		queued, other := r.submit(inGroup("", 0)), r.submit(hello())
		open := r.sync(h, remuda.Sync{Holding: []string{claim.ID}})
		job := r.submitted(with(func(s *remuda.Submission) {
			s.Name, s.Parallelism, s.Concurrency = "new", 2, &remuda.Concurrency{Group: "deploy", Policy: remuda.ConcurrencyReplace}
		}))
		why := "replaced by job new (" + job.ID + ")"
		same(t, "detail of the one that waited", why, r.wantState(queued, remuda.Canceled).Detail)
		same(t, "the runner is told to cancel", []string{claim.ID}, answered(t, open).Cancel)
		if task := r.wantState(running, remuda.Running); !task.CancelRequested || task.Detail != why {
			t.Errorf("the one that runs is %+v", task)
		}
		r.wantState(other, remuda.Queued)
		for _, task := range job.Tasks {
			r.wantState(task.ID, remuda.Queued) // its own tasks do not replace each other
		}
		idle := r.sync(r.register(1), remuda.Sync{Ready: true})
		same(t, "what goes on meanwhile", other, answered(t, idle).Claims[0].Task.ID)
		last := r.sync(r.register(2), remuda.Sync{Ready: true})
		held(t, last) // until the older one has ended
		done(t, h.Finish(ctx, claim.ID, remuda.Result{State: remuda.Canceled, Detail: "TERM was enough"}))
		same(t, "detail of the one that ran", why, r.wantState(running, remuda.Canceled).Detail)
		if claims := answered(t, last).Claims; len(claims) != 1 || claims[0].Task.ID != job.Tasks[0].ID {
			t.Errorf("then %+v are claimed", claims)
		}
	})
}

func TestAJobThatIsReplacedTwiceQuicklyLeavesOneTask(t *testing.T) {
	r := newRanch(t)
	var jobs []remuda.JobSubmitted
	for range 3 {
		jobs = append(jobs, r.submitted(inGroup(remuda.ConcurrencyReplace, 0)))
	}
	for i, job := range jobs[:2] {
		task := r.wantState(job.Tasks[0].ID, remuda.Canceled)
		if !strings.Contains(task.Detail, jobs[i+1].ID) {
			t.Errorf("job %d says %q, not that the next one replaced it", i, task.Detail)
		}
	}
	h := r.register(5)
	same(t, "what runs", jobs[2].Tasks[0].ID, r.claim(h).Task.ID)
}

func TestAJobThatRejectsIsRefusedWhileItsGroupHasTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		rejecting := with(func(s *remuda.Submission) {
			s.Name, s.Parallelism, s.Concurrency = "nightly", 2, &remuda.Concurrency{Group: "deploy", Limit: 2, Policy: remuda.ConcurrencyReject}
		})
		first := got(r.admin.Submit(ctx, rejecting, "key"))(t) // its own tasks do not count against it
		_, err := r.admin.Submit(ctx, rejecting, "")
		wantKind(t, err, remuda.Conflict)
		if !strings.Contains(err.Error(), "deploy") || !strings.Contains(err.Error(), "nightly ("+first.ID+")") {
			t.Errorf("it is told %q", err)
		}
		same(t, "the same key again", first.ID, got(r.admin.Submit(ctx, rejecting, "key"))(t).ID)
		r.submit(inGroup("", 0)) // another policy waits
		elsewhere := rejecting
		elsewhere.Project = "another"
		r.submit(elsewhere)
		tasks := got(r.admin.Tasks(ctx, control.TaskFilter{}, control.PageQuery{}))(t).Items
		for _, task := range tasks {
			must(t, r.admin.CancelTask, ctx, task.ID)
		}
		r.submit(rejecting)
		h := r.register(2)
		same(t, "claims", 2, len(must(t, h.Sync, ctx, remuda.Sync{Ready: true}).Claims))
		wantKind(t, second(r.admin.Submit(ctx, rejecting, "")), remuda.Conflict)
	})
}

func TestARepeatedTaskTakesItsTurnInItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		old := r.submit(inGroup(remuda.ConcurrencyReplace, 0))
		must(t, r.admin.CancelTask, ctx, old)
		running := r.submit(inGroup(remuda.ConcurrencyReject, 0))
		h := r.register(1)
		claim := r.claim(h)
		again := must(t, r.admin.RetryTask, ctx, old)
		same(t, "its group", "deploy", again.ConcurrencyGroup)
		if task := r.wantState(running, remuda.Running); task.CancelRequested {
			t.Error("it replaced the one that runs")
		}
		idle := r.sync(r.register(1), remuda.Sync{Ready: true})
		held(t, idle)
		done(t, h.Finish(ctx, claim.ID, succeeded))
		same(t, "claimed then", again.ID, answered(t, idle).Claims[0].Task.ID)
	})
}

func TestAPlaceThatIsFreeInAGroupGoesAtOnceToARunnerThatCanTakeIt(t *testing.T) {
	for what, free := range map[string]func(*ranch, horse, remuda.Claim, string){
		"ended": func(r *ranch, h horse, c remuda.Claim, _ string) {
			done(r.t, h.Finish(r.t.Context(), c.ID, succeeded))
		},
		"handed back and cancelled": func(r *ranch, h horse, c remuda.Claim, task string) {
			must(r.t, r.admin.CancelTask, r.t.Context(), task)
			done(r.t, h.Return(r.t.Context(), c.ID, remuda.Return{Detail: "no room"}))
		},
		"lost": func(r *ranch, h horse, c remuda.Claim, _ string) {
			time.Sleep(32 * time.Second)
			control.Sweep(r.t.Context(), r.plane, control.Now())
		},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRanch(t) // nobody polls
				ctx := t.Context()
				must(t, r.admin.CreateResourceClass, ctx, remuda.ResourceClass{Name: "acme/mac"})
				mac := must(t, r.admin.CreateToken, ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "mac", ResourceClass: "acme/mac"}).Token
				limited := inGroup("", 0)
				limited.MaxAttempts = 1
				task := r.submit(limited)
				h := r.register(1)
				claim := r.claim(h)
				waits := r.submit(with(func(s *remuda.Submission) {
					s.ResourceClass, s.Concurrency, s.Capabilities = "acme/mac", &remuda.Concurrency{Group: "deploy"}, []string{"xcode"}
				}))
				on := func(capabilities ...string) <-chan remuda.SyncAnswer {
					return r.sync(r.registerAs(func(s *remuda.Registration) {
						s.Tokens, s.Capabilities = []remuda.Secret{remuda.NewSecret(mac)}, capabilities
					}), remuda.Sync{Ready: true})
				}
				first, able, last := on("job"), on("job", "xcode"), on()
				start := time.Now()
				free(r, h, claim, task)
				took := time.Since(start)
				answer := answered(t, able)
				if len(answer.Claims) != 1 || answer.Claims[0].Task.ID != waits || time.Since(start) != took {
					t.Errorf("after %s it is answered %+v", time.Since(start)-took, answer)
				}
				held(t, first)
				held(t, last)
			})
		})
	}
}

func TestATaskIsTakenOnlyByARunnerThatHasWhatItNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t) // nobody polls
		poor := []<-chan remuda.SyncAnswer{r.sync(r.capable("job"), remuda.Sync{Ready: true}), r.sync(r.capable("docker"), remuda.Sync{Ready: true})}
		rich := r.capable("job", "gpu", "docker")
		able := r.sync(rich, remuda.Sync{Ready: true})
		start := time.Now()
		task := r.submit(needing("gpu", "docker", "gpu"))
		claim := answered(t, able).Claims[0]
		same(t, "claimed", task, claim.Task.ID)
		same(t, "how long it took", time.Duration(0), time.Since(start))
		same(t, "what it needs", []string{"docker", "gpu"}, r.task(task).Capabilities)
		for _, answers := range poor {
			held(t, answers)
		}
		// What is handed back, or repeated, needs the same.
		done(t, rich.Return(t.Context(), claim.ID, remuda.Return{Detail: "no"}))
		for _, answers := range poor {
			held(t, answers)
		}
		must(t, r.admin.CancelTask, t.Context(), task)
		again := must(t, r.admin.RetryTask, t.Context(), task)
		same(t, "what the repeated one needs", []string{"docker", "gpu"}, again.Capabilities)
		same(t, "claimed", again.ID, r.claim(rich).Task.ID)
	})
}

func TestWhatATaskNeedsMayBeFoundByTheSlowPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		r.submit(needing("docker"))
		r.sync(r.capable(), remuda.Sync{Ready: true})
		able := r.capable("docker")
		got(r.admin.PauseRunner(t.Context(), able.id, true))(t)
		answers := r.sync(able, remuda.Sync{Ready: true})
		held(t, answers)
		control.Poll(t.Context(), r.plane)
		held(t, answers)
		got(r.admin.PauseRunner(t.Context(), able.id, false))(t)
		same(t, "claims", 1, len(answered(t, answers).Claims))
	})
}

func TestAGroupOrACapabilityThatBreaksARuleIsRefused(t *testing.T) {
	r := newRanch(t)
	group := func(c remuda.Concurrency) remuda.Submission {
		return with(func(s *remuda.Submission) { s.Concurrency = &c })
	}
	for what, c := range map[string]struct {
		submission remuda.Submission
		says       string
	}{
		"no name":               {group(remuda.Concurrency{}), "1 to 200 bytes"},
		"a long name":           {group(remuda.Concurrency{Group: strings.Repeat("g", 201)}), "1 to 200 bytes"},
		"a name of spaces":      {group(remuda.Concurrency{Group: " deploy"}), "no space at its ends"},
		"a name of two lines":   {group(remuda.Concurrency{Group: "a\nb"}), "printable"},
		"a negative limit":      {group(remuda.Concurrency{Group: "g", Limit: -1}), "from 1 to 10000"},
		"a great limit":         {group(remuda.Concurrency{Group: "g", Limit: 10001}), "from 1 to 10000"},
		"an unknown policy":     {group(remuda.Concurrency{Group: "g", Policy: "wait"}), "queue, replace or reject"},
		"an empty capability":   {needing(""), "one word"},
		"two words":             {needing("docker run"), "one word"},
		"a long capability":     {needing(strings.Repeat("c", 65)), "at most 64"},
		"too many capabilities": {needing(strings.Split(strings.Repeat("a,", 20)+"a", ",")...), "at most 20"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := r.admin.Submit(t.Context(), c.submission, "")
			wantKind(t, err, remuda.Invalid)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("it is told %q, which does not say %q", err, c.says)
			}
		})
	}
	if tasks := got(r.admin.Tasks(t.Context(), control.TaskFilter{}, control.PageQuery{}))(t).Items; len(tasks) != 0 {
		t.Errorf("queued are %+v", tasks)
	}
}

// One step of priority is worth a minute of waiting.
func TestATaskThatHasWaitedForLongEnoughGoesBeforeOneOfHigherPriority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ranked := func(priority int) string {
			return r.submit(with(func(s *remuda.Submission) { s.Priority = priority }))
		}
		old := ranked(0)
		time.Sleep(5*time.Minute - time.Second)
		higher := ranked(5) // a second before the old one has waited for as long as that is worth
		time.Sleep(2 * time.Second)
		late := ranked(5)
		lowest := ranked(-100)
		h := r.register(1)
		for i, expected := range []string{higher, old, late, lowest} {
			claim := r.claim(h)
			if claim.Task.ID != expected {
				t.Errorf("as number %d comes another", i)
			}
			done(t, h.Finish(t.Context(), claim.ID, succeeded))
		}
	})
}

func TestProjectsTakeTurnsByWeightOnOneSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		of := func(project string) func(*remuda.Submission) {
			return func(s *remuda.Submission) { s.Project, s.Parallelism = project, 40 }
		}
		r.submit(with(of("light")))
		r.submit(with(of("heavy")))
		got(r.admin.ChangeProject(t.Context(), "acme", "heavy", control.ProjectChange{Weight: pointer(3)}))(t)
		h := r.register(1)
		counts := map[string]int{}
		for range 40 {
			claim := r.claim(h)
			counts[claim.Task.Project]++
			time.Sleep(time.Second)
			done(t, h.Finish(t.Context(), claim.ID, succeeded))
		}
		same(t, "claims", map[string]int{"light": 10, "heavy": 30}, counts)
	})
}

// cutContext ends when cut is called.
func cutContext(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}
