package control_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestANewerSyncOfTheSameRunnerEndsTheOlderOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h, other := r.register(1), r.register(1)
		older := r.sync(h, remuda.Sync{Ready: true})
		stranger := r.sync(other, remuda.Sync{Ready: false})
		newer := r.sync(h, remuda.Sync{Ready: true})
		same(t, "the older is answered", remuda.SyncAnswer{Spread: remuda.Duration(time.Second)}, answered(t, older))
		held(t, newer)
		held(t, stranger)
		r.submit(hello())
		if answer := answered(t, newer); len(answer.Claims) != 1 {
			t.Errorf("answered is %+v", answer)
		}
	})
}

func TestSlotsAreCountedByTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		h := r.register(2)
		for range 5 {
			r.submit(hello())
		}
		first := must(t, h.Sync, ctx, remuda.Sync{Ready: true})
		same(t, "claims of two slots", 2, len(first.Claims))
		// It names only one: the other is delivered again, and no third is claimed.
		again := must(t, h.Sync, ctx, remuda.Sync{Ready: true, Holding: []string{first.Claims[0].ID}})
		if len(again.Claims) != 1 || again.Claims[0].ID != first.Claims[1].ID || again.Claims[0].Attempt != 1 {
			t.Errorf("answered is %+v", again)
		}
		holding := []string{first.Claims[0].ID, first.Claims[1].ID}
		open := r.sync(h, remuda.Sync{Ready: true, Holding: holding})
		held(t, open)
		done(t, h.Finish(ctx, holding[0], succeeded)) // the open request fills the free slot
		if answer := answered(t, open); len(answer.Claims) != 1 || len(answer.Lost) != 0 {
			t.Errorf("answered is %+v", answer)
		}
	})
}

func TestOneAnswerHasABoundAndTheNextBringsTheRest(t *testing.T) {
	r := newRanch(t)
	r.queue(150)
	h := r.register(140)
	var holding []string
	for _, want := range []int{64, 64, 12} {
		answer := must(t, h.Sync, t.Context(), remuda.Sync{Ready: true, Holding: holding})
		same(t, "claims", want, len(answer.Claims))
		for _, claim := range answer.Claims {
			if slices.Contains(holding, claim.ID) {
				t.Fatalf("claim %s comes twice", claim.ID)
			}
			holding = append(holding, claim.ID)
		}
	}
}

func TestARunnerThatIsNotReadyGetsNothingNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		task, h := r.submit(hello()), r.register(2)
		open := r.sync(h, remuda.Sync{Reason: "busy with itself"})
		held(t, open)
		r.wantState(task, remuda.Queued)
		same(t, "its reason", "busy with itself", r.runner(h).Reason)
		ready := r.sync(h, remuda.Sync{Ready: true})
		if answer := answered(t, ready); len(answer.Claims) != 1 {
			t.Errorf("answered is %+v", answer)
		}
		same(t, "its reason", "", r.runner(h).Reason)
		again := must(t, h.Sync, ctx, remuda.Sync{}) // not ready, but what it has it is told
		same(t, "delivered again", 1, len(again.Claims))
	})
}

func TestAPausedRunnerTakesNothingUntilItIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		h := r.register(1)
		open := r.sync(h, remuda.Sync{Ready: true})
		got(r.admin.PauseRunner(ctx, h.id, true))(t)
		task := r.submit(hello())
		held(t, open)
		r.wantState(task, remuda.Queued)
		got(r.admin.PauseRunner(ctx, h.id, false))(t)
		if answer := answered(t, open); len(answer.Claims) != 1 {
			t.Errorf("answered is %+v", answer)
		}
		same(t, "events", []string{"runner.paused " + h.id + " root", "runner.resumed " + h.id + " root"},
			r.events(control.EventFilter{Subject: h.id, Type: "runner.*", Organization: "acme"})[1:])
	})
}

