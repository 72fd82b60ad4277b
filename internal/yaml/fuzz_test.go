package yaml_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda/internal/yaml"
)

// FuzzDecode reads anything: it ends, panics nowhere, names a place for every problem, and what it reads is JSON
// that reads the same when it is written as YAML again.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		"", "name: x\n", "- a\n- b\n", "a: &a [1, *a]", "a: &a {b: c}\nd:\n  <<: *a\n", "<<: [*a]", "? [a]\n: b",
		"a: !!str 5\nb: !!int 0x10\nc: !x y", "a: |2-\n   b\n  c\n", "a: >+\n b\n\n c\n\n", "'it''s': \"\\u00e9\\x41\"",
		"%YAML 1.2\n--- a\n...\n--- b", "{a: [b, {c: d}], e}", "- - - - a", "steps:\n  - run: {timeout: ten}\n  - x",
		"n: [0o7, 0x1F, 0b1, 1_0, +1, -0, 1e3, .5, .inf, .nan, 1e400, 2024-01-02]", "\ufeffa: b", "a:\r\n  b: c\r\n",
		"a: b\n a: c", "a:\n\t- b", "\"unclosed", "a: 'b\n\n  c'", "key with spaces: [~, null, Null, '']", "a: *b", "\x00",
		"environment: {A: 1.50, B: , C: [x]}", "inputs: {a: [1, 2.5, {b: null}]}", "labels: {a: 1, a: 2}", "a: \x85b",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var written job
		placed(t, yaml.Decode("f", text, &written))
		yaml.Position(text, "/a/0/b")

		var raw json.RawMessage
		var plain any
		err := yaml.Decode("f", text, &raw)
		placed(t, err)
		if again := yaml.Decode("f", text, &plain); (err == nil) != (again == nil) {
			t.Fatalf("as JSON: %v; as any value: %v", err, again)
		}
		if err != nil || raw == nil {
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("%q is not JSON", raw)
		}
		encoded, err := yaml.Encode(raw)
		if err != nil {
			t.Fatal(err)
		}
		var back json.RawMessage
		if err := yaml.Decode("f", encoded, &back); err != nil || string(back) != string(raw) {
			t.Fatalf("%s\nwas written as\n%s\nand reads as %s, %v", raw, encoded, back, err)
		}
	})
}

func placed(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var problems yaml.Problems
	if !errors.As(err, &problems) || len(problems) == 0 || len(problems) > 20 {
		t.Fatalf("got %v", err)
	}
	for _, p := range problems {
		if p.File != "f" || p.Line < 1 || p.Column < 1 || p.Message == "" || strings.Contains(p.Error(), "\n") ||
			strings.Contains(p.Message, "runtime error") || len(p.Error()) > 1000 {
			t.Fatalf("got %+v", p)
		}
	}
}
