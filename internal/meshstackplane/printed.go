package meshstackplane

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"
)

// What a step prints lies in a file: its beginning, and after it a ring with its end. meshStack is told the whole of it
// again and again, so that there must be a bound.
const (
	keptHead = 2 << 20
	keptTail = 256 << 10
)

// keep writes a piece of output at its offset in the stream into the step's file.
func keep(path string, offset int64, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("keep output: %w", err)
	}
	for len(data) > 0 && err == nil {
		at, room := placeOf(offset)
		n := min(int64(len(data)), room)
		_, err = file.WriteAt(data[:n], at)
		offset, data = offset+n, data[n:]
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("keep output: %w", err)
	}
	return nil
}

// placeOf is where a byte of a stream lies in its file, and how many after it follow there.
func placeOf(offset int64) (at, room int64) {
	if offset < keptHead {
		return offset, keptHead - offset
	}
	in := (offset - keptHead) % keptTail
	return keptHead + in, keptTail - in
}

// printed reads what is kept of a stream of so many bytes. While it grows, each text is the beginning of the next, as
// long as that goes; what lies between beginning and end is told of when the stream is whole.
func printed(path string, length int64, whole bool) (string, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && length == 0 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read kept output: %w", err)
	}
	defer file.Close()
	read := func(from, to int64) (string, error) {
		var text strings.Builder
		for from < to {
			at, room := placeOf(from)
			piece := make([]byte, min(to-from, room))
			if _, err := file.ReadAt(piece, at); err != nil {
				return "", fmt.Errorf("read kept output: %w", err)
			}
			_, _ = text.Write(piece)
			from += int64(len(piece))
		}
		return text.String(), nil
	}
	head, err := read(0, min(length, keptHead))
	if err != nil {
		return "", err
	}
	if !whole || length > keptHead {
		head = wholeRunes(head)
	}
	if length <= keptHead {
		return valid(head), nil
	}
	if !whole {
		return valid(head) + "\n… the rest is told when this step has ended …\n", nil
	}
	from := max(keptHead, length-keptTail)
	tail, err := read(from, length)
	if err != nil {
		return "", err
	}
	between := "\n… the rest is told when this step has ended …\n"
	if left := from - keptHead; left > 0 {
		between += fmt.Sprintf("… %d bytes are left out …\n", left)
	}
	return valid(head) + between + valid(tail), nil
}

// wholeRunes leaves out a character at the end of which more is to come.
func wholeRunes(text string) string {
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if last := text[len(text)-back:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRuneInString(last) {
				return text[:len(text)-back]
			}
			return text
		}
	}
	return text
}

// valid is text that JSON can hold. What is no text becomes one sign, which more of it does not change.
func valid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
