package catalog

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// Expects says in words what the text has to look like.
func (f field) Expects() string {
	switch {
	case f.Input.Pattern == "":
		return ""
	case f.Input.PatternError != "":
		return f.Input.PatternError
	default:
		return "It matches the pattern " + f.Input.Pattern + "."
	}
}

// Placeholder is what stands in an empty field.
func (f field) Placeholder() string {
	switch {
	case f.Input.Sensitive && f.Held:
		return "There is a value; leave this empty to keep it"
	case f.Input.Sensitive && f.Input.Default != nil:
		return "Leave this empty for the default"
	case f.Input.Type == remuda.TypeCode || f.Input.Type == remuda.TypeList || f.Input.Sensitive:
		return ""
	default:
		return f.Default()
	}
}

// Rows is how high a field of several lines is.
func (f field) Rows() string {
	return strconv.Itoa(min(max(strings.Count(f.Text, "\n")+2, 4), 20))
}

// Hint says what may be filled in.
func (f field) Hint() string {
	var all []string
	say := func(is bool, text string) {
		if is {
			all = append(all, text)
		}
	}
	say(f.Input.Type == remuda.TypeList, "One entry a line, or a JSON list.")
	say(f.Input.Type == remuda.TypeCode, "JSON or HCL.")
	say(f.Input.Type == remuda.TypeString && f.Input.Pattern != "", f.Expects())
	if f.Input.Type == remuda.TypeFile {
		say(f.Text != "", "There is a file: "+fileText(f.Text)+". Choose another one to replace it.")
		say(f.Text == "" && f.Held, "There is a file. Choose another one to replace it.")
		say(f.Text == "" && !f.Held, "At most 1 MiB.")
	}
	say(f.Input.Sensitive && f.Held, "There is a secret value. Leave this empty to keep it.")
	say(f.Input.Sensitive && !f.Held, "A secret: it is encrypted at once and never shown.")
	say(!f.Held && f.Input.Default != nil && f.Input.Sensitive, "Left empty, it is the default.")
	say(f.Default() != "" && f.Input.Type != remuda.TypeMultiSelect, "Left empty, it is "+f.Default()+".")
	say(f.Default() != "" && f.Input.Type == remuda.TypeMultiSelect && !f.Input.Optional, "With none chosen, it is "+f.Default()+".")
	say(f.Input.Locked, "Those who order cannot change it later.")
	return strings.Join(all, " ")
}

// fileMarks are those of a field that takes a file: one that is there need not be chosen again.
func fileMarks(f field) templ.Attributes {
	all := marks(f)
	all["required"] = f.Needed && f.Text == "" && !f.Held
	return all
}

// fileText describes a data URL.
func fileText(url string) string {
	kind, data, _ := strings.Cut(strings.TrimPrefix(url, "data:"), ",")
	size := len(data)
	if name, is := strings.CutSuffix(kind, ";base64"); is {
		kind, size = name, base64.StdEncoding.DecodedLen(len(data))-strings.Count(data, "=")
	}
	return kind + ", " + page.Size(int64(size))
}

// mostShown bounds a value that stands in a table or in a sentence, in characters.
const mostShown = 200

// shown is a value in one line; a secret one is not.
func shown(v remuda.Value, in remuda.Input) string {
	if in.Sensitive || v.Hash != "" {
		return "a secret value"
	}
	text := plain(v.Value)
	switch in.Type {
	case remuda.TypeBoolean:
		if text == "true" {
			return "yes"
		}
		return "no"
	case remuda.TypeFile:
		return fileText(text)
	case remuda.TypeMultiSelect:
		text = strings.Join(texts(v.Value), ", ")
	}
	if runes := []rune(text); len(runes) > mostShown {
		return string(runes[:mostShown]) + "…"
	}
	return text
}
