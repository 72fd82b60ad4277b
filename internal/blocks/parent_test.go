package blocks_test

import (
	"testing"

	"github.com/remuda-dev/remuda"
)

// giver and taker are two definitions: blocks of the second take what those of the first give.
func (w *town) giverAndTaker() (giver, taker remuda.Definition) {
	w.t.Helper()
	giver = w.define("network", with(tofu(), func(v *remuda.Version) {
		v.Outputs = map[string]remuda.Output{"cidr": {Type: remuda.TypeString}, "key": {Type: remuda.TypeString, Sensitive: true}}
	}))
	taker = w.define("machine", with(tofu(), func(v *remuda.Version) {
		v.Inputs = map[string]remuda.Input{
			"net": {Type: remuda.TypeString, Assignment: remuda.AssignOutput, Argument: valued(giver.ID + ".cidr")},
			"key": {Type: remuda.TypeString, Assignment: remuda.AssignOutput, Argument: valued(giver.ID + ".key")},
		}
	}))
	return giver, taker
}

func TestAChildTakesItsParentsOutputsWhenThatHasSucceeded(t *testing.T) {
	onBoth(t, func(w *town) {
		giver, taker := w.giverAndTaker()
		parent := w.order(giver, map[string]remuda.Value{"size": value(1)})
		child := w.order(taker, nil, below(parent))
		same(w.t, "status", remuda.BlockWaitsForParent, child.Status)
		same(w.t, "missing", []string{"key", "net"}, child.Missing)
		w.succeed(map[string]any{"cidr": "10.0.0.0/8", "key": "s3cret-key"})
		child = w.becomes(child, remuda.BlockPending)
		it := w.claim()
		same(w.t, "trigger", remuda.TriggerParentSuccess, it.order.Trigger)
		same(w.t, "inputs", []remuda.RunInput{
			{Key: "key", Type: remuda.TypeString, Secret: "input/key"}, {Key: "net", Type: remuda.TypeString, Value: []byte(`"10.0.0.0/8"`)},
		}, it.order.Inputs)
		same(w.t, "secrets", map[string]string{"input/key": "s3cret-key"}, it.secrets)
		same(w.t, "parents", []remuda.RunParent{{Block: parent.ID, Definition: giver.ID}}, it.order.Parents)
		same(w.t, "children", []string{child.ID}, w.block(parent).Children)
		w.finish(it, remuda.RunReport{}, succeeded)
		w.becomes(child, remuda.BlockSucceeded)
	})
}

func TestAChildRunsAgainWhenWhatItTakesHasChangedAndNotOtherwise(t *testing.T) {
	onBoth(t, func(w *town) {
		giver, taker := w.giverAndTaker()
		parent := w.order(giver, map[string]remuda.Value{"size": value(1)})
		child := w.order(taker, nil, below(parent))
		w.succeed(map[string]any{"cidr": "10", "key": "k"})
		w.becomes(child, remuda.BlockPending)
		w.succeed(nil)
		again := func(outputs map[string]any) {
			got(w.consumer().RunBlock(w.t.Context(), parent.ID, remuda.RunRequest{}))(w.t)
			w.succeed(outputs)
		}
		again(map[string]any{"cidr": "10", "key": "k", "other": "new"})
		same(w.t, "runs of the child after the same outputs", 1, len(w.runs(child)))
		again(map[string]any{"cidr": "10", "key": "another"})
		same(w.t, "trigger after another secret", remuda.TriggerParentOutput, w.succeed(nil).order.Trigger)
		again(map[string]any{"cidr": "11", "key": "another"})
		it := w.succeed(nil)
		same(w.t, "what it takes", `"11"`, string(it.order.Inputs[1].Value))
		w.wantStatus(child, remuda.BlockSucceeded)
	})
}

