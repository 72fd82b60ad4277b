package architecture

import (
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// Each rule is shown one house that breaks it and nothing else: a rule that never bites holds nothing.
func TestEachRuleBites(t *testing.T) {
	for _, test := range []struct {
		name  string
		tree  imports
		tests imports
		want  string // part of the one violation
	}{
		{
			name: "a package without a room",
			tree: imports{"./internal/cupboard": {"strings"}},
			want: "./internal/cupboard is in no room",
		},
		{
			name:  "a package of nothing but tests without a room",
			tests: imports{"./internal/cupboard": {"testing"}},
			want:  "./internal/cupboard is in no room",
		},
		{
			name: "words with a library",
			tree: imports{".": {"github.com/google/uuid"}},
			want: "words import the standard library only",
		},
		{
			name: "words that know a room",
			tree: imports{".": {"./internal/nearest"}},
			want: "words may not import tool",
		},
		{
			name: "a tool that knows rules",
			tree: imports{"./internal/seal": {"./internal/control"}},
			want: "tool may not import rules",
		},
		{
			name: "the public runner with rules",
			tree: imports{"./runner": {"./internal/control"}},
			want: "public may not import rules",
		},
		{
			name: "the public agent with an adapter",
			tree: imports{"./agent": {"./internal/job"}},
			want: "public may not import adapter",
		},
		{
			name: "the public client with an adapter",
			tree: imports{"./client": {"./internal/server"}},
			want: "public may not import adapter",
		},
		{
			name: "a public suite with an adapter",
			tree: imports{"./runner/runnertest": {"./internal/machine"}},
			want: "public may not import adapter",
		},
		{
			name: "rules with an adapter",
			tree: imports{"./internal/control": {"./internal/store"}},
			want: "rules may not import adapter",
		},
		{
			name: "rules with the public client",
			tree: imports{"./internal/control": {"./client"}},
			want: "rules may not import public",
		},
		{
			name: "rules over HTTP",
			tree: imports{"./internal/control": {"net/http"}},
			want: "a rule holds whoever asks",
		},
		{
			name: "tasks that know building blocks",
			tree: imports{"./internal/control": {"./internal/blocks"}},
			want: "only blocks and pipeline import another",
		},
		{
			name: "building blocks that know pipelines",
			tree: imports{"./internal/blocks": {"./internal/pipeline"}},
			want: "only blocks and pipeline import another",
		},
		{
			name: "the store that knows the server",
			tree: imports{"./internal/store": {"./internal/server"}},
			want: "adapters never import each other",
		},
		{
			name: "an Executor that knows an Implementation",
			tree: imports{"./internal/machine": {"./internal/job"}},
			want: "adapters never import each other",
		},
		{
			name: "two faces of the server that know each other",
			tree: imports{"./internal/server/circleci": {"./internal/server/ui"}},
			want: "adapters never import each other",
		},
		{
			name: "two parts of the pages that know each other",
			tree: imports{"./internal/server/ui/task": {"./internal/server/ui/block"}},
			want: "adapters never import each other",
		},
		{
			name: "a main package that is imported",
			tree: imports{"./internal/server": {"./cmd/remuda"}},
			want: "nothing imports a main package",
		},
		{
			name: "a main package that is imported by another",
			tree: imports{"./bench": {"./cmd/remuda"}},
			want: "nothing imports a main package",
		},
		{
			name:  "a main package that is imported by a test",
			tests: imports{"./runner": {"./cmd/remuda"}},
			want:  "nothing imports a main package",
		},
		{
			name: "wiring that is imported from below",
			tree: imports{"./internal/job": {"./internal/taskagent"}},
			want: "adapter may not import wiring",
		},
		{
			name: "cgo",
			tree: imports{"./internal/machine": {"C"}},
			want: "there is no cgo here",
		},
		{
			name: "SQL outside of the store",
			tree: imports{"./internal/server": {"database/sql"}},
			want: "only internal/store",
		},
		{
			name: "a driver below its module's path",
			tree: imports{"./cmd/remuda": {"github.com/jackc/pgx/v5/pgxpool"}},
			want: "only internal/store",
		},
		{
			name: "YAML outside of its package",
			tree: imports{"./internal/jobfile": {"go.yaml.in/yaml/v4"}},
			want: "only internal/yaml may",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := violations(test.tree, test.tests)
			if len(got) != 1 || !strings.Contains(got[0], test.want) {
				t.Errorf("violations are %q, want one with %q", got, test.want)
			}
		})
	}
}

