package control_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// longAgo has everything that is idle be so for long enough.
const longAgo = -time.Hour

// left is how many lanes without live tasks, and groups without lanes, there are.
func (r *ranch) left() (lanes, groups int) {
	r.t.Helper()
	done(r.t, r.store.Read(r.t.Context(), func(v control.View) error {
		idle, err := v.IdleLanes(r.t.Context(), "")
		if err != nil {
			return err
		}
		empty, err := v.EmptyGroups(r.t.Context(), "")
		lanes, groups = len(idle), len(empty)
		return err
	}))
	return lanes, groups
}

func named(group string) remuda.Submission {
	return with(func(s *remuda.Submission) { s.Concurrency = &remuda.Concurrency{Group: group, Limit: 3} })
}

// rowOf is a task as it lies in the store.
func (r *ranch) rowOf(task string) (row control.TaskView) {
	r.t.Helper()
	done(r.t, r.store.Read(r.t.Context(), func(v control.View) (err error) {
		row, err = v.TaskView(r.t.Context(), task)
		return err
	}))
	return row
}

func (r *ranch) goneGroup(id string) bool {
	r.t.Helper()
	err := r.store.Read(r.t.Context(), func(v control.View) error { return v.Get(r.t.Context(), &control.GroupRow{}, id) })
	if err != nil && remuda.KindOf(err) != remuda.NotFound {
		r.t.Fatal(err)
	}
	return err != nil
}

func TestAGroupThatIsIdleForADayGoesAndComesBackAsItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(5)
		old := r.submit(named("deploy/one"))
		done(t, h.Finish(t.Context(), r.claim(h).ID, succeeded))
		before := r.rowOf(old)
		r.retain() // from here on it is known to be idle
		time.Sleep(23 * time.Hour)
		r.retain()
		if r.goneGroup(before.GroupID) {
			t.Fatal("it is gone before a day is over")
		}
		time.Sleep(time.Hour)
		r.retain()
		r.retain() // the main lane went after its side lanes
		if lanes, groups := r.left(); lanes+groups > 0 || !r.goneGroup(before.GroupID) {
			t.Fatalf("%d lanes and %d groups are left", lanes, groups)
		}
		same(t, "the group that its task shows", "deploy/one", r.task(old).ConcurrencyGroup)
		again := must(t, r.admin.RetryTask, t.Context(), old)
		after := r.rowOf(again.ID)
		if after.Group != "deploy/one" || after.GroupID == before.GroupID || after.LaneID == before.LaneID {
			t.Errorf("repeated it is in group %s, %s", after.Group, after.GroupID)
		}
		more := must(t, r.admin.RetryTask, t.Context(), old)
		same(t, "the group of another one", after.GroupID, r.rowOf(more.ID).GroupID)
		var group control.GroupRow
		done(t, r.store.Read(t.Context(), func(v control.View) error { return v.Get(t.Context(), &group, after.GroupID) }))
		same(t, "its limit", 3, group.TaskLimit)
	})
}

func TestALaneIsNotIdleWhileItWaitsForDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		task := r.submit(with(func(s *remuda.Submission) {
			s.Concurrency, s.QueueTimeout = &remuda.Concurrency{Group: "deploy"}, remuda.Duration(6*day)
		}))
		for range 3 {
			r.retain()
			time.Sleep(25 * time.Hour)
		}
		same(t, "claimed", task, r.claim(r.register(1)).Task.ID)
	})
}

