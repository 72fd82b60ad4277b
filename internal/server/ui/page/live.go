package page

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// lookTime is how long one look at a page that is open may take.
const lookTime = 20 * time.Second

// live sends what a page shows whenever that has changed. It looks again when something happened, and now and then: a
// wake-up says nothing, what is sent follows from what is there.
func (s *Site) live(w http.ResponseWriter, v *Visit, show func(*Visit) (View, error)) {
	heard := s.options.Plane.HearEvents() // before looking, so that nothing falls between
	defer heard.Close()
	again := time.NewTicker(s.liveness)
	defer again.Stop()
	out := NewEvents(w)
	var sent []byte
	for {
		now, task, err := s.look(v, show)
		switch {
		case v.Context().Err() != nil:
			return
		case err != nil && !out.Begun():
			s.fail(w, v, err)
			return
		case err != nil:
			return // the browser comes back, and is told why then
		case bytes.Equal(now, sent):
			err = out.Beat()
		default:
			sent = now
			err = out.Send("", now)
		}
		if err != nil {
			return
		}
		if task != "" {
			heard.Task(task)
		}
		if !wait(v.Context(), heard.C, again.C) || !pause(v.Context(), s.pause) {
			return
		}
		if v.User, err = s.stillIn(v); err != nil {
			return
		}
	}
}

// look renders a page's body, and says whose steps it shows.
func (s *Site) look(v *Visit, show func(*Visit) (View, error)) (text []byte, task string, err error) {
	ctx, cancel := context.WithTimeout(v.Context(), lookTime)
	defer cancel()
	now := *v
	now.Request = v.Request.WithContext(ctx)
	view, err := show(&now)
	if err != nil {
		return nil, "", err
	}
	text, err = body(&now, view)
	return text, view.Task, err
}

func wait(ctx context.Context, woken <-chan struct{}, again <-chan time.Time) bool {
	select {
	case <-woken:
	case <-again:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Events are server-sent events (HTML standard, section 9.2). The answer begins with the first of them.
type Events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

// readerTime is how long a browser may leave an event in the pipe.
const readerTime = 30 * time.Second

// NewEvents writes to w.
func NewEvents(w http.ResponseWriter) *Events {
	return &Events{w: w, control: http.NewResponseController(w)}
}

// Begun says whether anything was sent.
func (e *Events) Begun() bool { return e.begun }

// Send sends one event; without a name it is a message.
func (e *Events) Send(name string, data []byte) error {
	var text bytes.Buffer
	if name != "" {
		fmt.Fprintf(&text, "event: %s\n", name)
	}
	for line := range bytes.Lines(data) {
		text.WriteString("data: ")
		text.Write(bytes.TrimRight(line, "\r\n"))
		text.WriteByte('\n')
	}
	text.WriteByte('\n')
	return e.write(text.Bytes())
}

// Beat keeps the connection open where something on the way closes silent ones, and finds out who has left.
func (e *Events) Beat() error { return e.write([]byte(": still here\n\n")) }

func (e *Events) write(text []byte) error {
	if !e.begun {
		e.begun = true
		e.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		e.w.Header().Set("Cache-Control", "no-store")
		e.w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	}
	_ = e.control.SetWriteDeadline(time.Now().Add(readerTime))
	if _, err := e.w.Write(text); err != nil {
		return err
	}
	if err := e.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
