package remuda

import (
	"fmt"
	"log/slog"
)

// Secret is a value that must not appear in any log, answer or error. Printing it, in whatever way, prints a mark;
// only Reveal gives the value.
type Secret struct{ value string }

// ShortestSecret is how many bytes a secret has at least: a shorter one could not be hidden in output without spoiling
// it.
const ShortestSecret = 4

// secretMark stands where a secret was.
const secretMark = "[secret]"

// NewSecret keeps value from being printed.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal gives the value: call it where the value is used, never where it is described.
func (s Secret) Reveal() string { return s.value }

// String prints the mark.
func (s Secret) String() string { return secretMark }

// GoString prints the mark for %#v.
func (s Secret) GoString() string { return secretMark }

// Format prints the mark whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(secretMark)) }

// LogValue logs the mark.
func (s Secret) LogValue() slog.Value { return slog.StringValue(secretMark) }

// MarshalText writes the mark: a Secret that is encoded by accident tells nothing.
func (s Secret) MarshalText() ([]byte, error) { return []byte(secretMark), nil }

// UnmarshalText reads a value that a request carries.
func (s *Secret) UnmarshalText(text []byte) error {
	s.value = string(text)
	return nil
}
