package blocks_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
)

func TestABlockIsLookedAtForDriftOnASchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, false)
		d := w.define("db", with(tofu(), func(v *remuda.Version) { v.DriftEvery = remuda.Duration(time.Hour) }))
		b := w.order(d, map[string]remuda.Value{"size": value(1)})
		w.succeed(nil)
		time.Sleep(50 * time.Minute)
		same(t, "runs before it is time", 1, len(w.runs(b)))
		for round := range 2 {
			time.Sleep(time.Hour)
			it := w.claim()
			same(t, "what it does", []any{remuda.Detect, remuda.TriggerSchedule, "System"}, []any{it.order.Behavior, it.order.Trigger, it.order.Author.Kind})
			w.finish(it, remuda.RunReport{Changes: pointer(true)}, succeeded)
			w.settled(it)
			same(t, "drifted", true, w.wantStatus(b, remuda.BlockSucceeded).Drifted)
			same(t, "runs", round+2, len(w.runs(b)))
		}
		same(t, "events", []string{"block.drifted", "block.drifted"}, w.events("block.drifted"))
		got(w.consumer().DeleteBlock(t.Context(), b.ID, false))(t)
		w.succeed(nil)
		time.Sleep(3 * time.Hour)
		same(t, "runs after it is gone", 4, len(w.runs(b)))
	})
}

// A plane that is stopped between the end of a task and its settling settles it when it comes back.
func TestWhatEndedWhileNobodySettledIsSettledLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, false)
		w.stopRules()
		d := w.define("db", tofu())
		b := w.order(d, map[string]remuda.Value{"size": value(1)})
		it := w.claim()
		w.finish(it, remuda.RunReport{}, succeeded)
		time.Sleep(time.Minute)
		w.wantStatus(b, remuda.BlockPending)
		w.beside(w.rules.Run)
		w.becomes(b, remuda.BlockSucceeded)
	})
}

// Two planes settle over one store; each event means something once.
func TestSeveralSettlersSettleEachRunOnce(t *testing.T) {
	onBoth(t, func(w *town) {
		w.beside(w.rules.Run)
		w.beside(w.rules.Run)
		giver, taker := w.giverAndTaker()
		parent := w.order(giver, map[string]remuda.Value{"size": value(1)})
		child := w.order(taker, nil, below(parent))
		w.succeed(map[string]any{"cidr": "1", "key": "k"})
		w.becomes(child, remuda.BlockPending)
		w.succeed(nil)
		w.becomes(child, remuda.BlockSucceeded)
		same(w.t, "ends", []string{"run.succeeded", "run.succeeded"}, w.events("run.succeeded"))
		same(w.t, "runs of the child", 1, len(w.runs(child)))
	})
}
