package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/nearest"
	"github.com/remuda-dev/remuda/internal/yaml"
)

// inputFlags are the values of a block's inputs, as they are typed.
type inputFlags struct {
	given   []string
	file    string
	secrets *secretFlags
}

func (p *program) inputFlags(c *cobra.Command) *inputFlags {
	in := &inputFlags{}
	c.Flags().StringArrayVarP(&in.given, "input", "i", nil, "value of an input, KEY=VALUE; KEY=@FILE takes it from a file; repeat it for several")
	c.Flags().StringVar(&in.file, "input-file", "", "YAML or JSON file with values by key; --input wins over it")
	in.secrets = p.secretFlags(c, "key of a secret input")
	return in
}

// typed says whether anything was.
func (in *inputFlags) typed() bool {
	return len(in.given)+len(in.secrets.keys)+len(in.secrets.files) > 0 || in.file != ""
}

// read gives the values in the shape of the API. known are the inputs that there are; nil when that cannot be seen.
func (in *inputFlags) read(p *program, known map[string]remuda.Input) (map[string]remuda.Value, error) {
	values := map[string]remuda.Value{}
	if err := in.readFile(values, known); err != nil {
		return nil, failure{exitUsage, err}
	}
	for _, pair := range in.given {
		key, text, found := strings.Cut(pair, "=")
		if !found || key == "" {
			return nil, wrong("--input %s: expected KEY=VALUE", pair)
		}
		if err := isInput(key, known); err != nil {
			return nil, err
		}
		if known[key].Sensitive {
			return nil, wrong("--input %s: it is secret, and other users see arguments; say --secret %s", key, key)
		}
		value, err := typedInput(text, known[key].Type)
		if err != nil {
			return nil, wrong("--input %s: %w", key, err)
		}
		values[key] = remuda.Value{Value: value}
	}
	secrets, err := in.secrets.read(p)
	if err != nil {
		return nil, err
	}
	for key, secret := range secrets {
		if err := isInput(key, known); err != nil {
			return nil, err
		}
		values[key] = remuda.Value{Secret: &secret}
	}
	return values, nil
}

func (in *inputFlags) readFile(values map[string]remuda.Value, known map[string]remuda.Input) error {
	if in.file == "" {
		return nil
	}
	data, err := os.ReadFile(in.file)
	if err != nil {
		return err
	}
	var given map[string]json.RawMessage
	if err := yaml.Decode(in.file, data, &given); err != nil {
		return err
	}
	for key, value := range given {
		if err := isInput(key, known); err != nil {
			return fmt.Errorf("%s: %w", in.file, err)
		}
		if !known[key].Sensitive {
			values[key] = remuda.Value{Value: value}
			continue
		}
		text := string(value)
		var plain string
		if json.Unmarshal(value, &plain) == nil {
			text = plain
		}
		secret := remuda.NewSecret(text)
		values[key] = remuda.Value{Secret: &secret}
	}
	return nil
}

// isInput refuses keys that there are none of, with the one that was meant.
func isInput(key string, known map[string]remuda.Input) error {
	if _, is := known[key]; is || known == nil {
		return nil
	}
	keys := slices.Sorted(maps.Keys(known))
	if meant, ok := nearest.Name(key, keys); ok {
		return wrong("there is no input %q; did you mean %q?", key, meant)
	}
	return wrong("there is no input %q; there are %s", key, strings.Join(keys, ", "))
}

// typedInput makes JSON of what was typed for an input of a type. Without a type it is what it looks like.
func typedInput(text string, of remuda.ValueType) (json.RawMessage, error) {
	name, isFile := strings.CutPrefix(text, "@")
	var data []byte
	if isFile {
		var err error
		if data, err = os.ReadFile(name); err != nil {
			return nil, err
		}
		text = string(data)
	}
	switch of {
	case remuda.TypeInteger:
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return nil, fmt.Errorf("expected a whole number, got %q", text)
		}
		return json.RawMessage(text), nil
	case remuda.TypeBoolean:
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("expected true or false, got %q", text)
		}
		return json.RawMessage(text), nil
	case remuda.TypeList, remuda.TypeMultiSelect:
		return typedList(text)
	case remuda.TypeFile:
		if isFile {
			text = "data:" + http.DetectContentType(data) + ";base64," + base64.StdEncoding.EncodeToString(data)
		}
	case "":
		if json.Valid([]byte(text)) {
			return json.RawMessage(text), nil
		}
	}
	return json.Marshal(text)
}

// typedList takes a JSON list, or words with commas between.
func typedList(text string) (json.RawMessage, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		var list []any
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return nil, fmt.Errorf("expected a JSON list, or words with commas between: %w", err)
		}
		return json.RawMessage(text), nil
	}
	words := []string{}
	if text != "" {
		words = strings.Split(text, ",")
	}
	return json.Marshal(words)
}

// valueText is a value as people read it.
func valueText(v remuda.Value) string {
	if v.Hash != "" || v.Secret != nil {
		return "(secret)"
	}
	var text string
	switch {
	case string(v.Value) == "null":
		return ""
	case json.Unmarshal(v.Value, &text) == nil:
		return text
	}
	return string(v.Value)
}
