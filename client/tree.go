package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/remuda-dev/remuda"
)

// tree is the body of a request, as JSON has it. Words that hold secrets print marks in their place, since whoever
// prints one by accident shall tell nothing; here they are put back on purpose.
type tree map[string]any

// treeOf is a word as a request has it: without members that only the control plane says.
func treeOf(word any, without ...string) (tree, error) {
	text, err := json.Marshal(word)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	reader := json.NewDecoder(bytes.NewReader(text))
	reader.UseNumber() // a long number stays as it was written
	var body tree
	if err := reader.Decode(&body); err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	for _, member := range without {
		delete(body, member)
	}
	return body, nil
}

// reveal puts the secret of v in its place, which is the member of that path: of names and indexes.
func (t tree) reveal(v *remuda.Value, at ...any) {
	if v == nil || v.Secret == nil {
		return
	}
	var here any = map[string]any(t)
	for _, step := range at {
		switch step := step.(type) {
		case string:
			here = here.(map[string]any)[step]
		case int:
			here = here.([]any)[step]
		}
	}
	here.(map[string]any)["secret"] = v.Secret.Reveal()
}

// revealAll does so for values by key.
func (t tree) revealAll(values map[string]remuda.Value, member string) {
	for key, value := range values {
		t.reveal(&value, member, key)
	}
}

func sendTree[T any](ctx context.Context, u *User, method, path string, body tree, err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return send[T](ctx, u, method, path, body)
}
