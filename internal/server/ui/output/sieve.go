package output

import (
	"strconv"
	"unicode/utf8"
)

// widest is how many characters of a line are shown. More in one line is data that nobody reads here.
const widest = 10_000

// longestSequence is how many bytes of an escape sequence are looked at: more than a link needs.
const longestSequence = 1100

// sieve stands before the terminal: what comes out of it are whole characters and the few sequences that have a meaning on
// a page, each whole and short. So nothing that a step prints can be much work, and it makes no difference to what is shown
// how its output was cut into pieces.
type sieve struct {
	out      []byte
	state    sieveState
	sequence []byte // what came of an escape sequence, after what began it
	long     bool   // it is longer than is looked at
	half     []byte // the beginning of a character in UTF-8

	column  int    // characters since the line began
	cut     int    // characters of the line that are left out
	linked  bool   // a link is open
	delayed []byte // colours set while a link is open; they count after it
}

type sieveState int

const (
	inText     sieveState = iota
	inEscape              // after ESC
	inCharset             // after ESC and what names a set of characters
	inControl             // after ESC [
	inString              // after ESC ] and its like, until BEL or ESC \
	inEndOfIt             // after ESC in a string
	inCommand             // after ESC ], which alone means something here
	inCommands            // after ESC in it
)

// sift gives what is left of the next bytes of a stream. The answer is good until the next call.
func (s *sieve) sift(data []byte) []byte {
	s.out = s.out[:0]
	for len(data) > 0 {
		if n := s.plain(data); n > 0 {
			data = data[n:]
			continue
		}
		s.byte(data[0])
		data = data[1:]
	}
	return s.out
}

// plain takes the characters of ASCII that come next, which is nearly all that there is.
func (s *sieve) plain(data []byte) int {
	if s.state != inText || len(s.half) > 0 {
		return 0
	}
	n := 0
	for n < len(data) && data[n] >= 0x20 && data[n] < 0x7f {
		n++
	}
	shown := min(n, widest-s.column)
	s.out = append(s.out, data[:shown]...)
	s.column += shown
	s.cut += n - shown
	return n
}

// rest ends the stream where it is: what was begun and does not come is left out.
func (s *sieve) rest() []byte {
	s.out = s.out[:0]
	s.unlink()
	s.sayCut()
	s.state, s.half, s.sequence = inText, s.half[:0], s.sequence[:0]
	return s.out
}

func (s *sieve) byte(b byte) {
	if b < 0x20 && b != 0x1b && b != 0x07 && s.state != inText {
		s.state = inText // no sequence has a line end in it: this one was never finished
	}
	switch s.state {
	case inText:
		s.text(b)
	case inEscape:
		s.escape(b)
	case inCharset:
		s.state = inText
	case inControl:
		s.control(b)
	case inString, inCommand:
		s.string(b)
	case inEndOfIt, inCommands:
		command := s.state == inCommands
		s.state = inText
		switch {
		case b != '\\':
			s.escape(b) // the string was not finished; another sequence begins
		case command:
			s.command()
		}
	}
}

// text takes a byte outside of sequences.
func (s *sieve) text(b byte) {
	switch {
	case b >= utf8.RuneSelf || len(s.half) > 0:
		s.part(b)
	case b == 0x1b:
		s.state = inEscape
	case b == '\n':
		s.unlink()
		s.sayCut()
		s.out = append(s.out, '\n')
		s.column = 0
	case b == '\r', b == '\b':
		s.unlink()
		s.out = append(s.out, b)
		s.column, s.cut = 0, 0
	case b == '\t' || b >= 0x20 && b != 0x7f:
		s.character(b)
	}
}

// part takes a byte of a character of several.
func (s *sieve) part(b byte) {
	unknown := []byte("\uFFFD")
	if b < utf8.RuneSelf || len(s.half) > 0 && utf8.RuneStart(b) {
		s.half = s.half[:0]
		s.character(unknown...)
		s.text(b)
		return
	}
	s.half = append(s.half, b)
	if !utf8.FullRune(s.half) {
		return
	}
	r, size := utf8.DecodeRune(s.half)
	left := len(s.half) - size
	switch {
	case r == utf8.RuneError && size == 1:
		s.character(unknown...)
	case r >= 0xa0: // what lies below controls terminals, too
		s.character(s.half...)
		left = 0
	}
	rest := [utf8.UTFMax]byte{}
	n := copy(rest[:], s.half[len(s.half)-left:])
	s.half = s.half[:0]
	for _, next := range rest[:n] {
		s.text(next)
	}
}

// character takes one that is seen.
func (s *sieve) character(encoded ...byte) {
	if s.column >= widest {
		s.cut++
		return
	}
	s.column++
	s.out = append(s.out, encoded...)
}

// sayCut ends a line that was too long with how much of it is missing.
func (s *sieve) sayCut() {
	if s.cut == 0 {
		return
	}
	s.out = append(s.out, " … "...)
	s.out = strconv.AppendInt(s.out, int64(s.cut), 10)
	s.out = append(s.out, " more characters are in the raw output"...)
	s.cut = 0
}

// escape takes the byte after ESC.
func (s *sieve) escape(b byte) {
	s.sequence, s.long = s.sequence[:0], false
	s.state = inText
	switch b {
	case '[':
		s.state = inControl
	case ']':
		s.state = inCommand
	case 'P', '_', '^', 'X':
		s.state = inString
	case '(', ')', '*', '+', '-', '.', '/', '#', '%', ' ':
		s.state = inCharset
	case '7', '8', 'M':
		s.move(b)
	case 'E':
		s.text('\n')
	case 'c':
		s.colour([]byte("0"))
	case 0x1b:
		s.state = inEscape
	}
}

// string takes a byte of a sequence that has text in it.
func (s *sieve) string(b byte) {
	switch {
	case b == 0x07 && s.state == inCommand:
		s.state = inText
		s.command()
	case b == 0x07:
		s.state = inText
	case b == 0x1b && s.state == inCommand:
		s.state = inCommands
	case b == 0x1b:
		s.state = inEndOfIt
	default:
		s.remember(b)
	}
}

func (s *sieve) remember(b byte) {
	if s.long = s.long || len(s.sequence) >= longestSequence; !s.long {
		s.sequence = append(s.sequence, b)
	}
}
