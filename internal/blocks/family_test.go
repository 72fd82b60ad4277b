package blocks_test

import (
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

// A family is told from the nearest on, and what one may not see of it keeps its name.
func TestAFamilyIsToldAsFarAsOneMaySeeIt(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		d := w.define("db", with(tofu(), func(v *remuda.Version) { v.Inputs = nil }))
		hisOwn := got(w.as("acme", remuda.RoleAdmin).CreateDefinition(ctx, remuda.Definition{Name: "own"}))(w.t)
		above := got(w.as("acme", remuda.RoleAdmin).OrderBlock(ctx, remuda.Block{Name: "above", Definition: hisOwn.ID, Version: 1}, ""))(w.t)
		parent := w.order(d, nil, below(above))
		block := w.order(d, nil, below(parent, above))
		child := w.order(d, nil, below(block))
		for who, door := range map[string]blocks.UserDoor{"acme": w.consumer(), "plat": w.owner()} {
			family, more, err := door.Family(ctx, block.ID)
			done(w.t, err)
			told := map[string]blocks.Kin{}
			for _, kin := range family {
				told[kin.ID] = kin
			}
			same(w.t, "how many", []any{4, false}, []any{len(family), more})
			same(w.t, "generations", []int{0, -1, -1, 1},
				[]int{told[block.ID].Generation, told[parent.ID].Generation, told[above.ID].Generation, told[child.ID].Generation})
			same(w.t, "its parents", []string{parent.ID, above.ID}, told[block.ID].Parents)
			same(w.t, "what "+who+" may not see", []any{who == "plat", who == "plat"}, []any{told[above.ID].Hidden, told[above.ID].Name == ""})
		}
		_, _, err := w.as("umbrella", remuda.RoleAdmin).Family(ctx, block.ID)
		wantKind(w.t, err, remuda.NotFound)
	})
}

// What a page offers is what would not be refused.
func TestASightSaysWhatOneMayDo(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		b := w.order(w.define("db", tofu(), func(d *remuda.Definition) { d.RunTransparency = false }), map[string]remuda.Value{"size": value(1)})
		it := w.claim()
		for who, want := range map[string][]bool{ // sees runs, changes, deletes, manages, operates; steers
			"acme viewer": {false, false, false, false, false, false}, "acme member": {false, true, true, false, false, false},
			"plat viewer": {true, false, false, false, false, false}, "plat admin": {true, true, false, true, true, true},
		} {
			door := w.as(who[:4], remuda.Role(who[5:]))
			s := got(door.Sight(ctx, b.ID))(w.t)
			run := got(door.RunSight(ctx, it.order.Run))(w.t)
			same(w.t, "what "+who+" may", want, []bool{s.SeesRuns, s.Changes, s.Deletes, s.Manages, s.Operates, run.Steers})
			same(w.t, "what "+who+" sees", []any{want[0], want[0], want[0]}, []any{s.LiveRun != "", len(run.Inputs) == 1, run.SeesRuns})
			latest := got(door.LatestRuns(ctx, []remuda.Block{{ID: b.ID, LatestRun: it.order.Run}}))(w.t)
			same(w.t, "the latest run that "+who+" sees", want[0], len(latest) == 1)
		}
	})
}
