package blocks_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

// wantLocked says that a call failed since this lock is held.
func wantLocked(t testing.TB, err error, id string) {
	t.Helper()
	var locked *blocks.Locked
	if !errors.As(err, &locked) || locked.Holder.ID != id || !errors.Is(err, remuda.Conflict) {
		t.Fatalf("error = %v, want that lock %s is held", err, id)
	}
}

// steal puts a lock of another run in the place of a block's.
func (w *town) steal(b remuda.Block, run, claim string) {
	w.t.Helper()
	ctx := w.t.Context()
	done(w.t, w.store.Write(ctx, control.Alone, func(tx control.Tx) error {
		row := blocks.StateLockRow{ID: b.ID}
		if err := tx.Get(ctx, &row, b.ID); err == nil {
			if err := tx.Delete(ctx, &row); err != nil {
				return err
			}
		}
		return tx.Insert(ctx, &blocks.StateLockRow{ID: b.ID, LockID: "theirs", RunID: run, ClaimID: claim, Info: `{"ID": "theirs", "Who": "somebody"}`, CreatedAt: 1})
	}))
}

func TestWhoHoldsTheLockAloneWrites(t *testing.T) {
	onBoth(t, func(w *town) {
		b, it := w.running()
		other, elsewhere := w.running()
		ctx := w.t.Context()
		mine := remuda.StateLock{ID: "l1", Operation: "OperationTypeApply", Who: "agent@host"}
		same(w.t, "holder", "agent@host", got(it.door.LockState(ctx, mine))(w.t).Who)
		got(it.door.LockState(ctx, mine))(w.t) // the answer to the first time was lost
		holder, err := it.door.LockState(ctx, remuda.StateLock{ID: "l2"})
		wantLocked(w.t, err, "l1")
		same(w.t, "holder", "agent@host", holder.Who)
		shown := got(w.consumer().StateLock(ctx, b.ID))(w.t)
		if shown.ID != "l1" || shown.Operation != "OperationTypeApply" || shown.Run != it.order.Run {
			t.Errorf("the lock is shown as %+v", shown)
		}

		wantLocked(w.t, it.door.WriteState(ctx, "", stateText(1, lineage, "x")), "l1")
		wantLocked(w.t, it.door.WriteState(ctx, "l2", stateText(1, lineage, "x")), "l1")
		wantLocked(w.t, it.door.DeleteState(ctx, "l2"), "l1")
		done(w.t, it.door.WriteState(ctx, "l1", stateText(1, lineage, "x")))

		holder, err = it.door.UnlockState(ctx, "l2")
		wantLocked(w.t, err, "l1")
		same(w.t, "holder", "l1", holder.ID)
		got(it.door.UnlockState(ctx, "l1"))(w.t)
		got(it.door.UnlockState(ctx, "l1"))(w.t) // it is given back already
		wantKind(w.t, second(w.consumer().StateLock(ctx, b.ID)), remuda.NotFound)
		wantKind(w.t, it.door.WriteState(ctx, "l1", stateText(2, lineage, "x")), remuda.Conflict) // with a lock that is gone

		// Another block's lock is another one.
		got(elsewhere.door.LockState(ctx, remuda.StateLock{ID: "l1"}))(w.t)
		same(w.t, "holder", elsewhere.order.Run, got(w.consumer().StateLock(ctx, other.ID))(w.t).Run)
		done(w.t, it.door.WriteState(ctx, "", stateText(2, lineage, "x")))
	})
}

