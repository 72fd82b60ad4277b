package redact

import (
	"encoding/binary"
	"slices"
	"strings"
)

// prefix is how many bytes of a form the first look compares; no form is shorter.
const prefix = Shortest

// table finds forms in text. One look at four bytes, in a bitmap of their hashes, rules out nearly every place of
// ordinary text; only where it does not are the forms compared. That is several times faster than an automaton, is
// built in microseconds when a secret is added, and tells which beginnings are unfinished.
type table struct {
	begins [1 << 16]bool // by hash of the first bytes of a form
	forms  []string      // sorted
}

func newTable(forms map[string]bool) *table {
	t := &table{forms: make([]string, 0, len(forms))}
	for form := range forms {
		t.forms = append(t.forms, form)
		t.begins[hash(binary.LittleEndian.Uint32([]byte(form[:prefix])))] = true
	}
	slices.Sort(t.forms)
	return t
}

// hash spreads four bytes over 16 bits (Fibonacci hashing, Knuth, The Art of Computer Programming 3, section 6.4).
func hash(first uint32) uint16 { return uint16(first * 2654435769 >> 16) }

// candidate is the first place from at on where a form may begin, or the length of text. The last bytes, which are
// too few for a look, are such places unless the stream has ended.
func (t *table) candidate(text []byte, at int, ended bool) int {
	if len(t.forms) == 0 {
		return len(text)
	}
	// Four places in one turn: the looks do not wait for each other.
	for ; at+8 <= len(text); at += 4 {
		eight := binary.LittleEndian.Uint64(text[at:])
		if t.begins[hash(uint32(eight))] || t.begins[hash(uint32(eight>>8))] ||
			t.begins[hash(uint32(eight>>16))] || t.begins[hash(uint32(eight>>24))] {
			break
		}
	}
	for ; at+prefix <= len(text); at++ {
		if t.begins[hash(binary.LittleEndian.Uint32(text[at:]))] {
			return at
		}
	}
	if ended {
		return len(text)
	}
	return at
}

// match is the length of the longest form that text begins with, or 0. It is unfinished when a longer one may
// follow, which it cannot when the stream has ended.
func (t *table) match(text []byte, ended bool) (length int, unfinished bool) {
	first := string(text[:min(prefix, len(text))])
	from, _ := slices.BinarySearch(t.forms, first)
	for _, form := range t.forms[from:] {
		if !strings.HasPrefix(form, first) {
			break
		}
		if len(form) <= len(text) {
			if string(text[:len(form)]) == form {
				length = max(length, len(form))
			}
		} else if !ended && form[:len(text)] == string(text) {
			return 0, true
		}
	}
	return length, false
}
