package tofu

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/remuda-dev/remuda"
)

// value is an input with what it means: JSON for a variable of the module, text for one of the environment, bytes for
// a file.
type value struct {
	remuda.RunInput
	json []byte
	text string
	file []byte
}

// open gives an input its value, a secret one from those of the claim.
func open(input remuda.RunInput, secrets map[string]string) (value, error) {
	v := value{RunInput: input}
	raw := []byte(input.Value)
	if input.Secret != "" {
		secret, found := secrets[input.Secret]
		if !found {
			return v, errors.New("this run was not given its secret value")
		}
		var err error
		if raw, err = secretJSON(input.Type, secret); err != nil {
			return v, err
		}
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		raw = []byte("null")
	}
	v.json = []byte("null")
	return v, v.mean(raw)
}

// secretJSON is a secret as a value that is none would have come: text stands for itself, anything else is JSON already.
func secretJSON(of remuda.ValueType, secret string) ([]byte, error) {
	switch of {
	case remuda.TypeInteger, remuda.TypeBoolean, remuda.TypeList, remuda.TypeMultiSelect:
		return []byte(secret), nil
	}
	return json.Marshal(secret)
}

// mean finds out what raw means for an input of this type.
func (v *value) mean(raw []byte) error {
	raw = bytes.TrimSpace(raw)
	isText := raw[0] == '"' && json.Unmarshal(raw, &v.text) == nil
	switch {
	case v.Type == remuda.TypeFile && string(raw) == "null":
		return nil
	case v.Type == remuda.TypeFile:
		var err error
		v.file, err = dataOf(v.text)
		return err
	case v.Type == remuda.TypeCode && isText:
		return v.code()
	case isText && v.is(remuda.TypeInteger, remuda.TypeBoolean, remuda.TypeList, remuda.TypeMultiSelect):
		raw, isText = []byte(v.text), false // 3 may come as "3"
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return errors.New("its value is no JSON") // whose own words could quote it
	}
	v.json = compact.Bytes()
	if !isText {
		v.text = compact.String()
	}
	return nil
}

func (v *value) is(types ...remuda.ValueType) bool { return slices.Contains(types, v.Type) }

// absent is an input without a value.
func (v *value) absent() bool { return v.file == nil && string(v.json) == "null" }

// code is JSON, or HCL without variables and functions: an expression, as a file of variables takes it, or attributes,
// which are an object. In the environment it is text, whatever it says.
func (v *value) code() error {
	if json.Valid([]byte(v.text)) {
		v.json = []byte(v.text)
		return nil
	}
	meant, err := v.hcl()
	if err != nil && v.Environment {
		v.json, err = json.Marshal(v.text)
		return err
	}
	if err != nil {
		return err
	}
	encoded, err := ctyjson.Marshal(meant, meant.Type())
	if err != nil {
		return errors.New("its value cannot be written as JSON")
	}
	v.json = encoded
	return nil
}

func (v *value) hcl() (cty.Value, error) {
	expression, problems := hclsyntax.ParseExpression([]byte(v.text), v.Key, hcl.InitialPos)
	if !problems.HasErrors() {
		return evaluate(expression)
	}
	file, wrong := hclsyntax.ParseConfig([]byte(v.text), v.Key, hcl.InitialPos)
	body, is := file.Body.(*hclsyntax.Body)
	switch {
	case wrong.HasErrors() || !is:
		return cty.NilVal, fmt.Errorf("its value is neither JSON nor HCL: line %d: %s", lineOf(problems), problems[0].Summary)
	case len(body.Blocks) > 0:
		return cty.NilVal, fmt.Errorf("its value has blocks of HCL (%s), and no variable holds those: write an expression, such as { name = \"x\" }", body.Blocks[0].Type)
	}
	object := map[string]cty.Value{}
	for name, attribute := range body.Attributes {
		meant, err := evaluate(attribute.Expr)
		if err != nil {
			return cty.NilVal, fmt.Errorf("%s: %w", name, err)
		}
		object[name] = meant
	}
	return cty.ObjectVal(object), nil
}

func evaluate(expression hcl.Expression) (cty.Value, error) {
	meant, problems := expression.Value(nil)
	if problems.HasErrors() {
		return cty.NilVal, fmt.Errorf("its value cannot be evaluated: line %d: %s", lineOf(problems), problems[0].Summary)
	}
	return meant, nil
}

func lineOf(problems hcl.Diagnostics) int {
	if at := problems[0].Subject; at != nil {
		return at.Start.Line
	}
	return 1
}

// dataOf are the bytes of a data URL: data:text/plain;base64,aGVsbG8=. See RFC 2397.
func dataOf(text string) ([]byte, error) {
	rest, found := strings.CutPrefix(text, "data:")
	kind, data, comma := strings.Cut(rest, ",")
	if !found || !comma {
		return nil, errors.New("its value is no data URL")
	}
	if !strings.HasSuffix(kind, ";base64") {
		plain, err := url.PathUnescape(data)
		if err != nil {
			return nil, errors.New("its data URL cannot be read")
		}
		return []byte(plain), nil
	}
	decoded, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, errors.New("its data URL is no base64")
	}
	return decoded, nil
}
