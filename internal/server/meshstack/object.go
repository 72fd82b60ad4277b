package meshstack

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

// object is the envelope of everything.
type object[M, S, T any] struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   M      `json:"metadata"`
	Spec       S      `json:"spec"`
	Status     *T     `json:"status,omitempty"`
}

// none is the status of kinds that have none.
type none struct{}

// envelope is an object of the call's kind and version.
func envelope[M, S, T any](c *call, metadata M, spec S, status *T) object[M, S, T] {
	return object[M, S, T]{c.edition, c.kind.name, metadata, spec, status}
}

// ref names another object.
type ref struct {
	UUID string `json:"uuid,omitempty"`
	Name string `json:"name,omitempty"`
	Kind string `json:"kind,omitempty"`
}

// uuidOf is what a reference names; empty for none.
func uuidOf(r *ref) string {
	if r == nil {
		return ""
	}
	return r.UUID
}

// The bounds of bodies, in bytes.
const (
	mostBody   = 4 << 20
	mostReport = 32 << 20 // of a run: whole logs, and a plan in base64
	mostState  = 16 << 20
)

// body reads a request's body; one that is empty leaves into as it is. Members that nobody knows are counted.
func (c *call) body(into any, most int64) error {
	text, err := readAll(c.request, c.out, most)
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return remuda.Fail(remuda.Invalid, "the body's "+wrong.Field+" is a "+wrong.Value+", which it cannot be")
		}
		return remuda.Fail(remuda.Invalid, "the body is no JSON object as this call takes it") // the cause could quote a secret
	}
	if n := unknown(text, reflect.TypeOf(into).Elem()); n > 0 && c.face.options.Ignored != nil {
		c.face.options.Ignored(c.kind.name, n)
	}
	return nil
}

func readAll(r *http.Request, w http.ResponseWriter, most int64) ([]byte, error) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, remuda.Fail(remuda.TooLarge, "a body of this call has at most "+strconv.FormatInt(most>>20, 10)+" MiB")
	}
	if err != nil {
		return nil, remuda.Fail(remuda.Invalid, "the body did not arrive whole")
	}
	return text, nil
}

// unknown counts the members of a JSON text that a type does not have.
func unknown(text []byte, t reflect.Type) int {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		return unknownMembers(text, t)
	case reflect.Slice, reflect.Map:
		var values []json.RawMessage
		if t.Kind() == reflect.Map {
			var members map[string]json.RawMessage
			if json.Unmarshal(text, &members) != nil {
				return 0
			}
			for _, value := range members {
				values = append(values, value)
			}
		} else if t.Elem().Kind() == reflect.Uint8 || json.Unmarshal(text, &values) != nil {
			return 0
		}
		n := 0
		for _, value := range values {
			n += unknown(value, t.Elem())
		}
		return n
	}
	return 0
}

func unknownMembers(text []byte, t reflect.Type) (n int) {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return 0
	}
	known := map[string]reflect.Type{}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[strings.ToLower(name)] = field.Type
	}
	for name, value := range members {
		below, is := known[strings.ToLower(name)]
		if !is {
			n++
			continue
		}
		n += unknown(value, below)
	}
	return n
}

// page is where a list stands.
type page struct {
	TotalPages    int `json:"totalPages"`
	Number        int `json:"number"`
	Size          int `json:"size"`
	TotalElements int `json:"totalElements"`
}

const (
	usualSize   = 50
	largestSize = 200
)

// paging reads which page is asked for.
func (c *call) paging() (page, error) {
	p := page{Size: usualSize}
	for name, into := range map[string]*int{"page": &p.Number, "size": &p.Size} {
		text := c.query(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || name == "size" && n == 0 {
			return p, remuda.Fail(remuda.Invalid, name+" is a number from 0, and the size from 1")
		}
		*into = n
	}
	p.Size = min(p.Size, largestSize)
	p.Number = min(p.Number, 1<<20)
	return p, nil
}

func (p page) span() blocks.Span { return blocks.Span{Offset: p.Number * p.Size, Limit: p.Size} }

// list answers with a part of a list; its member is there also when it is empty.
func list[T any](c *call, p page, total int, items []T) answer {
	if items == nil {
		items = []T{}
	}
	p.TotalElements, p.TotalPages = total, (total+p.Size-1)/p.Size
	return ok(map[string]any{"_embedded": map[string]any{c.kind.name + "s": items}, "page": p})
}

// listed asks for one part of a list and has each of its items shown.
func listed[T, W any](c *call, read func(blocks.Span) (blocks.List[T], error), show func(T) (W, error)) (answer, error) {
	p, err := c.paging()
	if err != nil {
		return answer{}, err
	}
	found, err := read(p.span())
	if err != nil {
		return answer{}, err
	}
	items := make([]W, 0, len(found.Items))
	for _, item := range found.Items {
		words, err := show(item)
		if err != nil {
			return answer{}, err
		}
		items = append(items, words)
	}
	return list(c, p, found.Total, items), nil
}

// secret is a value that comes as plaintext and goes as a hash.
type secret struct {
	Plaintext *string `json:"plaintext,omitempty"`
	Hash      string  `json:"hash,omitempty"`
}

// native is the same in our words; nil for none.
func (s *secret) native() *remuda.Value {
	switch {
	case s == nil:
		return nil
	case s.Plaintext != nil && *s.Plaintext != "":
		hidden := remuda.NewSecret(*s.Plaintext)
		return &remuda.Value{Secret: &hidden}
	case s.Hash != "":
		return &remuda.Value{Hash: s.Hash}
	}
	return nil
}

// hashOf shows a secret; nil for none.
func hashOf(v *remuda.Value) *secret {
	if v == nil || v.Hash == "" {
		return nil
	}
	return &secret{Hash: v.Hash}
}

// valueOf reads a value: a sensitive one has a secret's shape.
func valueOf(raw json.RawMessage, sensitive bool) remuda.Value {
	if sensitive {
		var s secret
		strict := json.NewDecoder(bytes.NewReader(raw))
		strict.DisallowUnknownFields() // an object of the user's is none
		if strict.Decode(&s) == nil {
			if v := s.native(); v != nil {
				return *v
			}
		}
	}
	return remuda.Value{Value: raw}
}

// shown is a value as the format has it: null for none.
func shown(v remuda.Value) json.RawMessage {
	if v.Hash != "" {
		text, _ := json.Marshal(secret{Hash: v.Hash}) // a text of our own
		return text
	}
	if len(v.Value) == 0 {
		return json.RawMessage("null")
	}
	return v.Value
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// when is a time as the format has it; nil for none.
func when(t *time.Time) *string {
	if t == nil || t.IsZero() {
		return nil
	}
	text := t.UTC().Format(time.RFC3339)
	return &text
}

func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// shout is one of our words as the format writes it.
func shout[T ~string](word T) string { return strings.ToUpper(string(word)) }

// keep puts a member into what is kept beside our words, unless it says nothing.
func keep(extra remuda.Extra, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return remuda.Fail(remuda.Invalid, name+" cannot be kept")
	}
	if isNull(text) {
		delete(extra, name)
		return nil
	}
	extra[name] = text
	return nil
}

// kept reads a member that is kept beside our words.
func kept[T any](extra remuda.Extra, name string) (value T) {
	_ = json.Unmarshal(extra[name], &value) // what is not there, or was kept by another version, says nothing
	return value
}
