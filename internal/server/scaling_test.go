package server

import (
	"encoding/json"
	"testing"
)

// What KEDA's metrics-api scaler does: a GET with a bearer token, and the number at a member's name.
func TestAnAutoscalerReadsTheScalingSignal(t *testing.T) {
	w := newTown(t)
	w.want(201, "POST", v1+"/tasks", w.admin, helloJob)
	for _, token := range []string{w.viewer, w.class, w.admin} {
		var numbers map[string]any
		body := w.want(200, "GET", v1+"/resource-classes/acme/linux/scaling", token, nil).body
		if err := json.Unmarshal(body, &numbers); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]float64{"queued": 1, "runnable": 1, "running": 0, "idle": 0, "capacity": 0} {
			if got, ok := numbers[name].(float64); !ok || got != want {
				t.Errorf("%s is %v, want %v, in %s", name, numbers[name], want, body)
			}
		}
		if _, ok := numbers["oldest_age"].(float64); !ok {
			t.Errorf("oldest_age is no number in %s", body)
		}
	}
	w.want(403, "GET", v1+"/resource-classes/acme/none/scaling", w.class, nil)
	w.want(404, "GET", v1+"/resource-classes/acme/none/scaling", w.viewer, nil)
}
