package jobfile

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/remuda-dev/remuda/internal/yaml"
)

//go:embed job.schema.json
var schema []byte

// Schema is the JSON Schema of job files, for editors: draft 2020-12. It is published as docs/job.schema.json.
func Schema() []byte { return bytes.Clone(schema) }

// Validate holds a job file to the rules of Parse, without looking up secrets, and to the published schema, so that
// whoever trusts the schema is not surprised by the other.
func Validate(name string, data []byte) error {
	if _, err := Parse(name, data, nil); err != nil {
		return err
	}
	return validate(name, data)
}

// validate holds a job file to the schema alone.
func validate(name string, data []byte) error {
	compiled, err := compile()
	if err != nil {
		return fmt.Errorf("compile the job file's schema: %w", err)
	}
	raw := json.RawMessage("null")
	if err := yaml.Decode(name, data, &raw); err != nil {
		return err
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("read %s as JSON: %w", name, err)
	}
	err = compiled.Validate(instance)
	var wrong *jsonschema.ValidationError
	if !errors.As(err, &wrong) {
		return err
	}
	var problems yaml.Problems
	for _, leaf := range leaves(wrong, nil) {
		pointer := ""
		for _, part := range leaf.InstanceLocation {
			pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
		}
		line, column := yaml.Position(data, pointer)
		problems = append(problems, yaml.Problem{File: name, Line: line, Column: column,
			Path:    strings.Join(leaf.InstanceLocation, "."),
			Message: leaf.ErrorKind.LocalizedString(message.NewPrinter(language.English))})
	}
	return problems
}

func compile() (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	const at = "job.schema.json"
	if err := compiler.AddResource(at, document); err != nil {
		return nil, err
	}
	return compiler.Compile(at)
}

// leaves are the failures that others only sum up.
func leaves(e *jsonschema.ValidationError, found []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return append(found, e)
	}
	for _, cause := range e.Causes {
		found = leaves(cause, found)
	}
	return found
}
