package blocks_test

import (
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestRunsAreTheOwnersAloneUnlessTheyAreTransparent(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		d := w.define("db", tofu(), func(d *remuda.Definition) { d.RunTransparency = false })
		b := w.order(d, map[string]remuda.Value{"size": value(1)})
		it := w.claim()
		w.finish(it, remuda.RunReport{
			Changes: pointer(true), Plan: &remuda.PlanSummary{Add: 1}, Messages: []remuda.StepMessage{{Step: "apply", Message: "ask in #help"}},
			Outputs: told(map[string]any{"address": "x"}),
		}, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: "a secret place failed"})
		w.settled(it)
		task := got(w.owner().Run(ctx, it.order.Run))(w.t).Task
		reads := func(user control.User) bool {
			_, err := w.plane.AsUser(user).Task(ctx, task)
			return err == nil
		}
		consumer, owner, other := w.user("acme", remuda.RoleAdmin), w.user("plat", remuda.RoleViewer), w.user("umbrella", remuda.RoleAdmin)
		keyed := w.user("acme", "")
		keyed.Permissions = []string{remuda.PermitRunList, remuda.PermitBlockList}

		same(w.t, "latest run that is told", "", w.block(b).LatestRun)
		run := got(w.rules.AsUser(consumer).Run(ctx, it.order.Run))(w.t)
		if run.Task != "" || run.Plan != nil || run.Changes != nil || run.Outputs != nil || run.Detail != "" || run.Status != remuda.RunFailed {
			t.Errorf("the consumer sees %+v", run)
		}
		same(w.t, "messages", []remuda.StepMessage{{Step: "apply", Message: "ask in #help"}}, run.Messages)
		_, err := w.rules.AsUser(consumer).Runs(ctx, blocks.RunFilter{Block: b.ID}, blocks.Span{})
		wantKind(w.t, err, remuda.Forbidden)
		same(w.t, "runs in the consumer's list", 0, got(w.rules.AsUser(consumer).Runs(ctx, blocks.RunFilter{}, blocks.Span{}))(w.t).Total)
		_, err = w.rules.AsUser(consumer).AbortRun(ctx, it.order.Run)
		wantKind(w.t, err, remuda.Forbidden)
		same(w.t, "who reads the task", []bool{false, true, false, false}, []bool{reads(consumer), reads(owner), reads(other), reads(keyed)})

		d.RunTransparency, d.Organization = true, ""
		got(w.owner().ChangeDefinition(ctx, d.ID, d))(w.t)
		same(w.t, "who reads it when runs are transparent", []bool{true, true, false, true}, []bool{reads(consumer), reads(owner), reads(other), reads(keyed)})
		same(w.t, "latest run that is told", it.order.Run, w.block(b).LatestRun)
		if run = got(w.rules.AsUser(consumer).Run(ctx, it.order.Run))(w.t); run.Task != task || run.Plan == nil {
			t.Errorf("the consumer sees %+v", run)
		}
		d.RunTransparency = false
		got(w.owner().ChangeDefinition(ctx, d.ID, d))(w.t)
		same(w.t, "who reads it when they are not any more", []bool{false, true}, []bool{reads(consumer), reads(owner)})
	})
}

func TestARunsTaskIsNotRepeated(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		w.order(d, map[string]remuda.Value{"size": value(1)})
		it := w.succeed(nil)
		_, err := w.plane.AsUser(w.user("plat", remuda.RoleAdmin)).RetryTask(w.t.Context(), it.claim.Task.ID)
		wantKind(w.t, err, remuda.Conflict)
	})
}

