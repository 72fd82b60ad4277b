package control_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// watched counts the looks at a store.
type watched struct {
	control.Store
	looks atomic.Int64
}

func (c *watched) Read(ctx context.Context, look func(control.View) error) error {
	c.looks.Add(1)
	return c.Store.Read(ctx, look)
}

// end has tasks claimed and finished one after the other, with some time before each claim.
func (r *ranch) end(h horse, waits []time.Duration, result remuda.Result) {
	r.t.Helper()
	for _, wait := range waits {
		r.submit(hello())
		time.Sleep(wait)
		c := r.claim(h)
		r.begin(c)
		done(r.t, h.Finish(r.t.Context(), c.ID, result))
	}
}

func TestActivityTellsWhatEndedAndHowLongItHadWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		from := time.Now().Truncate(time.Hour).Add(time.Hour)
		time.Sleep(time.Until(from))
		h := r.register(1)
		var waits []time.Duration
		for i := range 20 {
			waits = append(waits, time.Duration(1+i)*123456*time.Microsecond)
		}
		r.end(h, waits, succeeded) // 26 s in all
		time.Sleep(time.Until(from.Add(3 * time.Minute)))
		r.end(h, []time.Duration{61 * time.Second}, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: "no"})
		canceled := r.submit(hello())
		must(t, r.admin.CancelTask, t.Context(), canceled)
		r.submit(hello()) // it has not ended

		step := func(minute int) remuda.Activity {
			return remuda.Activity{At: from.Add(time.Duration(minute) * time.Minute).UTC()}
		}
		first, fifth := step(0), step(4)
		first.Ended, first.Claimed = 20, 20
		first.WaitP50, first.WaitP95 = remuda.Duration(1200*time.Millisecond), remuda.Duration(2300*time.Millisecond) // 1.234560 s, 2.345664 s
		fifth.Ended, fifth.Failed, fifth.Claimed = 2, 1, 1
		fifth.WaitP50, fifth.WaitP95 = remuda.Duration(61*time.Second), remuda.Duration(61*time.Second)
		want := []remuda.Activity{first, step(1), step(2), step(3), fifth}
		for who, door := range map[string]control.UserDoor{"a viewer": r.user(remuda.RoleViewer), "the administrator": r.admin} {
			same(t, who, want, got(door.Activity(t.Context(), from.Add(time.Second), from.Add(5*time.Minute-time.Second), time.Minute))(t))
		}
		r.settle("rodeo")
		for _, words := range got(r.userOf("rodeo", remuda.RoleAdmin).Activity(t.Context(), from, from.Add(5*time.Minute), time.Minute))(t) {
			same(t, "another organization sees", remuda.Activity{At: words.At}, words)
		}
	})
}

func TestAWaitIsToldToTwoDigits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		for _, wait := range []time.Duration{0, 7 * time.Microsecond, 10 * time.Microsecond, 999 * time.Microsecond, 1005 * time.Millisecond, 3*time.Hour + 1} {
			time.Sleep(time.Until(time.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)))
			from := time.Now()
			r.end(h, []time.Duration{wait}, succeeded)
			words := got(r.admin.Activity(t.Context(), from, from.Add(4*time.Hour), 4*time.Hour))(t)[0]
			told := words.WaitP50.Std()
			if told > wait || wait-told >= max(time.Microsecond, wait/10) {
				t.Errorf("a wait of %s is told as %s", wait, told)
			}
			same(t, "the 95th percentile of one", words.WaitP50, words.WaitP95)
		}
	})
}

func TestManyWhoLookAtActivityCostOneLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		store := &watched{Store: r.store}
		if overPostgres() {
			store.Store = deaf{r.store}
		}
		r.restart(control.Options{Store: store})
		day := func() []remuda.Activity {
			now := time.Now()
			return got(r.admin.Activity(t.Context(), now.Add(-24*time.Hour), now, 15*time.Minute))(t)
		}
		looks := func(look func()) int64 {
			before := store.looks.Load()
			look()
			return store.looks.Load() - before
		}
		same(t, "looks at a day of 96 steps that nobody has looked at", int64(6), looks(func() { day() }))
		same(t, "at once again", int64(0), looks(func() { day() }))
		r.end(r.register(1), []time.Duration{5 * time.Second}, succeeded)
		same(t, "looks of many", int64(1), looks(func() {
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					if words := day(); words[len(words)-1].Ended != 1 {
						t.Errorf("the last step is %+v", words[len(words)-1])
					}
				})
			}
			all.Wait()
		}))
		time.Sleep(time.Hour)
		same(t, "looks an hour later", int64(1), looks(func() { day() }))
	})
}

func TestActivityKnowsAStepOnlyWhenNothingCanEndInItAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)))
		from := time.Now()
		ended := func() (n int) {
			for _, words := range got(r.admin.Activity(t.Context(), from, from.Add(3*time.Minute), time.Minute))(t) {
				n += words.Ended
			}
			return n
		}
		time.Sleep(time.Minute + 10*time.Second)
		same(t, "before", 0, ended())
		r.backdate(from.Add(59 * time.Second)) // a transaction that took long
		time.Sleep(3 * time.Second)
		same(t, "after it was there", 1, ended())
		time.Sleep(10 * time.Minute)
		same(t, "much later", 1, ended())
		r.backdate(from.Add(58 * time.Second))
		time.Sleep(3 * time.Second)
		same(t, "what is settled is not read again", 1, ended())
	})
}

