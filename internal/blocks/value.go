package blocks

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/remuda-dev/remuda"
)

// mostValue bounds one value, in bytes of JSON.
const mostValue = 1 << 20

// canonical is a value in the one form that its input's type has, or what is wrong with it. What people type is taken
// where it is clear what they mean: "7" for an integer, "true" for a boolean, a list as text.
func canonical(in remuda.Input, raw json.RawMessage) (value json.RawMessage, problem string) {
	if len(raw) > mostValue {
		return nil, "a value has at most 1 MiB"
	}
	switch in.Type {
	case remuda.TypeString, remuda.TypeFile, remuda.TypeSingleSelect, remuda.TypeCode:
		return canonicalText(in, raw)
	case remuda.TypeInteger:
		return canonicalInteger(raw)
	case remuda.TypeBoolean:
		switch text := plainText(raw); text {
		case "true", "false":
			return json.RawMessage(text), ""
		}
		return nil, "this is true or false"
	default:
		return canonicalList(in, raw)
	}
}

func canonicalText(in remuda.Input, raw json.RawMessage) (json.RawMessage, string) {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		if in.Type != remuda.TypeCode {
			return nil, "this is a text"
		}
		var compact bytes.Buffer // JSON as it is stands for its text
		if err := json.Compact(&compact, raw); err != nil {
			return nil, "this is a text, or JSON"
		}
		text = compact.String()
	}
	if problem := wrongText(in, text); problem != "" {
		return nil, problem
	}
	value, err := json.Marshal(text)
	if err != nil {
		return nil, "this is no text"
	}
	return value, ""
}

// wrongText says what is wrong with a text for its input.
func wrongText(in remuda.Input, text string) string {
	switch in.Type {
	case remuda.TypeCode:
		return wrongCode(text)
	case remuda.TypeFile:
		return wrongFile(text)
	case remuda.TypeSingleSelect:
		if !slices.Contains(in.Choices, text) {
			return "this is one of " + strings.Join(in.Choices, ", ")
		}
		return ""
	default:
		return wrongPattern(in, text)
	}
}

// whole is a pattern that matches a whole text.
func whole(pattern string) (*regexp.Regexp, error) { return regexp.Compile(`\A(?:` + pattern + `)\z`) }

func wrongPattern(in remuda.Input, text string) string {
	if in.Pattern == "" {
		return ""
	}
	pattern, err := whole(in.Pattern)
	if err != nil || pattern.MatchString(text) {
		return "" // one that cannot be read was refused when the version was written
	}
	if in.PatternError != "" {
		return in.PatternError
	}
	return "this does not match the pattern " + in.Pattern
}

// wrongCode takes JSON, an HCL expression, or HCL attributes and blocks.
func wrongCode(text string) string {
	if json.Valid([]byte(text)) {
		return ""
	}
	start := hcl.Pos{Line: 1, Column: 1}
	_, problems := hclsyntax.ParseExpression([]byte(text), "value", start)
	if !problems.HasErrors() {
		return ""
	}
	if _, other := hclsyntax.ParseConfig([]byte(text), "value", start); !other.HasErrors() {
		return ""
	}
	first := problems[0]
	for _, p := range problems {
		if p.Severity == hcl.DiagError {
			first = p
			break
		}
	}
	if first.Subject == nil {
		return "this is neither JSON nor HCL: " + first.Summary
	}
	return fmt.Sprintf("this is neither JSON nor HCL: line %d, column %d: %s", first.Subject.Start.Line, first.Subject.Start.Column, first.Summary)
}

// wrongFile takes a data URL, as RFC 2397 has it.
func wrongFile(text string) string {
	const form = "a file is a data URL, such as data:text/plain;base64,SGVsbG8="
	rest, is := strings.CutPrefix(text, "data:")
	kind, data, comma := strings.Cut(rest, ",")
	if !is || !comma {
		return form
	}
	if strings.HasSuffix(kind, ";base64") {
		if _, err := base64.StdEncoding.DecodeString(data); err != nil {
			return form + "; its base64 cannot be read"
		}
		return ""
	}
	if _, err := url.PathUnescape(data); err != nil {
		return form + "; its percent signs cannot be read"
	}
	return ""
}

func canonicalInteger(raw json.RawMessage) (json.RawMessage, string) {
	text := plainText(raw)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return json.RawMessage(strconv.FormatInt(n, 10)), ""
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f == float64(int64(f)) && f < 1<<53 && f > -1<<53 {
		return json.RawMessage(strconv.FormatInt(int64(f), 10)), ""
	}
	return nil, "this is a whole number"
}

func canonicalList(in remuda.Input, raw json.RawMessage) (json.RawMessage, string) {
	text := []byte(strings.TrimSpace(plainText(raw)))
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil || list == nil {
		return nil, "this is a list"
	}
	if in.Type == remuda.TypeMultiSelect {
		chosen := map[string]bool{}
		for _, one := range list {
			var choice string
			if json.Unmarshal(one, &choice) != nil || !slices.Contains(in.Choices, choice) {
				return nil, "this is a list of some of " + strings.Join(in.Choices, ", ")
			}
			if chosen[choice] {
				return nil, choice + " is chosen twice"
			}
			chosen[choice] = true
		}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return nil, "this is a list"
	}
	return compact.Bytes(), ""
}

// asJSON is the value that a secret text stands for, by the type of its input.
func asJSON(kind remuda.ValueType, text string) json.RawMessage {
	switch kind {
	case remuda.TypeInteger, remuda.TypeBoolean, remuda.TypeList, remuda.TypeMultiSelect:
		if json.Valid([]byte(text)) {
			return json.RawMessage(text)
		}
	}
	value, err := json.Marshal(text)
	if err != nil {
		return json.RawMessage("null")
	}
	return value
}

// canonicalSecret is a secret text in the form that its input's type has.
func canonicalSecret(in remuda.Input, text string) (kept, problem string) {
	value, problem := canonical(in, asJSON(in.Type, text))
	if problem != "" {
		return "", problem
	}
	return plainText(value), ""
}
