package control_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/postgrestest"
	"github.com/remuda-dev/remuda/internal/seal/vault"
	"github.com/remuda-dev/remuda/internal/store"
)

// soon is in how much time a wake-up crosses from one plane to another, however busy the machine is; the slow poll
// would take longer.
const soon = 3 * time.Second

// twoRanches are two planes over one database of PostgreSQL, each with a store of its own.
func twoRanches(t *testing.T) (one, other *ranch) {
	t.Helper()
	address := postgrestest.Copy(t, settledPostgres(t))
	open := func() *ranch {
		r := &ranch{t: t, dir: t.TempDir(), log: &diary{}, token: settled.postgresToken, hears: true}
		var err error
		if r.store, err = store.Open(t.Context(), address); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := r.store.Close(); err != nil {
				t.Error(err)
			}
		})
		if r.keys, err = vault.Open(filepath.Join(settled.dir, "key")); err != nil {
			t.Fatal(err)
		}
		r.restart(control.Options{})
		r.run()
		return r
	}
	return open(), open()
}

// answer is a call that goes on in a goroutine of its own.
func asked[T any](t *testing.T, call func(context.Context) (T, error)) <-chan T {
	t.Helper()
	answers := make(chan T, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var going sync.WaitGroup
	going.Go(func() {
		answer, err := call(ctx)
		if err != nil && ctx.Err() == nil {
			t.Error(err)
		}
		answers <- answer
	})
	t.Cleanup(func() { cancel(); going.Wait() })
	return answers
}

func within[T any](t *testing.T, what string, answers <-chan T) T {
	t.Helper()
	select {
	case answer := <-answers:
		return answer
	case <-time.After(soon):
		t.Fatalf("%s within %s", what, soon)
		panic("unreachable")
	}
}

// eventually waits for something without a wake-up.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	late := time.After(10 * time.Second)
	for !holds() {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("it does not come about that %s", what)
		}
	}
}

func (r *ranch) holdsWork() bool { return control.Waiting(r.plane) }

func TestATaskSubmittedAtOnePlaneWakesARunnerOfAnother(t *testing.T) {
	one, other := twoRanches(t)
	h := other.register(1)
	answers := asked(t, func(ctx context.Context) (remuda.SyncAnswer, error) { return h.Sync(ctx, remuda.Sync{Ready: true}) })
	eventually(t, "the runner waits", other.holdsWork)
	began := time.Now()
	task := one.submit(hello())
	answer := within(t, "the runner is not woken", answers)
	t.Logf("submit to claim took %s", time.Since(began))
	if len(answer.Claims) != 1 || answer.Claims[0].Task.ID != task {
		t.Fatalf("the answer is %+v", answer)
	}
}

func TestARunnerIsToldAtOnePlaneWhatWasAskedAtAnother(t *testing.T) {
	one, other := twoRanches(t)
	task := one.submit(hello())
	h := other.register(1)
	c := other.claim(h)
	other.begin(c)
	answers := asked(t, func(ctx context.Context) (remuda.SyncAnswer, error) {
		return h.Sync(ctx, remuda.Sync{Ready: true, Holding: []string{c.ID}})
	})
	got(one.admin.CancelTask(t.Context(), task))(t)
	answer := within(t, "the runner is not told", answers)
	same(t, "cancelled are", []string{c.ID}, answer.Cancel)
}

// A runner's connection moves to another plane while the first still holds its sync: the older is answered, and what is
// claimed goes to the newer one.
func TestANewerSyncAtAnotherPlaneEndsTheOlderOne(t *testing.T) {
	one, other := twoRanches(t)
	h := one.register(1)
	moved := horse{other.plane.AsRunner(h.id), h.id, h.key}
	older := asked(t, func(ctx context.Context) (remuda.SyncAnswer, error) { return h.Sync(ctx, remuda.Sync{Ready: true}) })
	eventually(t, "the runner waits", one.holdsWork)
	newer := asked(t, func(ctx context.Context) (remuda.SyncAnswer, error) { return moved.Sync(ctx, remuda.Sync{Ready: true}) })
	if answer := within(t, "the older is not answered", older); len(answer.Claims) != 0 {
		t.Errorf("the older is answered %+v", answer)
	}
	eventually(t, "the runner waits", other.holdsWork)
	one.submit(hello())
	if answer := within(t, "the newer is not answered", newer); len(answer.Claims) != 1 {
		t.Errorf("the newer is answered %+v", answer)
	}
}

