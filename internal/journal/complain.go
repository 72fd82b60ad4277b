package journal

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/remuda-dev/remuda"
)

// Complain says why a command ended, in as few lines as that takes.
func Complain(to io.Writer, err error) {
	_, _ = fmt.Fprintf(to, "remuda: %s\n", strings.TrimRight(err.Error(), "\n"))
	var refused *remuda.Error
	if errors.As(err, &refused) {
		for _, field := range refused.Fields {
			_, _ = fmt.Fprintf(to, "  %s: %s\n", Plain(field.Location), Plain(field.Message))
		}
	}
}

// Plain is text that came from elsewhere on one line, without what a terminal would obey.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, text)
}
