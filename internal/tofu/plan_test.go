package tofu

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
)

// summaryOf summarises a plan as tofu prints it.
func summaryOf(t *testing.T, text string) *remuda.PlanSummary {
	t.Helper()
	var plan planned
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		t.Fatal(err)
	}
	return summarise(plan, func(text string) string { return strings.ReplaceAll(text, "known-secret", "***") })
}

func TestASummaryTellsWhatChangesAndNothingSecret(t *testing.T) {
	got := summaryOf(t, `{
	  "resource_changes": [
	    {"address": "a.new", "type": "a", "change": {"actions": ["create"], "before": null,
	      "after": {"name": "n", "password": "hidden", "list": [{"k": "hidden", "open": 1}], "said": "has known-secret", "pin": 12345},
	      "after_unknown": {"id": true}, "before_sensitive": false, "after_sensitive": {"password": true, "list": [{"k": true}]}}},
	    {"address": "a.changed", "type": "a", "change": {"actions": ["update"],
	      "before": {"same": 1, "size": 1.50}, "after": {"same": 1, "size": 2}, "after_unknown": {}, "before_sensitive": {}, "after_sensitive": {}}},
	    {"address": "a.replaced", "type": "a", "change": {"actions": ["delete", "create"], "before": {"x": 1}, "after": {"x": 2}}},
	    {"address": "a.gone", "type": "a", "change": {"actions": ["delete"], "before": {"all": "hidden"}, "after": null, "before_sensitive": true}},
	    {"address": "a.same", "type": "a", "change": {"actions": ["no-op"], "before": {}, "after": {}}},
	    {"address": "a.read", "type": "a", "change": {"actions": ["read"], "before": null, "after": {}}},
	    {"address": "a.found", "type": "a", "change": {"actions": ["no-op"], "before": {}, "after": {}, "importing": {"id": "i"}}}
	  ],
	  "resource_drift": [{"address": "a.drifted", "type": "a", "change": {"actions": ["update"], "before": {"x": 1}, "after": {"x": 2}}}],
	  "output_changes": {"b": {"actions": ["create"]}, "a": {"actions": ["update"]}, "same": {"actions": ["no-op"]}}
	}`)
	text := func(members ...string) map[string]json.RawMessage {
		all := map[string]json.RawMessage{}
		for n := 0; n < len(members); n += 2 {
			all[members[n]] = json.RawMessage(members[n+1])
		}
		return all
	}
	want := &remuda.PlanSummary{
		Add: 2, Change: 1, Destroy: 2, Import: 1,
		Outputs: []string{"a", "b"},
		Resources: []remuda.ResourceChange{
			{Address: "a.new", Type: "a", Actions: []string{"create"}, Before: text("id", "null"), After: text("name", `"n"`, "password", `"(secret)"`, "list", `[{"k":"(secret)","open":1}]`, "said", `"has ***"`, "pin", `12345`)},
			{Address: "a.changed", Type: "a", Actions: []string{"update"}, Before: text("size", "1.50"), After: text("size", "2")},
			{Address: "a.replaced", Type: "a", Actions: []string{"delete", "create"}, Before: text("x", "1"), After: text("x", "2")},
			{Address: "a.gone", Type: "a", Actions: []string{"delete"}, Before: text("all", `"(secret)"`)},
			{Address: "a.found", Type: "a", Actions: []string{"no-op"}},
			{Address: "a.drifted", Type: "a", Actions: []string{"update"}, Drift: true, Before: text("x", "1"), After: text("x", "2")},
		},
	}
	asText := cmp.Transformer("text", func(raw json.RawMessage) string { return string(raw) })
	if diff := cmp.Diff(want, got, asText); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestASummaryIsBounded(t *testing.T) {
	var changes []string
	for n := range mostResources + 1 {
		changes = append(changes, fmt.Sprintf(`{"address": "a.b[%d]", "type": "a", "change": {"actions": ["create"], "after": {"long": %q, "longest": %q}}}`,
			n, strings.Repeat("x", 4<<10), strings.Repeat("x", longestMember)))
	}
	s := summaryOf(t, `{"resource_changes": [`+strings.Join(changes, ",")+`]}`)
	if !s.Cut || len(s.Resources) != mostResources || s.Add != mostResources+1 {
		t.Errorf("cut is %v, %d resources, %d to add", s.Cut, len(s.Resources), s.Add)
	}
	text, err := json.Marshal(s)
	if err != nil || len(text) > 3<<20 {
		t.Errorf("it has %d bytes (%v)", len(text), err)
	}
	if got := string(s.Resources[0].After["longest"]); got != `"(too long to show)"` {
		t.Errorf("what is too long is %.40s", got)
	}
}
