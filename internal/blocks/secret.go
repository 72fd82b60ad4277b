package blocks

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/remuda-dev/remuda"
)

// Secret values of a row lie in one encrypted JSON object of it, under these names.
func inputSecret(key string) string    { return "input/" + key }
func outputSecret(key string) string   { return "output/" + key }
func argumentSecret(key string) string { return "input/" + key + "/argument" }
func defaultSecret(key string) string  { return "input/" + key + "/default" }

// place is what the encryption of a row's secrets is bound to.
func place(table, id string) string { return table + "/" + id + "/secrets" }

// openSecrets reads the secrets of a row.
func (r *Rules) openSecrets(table, id string, sealed []byte) (map[string]string, error) {
	values := map[string]string{}
	if len(sealed) == 0 {
		return values, nil
	}
	plain, err := r.keys.Decrypt(sealed, place(table, id))
	if err != nil {
		return nil, fmt.Errorf("decrypt secrets of %s %s: %w", table, id, err)
	}
	if err := json.Unmarshal(plain, &values); err != nil {
		return nil, fmt.Errorf("read secrets of %s %s: they are no JSON object", table, id) // the cause would quote them
	}
	return values, nil
}

// closeSecrets encrypts the secrets of a row.
func (r *Rules) closeSecrets(table, id string, values map[string]string) ([]byte, error) {
	if len(values) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encode secrets of %s %s: %w", table, id, err)
	}
	sealed, err := r.keys.Encrypt(text, place(table, id))
	if err != nil {
		return nil, fmt.Errorf("encrypt secrets of %s %s: %w", table, id, err)
	}
	return sealed, nil
}

// hash stands for a secret value of a definition or block. It is keyed: nobody finds the value by trying.
func (r *Rules) hash(id, text string) string {
	return hex.EncodeToString(r.keys.MAC("value "+id, text)[:16])
}

// keep takes a secret that a request brings: a new one as text, a known one by its hash. It answers what the request's
// value becomes, and adds the secret to into; or it says what is wrong.
func (r *Rules) keep(id, name string, v remuda.Value, known, into map[string]string) (kept remuda.Value, problem string) {
	text, given := secretText(v)
	if given {
		into[name] = text
		return remuda.Value{Hash: r.hash(id, text)}, ""
	}
	if held, is := known[name]; is && r.hash(id, held) == v.Hash {
		into[name] = held
		return remuda.Value{Hash: v.Hash}, ""
	}
	return remuda.Value{}, "this hash stands for no value that is known here; give the secret itself"
}

// secretText is the secret that a value brings, if it does.
func secretText(v remuda.Value) (text string, given bool) {
	switch {
	case v.Secret != nil:
		return v.Secret.Reveal(), true
	case v.Hash == "" && !isNull(v.Value):
		return plainText(v.Value), true
	}
	return "", false
}

// plainText is a value as a secret is written: text as it is, anything else as JSON.
func plainText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// none says whether a value says nothing.
func none(v remuda.Value) bool { return v.Secret == nil && v.Hash == "" && isNull(v.Value) }

// readObject reads a column that holds a JSON object.
func readObject[T any](text string) (map[string]T, error) {
	values := map[string]T{}
	if text == "" {
		return values, nil
	}
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return nil, fmt.Errorf("read a column: %w", err)
	}
	return values, nil
}

// encode writes a column that holds JSON. Nothing of ours cannot be encoded but what a caller gave, which was checked.
func encode(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("write a column: %w", err)
	}
	return string(text), nil
}

// without is a copy of secrets without those of one name's beginning.
func without(secrets map[string]string, prefix string) map[string]string {
	rest := maps.Clone(secrets)
	maps.DeleteFunc(rest, func(name, _ string) bool { return len(name) >= len(prefix) && name[:len(prefix)] == prefix })
	return rest
}
