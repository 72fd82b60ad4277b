package tofu

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/remuda-dev/remuda"
)

// output is one of a module's, as a state and `tofu output -json` tell it.
type output struct {
	Sensitive bool            `json:"sensitive"`
	Type      json.RawMessage `json:"type"` // a word, or a list that begins with one
	Value     json.RawMessage `json:"value"`
}

// stateVersion is the version of a state's form that this knows. An encrypted state has none.
const stateVersion = 4

// outputsOf are the outputs in a state; readable is false when it is encrypted, or of a form that this does not know.
func outputsOf(state []byte) (outputs map[string]output, readable bool) {
	var known struct {
		Version int               `json:"version"`
		Outputs map[string]output `json:"outputs"`
	}
	err := json.Unmarshal(state, &known)
	return known.Outputs, err == nil && known.Version == stateVersion
}

// readOutputs reports the module's outputs.
func (r *run) readOutputs(ctx context.Context) error {
	known, err := r.outputs(ctx)
	if err != nil {
		return err
	}
	report := remuda.RunReport{Outputs: map[string]remuda.RunOutput{}}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		o := known[key]
		if o.Sensitive {
			r.hide(o.Value)
		}
		report.Outputs[key] = meaning(o)
		r.tell("output %s: %s", key, shown(report.Outputs[key]))
	}
	return r.plane.ReportRun(ctx, report)
}

// outputs are the module's: those of the state that tofu wrote last, where it went through our hands and can be read.
func (r *run) outputs(ctx context.Context) (map[string]output, error) {
	if r.backend != nil {
		if known, readable := outputsOf(r.backend.state()); readable {
			return known, nil
		}
	}
	text, err := r.ask(ctx, "output", "-json")
	if err != nil {
		return nil, err
	}
	var known map[string]output
	if err := json.Unmarshal(text, &known); err != nil {
		return nil, errors.New("the outputs that tofu printed cannot be read") // The decoder's words may quote one.
	}
	return known, nil
}

// hide hides a secret value in what is printed from now on.
func (r *run) hide(secret json.RawMessage) {
	if r.backend != nil {
		return // which saw it in the state
	}
	for _, text := range secretsIn(secret) {
		if err := r.task.Mask(text); err != nil {
			r.task.Log.Warn("a secret output is not hidden in what the run prints", "error", err)
		}
	}
}

// meaning is an output in the types of building blocks.
func meaning(o output) remuda.RunOutput {
	var kind string
	_ = json.Unmarshal(o.Type, &kind)
	given := remuda.RunOutput{Type: remuda.TypeCode, Value: o.Value, Sensitive: o.Sensitive}
	switch {
	case kind == "string" && string(o.Value) != "null":
		given.Type = remuda.TypeString
	case kind == "bool" && string(o.Value) != "null":
		given.Type = remuda.TypeBoolean
	case kind == "number" && isInteger(o.Value):
		given.Type = remuda.TypeInteger
	default:
		text, err := json.Marshal(string(o.Value)) // Code is text.
		if err == nil {
			given.Value = text
		}
	}
	return given
}

func isInteger(value json.RawMessage) bool {
	var n int64
	return json.Unmarshal(value, &n) == nil && string(value) != "null"
}

// longestShown bounds what is printed of a value.
const longestShown = 200

func shown(o remuda.RunOutput) string {
	if o.Sensitive {
		return "(secret)"
	}
	if len(o.Value) > longestShown {
		return string(o.Value[:longestShown]) + "…"
	}
	return string(o.Value)
}

// secretsIn are the texts in a secret value, each of which is hidden: itself, and what it consists of.
func secretsIn(value json.RawMessage) []string {
	var found []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if len(v) >= remuda.ShortestSecret {
				found = append(found, v)
			}
		case json.Number:
			if len(v) >= remuda.ShortestSecret {
				found = append(found, v.String())
			}
		case []any:
			for _, element := range v {
				walk(element)
			}
		case map[string]any:
			for _, element := range v {
				walk(element)
			}
		}
	}
	if decoded, err := decode(value); err == nil {
		walk(decoded)
	}
	return found
}
