package yaml_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda/internal/yaml"
)

// length reads itself from text, as remuda.Duration does.
type length time.Duration

func (l *length) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("expected a duration such as 10m, got %q", text)
	}
	*l = length(parsed)
	return nil
}

type command struct {
	Name        string            `yaml:"name"`
	Command     string            `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Background  bool              `yaml:"background"`
	Timeout     length            `yaml:"timeout"`
}

// step is a word, or a mapping of which run is a text or a mapping.
type step struct {
	Checkout bool
	Run      command
}

func (s *step) UnmarshalYAMLNode(n *yaml.Node) error {
	if n.IsText() {
		if n.Value != "checkout" {
			return n.Errorf("expected checkout or a mapping with run, got %q", n.Value)
		}
		s.Checkout = true
		return nil
	}
	if run := n.Find("run"); run != nil && run.IsText() {
		s.Run.Command = run.Value
		return nil
	}
	var long struct {
		Run command `yaml:"run"`
	}
	if err := n.Decode(&long); err != nil {
		return err
	}
	s.Run = long.Run
	if s.Run.Command == "" {
		return errors.Join(n.Errorf("run needs a command"), errors.New("as said"))
	}
	return nil
}

type shared struct {
	Shell string `yaml:"shell"`
}

type job struct {
	Name        string            `yaml:"name"`
	Class       string            `json:"resource_class,omitempty"`
	Timeout     length            `yaml:"timeout"`
	Parallelism uint8             `yaml:"parallelism"`
	Priority    int               `yaml:"priority"`
	Share       float64           `yaml:"share"`
	Retry       *bool             `yaml:"retry"`
	Secrets     []string          `yaml:"secrets"`
	Environment map[string]string `yaml:"environment"`
	Labels      map[string]int    `yaml:"labels"`
	Steps       []step            `yaml:"steps"`
	Inputs      json.RawMessage   `yaml:"inputs"`
	Extra       any               `yaml:"extra"`
	Source      *shared           `yaml:"source"`
	Hidden      string            `yaml:"-"`
	Plain       string
	shared
	Lent *shared `yaml:",inline"`
}

func TestWhatPeopleWriteIsRead(t *testing.T) {
	const text = `# a job
name: hello
resource_class: 'acme/linux'
timeout: 10m
parallelism: 4
priority: -3
share: 1
retry: false
plain: "true"
shell: sh -e
secrets:
  - NPM_TOKEN
environment: &env
  NUMBER: 1.50
  OCTAL: 010
  FLAG: true
  DATE: 2024-01-02
  NOTHING:
  TEXT: "quoted"
  8080: port
labels: {a: 0x10, b: 1_000}
source:
  shell: bash
steps:
  - checkout
  - run: make
  - run:
      command: |
        make test
        make done
      environment:
        <<: *env
        TEXT: own
      timeout: 30s
inputs: {b: [1, 2.50, "x", null, true], a: {}, big: 18446744073709551615, hex: 0xff}
extra: [1, -2.5, x, ~, {k: false}]
`
	var got job
	if err := yaml.Decode("hello.yml", []byte(text), &got); err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{"NUMBER": "1.50", "OCTAL": "010", "FLAG": "true", "DATE": "2024-01-02",
		"NOTHING": "", "TEXT": "quoted", "8080": "port"}
	merged := map[string]string{}
	for key, value := range environment {
		merged[key] = value
	}
	merged["TEXT"] = "own"
	no := false
	want := job{
		Name: "hello", Class: "acme/linux", Timeout: length(10 * time.Minute), Parallelism: 4, Priority: -3, Share: 1,
		Retry: &no, Plain: "true", shared: shared{"sh -e"}, Secrets: []string{"NPM_TOKEN"}, Environment: environment,
		Labels: map[string]int{"a": 16, "b": 1000}, Source: &shared{"bash"},
		Steps: []step{{Checkout: true}, {Run: command{Command: "make"}}, {Run: command{
			Command: "make test\nmake done\n", Environment: merged, Timeout: length(30 * time.Second)}}},
		Inputs: json.RawMessage(`{"b":[1,2.5,"x",null,true],"a":{},"big":18446744073709551615,"hex":255}`),
		Extra:  []any{1, -2.5, "x", nil, map[string]any{"k": false}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(job{}, shared{})); diff != "" {
		t.Error(diff)
	}
}

func TestADocumentThatSaysNothingChangesNothing(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "null", "---\n...\n", "\ufeff"} {
		got := job{Name: "before"}
		if err := yaml.Decode("empty.yml", []byte(text), &got); err != nil || got.Name != "before" {
			t.Errorf("%q: %v, name %q", text, err, got.Name)
		}
	}
}

func TestEmptyListsAndMappingsMayBeLeftBlank(t *testing.T) {
	got := job{Secrets: []string{"old"}, Environment: map[string]string{"OLD": "1"}}
	if err := yaml.Decode("job.yml", []byte("secrets:\nenvironment:\nretry:\nsource: ~\n"), &got); err != nil {
		t.Fatal(err)
	}
	if got.Secrets != nil || got.Environment != nil || got.Retry != nil || got.Source != nil {
		t.Errorf("got %+v", got)
	}
}

func TestTheErrorIsProblemsWithPlaces(t *testing.T) {
	var into job
	err := yaml.Decode("job.yml", []byte("name: x\nsteps:\n  - run: {timeout: ten}\n"), &into)
	var problems yaml.Problems
	if !errors.As(err, &problems) || len(problems) != 1 {
		t.Fatalf("got %v", err)
	}
	want := yaml.Problem{File: "job.yml", Line: 3, Column: 20, Path: "steps[0].run.timeout",
		Message: `expected a duration such as 10m, got "ten"`}
	if problems[0] != want {
		t.Errorf("got %+v, want %+v", problems[0], want)
	}
}

func TestAtMostTwentyProblemsAreReportedInTheOrderOfTheFile(t *testing.T) {
	var text strings.Builder
	for i := range 50 {
		fmt.Fprintf(&text, "unknown%d: x\n", i)
	}
	var problems yaml.Problems
	if err := yaml.Decode("job.yml", []byte(text.String()), &job{}); !errors.As(err, &problems) || len(problems) != 20 {
		t.Fatalf("got %d problems", len(problems))
	}
	for i, problem := range problems {
		if problem.Line != i+1 {
			t.Errorf("problem %d is on line %d", i, problem.Line)
		}
	}
}

func TestOnlyAPointerCanBeDecodedInto(t *testing.T) {
	var problems yaml.Problems
	for _, into := range []any{nil, job{}, (*job)(nil)} {
		if err := yaml.Decode("job.yml", []byte("name: x"), into); err == nil || errors.As(err, &problems) {
			t.Errorf("into %T: %v", into, err)
		}
	}
}

func TestAPositionIsFoundByJSONPointer(t *testing.T) {
	const text = "name: x\nsteps:\n  - checkout\n  - run:\n      command: y\na/b: {c~d: [1, 2]}\nref: &r\n  k: v\nsame: *r\n"
	for pointer, want := range map[string][2]int{
		"":                     {1, 1},
		"/name":                {1, 7},
		"/steps":               {3, 3},
		"/steps/0":             {3, 5},
		"/steps/1":             {4, 5},
		"/steps/1/run/command": {5, 16},
		"/steps/1/run/absent":  {5, 7},
		"/steps/7":             {3, 3},
		"/steps/-1":            {3, 3},
		"/absent/deeper":       {1, 1},
		"/a~1b/c~0d/1":         {6, 16},
		"/same/k":              {8, 6},
	} {
		if line, column := yaml.Position([]byte(text), pointer); line != want[0] || column != want[1] {
			t.Errorf("%q lies at %d:%d, want %d:%d", pointer, line, column, want[0], want[1])
		}
	}
	if line, column := yaml.Position([]byte("name: [unclosed"), "/name"); line != 1 || column != 1 {
		t.Errorf("in a file that cannot be read: %d:%d, want 1:1", line, column)
	}
}

func TestNumbersKeepTheirValueOrAreRefused(t *testing.T) {
	var got struct {
		A int64   `yaml:"a"`
		B uint64  `yaml:"b"`
		C float64 `yaml:"c"`
		D float32 `yaml:"d"`
		E int8    `yaml:"e"`
	}
	if err := yaml.Decode("n.yml", []byte("a: -9223372036854775808\nb: 18446744073709551615\nc: .inf\nd: 1e3\ne: -128"), &got); err != nil {
		t.Fatal(err)
	}
	if got.A != math.MinInt64 || got.B != math.MaxUint64 || !math.IsInf(got.C, 1) || got.D != 1000 || got.E != -128 {
		t.Errorf("got %+v", got)
	}
}
