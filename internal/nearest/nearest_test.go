package nearest_test

import (
	"strings"
	"testing"

	"github.com/remuda-dev/remuda/internal/nearest"
)

func TestTheNameThatWasMeantIsFound(t *testing.T) {
	keys := []string{"name", "resource_class", "project", "working_directory", "environment", "shell", "steps",
		"command", "timeout", "queue_timeout", "no_output_timeout", "background", "when", "run"}
	for word, want := range map[string]string{
		"comand":             "command",           // a letter left out
		"commmand":           "command",           // one too many
		"cammand":            "command",           // another one
		"tiemout":            "timeout",           // two swapped
		"Steps":              "steps",             // case
		"resource-class":     "resource_class",    // another sign
		"resourceClass":      "resource_class",    // no sign
		"working_dir":        "",                  // too much is missing
		"workingdirectory":   "working_directory", // no sign
		"queue-time-out":     "queue_timeout",
		"enviroment":         "environment",
		"rum":                "run",
		"NAME":               "name",
		"env":                "",
		"image":              "",
		"zzzzzzz":            "",
		"x":                  "",
		"":                   "",
		"_":                  "",
		"no_output_timeouts": "no_output_timeout",
	} {
		got, found := nearest.Name(word, keys)
		if got != want || found != (want != "") {
			t.Errorf("nearest.Name(%q) = %q, %v; want %q", word, got, found, want)
		}
	}
}

func TestTheNearestOfSeveralWinsAndTheFirstOfEquallyNearOnes(t *testing.T) {
	if got, _ := nearest.Name("timeouts", []string{"timeour", "timeout"}); got != "timeout" {
		t.Errorf("got %q, want the one that is one edit away", got)
	}
	if got, _ := nearest.Name("task", []string{"mask", "tasks"}); got != "mask" {
		t.Errorf("got %q, want the first of two that are one edit away", got)
	}
}

func TestAShortNameIsNeverGuessed(t *testing.T) {
	if got, found := nearest.Name("ab", []string{"ac", "abc"}); got != "abc" || !found {
		t.Errorf("got %q, %v; want abc, the one with three letters", got, found)
	}
	if got, found := nearest.Name("a", []string{"b", "ab"}); found {
		t.Errorf("got %q for a single letter", got)
	}
}

func TestAPageOfTextIsNotCompared(t *testing.T) {
	page := strings.Repeat("x", 1<<20)
	if got, found := nearest.Name(page, []string{page, "name"}); found {
		t.Errorf("got a name of %d bytes", len(got))
	}
	if got, found := nearest.Name("name", []string{page, "names"}); got != "names" || !found {
		t.Errorf("got %q, %v; want names", got, found)
	}
}

func TestNothingIsNearestOfNothing(t *testing.T) {
	if got, found := nearest.Name("name", nil); got != "" || found {
		t.Errorf("got %q, %v", got, found)
	}
}

func TestLettersAreCountedNotBytes(t *testing.T) {
	if got, found := nearest.Name("größe", []string{"grösse", "große"}); got != "große" || !found {
		t.Errorf("got %q, %v; want große, one letter away", got, found)
	}
}
