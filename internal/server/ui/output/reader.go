package output

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// newest is how many bytes before the end of a long output are shown. The raw output has all of it.
const newest = 16 << 20

// cursor is where a browser is in an attempt's output: what it was told follows from that alone.
type cursor struct {
	at      int64 // bytes of the attempt's output
	skipped int64 // of those, how many were not kept any more when they were to be read
}

func (c cursor) String() string { return fmt.Sprintf("%d:%d", c.at, c.skipped) }

// parseCursor reads one. What is none begins at the beginning.
func parseCursor(text string) (c cursor) {
	at, skipped, _ := strings.Cut(text, ":")
	var errAt, errSkipped error
	c.at, errAt = strconv.ParseInt(at, 10, 64)
	c.skipped, errSkipped = strconv.ParseInt(skipped, 10, 64)
	if errAt != nil || errSkipped != nil || c.at < 0 || c.skipped < 0 {
		return cursor{}
	}
	return c
}

// errElsewhere says that the browser cannot go on from where it was, as what it has seen is not kept any more: it begins
// again.
var errElsewhere = errors.New("the output is not what it was")

// reader turns an attempt's bytes into lines. It reads from the beginning, since colours and numbers of lines depend on all
// that came before, but says nothing until it is where the browser was.
type reader struct {
	sheet *sheet
	cursor

	began   bool
	resumed bool   // the browser was at until
	until   cursor // where the silence ends
	mark    string // a line that stands before the next bytes
	note    string // what is to be said about the whole output
}

// begin decides where the silence ends, in output of so many bytes so far.
func (r *reader) begin(from cursor, length int64) error {
	if from.at > length {
		return errElsewhere
	}
	r.began = true
	r.resumed = from.at > 0
	r.until = from
	if shown := length - newest; shown > from.at {
		r.resumed, r.until = false, cursor{at: shown}
	}
	r.sheet = newSheet(r.until.at > 0)
	return nil
}

// take reads a part of the output.
func (r *reader) take(part control.OutputPart) error {
	if part.Skipped > 0 {
		if err := r.skip(part); err != nil {
			return err
		}
	}
	for _, chunk := range part.Chunks {
		data := chunk.Data
		if r.sheet.silent && r.at+int64(len(data)) > r.until.at {
			quiet := max(0, r.until.at-r.at)
			if err := r.write(chunk.Step, data[:quiet]); err != nil {
				return err
			}
			if err := r.speak(); err != nil {
				return err
			}
			data = data[quiet:]
		}
		if err := r.write(chunk.Step, data); err != nil {
			return err
		}
	}
	if r.sheet.silent && r.at >= r.until.at {
		return r.speak()
	}
	return nil
}

func (r *reader) write(step int, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if r.mark != "" {
		if err := r.sheet.step(step).mark(r.mark); err != nil {
			return err
		}
		r.mark = ""
	}
	r.at += int64(len(data))
	return r.sheet.write(step, data)
}

// skip passes over bytes that are not kept.
func (r *reader) skip(part control.OutputPart) error {
	r.at += part.Skipped
	r.skipped += part.Skipped
	if err := r.sheet.settle(); err != nil {
		return err
	}
	if part.Removed.IsZero() {
		r.mark = `<em class="output-gap">` + page.Size(part.Skipped) + ` of output came here and were not kept: there was more than the limit.</em>`
		return nil
	}
	r.note = page.Size(part.Skipped) + " of output were removed on " + part.Removed.UTC().Format(time.DateOnly) + ": they were too old, or too much to keep."
	return nil
}

// speak ends the silence where the browser is.
func (r *reader) speak() error {
	if r.resumed && (r.at != r.until.at || r.skipped != r.until.skipped) {
		return errElsewhere
	}
	r.sheet.speak(r.resumed)
	return nil
}
