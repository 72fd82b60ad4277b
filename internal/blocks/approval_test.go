package blocks_test

import (
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
)

// planned orders a block whose changes are planned first, and has its first plan made.
func (w *town) planned(changes bool) (remuda.Block, work) {
	w.t.Helper()
	d := w.define("db", with(tofu(), func(v *remuda.Version) { v.Approval = true }))
	b := w.order(d, map[string]remuda.Value{"size": value(1)})
	it := w.claim()
	same(w.t, "behavior", remuda.Detect, it.order.Behavior)
	done(w.t, it.door.SavePlan(w.t.Context(), []byte("the plan")))
	w.finish(it, remuda.RunReport{Changes: &changes, Plan: &remuda.PlanSummary{Add: 1}}, succeeded)
	w.settled(it)
	return b, it
}

func TestAnApprovedPlanIsAppliedItself(t *testing.T) {
	onBoth(t, func(w *town) {
		b, plan := w.planned(true)
		now := w.wantStatus(b, remuda.BlockWaitsForApproval)
		run := got(w.consumer().Run(w.t.Context(), plan.order.Run))(w.t)
		if run.Approval != remuda.ApprovalWaiting || !*run.Changes || now.LatestRun != run.ID || now.LatestDryRun != run.ID {
			t.Errorf("the run is %+v", run)
		}
		apply := got(w.consumer().ApproveRun(w.t.Context(), run.ID))(w.t)
		same(w.t, "what follows", []any{remuda.Apply, run.ID, remuda.TriggerApproval}, []any{apply.Behavior, apply.PlanOf, apply.Trigger})
		it := w.claim()
		same(w.t, "it applies a plan", true, it.order.Plan)
		same(w.t, "which is", "the plan", string(got(it.door.SavedPlan(w.t.Context()))(w.t)))
		w.finish(it, remuda.RunReport{Outputs: told(map[string]any{"address": "x"})}, succeeded)
		w.becomes(b, remuda.BlockSucceeded)
		run = got(w.consumer().Run(w.t.Context(), run.ID))(w.t)
		same(w.t, "approval", []any{remuda.ApprovalApproved, "member@acme"}, []any{run.Approval, run.ApprovedBy})
		_, err := w.consumer().ApproveRun(w.t.Context(), run.ID)
		wantKind(w.t, err, remuda.Conflict)
		same(w.t, "events", []string{"run.approved"}, w.events("run.approved"))
	})
}

func TestAPlanWithoutChangesNeedsNoApproval(t *testing.T) {
	onBoth(t, func(w *town) {
		b, plan := w.planned(false)
		w.wantStatus(b, remuda.BlockSucceeded)
		_, err := w.consumer().ApproveRun(w.t.Context(), plan.order.Run)
		wantKind(w.t, err, remuda.Conflict)
		if !strings.Contains(err.Error(), "nothing to approve") {
			t.Error(err)
		}
	})
}

func TestAStalePlanIsNotApplied(t *testing.T) {
	for what, happens := range map[string]func(*town, remuda.Block, work){
		"inputs changed": func(w *town, b remuda.Block, _ work) {
			got(w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Inputs: map[string]remuda.Value{"size": value(2)}}))(w.t)
		},
		"another run": func(w *town, b remuda.Block, _ work) {
			got(w.consumer().RunBlock(w.t.Context(), b.ID, remuda.RunRequest{}))(w.t)
			it := w.claim()
			w.finish(it, remuda.RunReport{Changes: pointer(true)}, succeeded)
			w.settled(it)
		},
		"the state": func(w *town, b remuda.Block, _ work) {
			got(w.owner().RunBlock(w.t.Context(), b.ID, remuda.RunRequest{Behavior: remuda.Maintenance, Script: "tofu state rm x"}))(w.t)
			it := w.claim()
			same(w.t, "script", "tofu state rm x", it.order.Script)
			done(w.t, it.door.WriteState(w.t.Context(), "", []byte(`{"version":4,"serial":1,"lineage":"l","outputs":{},"resources":[]}`)))
			w.finish(it, remuda.RunReport{}, succeeded)
			w.settled(it)
		},
		"deletion": func(w *town, b remuda.Block, _ work) {
			got(w.consumer().DeleteBlock(w.t.Context(), b.ID, false))(w.t)
		},
	} {
		t.Run(what, func(t *testing.T) {
			onBoth(t, func(w *town) {
				b, plan := w.planned(true)
				happens(w, b, plan)
				_, err := w.consumer().ApproveRun(w.t.Context(), plan.order.Run)
				wantKind(w.t, err, remuda.Conflict)
				if !strings.Contains(err.Error(), "stale") {
					t.Error(err)
				}
				same(w.t, "approval", remuda.ApprovalStale, got(w.consumer().Run(w.t.Context(), plan.order.Run))(w.t).Approval)
			})
		})
	}
}

