package main

import (
	"strings"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestWhatCannotBeKeptSoIsRefused(t *testing.T) {
	for want, change := range map[string]func(*keepSettings){
		"--output-limit 0":      func(k *keepSettings) { k.OutputLimit = 0 },
		"--retention-size -1":   func(k *keepSettings) { k.RetentionSize = -1 },
		"--retention-age 1d":    func(k *keepSettings) { k.RetentionAge = day },
		"--retention-events 1s": func(k *keepSettings) { k.RetentionEvents = remuda.Duration(time.Second) },
	} {
		keep := usualKeep()
		change(&keep)
		if err := keep.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v is refused with %v, want words of %q", keep, err, want)
		}
	}
}

func TestThingsAreKeptAsTheSettingsSay(t *testing.T) {
	usual := usualKeep()
	if err := usual.check(); err != nil {
		t.Error(err)
	}
	if got := usual.retention(); got != (control.Retention{Age: 90 * day, Events: 365 * day}) {
		t.Errorf("by default it is %+v", got)
	}
	forEver := keepSettings{OutputLimit: 1, RetentionSize: 3}
	if err := forEver.check(); err != nil {
		t.Error(err)
	}
	if got := forEver.retention(); got != (control.Retention{Size: 3 << 30}) {
		t.Errorf("with zeros it is %+v", got)
	}
}
