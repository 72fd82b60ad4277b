package main

import (
	"log/slog"

	"github.com/remuda-dev/remuda/internal/server"
)

// limits bound what may be asked of a control plane at once. What else is bounded is no matter of taste, and in
// docs/operate.md.
type limits struct {
	Runners          int `yaml:"runners"`
	Streams          int `yaml:"streams"`
	RequestsPerToken int `yaml:"requests_per_token"`
	StreamsPerToken  int `yaml:"streams_per_token"`
}

func usualLimits() limits {
	return limits{Runners: 20_000, Streams: 2_000, RequestsPerToken: 128, StreamsPerToken: 64}
}

// check says what cannot be meant.
func (l limits) check() error {
	for name, value := range map[string]int{
		"runners": l.Runners, "streams": l.Streams, "requests_per_token": l.RequestsPerToken, "streams_per_token": l.StreamsPerToken,
	} {
		if value < 1 {
			return wrong("limits.%s: %d: expected 1 or more", name, value)
		}
	}
	return nil
}

func (l limits) server() server.Limits {
	return server.Limits{Syncs: l.Runners, Streams: l.Streams, TokenRequests: l.RequestsPerToken, TokenStreams: l.StreamsPerToken}
}

// spareFiles are for databases, output, and requests that are over in a moment.
const spareFiles = 500

// warn tells the operator when the system lets the process open fewer connections than it would hold.
func (l limits) warn(log *slog.Logger) {
	if most := mostFiles(); most < uint64(l.Runners+l.Streams+spareFiles) {
		log.Warn("the system lets this process open fewer files than it would hold connections; raise the limit (ulimit -n, LimitNOFILE) or lower limits.runners",
			"files", most, "runners", l.Runners, "streams", l.Streams, "enough", l.Runners+l.Streams+spareFiles)
	}
}
