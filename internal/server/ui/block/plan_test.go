package block

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

// What is left out is the same on both sides, so a difference that is short enough is the whole of both.
func TestADifferenceHoldsBothTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", ""}), 1, 6)
		before, after := texts.Draw(t, "before"), texts.Draw(t, "after")
		var was, is []string
		folded := false
		for _, l := range compare(strings.Join(before, "\n"), strings.Join(after, "\n")) {
			switch l.Sign {
			case '-':
				was = append(was, l.Text)
			case '+':
				is = append(is, l.Text)
			case '…':
				folded = true
			default:
				was, is = append(was, l.Text), append(is, l.Text)
			}
		}
		if folded {
			return
		}
		if !cmp.Equal(was, before) || !cmp.Equal(is, after) {
			t.Fatalf("%q to %q is told as %q to %q", before, after, was, is)
		}
	})
}

func TestADifferenceIsShort(t *testing.T) {
	var lines []string
	for n := range 100 {
		lines = append(lines, fmt.Sprint("line ", n))
	}
	before := strings.Join(lines, "\n")
	lines[50] = "another"
	want := []line{
		{'…', ""}, {' ', "line 47"}, {' ', "line 48"}, {' ', "line 49"}, {'-', "line 50"}, {'+', "another"},
		{' ', "line 51"}, {' ', "line 52"}, {' ', "line 53"}, {'…', ""},
	}
	if diff := cmp.Diff(want, compare(before, strings.Join(lines, "\n"))); diff != "" {
		t.Error(diff)
	}
	long := strings.Repeat("x\n", mostCompared+1)
	if got := compare(long, "y"); len(got) != mostCompared+3 || got[len(got)-1] != (line{'+', "y"}) {
		t.Errorf("texts that are too long are %d lines, the last %v", len(got), got[len(got)-1])
	}
}

func TestAttributesAreToldByWhatBecomesOfThem(t *testing.T) {
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	got := members(remuda.ResourceChange{
		Actions: []string{"update"},
		Before: map[string]json.RawMessage{
			"gone": raw(`1`), "hid": raw(`"(secret)"`), "open": raw(`"x"`), "partly": raw(`{"a":1}`), "new": raw(`null`), "text": raw(`"a\nb\n"`),
		},
		After: map[string]json.RawMessage{
			"gone": raw(`null`), "hid": raw(`"(secret)"`), "partly": raw(`{"a":1}`), "added": raw(`"\u003cb\u003e"`), "nothing": raw(`null`), "text": raw(`"a\nc\n"`),
		},
	})
	want := []member{
		{Name: "added", After: &side{Text: `"<b>"`}},
		{Name: "gone", Before: &side{Text: "1"}},
		{Name: "hid", Before: &side{Hidden: true}, After: &side{Hidden: true}},
		{Name: "new", After: &side{Open: true}},
		{Name: "open", Before: &side{Text: `"x"`}, After: &side{Open: true}},
		{Name: "partly", After: &side{Text: `{"a":1}`, Open: true}},
		{Name: "text", Lines: []line{{' ', "a"}, {'-', "b"}, {'+', "c"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for actions, word := range map[string]string{
		"create": "create", "delete": "delete", "update": "update", "read": "read", "no-op": "no change", "delete create": "replace",
		"create delete": "replace: the new one first", "forget": "forget",
	} {
		if got := kindOf(strings.Fields(actions)).Word; got != word {
			t.Errorf("%s is told as %s", actions, got)
		}
	}
}

func TestALongPlanIsCutUnlessAllIsAskedFor(t *testing.T) {
	var p remuda.PlanSummary
	for n := range mostShown + 1 {
		p.Resources = append(p.Resources, remuda.ResourceChange{Address: fmt.Sprint("a.", n), Actions: []string{"create"}, Drift: n%2 == 1})
	}
	for all, want := range map[bool]int{false: mostShown, true: mostShown + 1} {
		changes, outside, cut := planned(&p, all)
		if len(changes)+len(outside) != want || cut == all || changes[0].Open {
			t.Errorf("with all %v, %d and %d are shown, cut is %v", all, len(changes), len(outside), cut)
		}
	}
	if identity(p.Resources[0]) == identity(p.Resources[1]) {
		t.Error("two resources are one element")
	}
}

// Whatever a family is like, no box lies on another, each stands to the right of its parents, and all is inside.
func TestNoBoxOfADrawingLiesOnAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		family := make([]blocks.Kin, rapid.IntRange(1, 20).Draw(t, "blocks"))
		lines := 0
		for i := range family {
			family[i].ID = fmt.Sprint(i)
			for j := range i {
				if rapid.IntRange(0, 3).Draw(t, "parent") == 0 {
					family[i].Parents = append(family[i].Parents, fmt.Sprint(j))
					lines++
				}
			}
		}
		d := draw(family)
		if len(d.Boxes) != len(family) || len(d.Lines) != lines {
			t.Fatalf("%d boxes of %d, %d lines of %d", len(d.Boxes), len(family), len(d.Lines), lines)
		}
		places := map[string]box{}
		for _, b := range d.Boxes {
			places[b.ID] = b
			if b.X < 0 || b.Y < 0 || b.X+boxWidth > d.Width || b.Y+boxHeight > d.Height {
				t.Fatalf("box %s is outside", b.ID)
			}
			for _, other := range d.Boxes {
				if b.ID != other.ID && b.X < other.X+boxWidth && other.X < b.X+boxWidth && b.Y < other.Y+boxHeight && other.Y < b.Y+boxHeight {
					t.Fatalf("boxes %s and %s lie on each other", b.ID, other.ID)
				}
			}
		}
		for _, b := range d.Boxes {
			for _, parent := range b.Parents {
				if places[parent].X+boxWidth > b.X {
					t.Fatalf("%s does not stand to the right of its parent %s", b.ID, parent)
				}
			}
		}
	})
}

func TestAProblemIsTheSameInWordsForPeople(t *testing.T) {
	told := plainly(remuda.Error{Kind: remuda.Invalid, Detail: "the run is not finished", Fields: []remuda.Field{{Location: "body.outputs.floor", Message: "no"}, {Location: "body", Message: "no"}}})
	if told.Detail != "The run is not finished." || told.Fields[0].Location != "floor" || told.Fields[1].Location != "body" {
		t.Errorf("it is %+v", told)
	}
	if sentence("") != "" || sentence("ärger!") != "Ärger!" {
		t.Error("a sentence is not made as it should be")
	}
}
