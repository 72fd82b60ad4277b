package catalog

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// field is one input as a form asks for it.
type field struct {
	Key    string
	Input  remuda.Input
	Text   string   // what stands in it; of a secret, nothing
	Chosen []string // of a multi_select
	Needed bool     // nothing is sent without it
	Held   bool     // the block has a value, which stays when nothing is given: of secrets and files
	Fixed  bool     // it is shown, and not to be changed
	Away   bool     // the value that is held is to be taken away
	Wrong  string

	secret string // what was sent of a secret, on its way to the rules
}

// maker says whose form it is.
type maker struct {
	operator bool // of the definition's owner: gives operator inputs, too, and what is locked
	orderer  bool
	change   bool // the block is there already
}

// fields are the inputs that somebody gives, in their order. Held are the values that the block has.
func (m maker) fields(inputs map[string]remuda.Input, held map[string]remuda.Value) []field {
	var all []field
	for _, key := range inputOrder(inputs) {
		in := inputs[key]
		if in.Assignment == remuda.AssignOperator && !m.operator || in.Assignment != remuda.AssignOperator && in.Assignment != remuda.AssignUser {
			continue
		}
		value := held[key]
		f := field{Key: key, Input: in, Held: given(value)}
		f.Needed = in.Assignment == remuda.AssignUser && m.orderer && !in.Optional && in.Default == nil
		f.Fixed = m.change && in.Locked && !m.operator && f.Held
		if !f.Held && in.Default != nil {
			value = *in.Default
		}
		f.show(value)
		all = append(all, f)
	}
	return all
}

// given says whether there is a value.
func given(v remuda.Value) bool {
	return v.Hash != "" || v.Secret != nil || len(v.Value) > 0 && string(v.Value) != "null"
}

// show puts a value into the field.
func (f *field) show(v remuda.Value) {
	if f.Input.Sensitive || v.Hash != "" || !given(v) {
		return
	}
	f.Text = plain(v.Value)
	switch f.Input.Type {
	case remuda.TypeMultiSelect:
		f.Chosen = texts(v.Value)
	case remuda.TypeList:
		f.Text = lines(v.Value)
	}
}

// Name is the form's name for it.
func (f field) Name() string { return "input." + f.Key }

// ID is the page's name for it.
func (f field) ID() string { return "input-" + f.Key }

// Label is what people call it.
func (f field) Label() string { return labelOf(f.Input, f.Key) }

// Several says that it takes several lines.
func (f field) Several() bool {
	switch f.Input.Type {
	case remuda.TypeCode, remuda.TypeList:
		return true
	case remuda.TypeString:
		return strings.Contains(f.Text, "\n")
	}
	return false
}

// Describes are the ids of what is said about it.
func (f field) Describes() string {
	ids := "about-" + f.ID()
	if f.Wrong != "" {
		ids = "wrong-" + f.ID() + " " + ids
	}
	return ids
}

// Default is what it is when nothing is given, as far as that may be shown.
func (f field) Default() string {
	if f.Input.Default == nil || f.Input.Sensitive {
		return ""
	}
	return shown(*f.Input.Default, f.Input)
}

// take reads what was sent for the field.
func (f *field) take(r *http.Request) error {
	f.Away = r.PostFormValue("away."+f.Key) != ""
	text := strings.ReplaceAll(r.PostFormValue(f.Name()), "\r\n", "\n") // which is how forms send lines
	switch f.Input.Type {
	case remuda.TypeMultiSelect:
		chosen := r.PostForm[f.Name()]
		if text = ""; len(chosen) > 0 {
			text = encoded(chosen)
		}
		if !f.Input.Sensitive {
			f.Chosen = chosen
		}
	case remuda.TypeFile:
		url, err := fileOf(r, f.Name())
		if err != nil {
			return err
		}
		if text = url; url == "" && !f.Input.Sensitive {
			text = r.PostFormValue("kept." + f.Key)
		}
	case remuda.TypeInteger:
		text = strings.TrimSpace(text)
	}
	if !f.Input.Sensitive {
		f.Text = text
		return nil
	}
	if several := r.PostFormValue("lines." + f.Key); text == "" && several != "" {
		text = strings.ReplaceAll(several, "\r\n", "\n")
	}
	f.secret = text
	return nil
}

// fileOf is a file that was sent, as a data URL (RFC 2397); empty for none.
func fileOf(r *http.Request, name string) (string, error) {
	if r.MultipartForm == nil || len(r.MultipartForm.File[name]) == 0 || r.MultipartForm.File[name][0].Filename == "" {
		return "", nil
	}
	sent := r.MultipartForm.File[name][0]
	file, err := sent.Open()
	if err != nil {
		return "", err
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		return "", err
	}
	kind, _, err := mime.ParseMediaType(sent.Header.Get("Content-Type"))
	if err != nil {
		kind = "application/octet-stream"
	}
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data), nil
}

