package block

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/remuda-dev/remuda"
)

// change is what becomes of one resource.
type change struct {
	ID      string // of its element: another one when it says something else
	Address string
	Kind    kind
	Members []member
	Open    bool
}

// kind is what is done to a resource.
type kind struct{ Word, Sign, Class string }

// member is what becomes of one of its attributes.
type member struct {
	Name   string
	Lines  []line // of a long one; Before and After are empty then
	Before *side
	After  *side
}

// side is one of two values.
type side struct {
	Text   string
	Hidden bool // sensitive
	Open   bool // known after apply
}

// mostShown is how many resources a page shows unless it is asked for all; so many stand open that one sees what it is
// about.
const (
	mostShown = 200
	mostOpen  = 12
)

// planned are the changes of a plan, and apart from them those that were found outside: the first of them, unless all
// are asked for.
func planned(p *remuda.PlanSummary, all bool) (changes, outside []change, cut bool) {
	resources := p.Resources
	if cut = !all && len(resources) > mostShown; cut {
		resources = resources[:mostShown]
	}
	for _, r := range resources {
		c := change{Address: r.Address, Kind: kindOf(r.Actions), Members: members(r), Open: len(resources) <= mostOpen}
		c.ID = identity(r)
		if r.Drift {
			outside = append(outside, c)
		} else {
			changes = append(changes, c)
		}
	}
	return changes, outside, cut
}

// identity is an id for an element of the page that nobody updates: what says something else is another element.
func identity(r remuda.ResourceChange) string {
	text, err := json.Marshal(r)
	if err != nil {
		text = []byte(r.Address)
	}
	sum := sha256.Sum256(text)
	return "change-" + hex.EncodeToString(sum[:8])
}

func kindOf(actions []string) kind {
	switch strings.Join(actions, " ") {
	case "create":
		return kind{"create", "+", "added"}
	case "delete":
		return kind{"delete", "−", "removed"}
	case "update":
		return kind{"update", "~", "changed"}
	case "delete create":
		return kind{"replace", "−/+", "replaced"}
	case "create delete":
		return kind{"replace: the new one first", "+/−", "replaced"}
	case "read":
		return kind{"read", "≤", "read"}
	case "no-op", "":
		return kind{"no change", "·", "same"}
	default:
		return kind{strings.Join(actions, ", "), "·", "changed"}
	}
}

// members are a resource's attributes that change, by name. What was nothing and stays nothing is left out.
func members(r remuda.ResourceChange) (told []member) {
	names := slices.Collect(maps.Keys(r.Before))
	for name := range r.After {
		if _, both := r.Before[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	gone := slices.Equal(r.Actions, []string{"delete"})
	for _, name := range names {
		before := r.Before[name]
		after, known := r.After[name]
		if isNothing(before) && known && isNothing(after) {
			continue
		}
		told = append(told, memberOf(name, before, after, !known && !gone))
	}
	return told
}

func memberOf(name string, before, after json.RawMessage, open bool) member {
	m := member{Name: name, Before: sideOf(before), After: sideOf(after)}
	switch {
	case open:
		m.After = &side{Open: true}
	case m.Before != nil && m.After != nil && m.Before.Text == m.After.Text && !m.Before.Hidden:
		m.Before, m.After.Open = nil, true // a part of it is not known yet
	case m.Before != nil && m.After != nil && !m.Before.Hidden && !m.After.Hidden && (severalLines(m.Before.Text) || severalLines(m.After.Text)):
		m.Lines, m.Before, m.After = compare(m.Before.Text, m.After.Text), nil, nil
	}
	return m
}

func severalLines(text string) bool { return strings.Contains(text, "\n") }

// secretValue is what agents report in the place of a value that OpenTofu knows to be secret.
const secretValue = `"(secret)"`

// sideOf is a value as people read it; nil for none. A text of one line stands in quotes, as it does in a module.
func sideOf(raw json.RawMessage) *side {
	if isNothing(raw) {
		return nil
	}
	if string(raw) == secretValue {
		return &side{Hidden: true}
	}
	var text string
	if json.Unmarshal(raw, &text) == nil && severalLines(text) {
		return &side{Text: strings.TrimSuffix(text, "\n")}
	}
	return &side{Text: unescaped(indented(raw))}
}

// unescaped has the characters that JSON for browsers escapes, as people wrote them. Templates escape what they show.
func unescaped(text string) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(text)
}