func TestAChangeDuringARunQueuesOneMore(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		b := w.order(d, map[string]remuda.Value{"size": value(1)})
		first := w.claim()
		for size := 2; size < 6; size++ {
			got(w.consumer().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Inputs: map[string]remuda.Value{"size": value(size)}}))(w.t)
		}
		same(w.t, "runs", 2, len(w.runs(b)))
		same(w.t, "task of the second", "", w.runs(b)[1].Task)
		same(w.t, "what the first goes by", "1", string(first.order.Inputs[0].Value))
		w.finish(first, remuda.RunReport{}, succeeded)
		w.becomes(b, remuda.BlockPending)
		second := w.succeed(nil)
		same(w.t, "what the second goes by", "5", string(second.order.Inputs[0].Value))
		same(w.t, "its trigger", remuda.TriggerInputs, second.order.Trigger)
		w.wantStatus(b, remuda.BlockSucceeded)
	})
}

func TestACircleIsRefused(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("db", tofu())
		a := w.order(d, nil)
		b := w.order(d, nil, below(a))
		c := w.order(d, nil, below(b))
		for _, parents := range [][]string{{c.ID}, {a.ID}} {
			_, err := w.consumer().ChangeBlock(w.t.Context(), a.ID, remuda.BlockChange{Parents: &parents})
			wantKind(w.t, err, remuda.Invalid)
		}
		got(w.consumer().ChangeBlock(w.t.Context(), c.ID, remuda.BlockChange{Parents: &[]string{a.ID}}))(w.t)
		same(w.t, "parents", []string{a.ID}, w.block(c).Parents)
	})
}

func TestADependencyNeedsAParentOfItsDefinition(t *testing.T) {
	onBoth(t, func(w *town) {
		giver := w.define("network", tofu())
		taker := w.define("machine", with(tofu(), func(v *remuda.Version) { v.Dependencies, v.Inputs = []string{giver.ID}, nil }))
		parent := w.order(giver, map[string]remuda.Value{"size": value(1)})
		w.succeed(nil)
		child := w.order(taker, nil)
		same(w.t, "status", remuda.BlockWaitsForParent, child.Status)
		now := got(w.consumer().ChangeBlock(w.t.Context(), child.ID, remuda.BlockChange{Parents: &[]string{parent.ID}}))(w.t)
		same(w.t, "status", remuda.BlockPending, now.Status)
	})
}

func TestAFailedParentHoldsItsChildUntilItSucceeds(t *testing.T) {
	onBoth(t, func(w *town) {
		giver, taker := w.giverAndTaker()
		parent := w.order(giver, map[string]remuda.Value{"size": value(1)})
		child := w.order(taker, nil, below(parent))
		it := w.claim()
		w.finish(it, remuda.RunReport{}, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: "step 3 failed"})
		now := w.becomes(parent, remuda.BlockFailed)
		same(w.t, "detail", "step 3 failed", now.Detail)
		w.wantStatus(child, remuda.BlockWaitsForParent)
		got(w.consumer().RunBlock(w.t.Context(), parent.ID, remuda.RunRequest{}))(w.t)
		w.succeed(map[string]any{"cidr": "10", "key": "k"})
		w.wantStatus(child, remuda.BlockPending)
	})
}

func TestAChangedChildWaitsForTheRunOfItsParent(t *testing.T) {
	onBoth(t, func(w *town) {
		giver, taker := w.giverAndTaker()
		other := w.release(taker, with(tofu(), func(v *remuda.Version) {
			v.Inputs = got(w.owner().Version(w.t.Context(), taker.ID, 1))(w.t).Inputs
			v.Implementation.OpenTofu.Path = "another"
		}))
		parent := w.order(giver, map[string]remuda.Value{"size": value(1)})
		child := w.order(taker, nil, below(parent), func(b *remuda.Block) { b.Version = 1 })
		w.succeed(map[string]any{"cidr": "10", "key": "k"})
		w.succeed(nil)
		got(w.consumer().RunBlock(w.t.Context(), parent.ID, remuda.RunRequest{}))(w.t)
		now := got(w.consumer().ChangeBlock(w.t.Context(), child.ID, remuda.BlockChange{Version: &other}))(w.t)
		same(w.t, "status while the parent runs", remuda.BlockWaitsForParent, now.Status)
		w.succeed(map[string]any{"cidr": "11", "key": "k"})
		it := w.succeed(nil)
		same(w.t, "what it goes by", []any{2, `"11"`}, []any{it.order.Definition.Version, string(it.order.Inputs[1].Value)})
		same(w.t, "runs of the child", 2, len(w.runs(child)))
	})
}
