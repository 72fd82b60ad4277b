package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
)

// logging is how long-running commands tell what they do.
type logging struct {
	Level  string `yaml:"level" flag:"log-level" help:"debug, info, warn or error"`
	Format string `yaml:"format" flag:"log-format" help:"color, text, json or none"`
	File   string `yaml:"file" flag:"log-file" help:"write the log there instead of to standard error"`
}

// usualLogging is text for people; colours only where somebody sees them.
func usualLogging() logging { return logging{Level: "info", Format: "color"} }

// logger opens the log. The caller closes it.
func (p *program) logger(l logging) (*slog.Logger, func(), error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		return nil, nil, wrong("log level %q: it is debug, info, warn or error", l.Level)
	}
	to, done := p.stderr, func() {}
	if l.File != "" {
		file, err := os.OpenFile(l.File, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, nil, wrong("open the log: %w", err)
		}
		to, done = file, func() { _ = file.Close() }
	}
	handler, err := p.logHandler(l.Format, to, level)
	if err != nil {
		done()
		return nil, nil, err
	}
	return slog.New(handler), done, nil
}

func (p *program) logHandler(format string, to io.Writer, level slog.Level) (slog.Handler, error) {
	switch format {
	case "color":
		return tint.NewTextHandler(to, &tint.Options{Level: level, TimeFormat: time.DateTime, NoColor: !p.colours(to)}), nil
	case "text":
		return slog.NewTextHandler(to, &slog.HandlerOptions{Level: level}), nil
	case "json":
		return slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level}), nil
	case "none":
		return slog.DiscardHandler, nil
	}
	return nil, failure{exitUsage, fmt.Errorf("log format %q: it is color, text, json or none", format)}
}
