package yaml

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// most is how many problems one reading reports: enough to mend a file in one go, few enough to be read.
const most = 20

// Problem is one thing that is wrong in a file, and what to do about it.
type Problem struct {
	File    string
	Line    int    // counted from 1
	Column  int    // counted from 1, in characters
	Path    string // which value, such as steps[2].timeout; empty for the whole document
	Message string // what is wrong with it
}

// Error is "file:line:column: path: message", the form in which editors find the place.
func (p *Problem) Error() string {
	var text strings.Builder
	if p.File != "" {
		fmt.Fprintf(&text, "%s:", p.File)
	}
	fmt.Fprintf(&text, "%d:%d: ", p.Line, p.Column)
	if p.Path != "" {
		fmt.Fprintf(&text, "%s: ", p.Path)
	}
	text.WriteString(p.Message)
	return text.String()
}

// Problems is everything that is wrong in a file, in the order of the file; at most 20.
type Problems []Problem

// Error is one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}

// full says that more would not be shown.
func (p Problems) full() bool { return len(p) >= most }

// add takes one problem, unless there are enough.
func (p *Problems) add(problem Problem) {
	if !p.full() {
		*p = append(*p, problem)
	}
}

// take adds what err says about n. Problems inside err keep their own places; any other error is about n itself.
func (p *Problems) take(n *Node, err error) {
	if err == nil {
		return
	}
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		for _, one := range several.Unwrap() {
			p.take(n, one)
		}
		return
	}
	var many Problems
	if errors.As(err, &many) {
		for _, one := range many {
			p.add(one)
		}
		return
	}
	var one *Problem
	if errors.As(err, &one) {
		p.add(*one)
		return
	}
	p.add(n.problem(line(err.Error())))
}

// asError is nil without problems, else the problems in the order of the file. Two problems at one place keep the
// order in which they were found.
func (p Problems) asError() error {
	if len(p) == 0 {
		return nil
	}
	sort.SliceStable(p, func(i, j int) bool {
		if p[i].Line != p[j].Line {
			return p[i].Line < p[j].Line
		}
		return p[i].Column < p[j].Column
	})
	return p
}

// quote shows what somebody wrote.
func quote(text string) string { return strconv.Quote(clip(text)) }

// clip shortens what somebody wrote.
func clip(text string) string { return first(text, 40) }

// line makes one line of what another package says, which may repeat what somebody wrote.
func line(message string) string {
	return first(strings.Join(strings.Fields(message), " "), 300)
}

func first(text string, longest int) string {
	runes := 0
	for i := range text {
		if runes == longest {
			return text[:i] + "…"
		}
		runes++
	}
	return text
}
