package blocks_test

import (
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestADeletedBlockIsDestroyedAndStaysReadable(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		b := w.order(d, map[string]remuda.Value{"size": value(1)})
		w.succeed(map[string]any{"address": "x"})
		now := got(w.consumer().DeleteBlock(w.t.Context(), b.ID, false))(w.t)
		if now.Lifecycle != remuda.LifecycleDeleting || now.DeletionAt == nil || now.DeletionBy != "member@acme" {
			t.Errorf("the block is %+v", now)
		}
		got(w.consumer().DeleteBlock(w.t.Context(), b.ID, false))(w.t) // again: nothing more
		_, err := w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Name: pointer("x")})
		wantKind(w.t, err, remuda.Conflict)
		it := w.succeed(nil)
		same(w.t, "what it does", []any{remuda.Destroy, remuda.TriggerDeletion, 2}, []any{it.order.Behavior, it.order.Trigger, it.order.Number})
		now = w.block(b)
		if now.Lifecycle != remuda.LifecycleDeleted || now.DeletedAt == nil {
			t.Errorf("the block is %+v", now)
		}
		list := got(w.consumer().Blocks(w.t.Context(), blocks.BlockFilter{}, blocks.Span{}))(w.t)
		same(w.t, "blocks in the list", 0, list.Total)
	})
}

func TestAFailedDestroyIsTriedAgainByDeletingAgain(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		b := w.order(d, map[string]remuda.Value{"size": value(1)})
		w.succeed(nil)
		got(w.consumer().DeleteBlock(w.t.Context(), b.ID, false))(w.t)
		it := w.claim()
		w.finish(it, remuda.RunReport{}, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep})
		w.becomes(b, remuda.BlockFailed)
		got(w.consumer().DeleteBlock(w.t.Context(), b.ID, false))(w.t)
		w.succeed(nil)
		same(w.t, "lifecycle", remuda.LifecycleDeleted, w.block(b).Lifecycle)
	})
}

func TestAParentOfLivingChildrenIsNotDeleted(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		parent := w.order(d, nil)
		child := w.order(d, nil, below(parent))
		for _, purge := range []bool{false, true} {
			_, err := w.consumer().DeleteBlock(w.t.Context(), parent.ID, purge)
			wantKind(w.t, err, remuda.Conflict)
			if !strings.Contains(err.Error(), child.Name) {
				t.Error(err)
			}
		}
		got(w.consumer().DeleteBlock(w.t.Context(), child.ID, false))(w.t)
		got(w.consumer().DeleteBlock(w.t.Context(), parent.ID, false))(w.t)
	})
}

func TestAPurgeWaitsForNothing(t *testing.T) {
	onBoth(t, func(w *town) {
		asked := w.define("db", tofu())
		always := w.define("dns", with(tofu(), func(v *remuda.Version) { v.Deletion = remuda.DeletionPurge }))
		for _, d := range []remuda.Definition{asked, always} {
			b := w.order(d, map[string]remuda.Value{"size": value(1)})
			it := w.claim()
			now := got(w.consumer().DeleteBlock(w.t.Context(), b.ID, d.ID == asked.ID))(w.t)
			if now.Lifecycle != remuda.LifecycleDeleted || !now.ForcePurge {
				t.Errorf("the block is %+v", now)
			}
			w.finish(it, remuda.RunReport{}, remuda.Result{State: remuda.Canceled})
			w.settled(it)
			same(w.t, "lifecycle", remuda.LifecycleDeleted, w.block(b).Lifecycle)
		}
	})
}

func TestATargetHasOneBlockOfWhatIsOncePerTenant(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", with(tofu(), func(v *remuda.Version) { v.OncePerTenant = true }))
		b := w.order(d, nil)
		_, err := w.consumer().OrderBlock(w.t.Context(), remuda.Block{Name: "b", Definition: d.ID}, "")
		wantKind(w.t, err, remuda.Conflict)
		got(w.as("umbrella", remuda.RoleMember).OrderBlock(w.t.Context(), remuda.Block{Name: "b", Definition: d.ID}, ""))(w.t)
		got(w.consumer().DeleteBlock(w.t.Context(), b.ID, false))(w.t)
		w.order(d, nil)
	})
}

func TestAnAbortedRunEndsWithItsTask(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		b := w.order(d, map[string]remuda.Value{"size": value(1)})
		run := got(w.consumer().AbortRun(w.t.Context(), b.LatestRun))(w.t)
		same(w.t, "one that is queued", remuda.RunAborted, run.Status)
		w.wantStatus(b, remuda.BlockAborted)
		_, err := w.consumer().AbortRun(w.t.Context(), b.LatestRun)
		wantKind(w.t, err, remuda.Conflict)

		got(w.consumer().RunBlock(w.t.Context(), b.ID, remuda.RunRequest{}))(w.t)
		it := w.claim()
		got(it.door.LockState(w.t.Context(), remuda.StateLock{ID: "l"}))(w.t)
		run = got(w.consumer().AbortRun(w.t.Context(), it.order.Run))(w.t)
		if run.Status.Ended() {
			t.Errorf("the run is %s before its runner has said so", run.Status)
		}
		w.finish(it, remuda.RunReport{}, remuda.Result{State: remuda.Canceled})
		now := w.becomes(b, remuda.BlockAborted)
		same(w.t, "detail", "aborted by member@acme", now.Detail)
		_, err = w.owner().StateLock(w.t.Context(), b.ID)
		wantKind(w.t, err, remuda.NotFound)
	})
}

func TestARunThatWaitsIsAbortedAtOnceAndDoesNotComeBack(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		b := w.order(d, map[string]remuda.Value{"size": value(1)})
		it := w.claim()
		now := got(w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Inputs: map[string]remuda.Value{"size": value(2)}}))(w.t)
		run := got(w.consumer().AbortRun(w.t.Context(), now.LatestRun))(w.t)
		same(w.t, "status", remuda.RunAborted, run.Status)
		w.finish(it, remuda.RunReport{}, succeeded)
		w.settled(it)
		w.wantStatus(b, remuda.BlockSucceeded)
		same(w.t, "runs", 2, len(w.runs(b)))
	})
}

func TestTheLastRunOfALivingBlockIsKeptFromRetention(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		b := w.order(d, map[string]remuda.Value{"size": value(1)})
		pinned := func() (pinned []bool) {
			for _, run := range w.runs(b) {
				var task control.TaskRow
				done(w.t, w.store.Read(w.t.Context(), func(v control.View) error { return v.Get(w.t.Context(), &task, run.Task) }))
				pinned = append(pinned, task.Pinned)
			}
			return pinned
		}
		w.succeed(nil)
		got(w.consumer().RunBlock(w.t.Context(), b.ID, remuda.RunRequest{}))(w.t)
		w.succeed(nil)
		same(w.t, "pinned while it lives", []bool{false, true}, pinned())
		got(w.consumer().DeleteBlock(w.t.Context(), b.ID, false))(w.t)
		w.succeed(nil)
		same(w.t, "pinned afterwards", []bool{false, false, false}, pinned())
	})
}
