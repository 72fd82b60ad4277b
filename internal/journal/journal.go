// Package journal opens the log of a long-running command, in the forms that people and programs read.
package journal

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
)

// Settings say how a long-running command tells what it does.
type Settings struct {
	Level  string `yaml:"level" flag:"log-level" help:"debug, info, warn or error"`
	Format string `yaml:"format" flag:"log-format" help:"color, text, json or none"`
	File   string `yaml:"file" flag:"log-file" help:"write the log there instead of to standard error"`
}

// Usual is text for people; colours only where somebody sees them.
func Usual() Settings { return Settings{Level: "info", Format: "color"} }

// Open opens the log, which goes to the stream unless the settings name a file. coloured tells of any writer whether
// somebody sees colours there. The caller closes the log; an error means that the settings are wrong.
func Open(s Settings, stream io.Writer, coloured func(io.Writer) bool) (*slog.Logger, func(), error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.Level)); err != nil {
		return nil, nil, fmt.Errorf("log level %q: it is debug, info, warn or error", s.Level)
	}
	to, done := stream, func() {}
	if s.File != "" {
		file, err := os.OpenFile(s.File, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, nil, fmt.Errorf("open the log: %w", err)
		}
		to, done = file, func() { _ = file.Close() }
	}
	var handler slog.Handler
	switch s.Format {
	case "color":
		handler = tint.NewTextHandler(to, &tint.Options{Level: level, TimeFormat: time.DateTime, NoColor: !coloured(to)})
	case "text":
		handler = slog.NewTextHandler(to, &slog.HandlerOptions{Level: level})
	case "json":
		handler = slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level})
	case "none":
		handler = slog.DiscardHandler
	default:
		done()
		return nil, nil, fmt.Errorf("log format %q: it is color, text, json or none", s.Format)
	}
	return slog.New(handler), done, nil
}
