package remuda_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
)

func TestADurationReadsAndPrintsAsPeopleWriteIt(t *testing.T) {
	for text, want := range map[string]struct {
		length time.Duration
		prints string
	}{
		"90s": {90 * time.Second, "1m30s"}, "10m": {10 * time.Minute, "10m"}, "5h": {5 * time.Hour, "5h"},
		"2d": {48 * time.Hour, "2d"}, "1d12h": {36 * time.Hour, "1d12h"}, "1.5s": {1500 * time.Millisecond, "1.5s"},
		"0s": {0, "0s"}, "36h": {36 * time.Hour, "1d12h"}, "250ms": {250 * time.Millisecond, "250ms"},
	} {
		got, err := remuda.ParseDuration(text)
		if err != nil || got.Std() != want.length || got.String() != want.prints {
			t.Errorf("ParseDuration(%q) = %s, %v; want %s", text, got, err, want.prints)
		}
		if again, err := remuda.ParseDuration(got.String()); err != nil || again != got {
			t.Errorf("what %q prints does not read back: %s, %v", text, again, err)
		}
	}
	for _, text := range []string{"", "10", "-5s", "d", "1d-2h", "ten", "99999d", "1000000d", "5 m"} {
		if got, err := remuda.ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %s, want an error", text, got)
		}
	}
}

func TestASecretIsPrintedByNothing(t *testing.T) {
	secret := remuda.NewSecret("hunter2")
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("here", "secret", secret, "all", []remuda.Secret{secret}, "map", map[string]any{"x": secret})
	encoded, err := json.Marshal(map[string]any{"secret": secret, "pointer": &secret})
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(encoded)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		all += fmt.Sprintf(verb+verb+verb, secret, &secret, struct{ S remuda.Secret }{secret})
	}
	if strings.Contains(all, "hunter2") || strings.Contains(all, fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("the secret was printed: %s", all)
	}
	if secret.Reveal() != "hunter2" {
		t.Error("Reveal does not give it")
	}
}

func TestAKindIsFoundThroughWrapping(t *testing.T) {
	err := fmt.Errorf("claim task 7: %w", &remuda.Error{Kind: remuda.Gone, Detail: "it has ended", Cause: errors.New("below")})
	if !errors.Is(err, remuda.Gone) || errors.Is(err, remuda.NotFound) || remuda.KindOf(err) != remuda.Gone {
		t.Errorf("the kind of %v is %s", err, remuda.KindOf(err))
	}
	if kind := remuda.KindOf(fmt.Errorf("look: %w", remuda.NotFound)); kind != remuda.NotFound {
		t.Errorf("a bare kind is %s", kind)
	}
	if kind := remuda.KindOf(errors.New("boom")); kind != remuda.Internal {
		t.Errorf("a fault is %s", kind)
	}
}

func TestATaskIsOverInFourStates(t *testing.T) {
	over := map[remuda.State]bool{
		remuda.Waiting: false, remuda.Queued: false, remuda.Running: false,
		remuda.Succeeded: true, remuda.Failed: true, remuda.Canceled: true, remuda.Skipped: true,
	}
	for state, want := range over {
		if state.Ended() != want {
			t.Errorf("%s.Ended() = %t", state, !want)
		}
	}
}