func TestAnotherRunsLockKeepsARunFromWriting(t *testing.T) {
	onBoth(t, func(w *town) {
		b, it := w.running()
		_, elsewhere := w.running()
		ctx := w.t.Context()
		w.steal(b, elsewhere.order.Run, elsewhere.claim.ID)
		wantLocked(w.t, second(it.door.LockState(ctx, remuda.StateLock{ID: "l1"})), "theirs")
		wantLocked(w.t, it.door.WriteState(ctx, "", stateText(1, lineage, "x")), "theirs")
		wantLocked(w.t, it.door.WriteState(ctx, "theirs", stateText(1, lineage, "x")), "theirs") // the id alone is not enough
		wantLocked(w.t, second(it.door.UnlockState(ctx, "theirs")), "theirs")
		wantLocked(w.t, second(it.door.UnlockState(ctx, "")), "theirs")

		// Once that run's claim has ended, the lock is nobody's, settled or not.
		done(w.t, w.horse.Finish(ctx, elsewhere.claim.ID, succeeded))
		w.settled(elsewhere)
		w.steal(b, elsewhere.order.Run, elsewhere.claim.ID)
		got(it.door.LockState(ctx, remuda.StateLock{ID: "l1"}))(w.t)
		got(it.door.UnlockState(ctx, ""))(w.t) // as 'tofu force-unlock' says it
		wantKind(w.t, second(w.consumer().StateLock(ctx, b.ID)), remuda.NotFound)
	})
}

func TestTheEndOfARunReleasesItsLock(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		for name, end := range map[string]func(work){
			"settled": func(it work) { w.finish(it, remuda.RunReport{}, succeeded) },
			"failed": func(it work) {
				w.finish(it, remuda.RunReport{}, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: "tofu said no"})
			},
			"aborted": func(it work) {
				got(w.owner().AbortRun(ctx, it.order.Run))(w.t)
				done(w.t, w.horse.Finish(ctx, it.claim.ID, remuda.Result{State: remuda.Canceled}))
			},
		} {
			b, it := w.running()
			got(it.door.LockState(ctx, remuda.StateLock{ID: "l1"}))(w.t)
			end(it)
			w.settled(it)
			if err := second(w.owner().StateLock(ctx, b.ID)); remuda.KindOf(err) != remuda.NotFound {
				t.Errorf("%s: the lock is still held: %v", name, err)
			}
		}
	})
}

func TestAnOperatorTakesALockAwayAndItsHolderIsFenced(t *testing.T) {
	onBoth(t, func(w *town) {
		b, it := w.running()
		ctx := w.t.Context()
		wantKind(w.t, w.owner().ForceUnlockState(ctx, b.ID, ""), remuda.NotFound)
		for _, id := range []string{"l1", ""} { // named, or whichever it is
			got(it.door.LockState(ctx, remuda.StateLock{ID: "l1"}))(w.t)
			wantLocked(w.t, w.owner().ForceUnlockState(ctx, b.ID, "l2"), "l1")
			done(w.t, w.owner().ForceUnlockState(ctx, b.ID, id))
			wantKind(w.t, it.door.WriteState(ctx, "l1", stateText(1, lineage, "x")), remuda.Conflict)
		}
		line := "state.unlocked by admin@plat in plat: lock l1 was taken from run " + it.order.Run
		same(w.t, "audit", []string{line, line}, w.audit(b, "state."))
		same(w.t, "states", 0, len(w.states(b)))
	})
}

func TestOfThoseWhoTakeALockAtOnceOneHasIt(t *testing.T) {
	onBoth(t, func(w *town) {
		b, it := w.running()
		ctx := w.t.Context()
		const many = 8
		taken := make([]error, many)
		var all sync.WaitGroup
		for i := range many {
			all.Go(func() {
				_, taken[i] = it.door.LockState(ctx, remuda.StateLock{ID: string(rune('a' + i))})
			})
		}
		all.Wait()
		holder := got(w.owner().StateLock(ctx, b.ID))(w.t).ID
		for i, err := range taken {
			if mine := string(rune('a' + i)); mine == holder {
				done(w.t, err)
			} else {
				wantLocked(w.t, err, holder)
			}
		}
	})
}

func TestALockHasRulesOfForm(t *testing.T) {
	onBoth(t, func(w *town) {
		_, it := w.running()
		ctx := w.t.Context()
		wantKind(w.t, second(it.door.LockState(ctx, remuda.StateLock{})), remuda.Invalid)
		wantKind(w.t, second(it.door.LockState(ctx, remuda.StateLock{ID: "l", Info: string(make([]byte, 17<<10))})), remuda.TooLarge)
	})
}
