package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda/internal/journal"
	"github.com/remuda-dev/remuda/internal/yaml"
)

// format is how answers are printed.
type format string

// The formats.
const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatYAML  format = "yaml"
)

// String, Set and Type make it a flag.
func (f *format) String() string { return string(*f) }
func (f *format) Set(text string) error {
	switch format(text) {
	case formatTable, formatJSON, formatYAML:
		*f = format(text)
		return nil
	}
	return errors.New("expected table, json or yaml")
}
func (f *format) Type() string { return "format" }

// output gives a command -o.
func (p *program) output(c *cobra.Command) *format {
	f := formatTable
	c.Flags().VarP(&f, "output", "o", "how to print: table for people, json or yaml for programs")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	return &f
}

// column is one column of a table, or one line about a single noun.
type column[T any] struct {
	name   string
	cell   func(T) string
	colour func(T) colour // may be nil
}

// text is what a cell shows. Whatever a control plane sends, it moves no cursor.
func (c column[T]) text(p *program, item T) string {
	cell := plain(c.cell(item))
	if c.colour == nil {
		return cell
	}
	return p.paint(p.stdout, c.colour(item), cell)
}

// plain is text from elsewhere on one line.
func plain(text string) string { return journal.Plain(text) }

// show prints one noun: a line for each column that says something.
func show[T any](p *program, f format, item T, columns []column[T]) error {
	if f != formatTable {
		return p.encode(f, item)
	}
	rows := make([][]string, 0, len(columns))
	for _, c := range columns {
		if cell := c.text(p, item); cell != "" {
			rows = append(rows, []string{c.name, cell})
		}
	}
	return p.rows(nil, rows)
}

// list prints several: a row for each. nothing is what to say when there are none.
func list[T any](p *program, f format, items []T, columns []column[T], nothing string) error {
	if items == nil {
		items = []T{} // "null" is no list
	}
	if f != formatTable {
		return p.encode(f, items)
	}
	if len(items) == 0 {
		fmt.Fprintln(p.stderr, nothing)
		return nil
	}
	headers := make([]string, len(columns))
	for i, c := range columns {
		headers[i] = strings.ToUpper(c.name)
	}
	rows := make([][]string, len(items))
	for i, item := range items {
		for _, c := range columns {
			rows[i] = append(rows[i], c.text(p, item))
		}
	}
	return p.rows(headers, rows)
}

func (p *program) encode(f format, value any) error {
	if f == formatYAML {
		text, err := yaml.Encode(value)
		if err != nil {
			return err
		}
		_, err = p.stdout.Write(text)
		return err
	}
	encoder := json.NewEncoder(p.stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// encodeLine prints one of many answers that come one after the other.
func (p *program) encodeLine(f format, value any) error {
	if f == formatYAML {
		if _, err := fmt.Fprintln(p.stdout, "---"); err != nil {
			return err
		}
		return p.encode(f, value)
	}
	encoder := json.NewEncoder(p.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// rows prints aligned cells. Without headers the first column is the dim one.
func (p *program) rows(headers []string, rows [][]string) error {
	grid := table.New().Wrap(false).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).BorderHeader(false).BorderColumn(false).
		StyleFunc(func(row, col int) lipgloss.Style {
			style := lipgloss.NewStyle().PaddingRight(2)
			if row == table.HeaderRow || headers == nil && col == 0 {
				return style.Faint(true)
			}
			return style
		})
	if headers != nil {
		grid = grid.Headers(headers...)
	}
	text := grid.Rows(rows...).String()
	coloured := p.colours(p.stdout)
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		if !coloured {
			line = strings.TrimRight(ansi.Strip(line), " ")
		}
		if _, err := fmt.Fprintln(p.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

// colours says whether w is a terminal whose user wants colours.
func (p *program) colours(w io.Writer) bool {
	if none, set := p.env("NO_COLOR"); set && none != "" {
		return false
	}
	return colorprofile.Detect(w, p.environ) > colorprofile.ASCII
}

// terminal says whether somebody looks at w.
func (p *program) terminal(w io.Writer) bool {
	_, isFile := w.(*os.File)
	return isFile && colorprofile.Detect(w, p.environ) > colorprofile.NoTTY
}

// colour names the meaning of a colour.
type colour string

// The colours, by ANSI number: whatever a terminal's theme makes of them.
const (
	good colour = "2"
	bad  colour = "1"
	busy colour = "4"
	odd  colour = "3"
)

// paint colours text where w shows colours.
func (p *program) paint(w io.Writer, c colour, text string) string {
	if !p.colours(w) {
		return text
	}
	return lipgloss.NewStyle().Foreground(lipgloss.Color(string(c))).Render(text)
}

// faint is for what is said by the way.
func (p *program) faint(w io.Writer, text string) string {
	if !p.colours(w) {
		return text
	}
	return lipgloss.NewStyle().Faint(true).Render(text)
}

// ago says when something was, as people do.
func ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	passed := time.Since(t)
	switch {
	case passed < 0:
		return "in " + short(-passed)
	case passed < time.Second:
		return "just now"
	}
	if passed < time.Minute {
		return fmt.Sprintf("%ds ago", int(passed.Seconds()))
	}
	return short(passed) + " ago"
}

func agoOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return ago(*t)
}

// short is a length of time in its one or two greatest units.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

// number prints a count, or nothing for the value that says none.
func number(n, none int) string {
	if n == none {
		return ""
	}
	return fmt.Sprint(n)
}
