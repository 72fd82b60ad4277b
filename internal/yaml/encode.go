package yaml

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// Encode writes v as YAML with the members that it has as JSON, in the same order: the words have one shape, and
// their json tags name it.
func Encode(v any) ([]byte, error) {
	encoded, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	tokens := json.NewDecoder(bytes.NewReader(encoded))
	tokens.UseNumber()
	node, err := fromJSON(tokens)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	// Lines are not folded: what was one line stays one, for grep and for diffs.
	text, err := yaml.Dump(node, yaml.WithLineWidth(-1), yaml.WithIndent(2))
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return text, nil
}

// fromJSON reads one value.
func fromJSON(tokens *json.Decoder) (*yaml.Node, error) {
	token, err := tokens.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '[' {
			return collection(tokens, yaml.SequenceNode, "!!seq")
		}
		return collection(tokens, yaml.MappingNode, "!!map")
	case string:
		node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: token}
		if strings.Contains(token, "\n") {
			node.Style = yaml.LiteralStyle
		}
		return node, nil
	case json.Number:
		kind := "!!int"
		if strings.ContainsAny(token.String(), ".eE") {
			kind = "!!float"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: kind, Value: token.String()}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(token)}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
}

// collection reads what lies between brackets or braces, and the closing one.
func collection(tokens *json.Decoder, kind yaml.Kind, tag string) (*yaml.Node, error) {
	node := &yaml.Node{Kind: kind, Tag: tag}
	for tokens.More() {
		child, err := fromJSON(tokens)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, child)
	}
	_, err := tokens.Token()
	return node, err
}