func TestADrainIsAcknowledgedAndNothingIsAssignedAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		_, h, claim, _ := r.lead(hello())
		open := r.sync(h, remuda.Sync{Ready: true, Holding: []string{claim.ID}})
		start := time.Now()
		r.sync(h, remuda.Sync{Holding: []string{claim.ID}, Draining: true}) // TERM: it says so at once
		answered(t, open)
		same(t, "how long the acknowledgement took", time.Duration(0), time.Since(start))
		same(t, "it is shown", remuda.RunnerDraining, r.runner(h).State)
		waiting := r.submit(hello())
		done(t, h.Finish(ctx, claim.ID, succeeded))
		for _, s := range []remuda.Sync{{Draining: true}, {Draining: true, Ready: true}} {
			start := time.Now()
			answer := must(t, h.Sync, ctx, s)
			if len(answer.Claims) != 0 || !answer.Drain || time.Since(start) != 0 {
				t.Errorf("answered is %+v after %s", answer, time.Since(start)) // the answer before may have been lost
			}
		}
		r.wantState(waiting, remuda.Queued)
		done(t, h.Goodbye(ctx))
		same(t, "events", 1, len(r.events(control.EventFilter{Type: "runner.draining", Organization: "acme"})))
	})
}

func TestARequestFromBeforeADrainTakesNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		first := r.submit(hello())
		h := r.register(2)
		claim := r.claim(h)
		must(t, h.Sync, ctx, remuda.Sync{Holding: []string{claim.ID}, Draining: true, Again: true})
		waiting := r.submit(hello())
		late := must(t, h.Sync, ctx, remuda.Sync{Holding: []string{claim.ID}, Ready: true, Again: true})
		if len(late.Claims) != 0 || !late.Drain {
			t.Errorf("a request that was overtaken by the drain is answered %+v", late)
		}
		r.wantState(waiting, remuda.Queued)
		same(t, "it is shown", remuda.RunnerDraining, r.runner(h).State)

		restarted := must(t, h.Sync, ctx, remuda.Sync{Holding: []string{claim.ID}, Ready: true})
		if len(restarted.Claims) != 1 || restarted.Claims[0].Task.ID != waiting {
			t.Errorf("a runner that started again after a drain is answered %+v", restarted)
		}
		r.wantState(first, remuda.Running)
	})
}

func TestADrainThatWasAskedForReachesTheOpenSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		open := r.sync(h, remuda.Sync{Ready: true})
		must(t, r.admin.DrainRunner, t.Context(), h.id)
		if answer := answered(t, open); !answer.Drain {
			t.Errorf("answered is %+v", answer)
		}
		r.submit(hello())
		if answer := answered(t, r.sync(h, remuda.Sync{Ready: true})); !answer.Drain || len(answer.Claims) != 0 {
			t.Errorf("a runner that has not heard of it is answered %+v", answer)
		}
	})
}

func TestNamesThatAreNotTheRunnersAreLost(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	_, h, claim, _ := r.lead(hello())
	_, other, foreign, _ := r.lead(hello())
	answer := must(t, h.Sync, ctx, remuda.Sync{Holding: []string{claim.ID, foreign.ID, "nonsense", ""}})
	same(t, "lost", []string{foreign.ID, "nonsense", ""}, answer.Lost)
	done(t, h.Finish(ctx, claim.ID, succeeded))
	done(t, other.Return(ctx, foreign.ID, remuda.Return{Detail: "x"}))
	// What it ended itself while it said so is no news.
	answer = must(t, h.Sync, ctx, remuda.Sync{Holding: []string{claim.ID}, Draining: true})
	same(t, "lost after its end", []string(nil), answer.Lost)
	answer = must(t, other.Sync, ctx, remuda.Sync{Holding: []string{foreign.ID}, Draining: true})
	same(t, "lost after it was returned", []string(nil), answer.Lost)
}

func TestARunnerGivesSignsOfItsOwnClaimsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		r.run()
		ctx := t.Context()
		task, _, foreign, _ := r.lead(with(func(s *remuda.Submission) { s.LostAfter = remuda.Duration(40 * time.Second) }))
		rogue := r.register(1)
		for range 10 {
			must(t, rogue.Sync, ctx, remuda.Sync{Holding: []string{foreign.ID}})
			time.Sleep(5 * time.Second)
		}
		same(t, "reason", remuda.ReasonLost, r.wantState(task, remuda.Failed).Reason)
	})
}

func TestTheSyncOfAnUnknownRunnerIsRefused(t *testing.T) {
	r := newRanch(t)
	_, err := r.plane.AsRunner("nobody").Sync(t.Context(), remuda.Sync{Ready: true})
	wantKind(t, err, remuda.NotFound)
}

