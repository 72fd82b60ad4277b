package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sethvargo/go-retry"

	"github.com/remuda-dev/remuda"
)

const (
	// heartbeat is how long a stream may say nothing: the server sends a comment every 15 s.
	heartbeat = 45 * time.Second

	// longestLine bounds one line of a stream: a task with all its steps, or a chunk in base64.
	longestLine = 32 << 20

	// stubborn is for how long a stream that once worked is asked for again: a control plane that is being upgraded
	// is back by then.
	stubborn = 5 * time.Minute
)

// Followed is one thing that a follower is told: exactly one of Task, Output and Skipped is set.
type Followed struct {
	Task    *remuda.Task  // it, or its steps, changed
	Output  *remuda.Chunk // its Offset is in the stream that was asked for
	Skipped *Skipped
	Attempt int // whose output it is
}

// Skipped is a part of a stream that is not kept any more: the stream was over its limit, or retention removed it.
type Skipped struct {
	From    int64      `json:"from"`                 // offset of its first byte
	Next    int64      `json:"next"`                 // offset of the first byte after it
	Removed *time.Time `json:"removed_at,omitempty"` // when retention removed it; nil when it was over the limit
}

// String says it in words.
func (s Skipped) String() string {
	if s.Removed != nil {
		return fmt.Sprintf("%d bytes of output were removed on %s, since they were too old or too much to keep", s.Next-s.From, s.Removed.Format(time.DateOnly))
	}
	return fmt.Sprintf("%d bytes are not kept any more", s.Next-s.From)
}

// Follow calls yield with the task at once and whenever it changes, and with its output from q.Offset on as it
// arrives. It returns nil after the task has ended and all its output was given. A connection that breaks is made
// again where it broke: no byte comes twice. An error of yield ends it.
func (u *User) Follow(ctx context.Context, taskID string, q OutputQuery, yield func(Followed) error) error {
	query := q.values()
	query.set("follow", "true")
	in := call{method: http.MethodGet, path: path("tasks", taskID, "output"), query: url.Values(query)}
	return u.stream(ctx, in, func(e event) (bool, error) {
		var f Followed
		if attempt, _, found := strings.Cut(e.id, ":"); found {
			f.Attempt, _ = strconv.Atoi(attempt)
		}
		var into any
		switch e.name {
		case "task":
			f.Task = new(remuda.Task)
			into = f.Task
		case "output":
			f.Output = new(remuda.Chunk)
			into = f.Output
		case "skipped":
			f.Skipped = new(Skipped)
			into = f.Skipped
		case "end":
			return true, nil
		default:
			return false, nil // a newer server says more
		}
		if err := json.Unmarshal(e.data, into); err != nil {
			return false, fmt.Errorf("read %s of task %s: %w", e.name, taskID, err)
		}
		return false, yield(f)
	})
}

// EventFilter chooses events; empty members choose all.
type EventFilter struct {
	After                       int64 // only those with a greater id
	Limit                       int   // the server's default when 0; ignored when following
	Organization, Type, Subject string

	NewestFirst bool   // list backward, from the newest; not for following
	Before      int64  // only those with a smaller id; with NewestFirst
	Actor       string // only those that somebody of this name made; with NewestFirst
}

func (f EventFilter) values() values {
	v := values{}
	if f.After > 0 {
		v.set("after", strconv.FormatInt(f.After, 10))
	}
	v.set("organization", f.Organization)
	v.set("type", f.Type)
	v.set("subject", f.Subject)
	return v
}

// Events lists events, the oldest first unless the filter says otherwise.
func (u *User) Events(ctx context.Context, f EventFilter) ([]remuda.Event, error) {
	query := f.values()
	if f.Limit > 0 {
		query.set("limit", strconv.Itoa(f.Limit))
	}
	if f.NewestFirst {
		query.set("newest_first", "true")
		query.set("actor", f.Actor)
		if f.Before > 0 {
			query.set("before", strconv.FormatInt(f.Before, 10))
		}
	}
	page, err := read[remuda.Page[remuda.Event]](ctx, u, "/events", query)
	return page.Items, err
}

