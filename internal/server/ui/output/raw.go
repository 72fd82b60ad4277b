package output

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

// patience is how long a browser may leave a piece of a download in the pipe.
const patience = 30 * time.Second

// download writes an attempt's output, or that of one step, as it was printed. It is what the API answers with.
func download(v *page.Visit, w http.ResponseWriter) error {
	attempt, err := attemptOf(v)
	if err != nil {
		return err
	}
	query := control.OutputQuery{Attempt: attempt, Max: piece}
	if text := v.Query("step"); text != "" {
		step, err := strconv.Atoi(text)
		if err != nil || step < 0 {
			return remuda.Fail(remuda.Invalid, "A step is a number from 0.")
		}
		query.Step = &step
	}
	task, err := v.Door.Task(v.Context(), v.Path("task"))
	if err != nil {
		return err
	}
	out := http.NewResponseController(w)
	for begun := false; ; {
		part, err := v.Door.Output(v.Context(), task.ID, query)
		if err != nil {
			return err
		}
		query.Attempt = part.Attempt // one that starts meanwhile has other bytes at these offsets
		if !begun {
			begun = true
			describe(w.Header(), task, query)
		}
		_ = out.SetWriteDeadline(time.Now().Add(patience))
		if err := writePart(w, query.Offset, part); err != nil {
			return err
		}
		if part.Next == query.Offset {
			return nil
		}
		query.Offset = part.Next
	}
}

// describe names the file.
func describe(header http.Header, task remuda.Task, query control.OutputQuery) {
	name := strings.Map(func(r rune) rune {
		if r < 0x20 || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '-'
		}
		return r
	}, task.Name)
	name = fmt.Sprintf("%.60s %.8s attempt %d", name, task.ID, query.Attempt)
	if query.Step != nil {
		name += fmt.Sprintf(" step %d", *query.Step+1)
	}
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": strings.ToValidUTF8(name, "-") + ".txt"}))
}

// writePart writes a part, with what is not kept any more in the words of the API.
func writePart(w http.ResponseWriter, from int64, part control.OutputPart) error {
	if part.Skipped > 0 {
		said := fmt.Sprintf("\n[remuda: %d bytes of output were not kept; it goes on at offset %d]\n", part.Skipped, from+part.Skipped)
		if !part.Removed.IsZero() {
			said = fmt.Sprintf("[remuda: %d bytes of output were removed on %s, since they were too old or too much to keep]\n",
				part.Skipped, part.Removed.Format(time.DateOnly))
		}
		if _, err := w.Write([]byte(said)); err != nil {
			return err
		}
	}
	for _, chunk := range part.Chunks {
		if _, err := w.Write(chunk.Data); err != nil {
			return err
		}
	}
	return nil
}
