package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

type readOutputInput struct {
	byUser
	Task        string `path:"task" doc:"The task's id"`
	Attempt     int    `query:"attempt" minimum:"0" doc:"Which attempt, from 1; the last one, and those that follow it, when 0"`
	Step        int    `query:"step" default:"-1" minimum:"-1" maximum:"9999" doc:"Which step, from 0; all of them in the order in which their bytes arrived when -1"`
	Offset      int64  `query:"offset" minimum:"0" doc:"From which byte on"`
	Follow      bool   `query:"follow" doc:"Whether plain text stays open until the task has ended; events always do"`
	Accept      string `header:"Accept" hidden:"true"`
	LastEventID string `header:"Last-Event-ID" maxLength:"64" doc:"Where events go on: the id of the last one that was seen, as attempt:offset; wins over offset"`
}

// readOutput answers with bytes, or with events that tell whose bytes they are.
func (s *Server) readOutput(_ context.Context, in *readOutputInput) (func(huma.Context), error) {
	f := &follower{door: in.door, id: in.Task, query: control.OutputQuery{Attempt: in.Attempt, Max: mostOutput}, at: in.Offset}
	if in.Step >= 0 {
		f.query.Step = &in.Step
	}
	f.attempt = in.Attempt
	if !wantsEvents(in.Accept) {
		return s.plainOutput(f, in.Follow), nil
	}
	if err := f.resume(in.LastEventID); err != nil {
		return nil, err
	}
	return s.stream(func(ctx context.Context, out *eventWriter) error {
		f.out = eventSink{out}
		if err := f.run(ctx); err != nil {
			return err
		}
		return out.send("end", "", struct{}{})
	}), nil
}

func (s *Server) plainOutput(f *follower, stay bool) func(huma.Context) {
	return s.following(func(ctx context.Context, out *responder) error {
		f.out = &plainSink{out: out, control: http.NewResponseController(out), flush: stay, patience: s.writeTime}
		if !stay {
			if err := f.rest(ctx, f.query.Attempt); err != nil {
				return err
			}
		} else if err := f.run(ctx); err != nil {
			return err
		}
		if out.code == 0 {
			begin(out, plainText) // There is none, which is an answer too.
		}
		return nil
	})
}

// mostOutput is how much output is read at once, and so how much memory a follower takes.
const mostOutput = 256 << 10

// sink is where a follower's words go.
type sink interface {
	task(remuda.Task) error
	output(attempt int, chunk remuda.Chunk, next int64) error
	skipped(attempt int, gap gap) error
}

// gap is a run of bytes that are not kept any more.
type gap struct {
	From    int64      `json:"from"`
	Next    int64      `json:"next"`
	Removed *time.Time `json:"removed_at,omitempty"` // when retention removed them; else they were dropped for their length
}

// follower gives a task's output in order, each byte once, from wherever its reader was.
type follower struct {
	door    control.UserDoor
	id      string
	query   control.OutputQuery // its Offset is at
	out     sink
	attempt int   // whose output at counts; 0 until it is known
	at      int64 // where the reader is
	entered bool  // whether Follow has said which attempt it gives
}

// errMoved says that the task is at a later attempt than the one that a reader was reading.
var errMoved = errors.New("a later attempt")

// resume goes on from the id of an event.
func (f *follower) resume(id string) error {
	if id == "" {
		return nil
	}
	number, offset, found := strings.Cut(id, ":")
	attempt, errAttempt := strconv.Atoi(number)
	at, errOffset := strconv.ParseInt(offset, 10, 64)
	if !found || errAttempt != nil || errOffset != nil || attempt < 0 || at < 0 {
		return badEventID("attempt:offset, such as 1:4096")
	}
	if f.query.Attempt == 0 || f.query.Attempt == attempt {
		f.attempt, f.at = attempt, at
	}
	return nil
}

// run follows until the task has ended and all output was given.
func (f *follower) run(ctx context.Context) error {
	for {
		f.entered = false
		query := f.query
		query.Offset = f.at
		err := f.door.Follow(ctx, f.id, query, f.told)
		if !errors.Is(err, errMoved) {
			return err
		}
		// The reader stopped within an earlier attempt. What is left of it comes first.
		if err := f.rest(ctx, f.attempt); err != nil {
			return err
		}
		f.attempt, f.at = f.attempt+1, 0
	}
}

