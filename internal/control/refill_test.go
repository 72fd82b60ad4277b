package control_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// readCounting counts how often a store is looked at.
type readCounting struct {
	control.Store
	reads *atomic.Int64
}

func (c readCounting) Read(ctx context.Context, look func(control.View) error) error {
	c.reads.Add(1)
	return c.Store.Read(ctx, look)
}

// finishFor finishes a claim and gives what comes with the answer.
func (r *ranch) finishFor(h horse, claim string, next int) []remuda.Claim {
	r.t.Helper()
	outcomes, claims, err := h.FinishAll(r.t.Context(), []remuda.ClaimResult{{Claim: claim, Result: succeeded}}, next)
	done(r.t, err)
	done(r.t, outcomes[0])
	return claims
}

func TestAFinishBringsTheNextTaskInOneCommitAndIsNoNewsToTheOpenSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, commits, _ := countingRanch(t)
		var reads atomic.Int64
		r.restart(control.Options{Store: readCounting{counting{r.store, commits}, &reads}})
		h := r.register(1)
		first := r.submit(hello())
		second := r.submit(with(func(s *remuda.Submission) {
			s.Secrets = map[string]remuda.Secret{"KEY": remuda.NewSecret("open sesame")}
		}))
		c := r.claim(h)
		open := r.sync(h, remuda.Sync{Ready: true, Again: true, Holding: []string{c.ID}})
		commits.Store(0)
		reads.Store(0)
		next := r.finishFor(h, c.ID, 1)
		if len(next) != 1 || next[0].Task.ID != second || r.secretsOf(h, next[0])["KEY"] != "open sesame" || next[0].Token == "" {
			t.Fatalf("with the answer came %+v", next)
		}
		synctest.Wait()
		if w, n := commits.Load(), reads.Load(); w != 1 || n != 1 {
			t.Errorf("end and claim took %d commits, and what is handed over %d reads", w, n)
		}
		r.wantState(first, remuda.Succeeded)
		r.begin(next[0])
		held(t, open)
		got(r.admin.CancelTask(t.Context(), second))(t)
		answer := answered(t, open) // woken for another reason, it does not bring what the runner was handed
		same(t, "the open sync says", []any{0, []string{next[0].ID}, 0}, []any{len(answer.Claims), answer.Cancel, len(answer.Lost)})
	})
}

func TestWhoDidNotHearWhatCameWithAFinishHearsItFromTheNextSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		r.submit(hello())
		second := r.submit(hello())
		c := r.claim(h)
		open := r.sync(h, remuda.Sync{Ready: true, Holding: []string{c.ID}})
		r.finishFor(h, c.ID, 1) // the answer is lost
		held(t, open)
		if again := r.finishFor(h, c.ID, 1); len(again) != 0 {
			t.Errorf("said again, a finish brings %+v: who knows who hears that", again)
		}
		if again := r.claim(h, c.ID); again.Task.ID != second || again.Attempt != 1 {
			t.Errorf("the next sync brings %+v", again)
		}
	})
}

func TestASlotThatNoNextTaskFillsIsWaitedForByTheOpenSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(2)
		r.submit(hello())
		r.submit(hello())
		claims := must(t, h.Sync, t.Context(), remuda.Sync{Ready: true}).Claims
		open := r.sync(h, remuda.Sync{Ready: true, Holding: []string{claims[0].ID, claims[1].ID}})
		if next := r.finishFor(h, claims[0].ID, 1); len(next) != 0 {
			t.Errorf("out of an empty queue came %+v", next)
		}
		held(t, open)
		third := r.submit(hello())
		if came := answered(t, open).Claims; len(came) != 1 || came[0].Task.ID != third {
			t.Errorf("the open sync brings %+v", came)
		}
	})
}

func TestASlotForWhichNothingWasAskedIsFilledByTheOpenSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(2)
		for range 4 {
			r.submit(hello())
		}
		claims := must(t, h.Sync, t.Context(), remuda.Sync{Ready: true}).Claims
		open := r.sync(h, remuda.Sync{Ready: true, Holding: []string{claims[0].ID, claims[1].ID}})
		both := []remuda.ClaimResult{{Claim: claims[0].ID, Result: succeeded}, {Claim: claims[1].ID, Result: succeeded}}
		_, next, err := h.FinishAll(t.Context(), both, 1)
		done(t, err)
		came := answered(t, open).Claims
		if len(next) != 1 || len(came) == 0 || came[len(came)-1].ID == next[0].ID {
			t.Errorf("with the answer came %+v, with the sync %+v", next, came)
		}
	})
}

func TestWithAFinishNoMoreComesThanTheRunnerMayBeGiven(t *testing.T) {
	for name, test := range map[string]struct {
		before func(r *ranch, h horse)
		next   int
		want   int
	}{
		"nothing that it did not ask for":   {next: 0, want: 0},
		"one for one":                       {next: 1, want: 1},
		"no more than ended":                {next: 64, want: 1},
		"nothing while it is paused":        {next: 1, before: func(r *ranch, h horse) { got(r.admin.PauseRunner(r.t.Context(), h.id, true))(r.t) }},
		"nothing when it was told to drain": {next: 1, before: func(r *ranch, h horse) { must(r.t, r.admin.DrainRunner, r.t.Context(), h.id) }},
		"nothing when it drains": {next: 1, before: func(r *ranch, h horse) {
			must(r.t, h.Sync, r.t.Context(), remuda.Sync{Draining: true})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRanch(t)
				h := r.register(3)
				c := r.submit(hello())
				claim := r.claim(h)
				if test.before != nil {
					test.before(r, h)
				}
				for range 5 {
					r.submit(hello())
				}
				next := r.finishFor(h, claim.ID, test.next)
				if len(next) != test.want {
					t.Errorf("with the answer came %d", len(next))
				}
				r.wantState(c, remuda.Succeeded)
			})
		})
	}
}

func TestOfAFinishThatIsRefusedNothingComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h, other := r.register(1), r.register(1)
		r.submit(hello())
		c := r.claim(h)
		r.submit(hello())
		outcomes, claims, err := other.FinishAll(t.Context(), []remuda.ClaimResult{{Claim: c.ID, Result: succeeded}}, 1)
		done(t, err)
		wantKind(t, outcomes[0], remuda.NotFound)
		if len(claims) != 0 {
			t.Errorf("there came %+v", claims)
		}
	})
}

// Whoever is given its claims by finishes alone is heard of by its syncs, which name them.
func TestARunnerThatIsGivenTasksByFinishesKeepsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		r.run()
		h := r.register(1)
		for range 12 {
			r.submit(hello())
		}
		c := r.claim(h)
		open := r.sync(h, remuda.Sync{Ready: true, Holding: []string{c.ID}})
		for range 11 {
			time.Sleep(9 * time.Second)
			next := r.finishFor(h, c.ID, 1)
			if len(next) != 1 {
				t.Fatalf("with the answer came %+v", next)
			}
			c = next[0]
			select {
			case answer := <-open:
				if len(answer.Claims)+len(answer.Lost) > 0 {
					t.Fatalf("a sync was answered %+v", answer)
				}
				open = r.sync(h, remuda.Sync{Ready: true, Again: true, Holding: []string{c.ID}})
			default:
			}
		}
		time.Sleep(time.Second)
		if task := r.task(c.Task.ID); task.State != remuda.Running || task.Attempts[0].Number != 1 {
			t.Errorf("the last one is %+v", task)
		}
	})
}
