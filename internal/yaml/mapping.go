package yaml

import (
	"fmt"

	yaml "go.yaml.in/yaml/v4"
)

// mergeKey brings the members of other mappings in; what the mapping says itself is stronger.
const mergeKey = "!!merge"

// mapping gives n the members of from, each key once.
func (b *builder) mapping(n *Node, from *yaml.Node) {
	lines := map[string]int{} // where each key was first written
	var merges []*yaml.Node
	for i := 0; i+1 < len(from.Content) && !b.stopped; i += 2 {
		key, value := from.Content[i], from.Content[i+1]
		if key.Tag == mergeKey {
			merges = append(merges, value)
			continue
		}
		written := b.key(n, key)
		if written == nil {
			continue
		}
		if line, double := lines[written.Value]; double {
			b.problems.add(written.problem(fmt.Sprintf("the key %s is written twice, first on line %d; remove one of them", quote(written.Value), line)))
			continue
		}
		lines[written.Value] = written.Line
		b.member(n, written, value)
	}
	for _, value := range merges {
		b.merge(n, lines, value)
	}
}

// key is the key as a node at its own place; problems about it name the mapping.
func (b *builder) key(n *Node, from *yaml.Node) *Node {
	written := &Node{Kind: Scalar, Line: from.Line, Column: from.Column, file: b.file, parent: n.parent, key: n.key, index: n.index}
	if from.Kind == yaml.AliasNode {
		from = from.Alias
	}
	if from.Kind != yaml.ScalarNode || tags(from.Tag) == tagNull {
		b.problems.add(written.problem("a key is text; put it in quotes"))
		return nil
	}
	b.weight += nodeWeight + len(from.Value)
	written.Value = from.Value
	return written
}

func (b *builder) member(n, key *Node, value *yaml.Node) {
	child := &Node{Kind: Scalar, Line: value.Line, Column: value.Column, file: b.file, parent: n, key: key.Value}
	b.fill(child, value)
	n.Content = append(n.Content, key, child)
}

// merge adds the members of a mapping, or of a list of mappings, that n does not have yet.
func (b *builder) merge(n *Node, have map[string]int, from *yaml.Node) {
	source := &Node{Kind: Scalar, Line: from.Line, Column: from.Column, file: b.file, parent: n, key: "<<"}
	b.fill(source, from)
	if b.stopped || len(b.problems) > 0 {
		return
	}
	parts := []*Node{source}
	if source.Kind == Sequence {
		parts = source.Content
	}
	for _, part := range parts {
		if part.Kind != Mapping {
			b.problems.add(part.problem("expected a mapping to merge, such as *name, got " + part.describe()))
			return
		}
		for i := 0; i+1 < len(part.Content); i += 2 {
			key, value := part.Content[i], part.Content[i+1]
			if _, already := have[key.Value]; already {
				continue
			}
			have[key.Value] = key.Line
			key.parent, key.key, key.index = n.parent, n.key, n.index
			value.parent = n
			n.Content = append(n.Content, key, value)
		}
	}
}
