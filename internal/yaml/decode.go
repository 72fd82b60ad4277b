package yaml

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/remuda-dev/remuda/internal/nearest"
)

// decoder reads nodes into Go values and goes on after a problem.
type decoder struct {
	problems Problems
	structs  map[reflect.Type]members
}

// value reads n into target, which can be set.
func (d *decoder) value(n *Node, target reflect.Value) {
	if d.problems.full() || d.itself(n, target) {
		return
	}
	switch kind := target.Kind(); kind {
	case reflect.Pointer:
		d.pointer(n, target)
	case reflect.Interface:
		d.any(n, target)
	case reflect.Struct:
		d.structure(n, target)
	case reflect.Map:
		d.mapping(n, target)
	case reflect.Slice:
		d.list(n, target)
	default:
		d.scalar(n, target)
	}
}

func (d *decoder) refuse(n *Node, expected string) {
	d.problems.add(n.problem("expected " + expected + ", got " + n.describe()))
}

// itself lets a type read itself, if it can.
func (d *decoder) itself(n *Node, target reflect.Value) bool {
	if !target.CanAddr() {
		return false
	}
	address := target.Addr()
	if address.Type() == reflect.TypeFor[*json.RawMessage]() {
		d.raw(n, address.Interface().(*json.RawMessage))
		return true
	}
	if reader, ok := address.Interface().(Unmarshaler); ok {
		d.problems.take(n, reader.UnmarshalYAMLNode(n))
		return true
	}
	reader, ok := address.Interface().(encoding.TextUnmarshaler)
	if !ok {
		return false
	}
	switch {
	case n.Kind != Scalar:
		d.refuse(n, "a single value")
	case n.IsNull() && n.Value == "":
		d.refuse(n, "a value")
	default:
		d.problems.take(n, reader.UnmarshalText([]byte(n.Value)))
	}
	return true
}

func (d *decoder) pointer(n *Node, target reflect.Value) {
	if n.IsNull() {
		target.SetZero()
		return
	}
	made := reflect.New(target.Type().Elem())
	d.value(n, made.Elem())
	target.Set(made)
}

func (d *decoder) list(n *Node, target reflect.Value) {
	if n.IsNull() {
		target.SetZero()
		return
	}
	if n.Kind != Sequence {
		expected := "a list"
		if n.Kind == Scalar && !strings.Contains(n.Value, "\n") {
			expected += " such as - " + clip(n.Value)
		}
		d.refuse(n, expected)
		return
	}
	made := reflect.MakeSlice(target.Type(), len(n.Content), len(n.Content))
	for i, element := range n.Content {
		d.value(element, made.Index(i))
	}
	target.Set(made)
}

func (d *decoder) mapping(n *Node, target reflect.Value) {
	kind := target.Type()
	if kind.Key().Kind() != reflect.String {
		d.problems.add(n.problem("cannot be read into " + kind.String()))
		return
	}
	if n.IsNull() {
		target.SetZero()
		return
	}
	if n.Kind != Mapping {
		d.refuse(n, "a mapping such as key: value")
		return
	}
	made := reflect.MakeMapWithSize(kind, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		value := reflect.New(kind.Elem()).Elem()
		d.entry(n.Content[i+1], value)
		made.SetMapIndex(reflect.ValueOf(n.Content[i].Value).Convert(kind.Key()), value)
	}
	target.Set(made)
}

// entry reads a value of a map. Where that is a string, a number or a boolean stands for the text that was written,
// since an environment variable is text whatever it looks like.
func (d *decoder) entry(n *Node, target reflect.Value) {
	if target.Type() == reflect.TypeFor[string]() && n.Kind == Scalar {
		target.SetString(n.Value)
		return
	}
	d.value(n, target)
}

func (d *decoder) structure(n *Node, target reflect.Value) {
	if n.Kind != Mapping {
		d.refuse(n, "a mapping such as key: value")
		return
	}
	members := d.members(target.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if index, ok := members.index[key.Value]; ok {
			d.value(value, field(target, index))
			continue
		}
		message := fmt.Sprintf("unknown key %s", quote(key.Value))
		if meant, ok := nearest.Name(key.Value, members.names); ok {
			message += fmt.Sprintf("; did you mean %q?", meant)
		} else if len(members.names) > 0 {
			message += "; the known keys are " + strings.Join(members.names, ", ")
		}
		d.problems.add(key.problem(message))
	}
}

// field is the field at index, through embedded pointers.
func field(target reflect.Value, index []int) reflect.Value {
	for i, at := range index {
		if i > 0 && target.Kind() == reflect.Pointer {
			if target.IsNil() {
				target.Set(reflect.New(target.Type().Elem()))
			}
			target = target.Elem()
		}
		target = target.Field(at)
	}
	return target
}

// members are the keys of a struct.
type members struct {
	names []string // in the order of the fields
	index map[string][]int
}

func (d *decoder) members(of reflect.Type) members {
	if found, ok := d.structs[of]; ok {
		return found
	}
	found := members{index: map[string][]int{}}
	found.add(of, nil)
	if d.structs == nil {
		d.structs = map[reflect.Type]members{}
	}
	d.structs[of] = found
	return found
}

// add collects the fields of a struct; a name nearer to the outside hides one of an embedded struct.
func (m *members) add(of reflect.Type, prefix []int) {
	var embedded []reflect.StructField
	for i := range of.NumField() {
		f := of.Field(i)
		name, inline := named(f)
		if inline {
			embedded = append(embedded, f)
			continue
		}
		if _, hidden := m.index[name]; name == "" || hidden {
			continue
		}
		m.names = append(m.names, name)
		m.index[name] = append(slices.Clone(prefix), i)
	}
	for _, f := range embedded {
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		m.add(inner, append(slices.Clone(prefix), f.Index[0]))
	}
}

// named is the key of a field, empty when it has none, and whether the field lends its own fields.
func named(f reflect.StructField) (name string, inline bool) {
	text, tagged := f.Tag.Lookup("yaml")
	if !tagged {
		text = f.Tag.Get("json")
	}
	name, options, _ := strings.Cut(text, ",")
	inner := f.Type
	if inner.Kind() == reflect.Pointer {
		inner = inner.Elem()
	}
	if inner.Kind() == reflect.Struct && (strings.Contains(options, "inline") || f.Anonymous && name == "") {
		// An embedded pointer to an unexported struct cannot be filled from outside its package.
		return "", f.IsExported() || f.Type.Kind() != reflect.Pointer
	}
	switch {
	case !f.IsExported() || name == "-":
		return "", false
	case name == "":
		return strings.ToLower(f.Name), false
	}
	return name, false
}
