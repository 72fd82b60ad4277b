package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

func (p *program) definitions() *cobra.Command {
	return group(page{
		use: "definition", aliases: []string{"def"}, short: "Definitions: templates of building blocks, and their versions",
		example: "remuda definition create --release examples/block\nremuda definition list\nremuda definition show 'Object storage' -o yaml",
	}, p.definitionList(), p.definitionShow(), p.definitionCreate(), p.definitionChange(), p.definitionRelease(), p.definitionDelete())
}

func definitionColumns() []column[remuda.Definition] {
	return []column[remuda.Definition]{
		{name: "id", cell: func(d remuda.Definition) string { return d.ID }},
		{name: "name", cell: func(d remuda.Definition) string { return d.Name }},
		{name: "owner", cell: func(d remuda.Definition) string { return d.Organization }},
		{name: "released", cell: func(d remuda.Definition) string { return number(d.Released, 0) }},
		{name: "latest", cell: func(d remuda.Definition) string { return fmt.Sprint(d.Latest) }},
		{name: "access", cell: func(d remuda.Definition) string {
			return strings.Join(append([]string{string(d.Access)}, d.Organizations...), " ")
		}},
		{name: "blocks", cell: func(d remuda.Definition) string { return fmt.Sprint(d.Blocks) }},
		{name: "created", cell: func(d remuda.Definition) string { return ago(d.CreatedAt) }},
	}
}

func definitionDetails() []column[remuda.Definition] {
	return append(definitionColumns(),
		column[remuda.Definition]{name: "description", cell: func(d remuda.Definition) string { return d.Description }},
		column[remuda.Definition]{name: "target", cell: func(d remuda.Definition) string { return string(d.Target) }},
		column[remuda.Definition]{name: "platforms", cell: func(d remuda.Definition) string { return strings.Join(d.Platforms, ", ") }},
		column[remuda.Definition]{name: "runs are seen", cell: func(d remuda.Definition) string { return yes(d.RunTransparency) }},
		column[remuda.Definition]{name: "support", cell: func(d remuda.Definition) string { return d.SupportURL }},
		column[remuda.Definition]{name: "docs", cell: func(d remuda.Definition) string { return d.DocsURL }},
	)
}

func (p *program) definitionList() *cobra.Command {
	var f *format
	var filter client.DefinitionFilter
	c := p.call(page{use: "list", aliases: []string{"ls"}, short: "List the definitions that you may see", example: "remuda definition list\nremuda definition list --released -o json"},
		cobra.NoArgs, func(ctx context.Context, u *client.User, _ []string) error {
			all, err := client.All(ctx, func(ctx context.Context, q client.PageQuery) (remuda.Page[remuda.Definition], error) {
				return u.Definitions(ctx, filter, q)
			})
			if err != nil {
				return err
			}
			return list(p, *f, all, definitionColumns(), "There is no definition; make one with 'remuda definition create FILE'.")
		})
	c.Flags().StringVar(&filter.Organization, "org", "", "only those that this organization owns")
	p.completingFlag(c, "org", organizationNames)
	c.Flags().BoolVar(&filter.Released, "released", false, "only those that can be ordered")
	c.Flags().StringVar(&filter.Search, "search", "", "only those whose name has this text in it")
	f = p.output(c)
	return c
}

// shownDefinition is a definition with one of its versions, in the shape of a definition file.
type shownDefinition struct {
	remuda.Definition
	Version *remuda.Version `json:"version,omitempty"`
}

func (p *program) definitionShow() *cobra.Command {
	var f *format
	var number int
	c := p.call(page{
		use: "show NAME", short: "Show one definition with a version of it",
		long:    "Show one definition with a version of it, the newest one when none is said. With -o yaml it is a file that 'remuda definition change' takes.",
		example: "remuda definition show 'Object storage'\nremuda definition show 'Object storage' --version 2 -o yaml > storage.yml",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		d, err := p.definition(ctx, u, args[0])
		if err != nil {
			return err
		}
		v, err := u.VersionOf(ctx, d.ID, newest(number, d))
		if err != nil && !errors.Is(err, remuda.NotFound) {
			return err
		}
		if *f != formatTable {
			shown := shownDefinition{Definition: d}
			if err == nil {
				shown.Version = &v
			}
			return p.encode(*f, shown)
		}
		if err := show(p, *f, d, definitionDetails()); err != nil || v.ID == "" {
			return err
		}
		return p.showVersion(v)
	})
	c.Flags().IntVar(&number, "version", 0, "number of the version; the newest that you may see when 0")
	f = p.output(c)
	return p.completing(c, namesOf(definitionsOf))
}