// FollowEvents calls yield with each event after f.After, as it happens, until ctx ends or yield fails.
func (u *User) FollowEvents(ctx context.Context, f EventFilter, yield func(remuda.Event) error) error {
	in := call{method: http.MethodGet, path: "/events", query: url.Values(f.values())}
	return u.stream(ctx, in, func(e event) (bool, error) {
		if e.name == "end" {
			return true, nil
		}
		var happened remuda.Event
		if err := json.Unmarshal(e.data, &happened); err != nil {
			return false, fmt.Errorf("read an event: %w", err)
		}
		return false, yield(happened)
	})
}

// event is one event of a stream of server-sent events.
type event struct {
	name string
	id   string // the last that was said
	data []byte
}

// stopped carries an error of yield past the retries.
type stopped struct{ error }

// stream reads server-sent events until take says that it was the last one, and asks for the rest again, from the
// last id on, when the connection breaks.
func (u *User) stream(ctx context.Context, in call, take func(event) (last bool, err error)) error {
	in.accept = "text/event-stream"
	connected := false
	for {
		progress := false
		wait := &patience{backoff: retry.WithCappedDuration(3*time.Second, retry.WithJitterPercent(30, retry.NewExponential(100*time.Millisecond)))}
		backoff := retry.WithMaxRetries(3, wait)
		if connected {
			backoff = retry.WithMaxDuration(stubborn, wait)
		}
		err := retry.Do(ctx, backoff, func(ctx context.Context) error {
			last, err := u.listen(ctx, &in, &progress, take)
			var ended stopped
			switch {
			case last:
				return nil
			case errors.As(err, &ended):
				return ended.error
			case progress:
				return errResume // at once, with fresh patience
			case repeatable(in, err):
				wait.asked = waitAsked(err)
				return retry.RetryableError(err)
			}
			return err
		})
		if !errors.Is(err, errResume) {
			return err
		}
		connected = true
		// A server that ends each stream after its first word must not be asked as fast as it answers.
		pause := time.NewTimer(100 * time.Millisecond)
		select {
		case <-ctx.Done():
			pause.Stop()
			return context.Cause(ctx)
		case <-pause.C:
		}
	}
}

// errResume says that a stream broke after it had worked.
var errResume = errors.New("the stream broke")

// listen reads one connection's events. in.lastID moves with them.
func (u *User) listen(ctx context.Context, in *call, progress *bool, take func(event) (bool, error)) (last bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// A connection that died without a word would be read for ever.
	silence := time.AfterFunc(heartbeat, func() { cancel(errSlow) })
	defer silence.Stop()

	answer, err := u.door.send(ctx, *in)
	if err != nil {
		return false, err
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewReaderSize(answer.Body, 64<<10)
	e := event{id: in.lastID}
	for {
		line, err := readLine(lines)
		if err != nil {
			return false, u.door.unreachable(ctx, err)
		}
		silence.Reset(heartbeat)
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && (e.name != "" || len(e.data) > 0):
			*progress = true
			last, err := take(e)
			if err != nil {
				return false, stopped{err}
			}
			if last {
				return true, nil
			}
			in.lastID = e.id
			e = event{id: e.id}
		case field == "event":
			e.name = value
		case field == "id" && sayable(value):
			e.id = value
		case field == "data" && len(e.data) > 0:
			e.data = append(append(e.data, '\n'), value...)
		case field == "data":
			e.data = append(e.data, value...)
		}
	}
}

// sayable says whether a header can name an id when the stream breaks. One that none can is ignored, as a browser does with
// a NUL: to go on from it would be refused here, again and again.
func sayable(id string) bool {
	return !strings.ContainsFunc(id, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// readLine reads a line of any length up to longestLine, without its end.
func readLine(from *bufio.Reader) (string, error) {
	var whole []byte
	for {
		part, err := from.ReadSlice('\n')
		if len(whole)+len(part) > longestLine {
			return "", errors.New("a line of the stream is too long")
		}
		whole = append(whole, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return "", io.ErrUnexpectedEOF // half a line is nothing
		case err != nil:
			return "", err
		}
		return strings.TrimRight(string(whole), "\r\n"), nil
	}
}
