package catalog

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// form is what an order and a change of a block ask for alike.
type form struct {
	Title  string // of the block: its name
	Fields []field
	Needs  []need

	Wrong  *remuda.Error     // what is said above it
	Blamed map[string]string // what is wrong with other fields than inputs, by their ids
}

// need is a definition of which the block takes a parent.
type need struct {
	Definition string // its id
	Name       string
	Choices    []remuda.Block
	Chosen     string // id of a block
	Orderable  bool
}

// ID is the page's name for it, and the form's.
func (n need) ID() string { return "parent-" + n.Definition }

// problem is something wrong with a field, for the list above the form.
type problem struct{ ID, Label, Message string }

// Problems are what is wrong with fields, in their order.
func (f form) Problems() []problem {
	var all []problem
	add := func(id, label string) {
		if message := f.Blamed[id]; message != "" {
			all = append(all, problem{id, label, message})
		}
	}
	add("name", "Name")
	add("project", "Project")
	add("tenant", "Tenant")
	add("version", "Version")
	for _, n := range f.Needs {
		add(n.ID(), n.Name)
	}
	for _, field := range f.Fields {
		if field.Wrong != "" {
			all = append(all, problem{field.ID(), field.Label(), field.Wrong})
		}
	}
	return all
}

// given are the fields of one assignment.
func (f form) given(assignment remuda.Assignment) []field {
	return slices.DeleteFunc(slices.Clone(f.Fields), func(one field) bool { return one.Input.Assignment != assignment })
}

// blame says each problem at the field that it is about, and the rest above the form.
func (f *form) blame(told remuda.Error, parents []string) {
	var rest []remuda.Field
	placed := false
	for _, one := range told.Fields {
		if f.place(one, parents) {
			placed = true
			continue
		}
		rest = append(rest, one)
	}
	told.Fields = rest
	if placed {
		told.Detail = "Nothing was done yet: some of what is filled in is not right."
	}
	f.Wrong = &told
}

func (f *form) place(one remuda.Field, parents []string) bool {
	if f.Blamed == nil {
		f.Blamed = map[string]string{}
	}
	what := strings.TrimPrefix(one.Location, "body.")
	switch what {
	case "name", "project", "tenant", "version":
		f.Blamed[what] = sentence(one.Message)
		return true
	}
	if key, is := strings.CutPrefix(what, "inputs."); is {
		for i := range f.Fields {
			if f.Fields[i].Key == key {
				if f.Fields[i].Wrong = one.Message; one.Message != f.Fields[i].Input.PatternError { // which somebody wrote as it is
					f.Fields[i].Wrong = sentence(one.Message)
				}
				return true
			}
		}
		return false
	}
	index, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(what, "parents["), "]"))
	if err != nil || index < 0 || index >= len(parents) {
		return false
	}
	for _, n := range f.Needs {
		if n.Chosen == parents[index] {
			f.Blamed[n.ID()] = sentence(one.Message)
			return true
		}
	}
	return false
}

// sentence is what the rules say in the middle of one, as one.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if strings.ContainsAny(text[len(text)-1:], ".!?") {
		return text
	}
	return text + "."
}

// needs are the parents that a version's blocks take: those that it names, and those whose outputs its inputs are.
// Has are the parents that the block has, with the definition of each; nil of a block that is not there yet.
func needs(v *page.Visit, organization string, inputs map[string]remuda.Input, dependencies []string, has map[string]string) ([]need, error) {
	ids := slices.Clone(dependencies)
	for _, key := range inputOrder(inputs) {
		in := inputs[key]
		if in.Assignment != remuda.AssignOutput || in.Argument == nil {
			continue
		}
		if id, _, _ := strings.Cut(plain(in.Argument.Value), "."); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	all := make([]need, 0, len(ids))
	for _, id := range ids {
		n := need{Definition: id, Name: id}
		definition, err := v.Blocks.Definition(v.Context(), id)
		switch {
		case err == nil:
			n.Name, n.Orderable = definition.Name, true
		case !errors.Is(err, remuda.NotFound):
			return nil, err
		}
		there, err := v.Blocks.Blocks(v.Context(), blocks.BlockFilter{
			Organization: organization, Definition: id, Lifecycle: []remuda.Lifecycle{remuda.LifecycleActive},
		}, blocks.Span{Limit: 500})
		if err != nil {
			return nil, err
		}
		n.Choices = there.Items
		if len(n.Choices) == 1 && has == nil {
			n.Chosen = n.Choices[0].ID
		}
		if err := n.keep(v, has); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// keep chooses the parent that the block has, which may be deleted or far down in a long list.
func (n *need) keep(v *page.Visit, has map[string]string) error {
	for id, definition := range has {
		if definition != n.Definition {
			continue
		}
		n.Chosen = id
		if slices.ContainsFunc(n.Choices, func(b remuda.Block) bool { return b.ID == id }) {
			return nil
		}
		block, err := v.Blocks.Block(v.Context(), id)
		if errors.Is(err, remuda.NotFound) {
			block, err = remuda.Block{ID: id, Name: id}, nil
		}
		n.Choices = append(n.Choices, block)
		return err
	}
	return nil
}

// chosen reads the parents that were sent, in the order of what needs them.
func (f *form) chosen(v *page.Visit) []string {
	parents := []string{}
	for i := range f.Needs {
		n := &f.Needs[i]
		if n.Chosen = v.Form(n.ID()); n.Chosen != "" {
			parents = append(parents, n.Chosen)
		}
	}
	return parents
}
