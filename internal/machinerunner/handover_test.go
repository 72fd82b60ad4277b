package machinerunner

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
)

// fill gives every field below v a value of its own, so that none can get lost unnoticed.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[remuda.Secret]() {
			v.Set(reflect.ValueOf(remuda.NewSecret("a class token")))
			return
		}
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	case reflect.String:
		v.SetString(strings.Repeat("x", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n) * 1_000_000_000) // as a Duration, whole seconds
	case reflect.Float64:
		v.SetFloat(float64(*n) / 2)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0), n)
		fill(t, v.Index(1), n)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"NAME": "value"}))
	default:
		t.Fatalf("no value for %s", v.Type())
	}
}

func TestAllSettingsArriveWhereTheRunnerIsHandedOver(t *testing.T) {
	var want Handover
	n := 0
	fill(t, reflect.ValueOf(&want.Settings).Elem(), &n)
	want.Coloured = true
	document, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := readHandover(strings.NewReader(string(document)))
	if err != nil {
		t.Fatal(err)
	}
	same := cmp.Comparer(func(a, b remuda.Secret) bool { return a.Reveal() == b.Reveal() })
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhatIsNoHandoverIsRefusedInOneSentence(t *testing.T) {
	for _, text := range []string{"", "hello", `{"Settings":`} {
		var said strings.Builder
		code := Main(t.Context(), "v1", nil, Process{Stdin: strings.NewReader(text), Stderr: &said})
		if code != ExitUsage || strings.Count(said.String(), "\n") != 1 {
			t.Errorf("%q: exit code %d, %q", text, code, said.String())
		}
	}
}