// A runner that is busy must not be woken in place of one that has a free slot.
func TestAWakeUpGoesToARunnerThatCanTakeTheTask(t *testing.T) {
	for what, tie := range map[string]func(*ranch, horse) remuda.Sync{
		"busy": func(r *ranch, h horse) remuda.Sync {
			r.submit(hello())
			return remuda.Sync{Ready: true, Holding: []string{r.claim(h).ID}}
		},
		"not ready": func(*ranch, horse) remuda.Sync { return remuda.Sync{} },
		"paused": func(r *ranch, h horse) remuda.Sync {
			got(r.admin.PauseRunner(r.t.Context(), h.id, true))(r.t)
			return remuda.Sync{Ready: true}
		},
		"paused later": func(*ranch, horse) remuda.Sync { return remuda.Sync{Ready: true} },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRanch(t) // nobody polls
				var tied []horse
				for range 3 {
					h := r.register(1)
					held(t, r.sync(h, tie(r, h)))
					tied = append(tied, h)
				}
				if what == "paused later" {
					for _, h := range tied {
						got(r.admin.PauseRunner(t.Context(), h.id, true))(t)
					}
				}
				free := r.sync(r.register(1), remuda.Sync{Ready: true})
				start := time.Now()
				r.submit(hello())
				if answer := answered(t, free); len(answer.Claims) != 1 || time.Since(start) != 0 {
					t.Errorf("the free one is answered %+v after %s", answer, time.Since(start))
				}
			})
		})
	}
}

// A request that ends the moment it is woken passes its wake-up on.
func TestAWakeUpIsNotLostWithTheOneWhoHadIt(t *testing.T) {
	for i := range 8 {
		synctest.Test(t, func(t *testing.T) {
			r := newRanch(t)
			ctx, cut := context.WithCancel(t.Context())
			r.syncUntil(ctx, r.register(1), remuda.Sync{Ready: true})
			second := r.sync(r.register(1), remuda.Sync{Ready: true})
			gone := make(chan struct{})
			go func() {
				for range i { // cut at another moment each time
					runtime.Gosched()
				}
				cut()
				close(gone)
			}()
			task := r.submit(hello())
			<-gone
			synctest.Wait()
			// Either the first has claimed it, into a void from which it is delivered again, or the second has.
			select {
			case answer := <-second:
				same(t, "claims", 1, len(answer.Claims))
			default:
				r.wantState(task, remuda.Running)
			}
		})
	}
}

func TestSeveralTasksWakeSeveralRunnersAndOneWakesOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		var all []<-chan remuda.SyncAnswer
		for range 4 {
			all = append(all, r.sync(r.register(1), remuda.Sync{Ready: true}))
		}
		r.queue(3)
		synctest.Wait()
		claimed := 0
		for _, answers := range all {
			select {
			case answer := <-answers:
				claimed += len(answer.Claims)
			default:
			}
		}
		same(t, "claimed at once", 3, claimed)
	})
}

// Nothing but the chain of wake-ups and the slow poll lets these go on.
func TestWhoeverFillsItsSlotsWakesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		got(r.admin.PauseRunner(ctx, r.register(1).id, true))(t)
		limit := control.ResourceClassChange{TaskLimit: pointer(1)}
		got(r.admin.ChangeResourceClass(ctx, "acme/linux", limit))(t)
		r.queue(6)
		var all []<-chan remuda.SyncAnswer
		for range 6 {
			all = append(all, r.sync(r.register(1), remuda.Sync{Ready: true}))
		}
		limit.TaskLimit = pointer(0)
		start := time.Now()
		got(r.admin.ChangeResourceClass(ctx, "acme/linux", limit))(t) // wakes one
		for _, answers := range all {
			same(t, "claims", 1, len(answered(t, answers).Claims))
		}
		same(t, "how long it took", time.Duration(0), time.Since(start))
	})
}

