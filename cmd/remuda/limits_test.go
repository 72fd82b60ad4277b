package main

import (
	"log/slog"
	"math"
	"strings"
	"testing"
)

func TestALimitIsOneOrMore(t *testing.T) {
	if err := usualLimits().check(); err != nil {
		t.Error(err)
	}
	none := usualLimits()
	none.StreamsPerToken = 0
	if err := none.check(); err == nil || !strings.Contains(err.Error(), "limits.streams_per_token") {
		t.Errorf("got %v", err)
	}
}

func TestTheOperatorHearsOfTooFewFiles(t *testing.T) {
	if mostFiles() > math.MaxInt {
		t.Log("files are not limited here")
		return
	}
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, nil))
	few := usualLimits()
	few.Runners = 1
	few.Streams = 1
	few.warn(log)
	if said.Len() != 0 {
		t.Errorf("it says %s", &said)
	}
	many := usualLimits()
	many.Runners = int(mostFiles()) //nolint:gosec // it is less than the greatest int
	many.warn(log)
	if !strings.Contains(said.String(), "LimitNOFILE") {
		t.Errorf("it says %q", &said)
	}
}
