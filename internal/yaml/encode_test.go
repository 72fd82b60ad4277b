package yaml_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/remuda-dev/remuda/internal/yaml"
)

func TestValuesAreWrittenWithTheMembersAndTheOrderOfTheirJSON(t *testing.T) {
	value := struct {
		Name  string         `json:"name"`
		When  time.Time      `json:"when"`
		Empty string         `json:"empty,omitempty"`
		List  []any          `json:"list"`
		Of    map[string]any `json:"of"`
		Text  string         `json:"text"`
		Line  string         `json:"line"`
		None  []string       `json:"none"`
	}{
		Name: "true", When: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), List: []any{1, 2.5, "5", nil, false, []any{}},
		Of: map[string]any{"b": 1, "a": map[string]any{}}, Text: "make\nmake test\n", Line: `a: "b" # c`,
	}
	const want = `name: 'true'
when: '2026-03-04T05:06:07Z'
list:
- 1
- 2.5
- '5'
- null
- false
- []
of:
  a: {}
  b: 1
text: |
  make
  make test
line: 'a: "b" # c'
none: null
`
	got, err := yaml.Encode(value)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhatJSONCannotSayIsAnError(t *testing.T) {
	for _, value := range []any{math.Inf(1), func() {}, map[string]any{"a": make(chan int)}} {
		if text, err := yaml.Encode(value); err == nil {
			t.Errorf("%T was written as %q", value, text)
		}
	}
}

// values draws what JSON can say.
func values(depth int) *rapid.Generator[any] {
	kinds := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.IntRange(-1e9, 1e9).AsAny(), rapid.String().AsAny(),
		rapid.StringMatching(`[ \n\t#:'"|>&*!%@,\[\]{}a0~.-]{0,8}`).AsAny(), rapid.Float64Range(-1e6, 1e6).AsAny(),
		rapid.SampledFrom([]string{"null", "~", "yes", "0x1F", "1e3", "<<", "=", "2024-01-02", "---", "...", "- a", "a: b"}).AsAny(),
	}
	if depth > 0 {
		kinds = append(kinds, rapid.SliceOfN(values(depth-1), 0, 4).AsAny(),
			rapid.MapOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"<<", "null", "1", "", "a b"})), values(depth-1), 0, 4).AsAny())
	}
	return rapid.OneOf(kinds...)
}

func TestWhatIsWrittenReadsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		encoded, err := json.Marshal(values(3).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := yaml.Encode(json.RawMessage(encoded))
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if err := json.Unmarshal(encoded, &want); err != nil {
			t.Fatal(err)
		}
		var raw json.RawMessage
		if err := yaml.Decode("x.yml", text, &raw); err != nil {
			t.Fatalf("%s\nwas written as\n%s\nand is refused: %v", encoded, text, err)
		}
		if raw == nil {
			raw = json.RawMessage("null")
		}
		if err := json.Unmarshal(raw, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\nwas written as\n%s\nand reads as %s", encoded, text, raw)
		}
	})
}
