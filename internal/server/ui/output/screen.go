package output

import (
	"fmt"
	"strings"

	terminal "github.com/buildkite/terminal-to-html/v3"
)

// The size of the terminal that a step believes it has. What is further above can be changed no more. It is Buildkite's
// size, which programs in CI are used to.
const columns, rows = 160, 100

// mostPending is how many lines of a step wait to be sent; before them the oldest are left out, as a browser would not
// keep them either.
const mostPending = 50_000

// screen is what the output of a step looks like by now, as lines of HTML with numbers from 0. Only the difference to what
// a browser was told is ever sent.
type screen struct {
	sieve    sieve
	terminal *terminal.Screen // nil when nothing was printed since the screen was settled
	silent   bool             // lines are counted, not kept
	touched  bool             // something may differ from what was told

	first   int      // the number of pending[0], or of the terminal's first line when nothing is pending
	pending []string // lines that will not change any more
	told    []string // the lines from first on, as the browser knows them
	known   bool     // the browser knows what lies before first, as far as it is shown
}

// change is a step's lines from one on. What the browser has there is replaced by them.
type change struct {
	At    int
	Lines []string
}

// write takes the next bytes of the step.
func (s *screen) write(data []byte) error {
	sifted := s.sieve.sift(data)
	s.touched = true
	if s.terminal == nil {
		if len(sifted) == 0 {
			return nil
		}
		if err := s.open(); err != nil {
			return err
		}
	}
	_, err := s.terminal.Write(sifted)
	return err
}

func (s *screen) open() error {
	made, err := terminal.NewScreen(terminal.WithSize(columns, rows), terminal.WithMaxSize(columns, rows))
	if err != nil {
		return fmt.Errorf("make a terminal: %w", err)
	}
	s.terminal = made
	s.listen()
	return nil
}

// listen has the terminal say which lines are final, without the work of rendering when nobody is to see them.
func (s *screen) listen() {
	if s.terminal == nil {
		return
	}
	if s.silent {
		s.terminal.ScrollOutFunc, s.terminal.ScrollOutPlainFunc = nil, func(string) { s.first++ }
		return
	}
	s.terminal.ScrollOutFunc, s.terminal.ScrollOutPlainFunc = s.scrolled, nil
}

func (s *screen) scrolled(line string) { s.final(tidied(strings.TrimSuffix(line, "\n"))) }

func (s *screen) final(line string) {
	if len(s.pending) == mostPending {
		dropped := mostPending / 2
		s.pending = append(s.pending[:0], s.pending[dropped:]...)
		s.first += dropped
		s.told, s.known = nil, false
	}
	s.pending = append(s.pending, line)
}

// tidied is a line of the terminal's as it stands on the page.
func tidied(line string) string {
	if line == "&nbsp;" {
		return ""
	}
	return strings.ReplaceAll(line, `<a href="`, `<a rel="noopener nofollow" target="_blank" href="`)
}

// tail is the lines that may still change.
func (s *screen) tail() []string {
	if s.terminal == nil {
		return nil
	}
	html := s.terminal.AsHTMLWithTimestamps(false)
	if html == "" {
		return nil
	}
	lines := strings.Split(html, "\n")
	for i, line := range lines {
		lines[i] = tidied(line)
	}
	return lines
}

// settle makes all lines final. What is printed afterwards begins on a new one.
func (s *screen) settle() error {
	if rest := s.sieve.rest(); len(rest) > 0 && s.terminal != nil {
		if _, err := s.terminal.Write(rest); err != nil {
			return err
		}
	}
	tail := s.tail()
	s.terminal, s.sieve = nil, sieve{}
	if s.silent {
		s.first += len(tail)
		return nil
	}
	for _, line := range tail {
		s.final(line)
	}
	s.touched = true
	return nil
}

// mark adds a line of ours, which no step can print.
func (s *screen) mark(html string) error {
	if err := s.settle(); err != nil {
		return err
	}
	s.touched = true
	if s.silent {
		s.first++
		return nil
	}
	s.final(html)
	return nil
}

// speak ends the silence. The browser knows all lines up to here, or none of them.
func (s *screen) speak(known bool) {
	s.silent, s.known, s.told, s.touched = false, known, nil, !known
	if known {
		s.told = s.tail()
	}
	s.listen()
}

// difference is what the browser is to be told, and whether there is anything.
func (s *screen) difference() (change, bool) {
	if !s.touched || s.silent {
		return change{}, false
	}
	s.touched = false
	tail := s.tail()
	now := append(s.pending, tail...)
	same := 0
	for same < len(now) && same < len(s.told) && now[same] == s.told[same] {
		same++
	}
	is := change{At: s.first + same, Lines: now[same:]}
	differs := len(now) > same || len(s.told) > same || !s.known
	s.first += len(s.pending)
	s.pending, s.told, s.known = nil, tail, true
	return is, differs
}
