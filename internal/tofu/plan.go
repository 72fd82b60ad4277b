package tofu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"

	"github.com/remuda-dev/remuda"
)

// planned is what `tofu show -json` prints of a plan, as far as it is told on. See
// https://opentofu.org/docs/internals/json-format.
type planned struct {
	ResourceChanges []changed `json:"resource_changes"`
	ResourceDrift   []changed `json:"resource_drift"`
	OutputChanges   map[string]struct {
		Actions []string `json:"actions"`
	} `json:"output_changes"`
}

type changed struct {
	Address string `json:"address"`
	Type    string `json:"type"`
	Change  change `json:"change"`
}

type change struct {
	Actions         []string        `json:"actions"`
	Before          json.RawMessage `json:"before"`
	After           json.RawMessage `json:"after"`
	AfterUnknown    json.RawMessage `json:"after_unknown"`
	BeforeSensitive json.RawMessage `json:"before_sensitive"`
	AfterSensitive  json.RawMessage `json:"after_sensitive"`
	Importing       json.RawMessage `json:"importing"`
}

// Bounds of what is told of a plan.
const (
	mostResources = 2000
	mostOutputs   = 1000
	longestMember = 8 << 10 // of a value's JSON
	longestPlan   = 2 << 20 // of all values together
)

// summary is what the plan does, without anything secret.
func (r *run) summary(ctx context.Context) (*remuda.PlanSummary, error) {
	text, err := r.ask(ctx, "show", "-json", r.planPath())
	if err != nil {
		return nil, err
	}
	var plan planned
	if err := json.Unmarshal(text, &plan); err != nil {
		return nil, errors.New("the plan that tofu printed cannot be read") // The decoder's words may quote a value.
	}
	return summarise(plan, r.task.Hide), nil
}

// summarise tells what a plan does. hide takes known secrets out of a text.
func summarise(plan planned, hide func(string) string) *remuda.PlanSummary {
	s := &remuda.PlanSummary{}
	room := longestPlan
	for _, resource := range plan.ResourceChanges {
		if count(s, resource.Change) {
			add(s, resource, false, hide, &room)
		}
	}
	for _, resource := range plan.ResourceDrift {
		if !slices.Equal(resource.Change.Actions, []string{"no-op"}) {
			add(s, resource, true, hide, &room)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(plan.OutputChanges)) {
		if slices.Equal(plan.OutputChanges[key].Actions, []string{"no-op"}) {
			continue
		}
		if len(s.Outputs) == mostOutputs {
			s.Cut = true
			break
		}
		s.Outputs = append(s.Outputs, key)
	}
	return s
}

// count counts a change, and tells whether it is one.
func count(s *remuda.PlanSummary, c change) bool {
	imported := len(c.Importing) > 0 && string(c.Importing) != "null"
	if imported {
		s.Import++
	}
	told := imported
	for _, action := range c.Actions {
		switch action {
		case "create":
			s.Add++
		case "update":
			s.Change++
		case "delete":
			s.Destroy++
		case "no-op", "read":
			continue
		}
		told = true
	}
	return told
}

// add tells of one resource, with the members that change.
func add(s *remuda.PlanSummary, resource changed, drift bool, hide func(string) string, room *int) {
	if len(s.Resources) == mostResources {
		s.Cut = true
		return
	}
	told := remuda.ResourceChange{Address: hide(resource.Address), Type: resource.Type, Actions: resource.Change.Actions, Drift: drift}
	c := resource.Change
	before, after := concealed(c.Before, c.BeforeSensitive), concealed(c.After, c.AfterSensitive)
	unknown, _ := decodeMap(c.AfterUnknown)
	for _, name := range members(before, after, unknown) {
		was, hadBefore := before[name]
		is, hasAfter := after[name]
		if hadBefore == hasAfter && reflect.DeepEqual(was, is) && !isOpen(unknown[name]) {
			continue
		}
		if hadBefore || !hasAfter { // one that is new, and known after the APPLY alone, was nothing before
			told.Before = put(told.Before, name, was, hide, room)
		}
		if hasAfter {
			told.After = put(told.After, name, is, hide, room)
		}
	}
	s.Resources = append(s.Resources, told)
}

// isOpen is whether anything of a value is not known before the APPLY.
func isOpen(unknown any) bool { return unknown != nil && unknown != false }

func members(maps ...map[string]any) []string {
	var names []string
	for _, m := range maps {
		for name := range m {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// put adds a member, as far as there is room.
func put(to map[string]json.RawMessage, name string, v any, hide func(string) string, room *int) map[string]json.RawMessage {
	if to == nil {
		to = map[string]json.RawMessage{}
	}
	text, err := json.Marshal(masked(v, hide))
	if err != nil || len(text) > longestMember || len(text) > *room {
		text = []byte(`"(too long to show)"`)
	}
	*room -= len(text)
	to[hide(name)] = text
	return to
}

// secretValue stands for one that tofu knows to be secret.
const secretValue = "(secret)"

// concealed are a resource's values without those that its sensitive mask names.
func concealed(values, mask json.RawMessage) map[string]any {
	decoded, err := decodeMap(values)
	if err != nil {
		return nil
	}
	sensitive, err := decode(mask)
	if err != nil {
		sensitive = nil
	}
	if sensitive == true {
		for name := range decoded {
			decoded[name] = secretValue
		}
		return decoded
	}
	known, _ := conceal(decoded, sensitive).(map[string]any)
	return known
}

// conceal replaces what mask says true of: masks have the form of the values that they are for.
func conceal(v, mask any) any {
	switch mask := mask.(type) {
	case bool:
		if mask {
			return secretValue
		}
	case map[string]any:
		if known, ok := v.(map[string]any); ok {
			for name, inner := range mask {
				if value, ok := known[name]; ok {
					known[name] = conceal(value, inner)
				}
			}
		}
	case []any:
		if known, ok := v.([]any); ok {
			for i, inner := range mask {
				if i < len(known) {
					known[i] = conceal(known[i], inner)
				}
			}
		}
	}
	return v
}

// masked hides known secrets in all texts of a value.
func masked(v any, hide func(string) string) any {
	switch v := v.(type) {
	case string:
		return hide(v)
	case json.Number:
		if hidden := hide(v.String()); hidden != v.String() {
			return hidden
		}
		return v
	case []any:
		for i := range v {
			v[i] = masked(v[i], hide)
		}
		return v
	case map[string]any:
		hidden := make(map[string]any, len(v))
		for name, inner := range v {
			hidden[hide(name)] = masked(inner, hide)
		}
		return hidden
	}
	return v
}

// decode reads JSON with numbers as they are written.
func decode(text json.RawMessage) (any, error) {
	if len(text) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	err := decoder.Decode(&v)
	return v, err
}

func decodeMap(text json.RawMessage) (map[string]any, error) {
	v, err := decode(text)
	known, _ := v.(map[string]any)
	return known, err
}
