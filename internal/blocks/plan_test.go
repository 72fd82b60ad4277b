package blocks_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

// savedPlan is a block of whose change a DETECT saved a plan, which waits for its approval.
func (w *town) savedPlan(plan []byte) (remuda.Block, work) {
	w.t.Helper()
	b := w.order(w.define("gated", with(tofu(), func(v *remuda.Version) { v.Approval = true })), map[string]remuda.Value{"size": value(7)})
	it := w.claim()
	same(w.t, "behavior", remuda.Detect, it.order.Behavior)
	done(w.t, it.door.SavePlan(w.t.Context(), plan))
	w.finish(it, remuda.RunReport{Changes: pointer(true)}, succeeded)
	w.settled(it)
	return b, it
}

func TestAnApprovedApplyGetsTheVeryPlanAndItIsGoneAfterwards(t *testing.T) {
	onBoth(t, func(w *town) {
		plan := bytes.Repeat([]byte("plan \x00\xff"), 1000)
		b, detect := w.savedPlan(plan)
		ctx := w.t.Context()
		if read := got(w.owner().Plan(ctx, detect.order.Run))(w.t); !bytes.Equal(read, plan) {
			t.Error("its operator reads another plan")
		}
		same(w.t, "audit", []string{"plan.read by admin@plat in plat: plan of run " + detect.order.Run}, w.audit(b, "plan."))
		wantKind(w.t, second(w.as("acme", remuda.RoleAdmin).Plan(ctx, detect.order.Run)), remuda.Forbidden)
		wantKind(w.t, second(w.as("umbrella", remuda.RoleAdmin).Plan(ctx, detect.order.Run)), remuda.NotFound)

		got(w.owner().ApproveRun(ctx, detect.order.Run))(w.t)
		apply := w.claim()
		if read := got(apply.door.SavedPlan(ctx))(w.t); !bytes.Equal(read, plan) {
			t.Error("the APPLY gets another plan")
		}
		wantKind(w.t, apply.door.SavePlan(ctx, plan), remuda.Conflict) // an APPLY makes none
		w.finish(apply, remuda.RunReport{}, succeeded)
		w.settled(apply)
		wantKind(w.t, second(w.owner().Plan(ctx, detect.order.Run)), remuda.NotFound)
	})
}

func TestAPlanHasRulesOfForm(t *testing.T) {
	onBoth(t, func(w *town) {
		_, it := w.running()
		ctx := w.t.Context()
		wantKind(w.t, second(it.door.SavedPlan(ctx)), remuda.NotFound) // it makes its own
		wantKind(w.t, it.door.SavePlan(ctx, []byte("plan")), remuda.Conflict)
		b := w.order(w.define("gated", with(tofu(), func(v *remuda.Version) { v.Approval = true })), map[string]remuda.Value{"size": value(7)})
		detect := w.claim()
		same(w.t, "block", b.ID, detect.order.Block.ID)
		wantKind(w.t, detect.door.SavePlan(ctx, nil), remuda.Invalid)
		wantKind(w.t, detect.door.SavePlan(ctx, make([]byte, 16<<20+1)), remuda.TooLarge)
		done(w.t, detect.door.SavePlan(ctx, []byte("first")))
		done(w.t, detect.door.SavePlan(ctx, []byte("second"))) // saved again, it is another one
		same(w.t, "the plan", "second", string(got(w.owner().Plan(ctx, detect.order.Run))(w.t)))
		row := &blocks.PlanRow{}
		done(w.t, w.store.Read(ctx, func(v control.View) error { return v.Get(ctx, row, detect.order.Run) }))
		if bytes.Contains(row.Body, []byte("second")) {
			t.Error("the plan lies open")
		}
	})
}

func TestAPlanThatNobodyAppliedIsForgottenAfterAWeek(t *testing.T) {
	onBoth(t, func(w *town) {
		_, detect := w.savedPlan([]byte("plan"))
		ctx := w.t.Context()
		age := func(by time.Duration) {
			row := &blocks.PlanRow{ID: detect.order.Run, CreatedAt: control.Now() - control.Micros(by.Microseconds())}
			done(w.t, w.store.Write(ctx, control.Alone, func(tx control.Tx) error { return tx.Update(ctx, row, "created_at") }))
		}
		age(7*24*time.Hour - time.Hour)
		done(w.t, blocks.ForgetPlans(ctx, w.rules))
		got(w.owner().Plan(ctx, detect.order.Run))(w.t)
		age(7*24*time.Hour + time.Second)
		done(w.t, blocks.ForgetPlans(ctx, w.rules))
		wantKind(w.t, second(w.owner().Plan(ctx, detect.order.Run)), remuda.NotFound)
	})
}
