// Package remuda holds the words that every part of Remuda shares: what travels from submit to result, and how a
// call fails. It imports the standard library alone, so that the task-agent and the control plane can both speak it.
//
// The JSON members of these types are the native API's: each noun has one shape, here.
package remuda

import (
	"fmt"
	"time"
)

// Duration is a length of time that reads and prints as people write it: "90s", "10m", "5h", "2d".
// The zero value means that nothing was said, and takes the default.
type Duration time.Duration

// Std is d for the standard library.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String prints the shortest exact form: "10m", not "10m0s".
func (d Duration) String() string { return shortDuration(time.Duration(d)) }

// MarshalText prints d as String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what people write; a bare number is refused, since its unit would be a guess.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// Or is d, or fallback when nothing was said.
func (d Duration) Or(fallback Duration) Duration {
	if d == 0 {
		return fallback
	}
	return d
}

// ParseDuration reads "1d12h", "90m", "1.5s". Negative lengths are refused.
func ParseDuration(text string) (Duration, error) {
	rest, days := text, time.Duration(0)
	if before, after, found := cutDays(text); found {
		days, rest = time.Duration(before)*24*time.Hour, after
		if rest == "" {
			rest = "0s"
		}
	}
	length, err := time.ParseDuration(rest)
	if err != nil || length < 0 || text == "" || days < 0 || days > 36500*24*time.Hour {
		return 0, fmt.Errorf("expected a duration such as 90s, 10m, 5h or 2d, got %q", text)
	}
	return Duration(days + length), nil
}

func cutDays(text string) (days int, rest string, found bool) {
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9' && i < 6:
			days = days*10 + int(c-'0')
		case c == 'd' && i > 0:
			return days, text[i+1:], true
		default:
			return 0, text, false
		}
	}
	return 0, text, false
}

func shortDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	text := ""
	if days := d / (24 * time.Hour); days > 0 {
		text, d = fmt.Sprintf("%dd", days), d%(24*time.Hour)
	}
	if hours := d / time.Hour; hours > 0 {
		text, d = text+fmt.Sprintf("%dh", hours), d%time.Hour
	}
	if minutes := d / time.Minute; minutes > 0 {
		text, d = text+fmt.Sprintf("%dm", minutes), d%time.Minute
	}
	if d > 0 {
		text += d.String()
	}
	return text
}
