package blocks_test

import (
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

func manual(approval bool) remuda.Version {
	return remuda.Version{
		Approval: approval,
		Inputs: map[string]remuda.Input{
			"size":   {Type: remuda.TypeInteger, Assignment: remuda.AssignUser},
			"colour": {Type: remuda.TypeMultiSelect, Assignment: remuda.AssignUser, Choices: []string{"red", "blue"}},
			"ticket": {Type: remuda.TypeString, Assignment: remuda.AssignOperator, Optional: approval},
			"secret": {Type: remuda.TypeString, Assignment: remuda.AssignUser, Sensitive: true},
		},
		Outputs: map[string]remuda.Output{"ticket": {Name: "Ticket", Assignment: remuda.AssignOutputSummary}},
	}
}

func given() map[string]remuda.Value {
	return map[string]remuda.Value{"size": value(3), "colour": value([]string{"red"}), "secret": hidden("s3cret-value")}
}

func TestTheOutputsOfAManualVersionFollowFromItsInputs(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("desk", manual(false))
		v := got(w.owner().Version(w.t.Context(), d.ID, 1))(w.t)
		same(w.t, "outputs", map[string]remuda.Output{
			"size": {Type: remuda.TypeInteger}, "colour": {Type: remuda.TypeCode}, "secret": {Type: remuda.TypeString, Sensitive: true},
			"ticket": {Name: "Ticket", Type: remuda.TypeString, Assignment: remuda.AssignOutputSummary},
		}, v.Outputs)
		_, err := w.owner().CreateVersion(w.t.Context(), d.ID, with(manual(false), func(v *remuda.Version) {
			v.Outputs = map[string]remuda.Output{"more": {Type: remuda.TypeString}}
		}))
		wantKind(w.t, err, remuda.Invalid)
	})
}

func TestAManualBlockHasSucceededWhenAllIsGiven(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("desk", manual(false))
		b := w.order(d, given())
		same(w.t, "status", remuda.BlockWaitsForOperator, b.Status)
		b = got(w.owner().ChangeBlock(w.t.Context(), b.ID, remuda.BlockChange{Inputs: map[string]remuda.Value{"ticket": value("T-1")}}))(w.t)
		same(w.t, "status", remuda.BlockSucceeded, b.Status)
		same(w.t, "outputs", map[string]remuda.Value{
			"size": value(3), "colour": value(`["red"]`), "ticket": value("T-1"), "secret": {Hash: b.Inputs["secret"].Hash},
		}, b.Outputs)
		b = got(w.consumer().DeleteBlock(w.t.Context(), b.ID, false))(w.t)
		same(w.t, "lifecycle", remuda.LifecycleDeleted, b.Lifecycle)
		same(w.t, "tasks", "", w.runs(b)[0].Task)
	})
}

func TestAManualRunWithApprovalIsFinishedByTheDefinitionsOwner(t *testing.T) {
	onBoth(t, func(w *town) {
		d := w.define("desk", manual(true))
		b := w.order(d, given())
		same(w.t, "status", remuda.BlockInProgress, b.Status)
		outputs := map[string]remuda.Value{"ticket": value("T-2"), "secret": hidden("an0ther")}
		_, err := w.consumer().FinishManualRun(w.t.Context(), b.LatestRun, remuda.RunSucceeded, outputs)
		wantKind(w.t, err, remuda.Forbidden)
		_, err = w.owner().FinishManualRun(w.t.Context(), b.LatestRun, remuda.RunSucceeded, map[string]remuda.Value{"none": value(1), "size": value("x")})
		wantKind(w.t, err, remuda.Invalid)
		same(w.t, "fields", 2, len(fieldsOf(err)))
		byHand := func() (ids []string) {
			for _, run := range got(w.owner().Runs(w.t.Context(), blocks.RunFilter{ByHand: true}, blocks.Span{}))(w.t).Items {
				ids = append(ids, run.ID)
			}
			return ids
		}
		same(w.t, "to do by hand", []string{b.LatestRun}, byHand())
		got(w.owner().FinishManualRun(w.t.Context(), b.LatestRun, remuda.RunSucceeded, outputs))(w.t)
		same(w.t, "to do by hand afterwards", []string(nil), byHand())
		now := w.wantStatus(b, remuda.BlockSucceeded)
		same(w.t, "ticket", value("T-2"), now.Outputs["ticket"])
		_, err = w.owner().FinishManualRun(w.t.Context(), b.LatestRun, remuda.RunFailed, nil)
		wantKind(w.t, err, remuda.Conflict)
	})
}
