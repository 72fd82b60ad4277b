package yaml

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// scalar reads n into a value of a basic kind.
func (d *decoder) scalar(n *Node, target reflect.Value) {
	switch target.Kind() {
	case reflect.String:
		d.text(n, target)
	case reflect.Bool:
		if n.Kind != Scalar || n.tag != tagBool {
			d.refuse(n, "true or false")
			return
		}
		target.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		whole, err := strconv.ParseInt(digits(n), 0, target.Type().Bits())
		if err != nil {
			d.refuse(n, "a whole number"+between(n, target.Type()))
			return
		}
		target.SetInt(whole)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		whole, err := strconv.ParseUint(strings.TrimPrefix(digits(n), "+"), 0, target.Type().Bits())
		if err != nil {
			d.refuse(n, "a whole number"+between(n, target.Type()))
			return
		}
		target.SetUint(whole)
	case reflect.Float32, reflect.Float64:
		number, ok := n.float()
		if !ok || target.OverflowFloat(number) && !math.IsInf(number, 0) {
			d.refuse(n, "a number")
			return
		}
		target.SetFloat(number)
	default:
		d.problems.add(n.problem("cannot be read into " + target.Type().String()))
	}
}

func (d *decoder) text(n *Node, target reflect.Value) {
	switch {
	case n.IsText():
		target.SetString(n.Value)
	case n.Kind == Scalar && n.Value != "":
		d.problems.add(n.problem(fmt.Sprintf("expected text, got %s; put it in quotes: %s", n.describe(), quote(n.Value))))
	case n.Kind == Scalar:
		d.problems.add(n.problem(`expected text, got nothing; write "" for an empty one`))
	default:
		d.refuse(n, "text")
	}
}

// digits is the text of a whole number in Go's form, or nothing.
func digits(n *Node) string {
	if n.Kind != Scalar || n.tag != tagInt {
		return ""
	}
	return strings.ReplaceAll(n.Value, "_", "")
}

// between says which numbers a type holds, when n is a whole number that it does not.
func between(n *Node, of reflect.Type) string {
	if digits(n) == "" {
		return ""
	}
	if bits := of.Bits(); of.Kind() >= reflect.Uint && of.Kind() <= reflect.Uint64 {
		return fmt.Sprintf(" from 0 to %d", uint64(math.MaxUint64)>>(64-bits))
	} else {
		return fmt.Sprintf(" from %d to %d", math.MinInt64>>(64-bits), math.MaxInt64>>(64-bits))
	}
}

// float is the value of any number.
func (n *Node) float() (float64, bool) {
	if n.Kind != Scalar || n.tag != tagInt && n.tag != tagFloat {
		return 0, false
	}
	text := strings.ToLower(strings.ReplaceAll(n.Value, "_", ""))
	switch strings.TrimPrefix(text, "+") {
	case ".inf":
		return math.Inf(1), true
	case "-.inf":
		return math.Inf(-1), true
	case ".nan":
		return math.NaN(), true
	}
	if n.tag == tagInt {
		if whole, err := strconv.ParseInt(text, 0, 64); err == nil {
			return float64(whole), true
		}
		if whole, err := strconv.ParseUint(strings.TrimPrefix(text, "+"), 0, 64); err == nil {
			return float64(whole), true
		}
	}
	number, err := strconv.ParseFloat(text, 64)
	return number, err == nil
}

// any reads n into an empty interface: nil, bool, int, uint64, float64, string, []any or map[string]any.
func (d *decoder) any(n *Node, target reflect.Value) {
	if target.NumMethod() > 0 {
		d.problems.add(n.problem("cannot be read into " + target.Type().String()))
		return
	}
	if found := d.plain(n); found != nil {
		target.Set(reflect.ValueOf(found))
		return
	}
	target.SetZero()
}

func (d *decoder) plain(n *Node) any {
	switch n.Kind {
	case Sequence:
		list := make([]any, len(n.Content))
		for i, element := range n.Content {
			list[i] = d.plain(element)
		}
		return list
	case Mapping:
		object := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			object[n.Content[i].Value] = d.plain(n.Content[i+1])
		}
		return object
	}
	switch n.tag {
	case tagNull:
		return nil
	case tagBool:
		return strings.EqualFold(n.Value, "true")
	case tagInt, tagFloat:
		return d.number(n)
	}
	return n.Value
}

// number is the value of a number that JSON can say.
func (d *decoder) number(n *Node) any {
	if whole, err := strconv.ParseInt(digits(n), 0, strconv.IntSize); err == nil {
		return int(whole)
	}
	if whole, err := strconv.ParseUint(strings.TrimPrefix(digits(n), "+"), 0, 64); err == nil {
		return whole
	}
	number, ok := n.float()
	if !ok || math.IsInf(number, 0) || math.IsNaN(number) {
		d.refuse(n, "a finite number")
		return nil
	}
	return number
}

// raw writes n as JSON, its members in the order of the file.
func (d *decoder) raw(n *Node, target *json.RawMessage) {
	before := len(d.problems)
	var text bytes.Buffer
	d.write(n, &text)
	if len(d.problems) == before {
		*target = text.Bytes()
	}
}

func (d *decoder) write(n *Node, text *bytes.Buffer) {
	switch n.Kind {
	case Sequence:
		text.WriteByte('[')
		for i, element := range n.Content {
			if i > 0 {
				text.WriteByte(',')
			}
			d.write(element, text)
		}
		text.WriteByte(']')
	case Mapping:
		text.WriteByte('{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				text.WriteByte(',')
			}
			d.constant(n.Content[i].Value, text)
			text.WriteByte(':')
			d.write(n.Content[i+1], text)
		}
		text.WriteByte('}')
	default:
		d.constant(d.plain(n), text)
	}
}

// constant writes a scalar, which always has a JSON form.
func (d *decoder) constant(value any, text *bytes.Buffer) {
	encoded, err := json.Marshal(value)
	if err != nil {
		encoded = []byte("null")
	}
	text.Write(encoded)
}
