package block

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/remuda-dev/remuda"
)

// isNothing says whether a value says nothing.
func isNothing(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// plainText is a value as people read it: a text as it is, anything else as JSON, indented when it is long.
func plainText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return indented(raw)
}

// mostInline is how long JSON may be to stand in one line.
const mostInline = 60

// indented is JSON as people read it.
func indented(raw json.RawMessage) string {
	if len(raw) <= mostInline {
		return string(raw)
	}
	var text bytes.Buffer
	if json.Indent(&text, raw, "", "  ") != nil {
		return string(raw)
	}
	return text.String()
}

// isLink says whether a text is an address that a browser may be sent to.
func isLink(text string) bool {
	return (strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")) && !strings.ContainsAny(text, " \n\t")
}

// isLong says whether a text needs a place of its own.
func isLong(text string) bool { return len(text) > 200 || strings.Contains(text, "\n") }

// ending is the end of a hash: enough to see whether a secret is another one than before.
func ending(hash string) string { return "…" + hash[max(0, len(hash)-8):] }

// inOrder are keys in the order that a version wants, and by name.
func inOrder[V any](values map[string]V, order func(key string) int) []string {
	return slices.SortedFunc(maps.Keys(values), func(a, b string) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a, b))
	})
}

func inputOrder(given map[string]remuda.Input) func(string) int {
	return func(key string) int { return given[key].Order }
}

func outputOrder(gives map[string]remuda.Output) func(string) int {
	return func(key string) int { return gives[key].Order }
}
