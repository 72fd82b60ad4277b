package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/nearest"
)

// document walks over JSON that is known to be well-formed, to say where in it something is.
type document struct {
	data     []byte
	registry huma.Registry

	problems []remuda.Field // members that nobody knows, or that are there twice
	ignored  int            // members that nobody knows, where programs speak
	want     string         // the path that find looks for
	found    int            // where it is; -1 until then
}

// deepest is how far values may lie within each other; ours lie six deep.
const deepest = 64

// check compares every member with what the schema knows.
func (d *document) check(schema *huma.Schema) error {
	d.found = -1
	if d.value(0, []byte("body"), schema, 0) < 0 {
		return remuda.Fail(remuda.Invalid, fmt.Sprintf("the body nests values more than %d deep; send a flatter document", deepest))
	}
	return nil
}

// find gives the place of the value at a path such as body.steps[2].name.
func (d *document) find(path string) (int, bool) {
	d.want, d.found = path, -1
	d.value(0, []byte("body"), nil, 0)
	return d.found, d.found >= 0
}

// value walks over the value at offset at and returns where it ends, or -1 when it is too deep.
func (d *document) value(at int, path []byte, schema *huma.Schema, depth int) int {
	at = d.space(at)
	if d.want != "" && d.found < 0 && string(path) == d.want {
		d.found = at
	}
	if depth > deepest {
		return -1
	}
	switch d.data[at] {
	case '{':
		return d.object(at, path, d.resolve(schema), depth)
	case '[':
		return d.array(at, path, d.resolve(schema), depth)
	case '"':
		return d.text(at)
	}
	for at < len(d.data) && !strings.ContainsRune(" \t\r\n,]}", rune(d.data[at])) {
		at++
	}
	return at
}

func (d *document) object(at int, path []byte, schema *huma.Schema, depth int) int {
	seen := map[string]bool{}
	for at = d.space(at + 1); d.data[at] != '}'; at = d.space(at) {
		if d.data[at] == ',' {
			at = d.space(at + 1)
		}
		end := d.text(at)
		name := d.name(at, end)
		below := append(path[:len(path):len(path)], '.')
		below = append(below, name...)
		member := d.member(schema, name, below, at)
		if seen[name] {
			d.report(at, below, fmt.Sprintf("member %q is there twice", name))
		}
		seen[name] = true
		at = d.space(end) + 1 // the colon
		if at = d.value(at, below, member, depth+1); at < 0 {
			return -1
		}
	}
	return at + 1
}

func (d *document) array(at int, path []byte, schema *huma.Schema, depth int) int {
	var items *huma.Schema
	if schema != nil {
		items = schema.Items
	}
	for at, i := d.space(at+1), 0; ; at, i = d.space(at), i+1 {
		if d.data[at] == ']' {
			return at + 1
		}
		if d.data[at] == ',' {
			at++
		}
		below := append(path[:len(path):len(path)], '[')
		below = append(strconv.AppendInt(below, int64(i), 10), ']')
		if at = d.value(at, below, items, depth+1); at < 0 {
			return -1
		}
	}
}

// member is the schema of a member, or nil where there is none to hold it against.
func (d *document) member(schema *huma.Schema, name string, path []byte, at int) *huma.Schema {
	if schema == nil {
		return nil
	}
	if known, ok := schema.Properties[name]; ok {
		return known
	}
	if any, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		return any
	}
	if schema.Properties == nil {
		return nil
	}
	// encoding/json takes a member for one that differs in case alone, unseen by the schema's rules: never let it.
	names := slices.Sorted(maps.Keys(schema.Properties))
	sameButCase := slices.ContainsFunc(names, func(known string) bool { return strings.EqualFold(known, name) })
	if tolerant, _ := schema.AdditionalProperties.(bool); tolerant && !sameButCase {
		d.ignored++
		return nil
	}
	message := fmt.Sprintf("unknown member %q", name)
	if meant, ok := nearest.Name(name, names); ok {
		message += fmt.Sprintf("; did you mean %q?", meant)
	}
	d.report(at, path, message)
	return nil
}

// mostProblems is how many wrong members one answer names.
const mostProblems = 20

func (d *document) report(at int, path []byte, message string) {
	if len(d.problems) == mostProblems {
		return
	}
	line, column := lineColumn(d.data, at)
	d.problems = append(d.problems, remuda.Field{Location: string(path), Message: fmt.Sprintf("line %d, column %d: %s", line, column, message)})
}

// resolve follows a schema's reference.
func (d *document) resolve(schema *huma.Schema) *huma.Schema {
	for schema != nil && schema.Ref != "" {
		schema = d.registry.SchemaFromRef(schema.Ref)
	}
	return schema
}

// space is the first offset from at on that is not white space.
func (d *document) space(at int) int {
	for at < len(d.data) && (d.data[at] == ' ' || d.data[at] == '\t' || d.data[at] == '\r' || d.data[at] == '\n') {
		at++
	}
	return at
}

// text is where the string that starts at at ends.
func (d *document) text(at int) int {
	for at++; d.data[at] != '"'; at++ {
		if d.data[at] == '\\' {
			at++
		}
	}
	return at + 1
}

// name is what the string from at to end says.
func (d *document) name(at, end int) string {
	quoted := d.data[at:end]
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var name string
	_ = json.Unmarshal(quoted, &name) // It is well-formed.
	return name
}

// lineColumn tells an offset as people count: from 1, a column being a character.
func lineColumn(data []byte, at int) (line, column int) {
	before := data[:max(0, min(at, len(data)))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}