// TestManyGroupsThatWereUsedOnceLeaveNothing goes through so many groups as branches a large project has in a year.
func TestManyGroupsThatWereUsedOnceLeaveNothing(t *testing.T) {
	groups := 300
	if os.Getenv("REMUDA_TEST_LONG") != "" {
		groups = 10000
	}
	r := newRanch(t)
	var submitting sync.WaitGroup
	for worker := range 20 {
		submitting.Go(func() {
			for i := range groups / 20 {
				job, err := r.admin.Submit(t.Context(), named(fmt.Sprintf("branch-%d-%d", worker, i)), "")
				if err == nil {
					_, err = r.admin.CancelTask(t.Context(), job.Tasks[0].ID)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	submitting.Wait()
	if lanes, _ := r.left(); lanes != 64 {
		t.Fatalf("%d idle lanes are listed", lanes)
	}
	for range 3 { // noted, deleted, and the main lane after the others
		done(t, control.ForgetLanes(t.Context(), r.plane, longAgo))
	}
	if lanes, empty := r.left(); lanes+empty > 0 {
		t.Errorf("%d lanes and %d groups are left", lanes, empty)
	}
}

func TestWhatIsQueuedWhileItsLaneIsDeletedIsNotLost(t *testing.T) {
	t.Run("one plane", func(t *testing.T) {
		r := newRanch(t)
		(&rush{t: t, one: r, other: r}).run()
	})
	t.Run("two planes", func(t *testing.T) {
		one, other := twoRanches(t)
		(&rush{t: t, one: one, other: other}).run()
	})
}

// rush submits to a group, and repeats a task of it, while its lane and the group are deleted.
type rush struct {
	t          *testing.T
	one, other *ranch
	lanes      map[string]bool
	old        string
}

func (u *rush) run() {
	rounds := 60
	if os.Getenv("REMUDA_TEST_LONG") != "" {
		rounds = 2000
	}
	u.lanes = map[string]bool{}
	h := u.one.register(10)
	u.old = u.one.submit(inGroup("", 1))
	u.drain(h, 1)
	for round := range rounds {
		done(u.t, control.ForgetLanes(u.t.Context(), u.one.plane, longAgo)) // notes that they are idle
		u.queueAndForget(round)
		u.drain(h, 3)
		if u.t.Failed() {
			return
		}
	}
	if len(u.lanes) < rounds/50 {
		u.t.Errorf("in %d rounds there were %d lanes: this test sees little", rounds, len(u.lanes))
	}
}

func (u *rush) queueAndForget(round int) {
	ctx := u.t.Context()
	var all sync.WaitGroup
	wanted := func(err error) {
		if err != nil {
			u.t.Error(err)
		}
	}
	all.Go(func() {
		wanted(control.ForgetLanes(ctx, u.one.plane, longAgo))
	})
	all.Go(func() {
		_, err := u.other.admin.Submit(ctx, inGroup("", 1), "")
		wanted(err)
	})
	all.Go(func() {
		_, err := u.other.admin.RetryTask(ctx, u.old)
		wanted(err)
	})
	all.Go(func() { // of the main lane, but for the rounds in which the group is alone
		if round%2 == 0 {
			_, err := u.other.admin.Submit(ctx, hello(), "")
			wanted(err)
			return
		}
		_, err := u.other.admin.RetryTask(ctx, u.old)
		wanted(err)
	})
	all.Wait()
}

// drain has a runner carry out so many tasks, of which no two of the group run at once.
func (u *rush) drain(h horse, tasks int) {
	u.t.Helper()
	for tasks > 0 && !u.t.Failed() {
		ctx, cancel := context.WithTimeout(u.t.Context(), 20*time.Second)
		answer, err := h.Sync(ctx, remuda.Sync{Ready: true})
		cancel()
		if err != nil || len(answer.Claims) == 0 {
			u.t.Errorf("%d tasks are left that nobody can claim: %v", tasks, err)
			return
		}
		inGroup := 0
		for _, claim := range answer.Claims {
			row := u.one.rowOf(claim.Task.ID)
			if row.GroupID != "" {
				inGroup++
				u.lanes[row.LaneID] = true
				u.old = row.ID
			}
			done(u.t, h.Finish(u.t.Context(), claim.ID, succeeded))
			tasks--
		}
		if inGroup > 1 {
			u.t.Errorf("%d of a group run at once, over its limit of 1", inGroup)
		}
	}
}
