package taskagent

import (
	"strings"
	"testing"
)

func TestAnAgentThatSaysTooMuchIsCutOffOnce(t *testing.T) {
	var said strings.Builder
	w := &words{to: &said, left: 10}
	for _, text := range []string{"12345", "67890", "x", "", "y"} {
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
	if got, want := said.String(), "1234567890remuda-agent: has said too much, and says nothing more\n"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
}
