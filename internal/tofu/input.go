package tofu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// What is generated. Variables are read in the order of their files' names, so those of a module that brings files of
// its own win.
const (
	valuesName       = "0-remuda"
	declarationsName = "remuda_variables"
	backendName      = "remuda_backend"
	outputsName      = "zz-remuda-outputs" // after a module's own overrides
)

// writeInputs gives the inputs to the module: as values of its variables, as files, or later as environment.
func (r *run) writeInputs(context.Context) error {
	values, undeclared := map[string]json.RawMessage{}, map[string]any{}
	for _, input := range r.order.Inputs {
		v, err := open(input, r.task.Secrets)
		if err != nil {
			return refuse("the input %q: %s", input.Key, err)
		}
		if v.file != nil {
			if err := r.writeFile(&v); err != nil {
				return err
			}
		}
		r.inputs = append(r.inputs, v)
		declared := r.module.variables[v.Key]
		switch {
		case v.Environment, v.file != nil && !declared:
			continue
		case !declared && !hclsyntax.ValidIdentifier(v.Key):
			return refuse("the input %q: no variable can be called so", v.Key)
		case !declared:
			undeclared[v.Key] = declarationOf(v)
		}
		if !v.absent() {
			values[v.Key] = v.json
		}
	}
	if err := r.generateJSON(valuesName, ".auto.tfvars.json", len(values), values); err != nil {
		return err
	}
	if err := r.generateJSON(declarationsName, ".tf.json", len(undeclared), map[string]any{"variable": undeclared}); err != nil {
		return err
	}
	if err := r.hideOutputs(); err != nil {
		return err
	}
	r.tell("inputs: %d, of which the module does not declare %d", len(r.inputs), len(undeclared))
	return nil
}

// hideOutputs has OpenTofu take for secret what the version says is, whatever the module says: else it would print it. A
// file whose name ends so is merged into what it repeats.
func (r *run) hideOutputs() error {
	secret := map[string]any{}
	for key, output := range r.order.Outputs {
		if output.Sensitive && r.module.outputs[key] {
			secret[key] = map[string]any{"sensitive": true}
		}
	}
	return r.generateJSON(outputsName, "_override.tf.json", len(secret), map[string]any{"output": secret})
}

// declarationOf declares a variable that the module does not: of any type.
func declarationOf(v value) map[string]any {
	declaration := map[string]any{}
	if v.Secret != "" {
		declaration["sensitive"] = true
	}
	if v.absent() {
		declaration["default"] = nil
	}
	return declaration
}

func (r *run) generateJSON(stem, suffix string, members int, document any) error {
	if members == 0 {
		return nil
	}
	data, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return errors.New("the inputs cannot be written as JSON") // The encoder's own words may quote one.
	}
	return r.generate(stem, suffix, append(data, '\n'))
}

// writeFile makes an input's file. A variable of the same name, in the module or in the environment, gets its path.
func (r *run) writeFile(v *value) error {
	path := filepath.Join(r.folder(), v.Key)
	switch err := create(path, v.file); {
	case errors.Is(err, os.ErrExist):
		return refuse("the input %q would overwrite a file of the module", v.Key)
	case err != nil:
		return fmt.Errorf("write the input %q: %w", v.Key, err)
	}
	v.text = path
	given, err := json.Marshal(path)
	v.json = given
	return err
}
