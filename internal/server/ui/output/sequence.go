package output

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
)

// furthest is how far a cursor is moved at once; no terminal is larger.
const furthest = 999

// longestLink is how many bytes a link's address may have. Each row of a link repeats it.
const longestLink = 1000

// control takes a byte of a sequence such as ESC [ 1 A (ECMA-48, section 5.4).
func (s *sieve) control(b byte) {
	switch {
	case b == 0x1b:
		s.state = inEscape
	case b < 0x40:
		s.remember(b)
	default:
		s.state = inText
		if !s.long {
			s.apply(b)
		}
	}
}

// apply passes a sequence on when it has a meaning on a page: colours, and moves of a cursor as progress bars make them.
// What the terminal would take for something else is left out, as it reads capitals and small letters alike.
func (s *sieve) apply(final byte) {
	if bytes.ContainsFunc(s.sequence, func(r rune) bool { return (r < '0' || r > '9') && r != ';' && r != ':' }) {
		return // private ones: showing the cursor, another screen, the mouse
	}
	switch final {
	case 'm':
		s.colour(s.sequence)
	case 's':
		s.move('7')
	case 'u':
		s.move('8')
	case 'f':
		final = 'H'
		fallthrough
	case 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K':
		s.unlink()
		s.out = append(s.out, 0x1b, '[')
		first, second, _ := bytes.Cut(s.sequence, []byte{';'})
		s.out = appendNumber(s.out, first)
		if final == 'H' {
			s.out = append(s.out, ';')
			s.out = appendNumber(s.out, second)
		}
		s.out = append(s.out, final)
		s.column, s.cut = 0, 0
	}
}

// appendNumber adds a parameter. None is not the same as 0 everywhere.
func appendNumber(to, text []byte) []byte {
	n, err := strconv.Atoi(string(text))
	if len(text) == 0 || err != nil && len(text) < 5 {
		return to
	}
	if err != nil {
		n = furthest
	}
	return strconv.AppendInt(to, int64(min(n, furthest)), 10)
}

// move passes on what moves the cursor without a parameter.
func (s *sieve) move(b byte) {
	s.unlink()
	s.out = append(s.out, 0x1b, b)
	s.column, s.cut = 0, 0
}

// colour passes on how the text that follows looks. Within a link it waits for the link's end: else each change would
// repeat the address.
func (s *sieve) colour(parameters []byte) {
	if !s.linked {
		s.out = appendColour(s.out, parameters)
		return
	}
	if len(s.delayed) > longestSequence {
		s.delayed = append(s.delayed[:0], "\x1b[0m"...)
	}
	s.delayed = appendColour(s.delayed, parameters)
}

// appendColour writes a sequence of colours as the terminal understands it: with semicolons, the kind of an underline left
// out, and each of 16,777,216 colours as the nearest of 256, since a page has classes for those.
func appendColour(to, parameters []byte) []byte {
	to = append(to, 0x1b, '[')
	var codes []int
	for group := range strings.SplitSeq(string(parameters), ";") {
		first, rest, nested := strings.Cut(group, ":")
		code, _ := strconv.Atoi(first) // none is 0
		if nested && code == 4 {
			if rest == "0" {
				code = 24
			}
			rest = ""
		}
		codes = append(codes, code)
		if nested && rest != "" {
			parts := strings.Split(rest, ":")
			if len(parts) > 4 && parts[0] == "2" {
				parts = append(parts[:1], parts[2:]...) // 38:2:(space):r:g:b
			}
			for _, part := range parts {
				n, _ := strconv.Atoi(part) // none is 0
				codes = append(codes, n)
			}
		}
	}
	for i := 0; i < len(codes); i++ {
		code := codes[i]
		if (code == 38 || code == 48) && i+4 < len(codes) && codes[i+1] == 2 {
			nearest := nearestOf256(codes[i+2], codes[i+3], codes[i+4])
			to = strconv.AppendInt(to, int64(code), 10)
			to = append(to, ";5;"...)
			code = nearest
			i += 4
		}
		to = strconv.AppendInt(to, int64(min(code, 255)), 10)
		if i < len(codes)-1 {
			to = append(to, ';')
		}
	}
	return append(to, 'm')
}

// nearestOf256 is the nearest colour of xterm's cube of 6 x 6 x 6, or of its 24 greys.
func nearestOf256(r, g, b int) int {
	r, g, b = min(r, 255), min(g, 255), min(b, 255)
	if max(r, g, b)-min(r, g, b) < 8 && r >= 8 && r < 248 {
		return 232 + min(23, (r-3)/10)
	}
	side := func(n int) int {
		switch {
		case n < 48:
			return 0
		case n < 115:
			return 1
		default:
			return (n - 35) / 40
		}
	}
	return 16 + 36*side(r) + 6*side(g) + side(b)
}

// command carries out ESC ]. Links alone mean something here: titles do not, and pictures are left out.
func (s *sieve) command() {
	rest, isLink := bytes.CutPrefix(s.sequence, []byte("8;"))
	if !isLink {
		return
	}
	s.unlink()
	_, address, _ := bytes.Cut(rest, []byte{';'})
	if s.long || len(address) > longestLink {
		return
	}
	to, err := url.Parse(string(address))
	if err != nil || to.Scheme != "https" && to.Scheme != "http" || to.Host == "" {
		return
	}
	s.out = append(s.out, "\x1b]8;;"...)
	s.out = append(s.out, strings.ReplaceAll(to.String(), ";", "%3B")...)
	s.out = append(s.out, 0x07)
	s.linked = true
}

// unlink ends a link with the line, and before the cursor moves: else a few bytes would repeat its address many times.
func (s *sieve) unlink() {
	if !s.linked {
		return
	}
	s.linked = false
	s.out = append(s.out, "\x1b]8;;\x07"...)
	s.out = append(s.out, s.delayed...)
	s.delayed = s.delayed[:0]
}
