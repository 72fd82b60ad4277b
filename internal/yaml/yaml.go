// Package yaml reads what people write, strictly, and says in one pass everything that is wrong with it: at which
// line and column, and what to do. It is the only package that knows the YAML library.
package yaml

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Decode reads the one YAML document of data into what into points to. The name of the file opens each problem.
//
// Members of structs are named by their yaml tags, or by their json tags where there is no yaml tag, or else by the
// field's name in lower case; embedded structs and those tagged ",inline" lend theirs. Unknown and repeated keys,
// wrong types, a second document and more than Largest bytes are refused. A type that implements Unmarshaler reads
// itself from a node, one that implements encoding.TextUnmarshaler from the text of a scalar. json.RawMessage and
// any take every value. In a map of strings, numbers, booleans and empty values stand for their text.
//
// A document that says nothing changes nothing. The error is of type Problems, unless into is of a wrong type.
func Decode(name string, data []byte, into any) error {
	target, err := pointer(into)
	if err != nil {
		return err
	}
	root, problems := parse(name, data)
	if problems != nil {
		return problems.asError()
	}
	if root == nil || root.IsNull() {
		return nil
	}
	d := decoder{}
	d.value(root, target)
	return d.problems.asError()
}

func pointer(into any) (reflect.Value, error) {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return target, fmt.Errorf("decode yaml into %T: it is not a pointer", into)
	}
	return target.Elem(), nil
}

// Position is where the value lies that a JSON pointer (RFC 6901) names, or its nearest ancestor that is there.
// Where data cannot be read it is the beginning.
func Position(data []byte, jsonPointer string) (line, column int) {
	n, _ := parse("", data)
	if n == nil {
		return 1, 1
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for part := range strings.SplitSeq(strings.TrimPrefix(jsonPointer, "/"), "/") {
		child := n.child(unescape.Replace(part))
		if child == nil {
			break
		}
		n = child
	}
	return n.Line, n.Column
}

func (n *Node) child(part string) *Node {
	if n.Kind != Sequence {
		return n.Find(part)
	}
	index, err := strconv.Atoi(part)
	if err != nil || index < 0 || index >= len(n.Content) {
		return nil
	}
	return n.Content[index]
}
