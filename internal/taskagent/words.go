package taskagent

import (
	"io"
	"sync"
)

// mostWords is how much an agent says on standard error, which its runner keeps in a file.
const mostWords = 1 << 20

// words are what an agent says, up to a bound: one that is kept from its work for days would fill the disk with it.
type words struct {
	to io.Writer

	mu   sync.Mutex
	left int
}

// Write never fails for the bound: whoever speaks has other things to do.
func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	said := len(p)
	switch {
	case w.left < 0:
		return said, nil
	case said > w.left:
		w.left = -1
		_, err := io.WriteString(w.to, "remuda-agent: has said too much, and says nothing more\n")
		return said, err
	}
	w.left -= said
	return w.to.Write(p)
}