// value is what an order or a change says of the input; nil when it says nothing. When something is wrong, that stands in
// Wrong afterwards.
func (f *field) value(change bool) *remuda.Value {
	none := &remuda.Value{Value: json.RawMessage("null")}
	if f.Fixed {
		return nil
	}
	if f.Away && f.Input.Optional {
		return none
	}
	text := f.Text
	if f.Input.Sensitive {
		text = f.secret
	}
	if text != "" {
		return f.said(text)
	}
	switch {
	case f.Held && (f.Input.Sensitive || f.Input.Type == remuda.TypeFile):
		return nil
	case f.Input.Type == remuda.TypeMultiSelect && f.Input.Optional && f.Input.Default != nil:
		return &remuda.Value{Value: json.RawMessage("[]")} // nothing at all would become the default again
	case f.Needed:
		f.Wrong = missing(f.Input.Type)
		return nil
	case !change:
		return nil
	case f.Input.Default != nil && !f.Input.Optional:
		return f.Input.Default
	}
	return none
}

// said is a value from its text.
func (f *field) said(text string) *remuda.Value {
	raw := encoded(text)
	switch f.Input.Type {
	case remuda.TypeMultiSelect:
		raw = text
	case remuda.TypeList:
		raw = listOf(text)
	}
	if f.Input.Sensitive {
		if f.Input.Type == remuda.TypeList {
			text = raw
		}
		secret := remuda.NewSecret(text)
		return &remuda.Value{Secret: &secret}
	}
	return &remuda.Value{Value: json.RawMessage(raw)}
}

func missing(kind remuda.ValueType) string {
	switch kind {
	case remuda.TypeSingleSelect, remuda.TypeBoolean:
		return "Choose one."
	case remuda.TypeMultiSelect:
		return "Choose at least one."
	case remuda.TypeFile:
		return "Choose a file."
	default:
		return "This is needed."
	}
}

// readForm reads a form that may bring files.
func readForm(v *page.Visit) error {
	var large *http.MaxBytesError
	err := v.Request.ParseMultipartForm(mostForm) // none of it lies on the disk: it may be secret
	switch {
	case err == nil, errors.Is(err, http.ErrNotMultipart): // then it was read already
		return nil
	case errors.As(err, &large):
		return remuda.Fail(remuda.TooLarge, "A form may have 4 MiB, and each value 1 MiB.")
	}
	return remuda.Fail(remuda.Invalid, "The form could not be read: send it again from its page.")
}

// mostForm is the largest form that is taken.
const mostForm = 4 << 20

// takeAll reads what was sent for all fields, and gives the values.
func takeAll(r *http.Request, all []field, change bool) (values map[string]remuda.Value, right bool, err error) {
	values, right = map[string]remuda.Value{}, true
	for i := range all {
		f := &all[i]
		if !f.Fixed {
			if err := f.take(r); err != nil {
				return nil, false, err
			}
		}
		if value := f.value(change); value != nil {
			values[f.Key] = *value
		}
		right = right && f.Wrong == ""
	}
	return values, right, nil
}

// inputOrder are the keys as their owner orders them.
func inputOrder(inputs map[string]remuda.Input) []string {
	return slices.SortedFunc(maps.Keys(inputs), func(a, b string) int {
		if inputs[a].Order != inputs[b].Order {
			return inputs[a].Order - inputs[b].Order
		}
		return strings.Compare(a, b)
	})
}

func labelOf(in remuda.Input, key string) string {
	if in.Name != "" {
		return in.Name
	}
	return key
}

// plain is a value as people read it: a text as it is, anything else as JSON.
func plain(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// texts are those of a list.
func texts(raw json.RawMessage) []string {
	var all []string
	if json.Unmarshal([]byte(plain(raw)), &all) != nil {
		return nil
	}
	return all
}

// lines shows a list with one text a line, or as JSON where that would not be the same list again.
func lines(raw json.RawMessage) string {
	text := strings.Join(texts(raw), "\n")
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(plain(raw)), &list); err == nil && listOf(text) == compact(raw) {
		return text
	}
	var indented bytes.Buffer
	if json.Indent(&indented, []byte(plain(raw)), "", "  ") != nil {
		return plain(raw)
	}
	return indented.String()
}

// listOf is the list that somebody typed: JSON, or one text a line.
func listOf(text string) string {
	var list []json.RawMessage
	if json.Unmarshal([]byte(text), &list) == nil && list != nil {
		return text
	}
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		return encoded(text) // it was meant as JSON: the rules say what is wrong
	}
	all := []string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return encoded(all)
}

func compact(raw json.RawMessage) string {
	var text bytes.Buffer
	if json.Compact(&text, []byte(plain(raw))) != nil {
		return ""
	}
	return text.String()
}

// encoded is JSON without the escapes that HTML would want: templates see to that.
func encoded(value any) string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value) // texts and lists of them always can be
	return strings.TrimSuffix(text.String(), "\n")
}