// told passes on what Follow says.
func (f *follower) told(said control.Followed) error {
	if said.Task != nil {
		if err := f.enter(lastAttempt(*said.Task)); err != nil {
			return err
		}
		if err := f.out.task(*said.Task); err != nil {
			return err
		}
	}
	if said.Output == nil {
		return nil
	}
	if err := f.enter(said.Output.Attempt); err != nil {
		return err
	}
	return f.give(*said.Output)
}

// enter notes which attempt the output that follows is of. Follow gives what is left of an attempt before it tells of
// the next; but it believes that the reader was in the last one, which a reader that was away may not know.
func (f *follower) enter(attempt int) error {
	if f.query.Attempt != 0 {
		return nil
	}
	switch {
	case f.attempt == 0:
		f.attempt = attempt
	case attempt > f.attempt && !f.entered:
		return errMoved
	case attempt > f.attempt:
		f.attempt, f.at = attempt, 0
	}
	f.entered = true
	return nil
}

func lastAttempt(t remuda.Task) int {
	last := 0
	for _, attempt := range t.Attempts {
		last = max(last, attempt.Number)
	}
	return last
}

// rest gives what is there now of an attempt's output, from where the reader is; of the last attempt when it is 0.
func (f *follower) rest(ctx context.Context, attempt int) error {
	query := f.query
	query.Attempt = attempt
	for {
		query.Offset = f.at
		part, err := f.door.Output(ctx, f.id, query)
		if err != nil {
			return err
		}
		query.Attempt = part.Attempt // One that starts meanwhile has other bytes at these offsets.
		if err := f.give(part); err != nil {
			return err
		}
		if f.at == query.Offset {
			return nil
		}
	}
}

// give passes on a part of output and moves the reader behind it.
func (f *follower) give(part control.OutputPart) error {
	if part.Skipped > 0 {
		next := f.at + part.Skipped
		skipped := gap{From: f.at, Next: next}
		if !part.Removed.IsZero() {
			skipped.Removed = &part.Removed
		}
		if err := f.out.skipped(part.Attempt, skipped); err != nil {
			return err
		}
		f.at = next
	}
	for _, chunk := range part.Chunks {
		next := chunk.Offset + int64(len(chunk.Data))
		if err := f.out.output(part.Attempt, chunk, next); err != nil {
			return err
		}
		f.at = next
	}
	return nil
}

// eventSink writes server-sent events.
type eventSink struct{ out *eventWriter }

func (e eventSink) task(t remuda.Task) error { return e.out.send("task", "", t) }

func (e eventSink) output(attempt int, chunk remuda.Chunk, next int64) error {
	return e.out.send("output", fmt.Sprintf("%d:%d", attempt, next), chunk)
}

func (e eventSink) skipped(attempt int, gap gap) error {
	return e.out.send("skipped", fmt.Sprintf("%d:%d", attempt, gap.Next), gap)
}

// plainSink writes the bytes as they are.
type plainSink struct {
	out     *responder
	control *http.ResponseController
	flush   bool

	patience time.Duration // for each piece
}

func (p *plainSink) task(remuda.Task) error {
	return p.write(nil) // The answer begins at once, so that who follows knows that it does.
}

func (p *plainSink) output(_ int, chunk remuda.Chunk, _ int64) error { return p.write(chunk.Data) }

func (p *plainSink) skipped(_ int, gap gap) error {
	if gap.Removed != nil {
		return p.write(fmt.Appendf(nil, "[remuda: %d bytes of output were removed on %s, since they were too old or too much to keep]\n",
			gap.Next-gap.From, gap.Removed.Format(time.DateOnly)))
	}
	return p.write(fmt.Appendf(nil, "\n[remuda: %d bytes of output were not kept; it goes on at offset %d]\n", gap.Next-gap.From, gap.Next))
}

func (p *plainSink) write(data []byte) error {
	if p.out.code == 0 {
		begin(p.out, plainText)
	}
	_ = p.control.SetWriteDeadline(time.Now().Add(p.patience))
	if _, err := p.out.Write(data); err != nil {
		return gone{err}
	}
	if !p.flush {
		return nil
	}
	if err := p.control.Flush(); err != nil {
		return gone{err}
	}
	return nil
}