// backdate has a task that ended at a time.
func (r *ranch) backdate(at time.Time) {
	r.t.Helper()
	like := r.submit(hello())
	done(r.t, r.store.Write(r.t.Context(), control.Alone, func(tx control.Tx) error {
		task, err := tx.TaskView(r.t.Context(), like)
		if err != nil {
			return err
		}
		task.ID, task.State, task.EndedAt = fmt.Sprint("t-", at.UnixMicro()), remuda.Canceled, control.Micros(at.UnixMicro())
		return tx.Insert(r.t.Context(), &task.TaskRow)
	}))
}

func TestActivityIsAskedForInMeasure(t *testing.T) {
	r := newRanch(t)
	now := time.Now()
	for what, c := range map[string]struct {
		from, to time.Time
		step     time.Duration
		field    string
	}{
		"a step of a second":        {now.Add(-time.Minute), now, time.Second, "query.step"},
		"a step of two days":        {now.Add(-time.Hour), now, 48 * time.Hour, "query.step"},
		"half seconds":              {now.Add(-time.Hour), now, time.Minute + time.Second/2, "query.step"},
		"a span that ends first":    {now, now.Add(-time.Hour), time.Minute, "query.from"},
		"a time before 1970":        {time.Unix(-1, 0), now, 24 * time.Hour, "query.from"},
		"too many steps":            {now.Add(-1000 * time.Minute), now, time.Minute, "query.step"},
		"a span as long as can be":  {time.Unix(1, 0), time.Unix(1<<40, 0), 24 * time.Hour, "query.step"},
		"a span that has no length": {now, now, time.Minute, "query.from"},
	} {
		_, err := r.admin.Activity(t.Context(), c.from, c.to, c.step)
		wantKind(t, err, remuda.Invalid)
		if e, is := err.(*remuda.Error); !is || len(e.Fields) != 1 || e.Fields[0].Location != c.field { //nolint:errorlint // it is not wrapped
			t.Errorf("%s: %v", what, err)
		}
	}
	same(t, "steps at most", 1000, len(got(r.admin.Activity(t.Context(), now.Add(-999*time.Minute), now, time.Minute))(t))/1000*1000)
}

func TestSightsShowAClassToItsOwnerAndItsGuestsTheirOwnPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		r.settle("rodeo")
		ctx := t.Context()
		submitted := time.Now()
		mine := r.submit(hello())
		time.Sleep(time.Second)
		r.submit(hello())
		guests := got(r.admin.ChangeResourceClass(ctx, "acme/linux", control.ResourceClassChange{Access: pointer(remuda.AccessAll)}))(t)
		same(t, "access", remuda.AccessAll, guests.Access)
		theirs := got(r.userOf("rodeo", remuda.RoleMember).Submit(ctx, hello(), ""))(t).Tasks[0].ID
		seen := func(d control.UserDoor) map[string]control.ClassSight {
			named := map[string]control.ClassSight{}
			for _, sight := range got(d.Sights(ctx, 10))(t) {
				named[sight.Name] = sight
			}
			return named
		}
		at := submitted.UTC().Truncate(time.Microsecond)
		own := control.ClassSight{
			Name: "acme/linux", Organization: "acme", Own: true, Queued: 3, Oldest: &at, Head: mine, Runners: map[remuda.RunnerState]int{},
		}
		same(t, "its owner sees", map[string]control.ClassSight{"acme/linux": own}, seen(r.user(remuda.RoleViewer)))
		if !own.Stuck() {
			t.Error("nobody is there to claim, and nobody is told")
		}
		guest := seen(r.userOf("rodeo", remuda.RoleViewer))["acme/linux"]
		if guest.Own || guest.Queued != 1 || guest.Head != theirs || len(guest.Runners) != 0 || guest.Stuck() {
			t.Errorf("a guest sees %+v", guest)
		}
		h, quarantined, silent := r.register(1), r.register(1), r.register(1)
		_ = silent
		time.Sleep(29 * time.Second)
		answered(t, r.sync(h, remuda.Sync{Ready: true}))
		r.sync(quarantined, remuda.Sync{Quarantined: true})
		time.Sleep(5 * time.Second)
		all := seen(r.admin)
		same(t, "runners", map[remuda.RunnerState]int{remuda.RunnerBusy: 1, remuda.RunnerQuarantined: 1, remuda.RunnerSilent: 1}, all["acme/linux"].Runners)
		same(t, "running", 1, all["acme/linux"].Running)
		if all["acme/linux"].Stuck() || len(all) != 2 {
			t.Errorf("the administrator sees %+v", all)
		}
	})
}

func TestTheLastThatFailedAreTheUsersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		h := r.register(1)
		wait := []time.Duration{time.Second}
		r.end(h, append(wait, wait...), remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: "step 1 exited with 3"})
		r.end(h, wait, succeeded)
		failed := must(t, r.user(remuda.RoleViewer).LastFailed, t.Context(), 10)
		if len(failed) != 2 || failed[0].Detail != "step 1 exited with 3" || !slices.IsSortedFunc(failed, func(a, b remuda.Task) int { return cmp.Compare(b.EndedAt.UnixMicro(), a.EndedAt.UnixMicro()) }) {
			t.Errorf("failed are %+v", failed)
		}
		r.settle("rodeo")
		same(t, "another organization's", []remuda.Task{}, must(t, r.userOf("rodeo", remuda.RoleAdmin).LastFailed, t.Context(), 10))
		time.Sleep(8 * 24 * time.Hour)
		same(t, "after a week", []remuda.Task{}, must(t, r.user(remuda.RoleViewer).LastFailed, t.Context(), 10))
	})
}