func TestTheEndOfATaskLetsOneGoThatWaitsForItsLimit(t *testing.T) {
	guest := func(t *testing.T, r *ranch) string {
		must(t, r.admin.CreateOrganization, t.Context(), remuda.Organization{Name: "guest"})
		got(r.admin.ChangeResourceClass(t.Context(), "acme/linux", control.ResourceClassChange{Access: pointer(remuda.AccessAll)}))(t)
		return "guest"
	}
	for what, c := range map[string]struct {
		limit func(*testing.T, *ranch)
		next  func(*testing.T, *ranch) string // whose task waits
	}{
		"organization": {func(t *testing.T, r *ranch) {
			got(r.admin.ChangeOrganization(t.Context(), "acme", control.OrganizationChange{TaskLimit: pointer(2)}))(t)
		}, func(*testing.T, *ranch) string { return "acme" }},
		"project": {func(t *testing.T, r *ranch) {
			must(t, r.admin.CreateProject, t.Context(), remuda.Project{Organization: "acme", Name: "default", TaskLimit: 2})
		}, func(*testing.T, *ranch) string { return "acme" }},
		"class": {func(t *testing.T, r *ranch) {
			got(r.admin.ChangeResourceClass(t.Context(), "acme/linux", control.ResourceClassChange{TaskLimit: pointer(2)}))(t)
		}, guest},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRanch(t)
				ctx := t.Context()
				c.limit(t, r)
				organization := c.next(t, r)
				h := r.register(2)
				r.queue(2)
				running := must(t, h.Sync, ctx, remuda.Sync{Ready: true}).Claims
				for range 2 {
					r.submit(with(func(s *remuda.Submission) { s.Organization = organization }))
				}
				first, other := r.sync(r.register(1), remuda.Sync{Ready: true}), r.sync(r.register(1), remuda.Sync{Ready: true})
				held(t, first)
				held(t, other)
				start := time.Now()
				for _, claim := range running { // both at once
					go func() {
						if err := h.Finish(ctx, claim.ID, succeeded); err != nil {
							t.Error(err)
						}
					}()
				}
				same(t, "claims", 2, len(answered(t, first).Claims)+len(answered(t, other).Claims))
				same(t, "how long it took", time.Duration(0), time.Since(start))
			})
		})
	}
}

func TestTheSlowPollMakesUpForALostWakeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		open := r.sync(r.register(1), remuda.Sync{Ready: true})
		elsewhere := *r // another plane on the same store, whose wake-ups do not come here
		elsewhere.restart(control.Options{})
		elsewhere.submit(hello())
		held(t, open)
		r.run()
		time.Sleep(6 * time.Second)
		same(t, "claims", 1, len(answered(t, open).Claims))
	})
}

func TestAHeldSyncDoesNotWaitForWorkWhenItCouldTakeNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		open := r.sync(h, remuda.Sync{Ready: true})
		if !control.Waiting(r.plane) {
			t.Error("an idle runner does not wait for work")
		}
		got(r.admin.PauseRunner(t.Context(), h.id, true))(t)
		held(t, open)
		if control.Waiting(r.plane) {
			t.Error("a paused one does")
		}
		got(r.admin.PauseRunner(t.Context(), h.id, false))(t)
		held(t, open)
		if !control.Waiting(r.plane) {
			t.Error("resumed, it does not wait for work")
		}
	})
}

// Ten runners and a hundred tasks, with no poll: each task is claimed once, and none is left behind.
func TestAHerdEmptiesTheQueueWithoutThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		const n = 100
		claims := make(chan string, n)
		for i := range 10 {
			h := r.register(1 + i%3)
			go func() {
				for ctx.Err() == nil {
					answer, err := h.Sync(ctx, remuda.Sync{Ready: true})
					if err != nil {
						return
					}
					for _, claim := range answer.Claims {
						if err := h.Finish(context.WithoutCancel(ctx), claim.ID, succeeded); err != nil {
							t.Error(err)
						}
						claims <- claim.Task.ID
					}
				}
			}()
		}
		synctest.Wait()
		start := time.Now()
		for i := range n / 4 {
			r.submit(with(func(s *remuda.Submission) { s.Name, s.Parallelism = fmt.Sprint(i), 4 }))
		}
		synctest.Wait()
		seen := map[string]bool{}
		for range n {
			select {
			case id := <-claims:
				seen[id] = true
			default:
				t.Fatalf("%d tasks were carried out at once, want %d", len(seen), n)
			}
		}
		if len(seen) != n || time.Since(start) != 0 {
			t.Errorf("%d different tasks after %s", len(seen), time.Since(start))
		}
		stop()
		synctest.Wait()
	})
}
