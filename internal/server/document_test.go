package server

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzNoDocumentBreaksTheWalk(f *testing.F) {
	for _, seed := range []string{
		helloJob, `null`, ` {} `, `[]`, `""`, `"\\\""`, `{"\u006eame":1,"name":2}`, `{"a":{"b":[1,{"c":null}]}}`, `[[[[]]],{}]`, `-1.5e+9`,
		`{"job":{"steps":[{"run":{"command":"x","environment":{"A":"b"}}}]},"secrets":{"a":"b"}}`, "\t[ true ,\r\n false ]", `{"":{"":1}}`,
	} {
		f.Add(seed)
	}
	s := newBare()
	var submit *route
	for _, r := range s.routes {
		if r.id == "submit-job" {
			submit = r
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		data := []byte(text)
		if !json.Valid(data) {
			if p := problemOf(brokenJSON(data)); p.Status != 400 || len(p.Errors) != 1 {
				t.Errorf("broken JSON is answered with %+v", p)
			}
			return
		}
		d := document{data: data, registry: s.api.OpenAPI().Components.Schemas}
		err := d.check(submit.body)
		if end := (&document{data: data}).value(0, nil, nil, 0); err == nil && strings.TrimSpace(text[end:]) != "" {
			t.Errorf("the walk ends at %d of %d bytes", end, len(data))
		}
		if at, found := d.find("body"); err == nil && (!found || at != len(text)-len(strings.TrimLeft(text, " \t\r\n"))) {
			t.Errorf("the document begins at %d", at)
		}
		for _, problem := range d.problems {
			if utf8.ValidString(text) && (problem.Location == "" || !strings.HasPrefix(problem.Message, "line ")) {
				t.Errorf("a problem is %+v", problem)
			}
		}
	})
}

func TestPlacesAreCountedAsPeopleCount(t *testing.T) {
	for _, one := range []struct {
		data         string
		at           int
		line, column int
	}{
		{"", 0, 1, 1},
		{"abc", 2, 1, 3},
		{"a\nbc", 2, 2, 1},
		{"ü\nüx", 5, 2, 2},
		{"abc", 99, 1, 4},
		{"abc", -1, 1, 1},
	} {
		if line, column := lineColumn([]byte(one.data), one.at); line != one.line || column != one.column {
			t.Errorf("offset %d of %q is line %d, column %d", one.at, one.data, line, column)
		}
	}
}

func TestADeepDocumentIsRefused(t *testing.T) {
	deep := strings.Repeat(`{"a":`, deepest+1) + "1" + strings.Repeat("}", deepest+1)
	d := document{data: []byte(deep)}
	if err := d.check(nil); err == nil {
		t.Error("values may nest without end")
	}
	flat := strings.Repeat(`[`, deepest) + strings.Repeat("]", deepest)
	d = document{data: []byte(flat)}
	if err := d.check(nil); err != nil {
		t.Error(err)
	}
}