func TestRoomUnderALimitIsFilledAtAnotherPlane(t *testing.T) {
	one, other := twoRanches(t)
	got(one.admin.ChangeOrganization(t.Context(), "acme", control.OrganizationChange{TaskLimit: pointer(1)}))(t)
	one.submit(hello())
	waits := one.submit(hello())
	here, there := one.register(1), other.register(1)
	c := one.claim(here)
	answers := asked(t, func(ctx context.Context) (remuda.SyncAnswer, error) { return there.Sync(ctx, remuda.Sync{Ready: true}) })
	eventually(t, "the runner waits", other.holdsWork)
	done(t, here.Finish(t.Context(), c.ID, succeeded))
	answer := within(t, "the room is not filled", answers)
	if len(answer.Claims) != 1 || answer.Claims[0].Task.ID != waits {
		t.Errorf("the answer is %+v", answer)
	}
}

// Whoever prints hears at any plane that someone follows, and the follower hears at any plane what is printed.
func TestOutputIsFollowedAtAnotherPlane(t *testing.T) {
	one, other := twoRanches(t)
	task, h, c, agent := one.lead(hello())
	told := make(chan string, 100)
	following := asked(t, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, other.admin.Follow(ctx, task, control.OutputQuery{}, func(f control.Followed) error {
			if f.Output != nil {
				for _, chunk := range f.Output.Chunks {
					told <- string(chunk.Data)
				}
			}
			return nil
		})
	})
	at := int64(0)
	eventually(t, "the agent hears of the follower", func() bool {
		state := one.print(agent, at, "x")
		at = state.Length
		return state.Following
	})
	for range at {
		within(t, "the output is not told", told)
		if len(told) == 0 {
			break // several bytes came at once
		}
	}
	done(t, h.Finish(t.Context(), c.ID, succeeded))
	within(t, "the end is not told", following)
}

func TestEventsOfOnePlaneAreFollowedAtAnother(t *testing.T) {
	one, other := twoRanches(t)
	told := make(chan string, 100)
	last := other.lastEvent()
	asked(t, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, other.admin.FollowEvents(ctx, control.EventFilter{After: last, Type: "task.queued"}, func(events []remuda.Event) error {
			for _, e := range events {
				told <- e.Type + " " + e.Subject
			}
			return nil
		})
	})
	for range 20 {
		task := one.submit(hello())
		if got := within(t, "the event is not told", told); got != "task.queued "+task {
			t.Errorf("told is %s, want that %s is queued", got, task)
		}
	}
}

// Two planes sweep the same store: each row is changed once.
func TestTwoPlanesSweepBesideEachOther(t *testing.T) {
	one, other := twoRanches(t)
	ctx := t.Context()
	short := with(func(s *remuda.Submission) { s.QueueTimeout = remuda.Duration(time.Millisecond); s.Parallelism = 40 })
	got(one.admin.Submit(ctx, short, ""))(t)
	eventually(t, "all are overdue", func() bool {
		class := must(t, other.admin.ResourceClass, ctx, "acme/linux")
		return class.Queued == 0
	})
	ended := 0
	for _, event := range one.events(control.EventFilter{Type: "task.failed"}) {
		if event != "" {
			ended++
		}
	}
	if ended != 40 {
		t.Errorf("%d tasks were ended, want each of 40 once", ended)
	}
	for _, r := range []*ranch{one, other} {
		if text := r.log.String(); text != "" {
			t.Errorf("the sweep says: %s", text)
		}
	}
}
