package meshstackplane_test

import (
	"errors"
	"testing"

	"github.com/remuda-dev/remuda"
)

func TestAnAsynchronousRunIsLeftInProgressToWhatItSetGoing(t *testing.T) {
	v := newVendor(t)
	h := v.hire(newPlace(t))
	v.offer(v.run(runUUID, "run-token-1", func(run m) {
		run["spec"].(m)["buildingBlockDefinition"].(m)["spec"].(m)["implementation"].(m)["async"] = true
	}))
	claim := h.claim()
	task := h.task(claim)
	trigger := remuda.Step{Name: "trigger", State: remuda.StepPending}
	_, err := task.Begin(t.Context(), remuda.Begin{Steps: []remuda.Step{trigger}})
	h.ok(err)
	if token, err := task.RunToken(t.Context()); err != nil || token != (remuda.RunToken{Token: "run-token-1", URL: v.server.URL}) {
		t.Errorf("others are to report by %+v (%v)", token, err)
	}
	trigger.State = remuda.StepSucceeded
	h.ok(task.Steps(t.Context(), []remuda.Step{trigger}))
	h.ok(h.finish(claim.ID, remuda.Result{State: remuda.Succeeded, External: true}))
	v.await("the last report", func(h heard) bool {
		if h.Method != "PATCH" || h.json["status"] != "IN_PROGRESS" {
			return false
		}
		steps, _ := h.json["steps"].([]any)
		return len(steps) == 1 && steps[0].(m)["id"] == "trigger" && steps[0].(m)["status"] == "SUCCEEDED"
	})
	if n := v.many("PATCH", "/status/source/remuda"); n == 0 {
		t.Error("no report was made")
	}
	if _, err := h.plane.Task(claim.ID, claim.Token).Begin(t.Context(), remuda.Begin{}); !errors.Is(err, remuda.Gone) {
		t.Errorf("a claim that was left is answered %v", err)
	}
}

func TestARunThatIsNotAsynchronousGivesItsTokenToNobody(t *testing.T) {
	v := newVendor(t)
	h := v.hire(newPlace(t))
	v.offer(v.run(runUUID, "run-token-1"))
	if token, err := h.task(h.claim()).RunToken(t.Context()); !errors.Is(err, remuda.Forbidden) || token.Token != "" {
		t.Errorf("others are to report by %+v (%v)", token, err)
	}
}
