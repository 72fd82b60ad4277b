package redact

const (
	// roomy is how large a buffer may stay between two calls.
	roomy = 1 << 20

	// lookback is how much of a run of overlapping secrets is kept for a secret that is added later and begins in it.
	lookback = 64 << 10
)

// Stream holds back what may turn out to be the beginning of a secret: at most one byte less than the longest form.
//
// Where it may be cut, it is always between two secrets, so a Stream needs no memory but its place: see Next.
// Secrets that overlap are masked once, from the beginning of the first to the end of the last; a run of them is
// shown as one mask when it has ended.
type Stream struct {
	filter *Filter
	table  *table // with which held was searched

	source  int64 // how many raw bytes lie before what is held back
	dropped int64 // how many raw bytes after source are no longer in held; they belong to the open run
	held    []byte
	covered int // held[:covered] belongs to a run of overlapping secrets that may go on; 0 without one
	decided int // no form that begins in held[:decided] is unfinished
	out     []byte
}

// Next takes the next piece of the stream and returns what may be shown now; it is valid until the next call.
// Source is for how many bytes of the raw stream all that was returned so far stands: a new Stream of the same
// Filter that is given the raw stream from there on returns what follows.
func (s *Stream) Next(p []byte) (out []byte, source int64) {
	s.held = append(s.held, p...)
	return s.advance(false)
}

// Flush returns what was held back, when the stream has ended. The beginning of a secret that never went on is
// shown.
func (s *Stream) Flush() (out []byte, source int64) { return s.advance(true) }

func (s *Stream) advance(ended bool) ([]byte, int64) {
	if now := s.filter.table.Load(); now != s.table {
		// Secrets were added. Forms are never taken away, so what is covered stays so.
		s.table, s.decided = now, 0
	}
	s.out = trim(s.out)
	shown, at := 0, s.decided
	for {
		at = s.table.candidate(s.held, at, ended)
		if s.covered > 0 && at >= s.covered {
			s.out = append(s.out, Mask...)
			shown, s.covered = s.covered, 0
		}
		if s.covered == 0 {
			s.out = append(s.out, s.held[shown:at]...)
			shown = at
		}
		if at == len(s.held) {
			break
		}
		length, unfinished := s.table.match(s.held[at:], ended)
		if unfinished {
			break
		}
		if length > 0 {
			s.covered = max(s.covered, at+length)
		}
		at++
	}
	s.consume(shown, at)
	return s.out, s.source
}

// consume forgets the shown bytes of held, and what is too long ago of an endless run.
func (s *Stream) consume(shown, decided int) {
	if shown > 0 {
		s.source += s.dropped + int64(shown)
		s.dropped = 0
	}
	drop := shown
	if s.covered > 0 {
		s.covered -= shown
		// In steps of lookback, so that each byte is moved about once.
		if known := min(s.covered, decided-shown) - lookback; known > lookback {
			s.dropped += int64(known)
			s.covered -= known
			drop += known
		}
	}
	s.decided = decided - drop
	rest := copy(s.held, s.held[drop:])
	s.held = s.held[:rest]
	if cap(s.held) > roomy && rest < roomy/2 {
		s.held = append([]byte(nil), s.held...)
	}
}

// trim empties a buffer, and gives one back that a single large piece has blown up.
func trim(buffer []byte) []byte {
	if cap(buffer) > roomy {
		return nil
	}
	return buffer[:0]
}