func TestAPlanOfADraftThatWasChangedIsStale(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		draft := with(tofu(), func(v *remuda.Version) { v.Approval = true })
		d := got(w.owner().CreateDefinition(ctx, remuda.Definition{Name: "db"}))(w.t)
		got(w.owner().ChangeVersion(ctx, d.ID, 1, draft))(w.t)
		order := remuda.Block{Name: "b", Definition: d.ID, Version: 1, Inputs: map[string]remuda.Value{"size": value(1)}}
		got(w.owner().OrderBlock(ctx, order, ""))(w.t)
		it := w.claim()
		w.finish(it, remuda.RunReport{Changes: pointer(true)}, succeeded)
		w.settled(it)
		draft.Implementation.OpenTofu = &remuda.OpenTofuBlueprint{Version: "1.10.10", Files: map[string]string{"main.tf": "# another"}}
		got(w.owner().ChangeVersion(ctx, d.ID, 1, draft))(w.t)
		_, err := w.owner().ApproveRun(ctx, it.order.Run)
		wantKind(w.t, err, remuda.Conflict)
	})
}

// The state may change between the approval and the moment at which its APPLY can begin.
func TestAnApprovedPlanThatIsStaleWhenItsTurnComesIsNotApplied(t *testing.T) {
	onBoth(t, func(w *town) {
		b, plan := w.planned(true)
		got(w.consumer().RunBlock(w.t.Context(), b.ID, remuda.RunRequest{Behavior: remuda.Detect}))(w.t)
		dry := w.claim()
		apply := got(w.consumer().ApproveRun(w.t.Context(), plan.order.Run))(w.t)
		same(w.t, "task of the APPLY, which waits", "", apply.Task)
		done(w.t, dry.door.WriteState(w.t.Context(), "", []byte(`{"version":4,"serial":1,"lineage":"l"}`)))
		w.finish(dry, remuda.RunReport{}, succeeded)
		w.settled(dry)
		run := got(w.consumer().Run(w.t.Context(), apply.ID))(w.t)
		if run.Status != remuda.RunFailed || run.Task != "" || !strings.Contains(run.Detail, "stale") {
			t.Errorf("the run is %+v", run)
		}
		w.wantStatus(b, remuda.BlockFailed)
	})
}

func TestARejectedPlanIsDropped(t *testing.T) {
	onBoth(t, func(w *town) {
		b, plan := w.planned(true)
		_, err := w.as("umbrella", remuda.RoleAdmin).RejectRun(w.t.Context(), plan.order.Run)
		wantKind(w.t, err, remuda.NotFound)
		_, err = w.as("acme", remuda.RoleViewer).RejectRun(w.t.Context(), plan.order.Run)
		wantKind(w.t, err, remuda.Forbidden)
		run := got(w.owner().RejectRun(w.t.Context(), plan.order.Run))(w.t)
		same(w.t, "approval", remuda.ApprovalRejected, run.Approval)
		w.wantStatus(b, remuda.BlockAborted)
		_, err = w.consumer().ApproveRun(w.t.Context(), plan.order.Run)
		wantKind(w.t, err, remuda.Conflict)
		_, err = w.owner().Plan(w.t.Context(), plan.order.Run)
		wantKind(w.t, err, remuda.NotFound)
	})
}

func TestADryRunChangesNothingAndTellsOfDrift(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		b := w.order(d, map[string]remuda.Value{"size": value(1)})
		w.succeed(nil)
		for _, drifted := range []bool{true, false} {
			dry := got(w.consumer().RunBlock(w.t.Context(), b.ID, remuda.RunRequest{Behavior: remuda.Detect}))(w.t)
			it := w.claim()
			w.wantStatus(b, remuda.BlockSucceeded)
			w.finish(it, remuda.RunReport{Changes: &drifted}, succeeded)
			w.settled(it)
			now := w.wantStatus(b, remuda.BlockSucceeded)
			same(w.t, "drifted", drifted, now.Drifted)
			same(w.t, "latest runs", []string{b.LatestRun, dry.ID}, []string{now.LatestRun, now.LatestDryRun})
			same(w.t, "approval", remuda.Approval(""), got(w.consumer().Run(w.t.Context(), dry.ID))(w.t).Approval)
		}
	})
}

func TestAMaintenanceRunIsForTheDefinitionsOwner(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		b := w.order(d, map[string]remuda.Value{"size": value(1)})
		w.succeed(nil)
		request := remuda.RunRequest{Behavior: remuda.Maintenance, Script: "true"}
		_, err := w.consumer().RunBlock(w.t.Context(), b.ID, request)
		wantKind(w.t, err, remuda.Forbidden)
		got(w.owner().RunBlock(w.t.Context(), b.ID, request))(w.t)
		it := w.succeed(nil)
		same(w.t, "what it does", []any{remuda.Maintenance, "true"}, []any{it.order.Behavior, it.order.Script})
		for _, wrong := range []remuda.RunRequest{{Behavior: remuda.Maintenance}, {Script: "x"}, {Behavior: remuda.Destroy}} {
			_, err := w.owner().RunBlock(w.t.Context(), b.ID, wrong)
			wantKind(w.t, err, remuda.Invalid)
		}
	})
}
