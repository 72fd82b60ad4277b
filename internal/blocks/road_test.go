package blocks_test

import (
	"testing"

	"github.com/remuda-dev/remuda"
)

func TestAnOrderIsCarriedOutByARunner(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("database", with(tofu(), func(v *remuda.Version) {
			v.Outputs = map[string]remuda.Output{"address": {Type: remuda.TypeString}}
		}))
		b := w.order(d, map[string]remuda.Value{"size": value(7)})
		same(w.t, "status", remuda.BlockPending, b.Status)
		it := w.claim()
		same(w.t, "the order", remuda.RunOrder{
			Run: b.LatestRun, Number: 1, Behavior: remuda.Apply, Trigger: remuda.TriggerCreation,
			Author:     remuda.RunAuthor{Kind: "User", Name: "member@acme"},
			Block:      remuda.RunOrderBlock{ID: b.ID, Name: b.Name, Organization: "acme"},
			Definition: remuda.RunOrderVersion{ID: d.ID, Organization: "plat", Version: 1},
			Inputs:     []remuda.RunInput{{Key: "size", Type: remuda.TypeInteger, Value: []byte("7")}},
			Outputs:    map[string]remuda.Output{"address": {Type: remuda.TypeString}},
			Implementation: remuda.Blueprint{Type: "opentofu", OpenTofu: &remuda.OpenTofuBlueprint{
				Version: "1.10.10", Files: map[string]string{"main.tf": "# nothing"},
			}},
		}, it.order)
		w.becomes(b, remuda.BlockInProgress)
		w.finish(it, remuda.RunReport{Changes: pointer(true), Plan: &remuda.PlanSummary{Add: 1}, Outputs: told(map[string]any{"address": "db:5432", "other": "x"})}, succeeded)
		now := w.becomes(b, remuda.BlockSucceeded)
		same(w.t, "outputs", map[string]remuda.Value{"address": value("db:5432")}, now.Outputs)
		run := got(w.consumer().Run(w.t.Context(), now.LatestRun))(w.t)
		if run.Status != remuda.RunSucceeded || run.Plan.Add != 1 || run.Number != 1 || run.Task == "" || run.EndedAt == nil {
			t.Errorf("the run is %+v", run)
		}
	})
}

func TestTheWholeLifeOfABlockIsWrittenDown(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		d := w.define("database", with(tofu(), func(v *remuda.Version) { v.Approval = true }))
		b := w.order(d, map[string]remuda.Value{"size": value(7)})
		plan := w.claim()
		w.becomes(b, remuda.BlockInProgress)
		w.finish(plan, remuda.RunReport{}, succeeded)
		w.settled(plan)
		got(w.consumer().ApproveRun(ctx, plan.order.Run))(w.t)
		w.finish(w.claim(), remuda.RunReport{}, succeeded)
		w.becomes(b, remuda.BlockSucceeded)
		got(w.consumer().ChangeBlock(ctx, b.ID, remuda.BlockChange{Name: pointer("another")}))(w.t)
		dry := got(w.consumer().RunBlock(ctx, b.ID, remuda.RunRequest{Behavior: remuda.Detect}))(w.t)
		got(w.consumer().AbortRun(ctx, dry.ID))(w.t)
		got(w.consumer().DeleteBlock(ctx, b.ID, false))(w.t)
		w.succeed(nil)
		same(w.t, "what happened to the definition", []string{"definition.created"}, w.events("definition."))
		same(w.t, "to its version", []string{"version.changed", "version.released"}, w.events("version."))
		same(w.t, "to the block", []string{"block.ordered", "block.changed", "block.marked-for-deletion", "block.deleted"}, w.events("block."))
		asked := map[string]int{}
		for _, event := range w.events("run.") {
			asked[event]++
		}
		delete(asked, "run.in_progress") // one that is over soon was never seen so
		same(w.t, "to its runs", map[string]int{
			"run.queued": 4, "run.succeeded": 3, "run.approved": 1, "run.abort-requested": 1, "run.aborted": 1,
		}, asked)
	})
}