func TestABlockIsForThoseWhoOrderedItAndForItsDefinitionsOwner(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		d := w.define("db", tofu())
		b := w.order(d, map[string]remuda.Value{"size": value(1)})
		sees := func(door blocks.UserDoor) bool {
			_, err := door.Block(ctx, b.ID)
			list, wrong := door.Blocks(ctx, blocks.BlockFilter{}, blocks.Span{})
			if (err == nil) != (wrong == nil && len(list.Items) == 1) {
				t.Errorf("one: %v, the list: %v %v", err, list, wrong)
			}
			return err == nil
		}
		same(w.t, "who sees it", []bool{true, true, false, true, false, true, true, false}, []bool{
			sees(w.as("acme", remuda.RoleViewer)), sees(w.as("plat", remuda.RoleViewer)), sees(w.as("umbrella", remuda.RoleAdmin)),
			sees(w.key("acme", remuda.PermitBlockList)), sees(w.key("acme", remuda.PermitDefinitionList)),
			sees(w.key("plat", remuda.PermitManagedBlockList)), sees(w.key("umbrella", remuda.Everywhere(remuda.PermitBlockList))),
			sees(w.key("plat", remuda.PermitBlockList)),
		})
		size := remuda.BlockChange{Inputs: map[string]remuda.Value{"size": value(2)}}
		for name, c := range map[string]struct {
			door blocks.UserDoor
			want remuda.Kind
		}{
			"a viewer":                    {w.as("acme", remuda.RoleViewer), remuda.Forbidden},
			"a member of the owner":       {w.as("plat", remuda.RoleMember), remuda.Forbidden},
			"another organization":        {w.as("umbrella", remuda.RoleAdmin), remuda.NotFound},
			"a key that lists":            {w.key("acme", remuda.PermitBlockList), remuda.Forbidden},
			"a key that manages, to list": {w.key("plat", remuda.PermitManagedBlockList), remuda.Forbidden},
		} {
			if _, err := c.door.ChangeBlock(ctx, b.ID, size); remuda.KindOf(err) != c.want {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
		}
		got(w.key("plat", remuda.PermitManagedBlockList, remuda.PermitManagedBlockSave).ChangeBlock(ctx, b.ID, size))(w.t)
		_, err := w.owner().DeleteBlock(ctx, b.ID, false) // there is no managed delete
		wantKind(w.t, err, remuda.Forbidden)
		_, err = w.key("acme", remuda.PermitBlockList, remuda.PermitBlockSave).DeleteBlock(ctx, b.ID, false)
		wantKind(w.t, err, remuda.Forbidden)
		got(w.key("acme", remuda.PermitBlockList, remuda.PermitBlockDelete).DeleteBlock(ctx, b.ID, false))(w.t)
	})
}

func TestBlocksAreFound(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		one, two := w.define("db", tofu()), w.define("dns", tofu())
		a := w.order(one, nil, func(b *remuda.Block) { b.Name, b.Project = "Alpha", "shop" })
		b := w.order(two, map[string]remuda.Value{"size": value(1)}, func(b *remuda.Block) { b.Name = "Beta" })
		c := w.order(two, nil, func(b *remuda.Block) { b.Name = "Gamma" })
		same(w.t, "project", "shop", a.Project)
		find := func(f blocks.BlockFilter) (names []string) {
			for _, b := range got(w.owner().Blocks(ctx, f, blocks.Span{}))(w.t).Items {
				names = append(names, b.Name)
			}
			return names
		}
		version := got(w.owner().Version(ctx, one.ID, 1))(w.t)
		for what, f := range map[string]blocks.BlockFilter{
			"name": {Name: "Alpha"}, "definition": {Definition: one.ID}, "version": {VersionID: version.ID}, "search": {Search: "ALPH"},
			"project": {Organization: "acme", Project: "shop"}, "managed": {ManagedByDefinition: one.ID},
		} {
			same(w.t, what, []string{"Alpha"}, find(f))
		}
		same(w.t, "status", []string{"Beta"}, find(blocks.BlockFilter{Status: []remuda.BlockStatus{remuda.BlockPending}}))
		same(w.t, "all", []string{"Gamma", "Beta", "Alpha"}, find(blocks.BlockFilter{Organization: "acme", ManagedBy: "plat", Version: 1, Target: remuda.TargetWorkspace}))
		same(w.t, "none", []string(nil), find(blocks.BlockFilter{ManagedBy: "nobody"}))
		part := got(w.owner().Blocks(ctx, blocks.BlockFilter{}, blocks.Span{Limit: 2}))(w.t)
		same(w.t, "a part", []any{c.ID, b.ID, 3}, []any{part.Items[0].ID, part.Next, part.Total})
		rest := got(w.owner().Blocks(ctx, blocks.BlockFilter{}, blocks.Span{Limit: 2, Cursor: part.Next}))(w.t)
		same(w.t, "the rest", []any{a.ID, 1, ""}, []any{rest.Items[0].ID, len(rest.Items), rest.Next})
		counted := got(w.owner().Blocks(ctx, blocks.BlockFilter{}, blocks.Span{Limit: 1, Offset: 2}))(w.t)
		same(w.t, "by number", []any{a.ID, 3}, []any{counted.Items[0].ID, counted.Total})
	})
}
