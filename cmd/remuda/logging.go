package main

import (
	"log/slog"

	"github.com/remuda-dev/remuda/internal/journal"
)

// logger opens the log. The caller closes it.
func (p *program) logger(s journal.Settings) (*slog.Logger, func(), error) {
	log, done, err := journal.Open(s, p.stderr, p.colours)
	if err != nil {
		return nil, nil, failure{exitUsage, err}
	}
	return log, done, nil
}
