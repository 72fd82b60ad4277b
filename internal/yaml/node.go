package yaml

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is the shape of a node.
type Kind int

// The shapes. An absent value, such as that of "key:" with nothing after it, is a Scalar of which IsNull is true.
const (
	Scalar Kind = iota + 1
	Mapping
	Sequence
)

// Node is one value of a document, for types that read more than one shape. Anchors, aliases and merge keys are
// resolved already.
type Node struct {
	Kind    Kind
	Value   string  // of a scalar: its text, without quotes and as it was written (010 and 1.50 keep their zeros)
	Line    int     // counted from 1
	Column  int     // counted from 1, in characters
	Content []*Node // of a sequence: its elements; of a mapping: key, value, key, value

	tag    tag
	file   string
	parent *Node
	key    string // under which it lies in its parent, when that is a mapping
	index  int    // at which it lies in its parent, when that is a sequence
}

// Unmarshaler is a type that reads itself from a node, such as one that is written as a word or as a mapping.
type Unmarshaler interface {
	// UnmarshalYAMLNode reads n. Errors of n.Decode and n.Errorf keep their own places; several may be joined with
	// errors.Join. Any other error is reported at n.
	UnmarshalYAMLNode(n *Node) error
}

// tag is what a scalar stands for.
type tag int

const (
	tagText tag = iota
	tagNull
	tagBool
	tagInt
	tagFloat
)

// IsNull says that nothing was written, or null.
func (n *Node) IsNull() bool { return n.Kind == Scalar && n.tag == tagNull }

// IsText says that n is a scalar that is text: quoted, or none of null, boolean and number.
func (n *Node) IsText() bool { return n.Kind == Scalar && n.tag == tagText }

// Find is the value of the member of that name of a mapping, or nil.
func (n *Node) Find(key string) *Node {
	if n.Kind != Mapping {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// Decode reads n into what into points to, as strictly as the function Decode. The error is of type Problems.
func (n *Node) Decode(into any) error {
	target, err := pointer(into)
	if err != nil {
		return err
	}
	d := decoder{}
	d.value(n, target)
	return d.problems.asError()
}

// Errorf is an error about n, at its place.
func (n *Node) Errorf(format string, args ...any) error {
	problem := n.problem(fmt.Sprintf(format, args...))
	return &problem
}

func (n *Node) problem(message string) Problem {
	return Problem{File: n.file, Line: n.Line, Column: n.Column, Path: n.path(), Message: message}
}

// path is built when a problem is reported, never before: the paths of all values can be far longer than the file.
func (n *Node) path() string {
	const longest = 200
	parts, length := []string{}, 0
	for ; n.parent != nil; n = n.parent {
		part := "[" + strconv.Itoa(n.index) + "]"
		if n.parent.Kind == Mapping {
			part = plainKey(n.key)
		}
		if length += len(part); length > longest {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, part)
	}
	var path strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		if path.Len() > 0 && parts[i][0] != '[' {
			path.WriteByte('.')
		}
		path.WriteString(parts[i])
	}
	return path.String()
}

// plainKey quotes a key that would be hard to read in a path.
func plainKey(key string) string {
	if key == "" || strings.ContainsAny(key, " .[]:\"\\") || strconv.Quote(key) != `"`+key+`"` || len(key) > 40 {
		return quote(key)
	}
	return key
}

// describe names n in a sentence that says what was expected instead.
func (n *Node) describe() string {
	switch {
	case n.Kind == Mapping:
		return "a mapping"
	case n.Kind == Sequence:
		return "a list"
	case n.tag == tagNull && n.Value == "":
		return "nothing"
	case n.tag == tagText:
		return quote(n.Value)
	default:
		return clip(n.Value)
	}
}
