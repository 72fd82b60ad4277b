package yaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

const (
	// Largest is the largest file that is read, in bytes.
	Largest = 1 << 20

	// deepest is how far values may be nested.
	deepest = 100

	// heaviest bounds what a document with aliases amounts to once each alias is replaced by what it stands for:
	// the bytes of its scalars and nodeWeight for each value. Without aliases the size of the file is the bound.
	heaviest   = 1 << 20
	nodeWeight = 8
)

// parse reads the one document of data. Without a document the node is nil.
func parse(name string, data []byte) (root *Node, problems Problems) {
	fail := func(line, column int, message string) (*Node, Problems) {
		return nil, Problems{{File: name, Line: max(line, 1), Column: max(column, 1), Message: message}}
	}
	if len(data) > Largest {
		return fail(1, 1, fmt.Sprintf("the file is too large: it has %d bytes, at most %d are read", len(data), Largest))
	}
	if line, column, message := unreadable(data); message != "" {
		return fail(line, column, message)
	}

	// The library reports its own slips by panicking. A file that finds one is a bad file, not the end of the process.
	defer func() {
		if fault := recover(); fault != nil {
			root, problems = fail(1, 1, "cannot be read as YAML: "+line(fmt.Sprint(fault)))
		}
	}()
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithPlugin(limits{}))
	if err != nil {
		return fail(1, 1, "cannot be read as YAML: "+line(err.Error()))
	}
	var document, second yaml.Node
	if err := loader.Load(&document); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return fail(syntax(err))
	}
	if err := loader.Load(&second); err == nil {
		return fail(second.Line, second.Column, "a second document begins here; write one document, without a line ---")
	} else if !errors.Is(err, io.EOF) {
		return fail(syntax(err))
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	b := builder{file: name, open: map[*yaml.Node]bool{}}
	root = b.node(document.Content[0], nil)
	if len(b.problems) > 0 {
		return nil, b.problems
	}
	return root, nil
}

// unreadable finds the first character that no YAML document has. The library refuses it too, but tells no place.
func unreadable(data []byte) (line, column int, message string) {
	line, column = 1, 1
	for i := 0; i < len(data); {
		char, size := utf8.DecodeRune(data[i:])
		switch {
		case char == utf8.RuneError && size == 1:
			return line, column, "this is not UTF-8; save the file as UTF-8 text"
		case char < ' ' && char != '\t' && char != '\n' && char != '\r', char == 0x7f:
			return line, column, fmt.Sprintf("a file of text has no control character %U; remove it, or write it as an escape in double quotes", char)
		}
		i += size
		column++
		if char == '\n' {
			line, column = line+1, 1
		}
	}
	return 0, 0, ""
}

// limits are the parser's own. Aliases are counted by builder, which knows what they amount to.
type limits struct{}

// CheckDepth implements yaml.LoaderLimitsPlugin.
func (limits) CheckDepth(depth int, _ *yaml.DepthContext) error {
	if depth > deepest {
		return fmt.Errorf("nested deeper than %d levels", deepest)
	}
	return nil
}

// CheckAlias implements yaml.LoaderLimitsPlugin.
func (limits) CheckAlias(int, int) error { return nil }

// builder makes our nodes from the library's, and finds what is wrong whatever the target is.
type builder struct {
	file     string
	problems Problems
	open     map[*yaml.Node]bool // the anchored values that are being built
	aliases  int
	weight   int
	depth    int
	stopped  bool // nothing more can be built; the reason is among the problems
}

func (b *builder) node(from *yaml.Node, parent *Node) *Node {
	n := &Node{Kind: Scalar, Line: from.Line, Column: from.Column, file: b.file, parent: parent}
	b.fill(n, from)
	return n
}

// stop ends the building: what follows would only repeat the problem.
func (b *builder) stop(n *Node, message string) {
	if !b.stopped {
		b.stopped = true
		b.problems.add(n.problem(message))
	}
}

// fill gives n the content of from. An alias is replaced by a copy of what it stands for, at the place where that
// was written: there it has to be mended.
func (b *builder) fill(n *Node, from *yaml.Node) {
	if b.stopped || b.problems.full() {
		return
	}
	if from.Kind == yaml.AliasNode {
		b.aliases++
		if b.open[from.Alias] {
			b.stop(n, fmt.Sprintf("*%s stands inside of what it stands for; remove it", clip(from.Value)))
			return
		}
		from = from.Alias
		n.Line, n.Column = from.Line, from.Column
	}
	b.weight += nodeWeight + len(from.Value)
	if b.aliases > 0 && b.weight > heaviest {
		b.stop(n, "the aliases of this file amount to too much; write the values out")
		return
	}
	if b.depth++; b.depth > deepest {
		b.stop(n, fmt.Sprintf("nested deeper than %d levels", deepest))
	}
	if from.Anchor != "" {
		b.open[from] = true
		defer delete(b.open, from)
	}
	b.content(n, from)
	b.depth--
}

func (b *builder) content(n *Node, from *yaml.Node) {
	if from.Style&yaml.TaggedStyle != 0 && !known(from) {
		b.problems.add(n.problem(fmt.Sprintf("the tag %s means nothing here; remove it", quote(from.Tag))))
		return
	}
	switch from.Kind {
	case yaml.MappingNode:
		n.Kind = Mapping
		b.mapping(n, from)
	case yaml.SequenceNode:
		n.Kind = Sequence
		for i, element := range from.Content {
			if b.stopped {
				return
			}
			child := &Node{Kind: Scalar, Line: element.Line, Column: element.Column, file: b.file, parent: n, index: i}
			b.fill(child, element)
			n.Content = append(n.Content, child)
		}
	default:
		n.Value, n.tag = from.Value, tags(from.Tag)
	}
}

// known says that a tag somebody wrote says no more than what kind of value it is.
func known(from *yaml.Node) bool {
	switch from.Kind {
	case yaml.MappingNode:
		return from.Tag == "!!map"
	case yaml.SequenceNode:
		return from.Tag == "!!seq"
	}
	switch from.Tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null":
		return true
	}
	return false
}

func tags(name string) tag {
	switch name {
	case "!!null":
		return tagNull
	case "!!bool":
		return tagBool
	case "!!int":
		return tagInt
	case "!!float":
		return tagFloat
	}
	return tagText // also of dates, which JSON does not know
}

// syntax is the place and the message of an error of the library.
func syntax(err error) (row, column int, message string) {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return 1, 1, "cannot be read as YAML: " + line(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	message = "cannot be read as YAML: " + line(load.Message)
	for _, known := range [...]struct{ part, advice string }{
		{"mapping values are not allowed", `; put a text that contains ": " in quotes, and indent with care`},
		{"cannot start any token", "; indent with spaces, never with tabs, and put a text that begins with such a sign in quotes"},
		{"did not find expected key", "; the keys of one mapping begin in one column"},
		{"did not find expected '-' indicator", "; the elements of one list begin in one column"},
		{"could not find expected ':'", `; a key is followed by ":" and a space`},
		{"unexpected end of stream", "; close the quotes"},
		{"did not find expected ',' or", "; close the bracket or the brace, and part the elements with commas"},
		{"unknown anchor", "; write &name before the value that *name stands for"},
		{"nested deeper", "; write a flatter file"},
	} {
		if strings.Contains(load.Message, known.part) {
			message += known.advice
			break
		}
	}
	return load.Mark.Line, load.Mark.Column, message
}