// Each library that has a door is kept from a room that is not behind it.
func TestEachLibraryIsKeptBehindItsDoor(t *testing.T) {
	for _, rule := range onlyRules {
		for _, from := range []string{"./internal/remote", "./internal/store", "./cmd/remuda"} {
			mayIt := slices.ContainsFunc(rule.rooms, func(room string) bool { return within(inTable(from), room) })
			if said := libraryViolation(from, rule.library+"/below"); (said == "") != mayIt {
				t.Errorf("%s imports %s: violation is %q", from, rule.library, said)
			}
		}
	}
}

func TestAHouseThatKeepsTheRulesStands(t *testing.T) {
	tree := imports{
		".":                          {"errors", "net/url"},
		"./runner":                   {".", "./client", "./internal/nearest", "golang.org/x/sync/errgroup"},
		"./runner/runnertest":        {"./runner", "testing"},
		"./internal/nearest":         {".", "crypto/rand"},
		"./internal/seal":            {"./internal/nearest"},
		"./internal/yaml":            {"go.yaml.in/yaml/v4"},
		"./internal/control":         {".", "./internal/seal", "github.com/google/uuid"},
		"./internal/blocks":          {"./internal/control"},
		"./internal/pipeline":        {"./internal/control"},
		"./internal/store":           {"./internal/control", "database/sql", "modernc.org/sqlite"},
		"./internal/server":          {"./internal/control", "./internal/server/ui", "github.com/danielgtaylor/huma/v2"},
		"./internal/server/circleci": {"./internal/server", "net/http"},
		"./internal/machine":         {"./runner", "os/exec"},
		"./internal/taskagent":       {"./agent", "./internal/job"},
		"./cmd/remuda":               {"./internal/taskagent", "./internal/store", "./internal/machine", "github.com/spf13/cobra"},
	}
	// Tests put real things together.
	tests := imports{
		"./internal/control": {"./internal/store"},
		"./internal/store":   {"./internal/server", "net/http"},
	}
	if got := violations(tree, tests); len(got) != 0 {
		t.Errorf("violations are %q, want none", got)
	}
}

func TestAHeavyLibraryIsFoundHoweverFarAway(t *testing.T) {
	for _, room := range light {
		for _, library := range heavy {
			all := imports{
				"./" + room:                  {"context", "./internal/nearest"},
				"./internal/nearest":         {"example.org/innocent"},
				"example.org/innocent":       {"example.org/innocent/inner", "./internal/nearest"},
				"example.org/innocent/inner": {library + "/deep"},
			}
			want := "./" + room + " carries a heavy library: ./" + room +
				" → ./internal/nearest → example.org/innocent → example.org/innocent/inner → " + library + "/deep"
			if got := heavyViolations(all); len(got) != 1 || got[0] != want {
				t.Errorf("violations are %q, want %q", got, want)
			}
		}
	}
	// A name that only begins alike is another library; and the control plane may carry what it needs.
	all := imports{"./agent": {"go.opentelemetry.iodine/x"}, "./internal/store": {"modernc.org/sqlite"}}
	if got := heavyViolations(all); len(got) != 0 {
		t.Errorf("violations are %q, want none", got)
	}
}

func TestANameThatSaysNothingIsRefused(t *testing.T) {
	got := violations(imports{"./internal/util": nil}, nil)
	if !slices.ContainsFunc(got, func(said string) bool { return strings.Contains(said, "does not say what lies inside") }) {
		t.Errorf("violations are %q, want one about the name", got)
	}
}

func TestEachRoomHasOneSentence(t *testing.T) {
	for name, room := range rooms {
		if !strings.HasSuffix(room.purpose, ".") || strings.Count(room.purpose, ". ") > 0 {
			t.Errorf("%s: %q is not one sentence", name, room.purpose)
		}
		if _, known := mayImport[room.layer]; !known {
			t.Errorf("%s: layer %q is in no picture", name, room.layer)
		}
	}
}

func TestASleepIsFoundUnlessTimeIsFake(t *testing.T) {
	for _, test := range []struct {
		source string
		want   int
	}{
		{`package x; import "time"; func f() { time.Sleep(1) }`, 1},
		{`package x; import clock "time"; func f() { clock.Sleep(1); wait(clock.Sleep) }`, 2},
		{`package x; import ("time"; "testing/synctest"); func f() { synctest.Wait(); time.Sleep(1) }`, 0},
		{`package x; import "time"; func f() { var bed bed; bed.Sleep(1); time.Now() }`, 0},
	} {
		parsed, err := parser.ParseFile(token.NewFileSet(), "x_test.go", test.source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(realSleeps(parsed)); got != test.want {
			t.Errorf("%d sleeps found, want %d, in %s", got, test.want, test.source)
		}
	}
}