// newest is the version that is meant when nobody says which.
func newest(number int, d remuda.Definition) int {
	if number > 0 {
		return number
	}
	if d.Latest > 0 {
		return d.Latest
	}
	return d.Released
}

func (p *program) definition(ctx context.Context, u *client.User, word string) (remuda.Definition, error) {
	id, err := resolve(ctx, "definition", word, definitionsOf(u))
	if err != nil {
		return remuda.Definition{}, err
	}
	return u.Definition(ctx, id)
}

func versionColumns() []column[remuda.Version] {
	return []column[remuda.Version]{
		{name: "version", cell: func(v remuda.Version) string { return fmt.Sprintf("%d (%s)", v.Number, v.State) }},
		{name: "carried out by", cell: func(v remuda.Version) string { return carriedOutBy(v) }},
		{name: "deleting", cell: func(v remuda.Version) string { return string(v.Deletion) }},
		{name: "approval", cell: func(v remuda.Version) string { return yes(v.Approval) }},
		{name: "drift", cell: func(v remuda.Version) string { return text(v.DriftEvery) }},
		{name: "timeout", cell: func(v remuda.Version) string { return text(v.Timeout) }},
		{name: "needs", cell: func(v remuda.Version) string { return strings.Join(v.Dependencies, ", ") }},
	}
}

func carriedOutBy(v remuda.Version) string {
	by := v.Implementation.Type
	if tofu := v.Implementation.OpenTofu; tofu != nil {
		by += " " + tofu.Version
		switch {
		case tofu.Repository != "":
			by += " " + tofu.Repository
		case len(tofu.Files) > 0:
			by += fmt.Sprintf(", %d files", len(tofu.Files))
		}
	}
	if v.ResourceClass != "" {
		by += " on " + v.ResourceClass
	}
	return by
}

func (p *program) showVersion(v remuda.Version) error {
	fmt.Fprintln(p.stdout)
	if err := show(p, formatTable, v, versionColumns()); err != nil {
		return err
	}
	var rows [][]string
	for _, key := range inputOrder(v.Inputs) {
		in := v.Inputs[key]
		rows = append(rows, []string{key, string(in.Type), inputFrom(in), inputMarks(in), in.Description})
	}
	if len(rows) > 0 {
		fmt.Fprintln(p.stdout)
		if err := p.rows([]string{"INPUT", "TYPE", "FROM", "", ""}, rows); err != nil {
			return err
		}
	}
	rows = nil
	for _, key := range slices.Sorted(maps.Keys(v.Outputs)) {
		out := v.Outputs[key]
		rows = append(rows, []string{key, string(out.Type), string(out.Assignment), mark(out.Sensitive, "secret")})
	}
	if len(rows) == 0 {
		return nil
	}
	fmt.Fprintln(p.stdout)
	return p.rows([]string{"OUTPUT", "TYPE", "FOR", ""}, rows)
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

func inputFrom(in remuda.Input) string {
	switch {
	case in.Assignment == remuda.AssignStatic || in.Assignment == remuda.AssignOutput:
		if in.Argument != nil {
			return string(in.Assignment) + " " + valueText(*in.Argument)
		}
	case in.Default != nil:
		return string(in.Assignment) + ", else " + valueText(*in.Default)
	}
	return string(in.Assignment)
}

func inputMarks(in remuda.Input) string {
	marks := []string{mark(in.Sensitive, "secret"), mark(in.Optional, "optional"), mark(in.Locked, "locked"), mark(in.Environment, "environment")}
	if len(in.Choices) > 0 {
		marks = append(marks, "one of "+strings.Join(in.Choices, ", "))
	}
	return strings.Join(slices.DeleteFunc(marks, func(m string) bool { return m == "" }), ", ")
}

func mark(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

func (p *program) definitionDelete() *cobra.Command {
	var number int
	c := p.call(page{
		use: "delete NAME", aliases: []string{"rm"}, short: "Delete a definition, or one version of it",
		long:    "Delete a definition, or one version of it. It is refused while blocks of it are left.",
		example: "remuda definition delete 'Object storage'\nremuda definition delete 'Object storage' --version 3",
	}, cobra.ExactArgs(1), func(ctx context.Context, u *client.User, args []string) error {
		id, err := resolve(ctx, "definition", args[0], definitionsOf(u))
		if err != nil {
			return err
		}
		if number > 0 {
			return u.DeleteVersion(ctx, id, number)
		}
		return u.DeleteDefinition(ctx, id)
	})
	c.Flags().IntVar(&number, "version", 0, "only the version of this number")
	return p.completing(c, namesOf(definitionsOf))
}
