package output

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/server/ui/page"
)

const (
	// piece is how much output is read at once, and so about how large an event is.
	piece = 256 << 10

	// gathering is how long lines are gathered for one event, after another.
	gathering = 50 * time.Millisecond

	// heartbeat is how often something is said when there is nothing to say.
	heartbeat = 15 * time.Second
)

// attemptOf reads which attempt is meant; 0 is the last one.
func attemptOf(v *page.Visit) (int, error) {
	text := v.Query("attempt")
	if text == "" {
		return 0, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 {
		return 0, remuda.Fail(remuda.Invalid, "An attempt is a number from 1.")
	}
	return number, nil
}

// follow sends events for as long as the attempt is live and somebody reads: "steps" with where they stand, "output" with
// lines, "reset" before everything comes again, and "end".
func follow(v *page.Visit, w http.ResponseWriter) error {
	attempt, err := attemptOf(v)
	if err != nil {
		return err
	}
	task, err := v.Door.Task(v.Context(), v.Path("task"))
	if err != nil {
		return err
	}
	if attempt == 0 {
		attempt = len(task.Attempts)
	}
	if attempt == 0 || attempt > len(task.Attempts) {
		return remuda.Fail(remuda.NotFound, "The task has no such attempt.")
	}
	f := &follower{door: v.Door, task: task.ID, attempt: attempt, from: parseCursor(v.Query("after")), out: page.NewEvents(w)}
	for {
		err := f.run(v.Context())
		if !errors.Is(err, errElsewhere) {
			return err
		}
		f.from = cursor{}
		if err := f.out.Send("reset", []byte("{}")); err != nil {
			return err
		}
	}
}

// follower is one browser that looks at one attempt.
type follower struct {
	door    control.UserDoor
	task    string
	attempt int
	from    cursor
	out     *page.Events

	reader reader
	sent   time.Time // when the last event with lines was
	steps  []byte    // as they were told
}

// run follows from where the browser was to the attempt's end.
func (f *follower) run(ctx context.Context) error {
	f.reader = reader{}
	ctx, stop := context.WithCancel(ctx)
	said := make(chan control.Followed)
	ended := make(chan error, 1)
	go func() {
		query := control.OutputQuery{Attempt: f.attempt, Max: piece}
		ended <- f.door.Follow(ctx, f.task, query, func(one control.Followed) error {
			select {
			case said <- one:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		close(said)
	}()
	err := f.tell(said)
	stop()
	for range said { // until the goroutine has ended
	}
	if followed := <-ended; err == nil {
		err = followed
	}
	if err == nil && !f.reader.began {
		err = f.reader.begin(f.from, 0)
	}
	if err == nil && f.reader.sheet.silent {
		err = errElsewhere // the browser has seen more than there is
	}
	if err != nil {
		return err
	}
	if err := f.send(true); err != nil {
		return err
	}
	return f.out.Send("end", []byte("{}"))
}

// tell passes on what is said until nothing more is.
func (f *follower) tell(said <-chan control.Followed) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	gathered := time.NewTimer(0)
	defer gathered.Stop()
	for {
		var err error
		select {
		case one, more := <-said:
			if !more {
				return nil
			}
			if err = f.hear(one); err == nil && time.Since(f.sent) >= gathering {
				err = f.send(false)
			} else if err == nil {
				gathered.Reset(gathering)
			}
		case <-gathered.C:
			err = f.send(false)
		case <-beat.C:
			err = f.out.Beat()
		}
		if err != nil {
			return err
		}
	}
}

func (f *follower) hear(one control.Followed) error {
	if one.Task != nil {
		if err := f.hearTask(*one.Task); err != nil {
			return err
		}
	}
	if one.Output != nil {
		return f.reader.take(*one.Output)
	}
	return nil
}

// standing is what a browser is told of an attempt.
type standing struct {
	State  remuda.AttemptState `json:"state"`
	Live   bool                `json:"live"`
	Reason remuda.Reason       `json:"reason,omitempty"`
	Steps  []remuda.Step       `json:"steps"`
}

func (f *follower) hearTask(task remuda.Task) error {
	if len(task.Attempts) < f.attempt {
		return nil
	}
	attempt := task.Attempts[f.attempt-1]
	if !f.reader.began {
		if err := f.reader.begin(f.from, attempt.Output); err != nil {
			return err
		}
	}
	now, err := json.Marshal(standing{attempt.State, attempt.State.Live(), attempt.Reason, attempt.Steps})
	if err != nil || bytes.Equal(now, f.steps) {
		return err
	}
	// What was printed comes before the state that the step has afterwards.
	if err := f.send(false); err != nil {
		return err
	}
	f.steps = now
	return f.out.Send("steps", now)
}

// update is the first line of an event; the lines of its steps follow it, one each.
type update struct {
	After string       `json:"after"` // where to go on
	Steps []stepUpdate `json:"steps"`
	Note  string       `json:"note,omitempty"` // about the output as a whole
}

type stepUpdate struct {
	Step  int `json:"step"`
	At    int `json:"at"` // the number of the first line; what is there and after it goes
	Lines int `json:"lines"`
}

// send tells the browser all that differs from what it knows, as one event: it has all of it or nothing.
func (f *follower) send(last bool) error {
	f.sent = time.Now()
	if f.reader.sheet == nil || f.reader.sheet.silent {
		return nil
	}
	if last {
		if err := f.reader.sheet.settle(); err != nil {
			return err
		}
	}
	is := update{After: f.reader.cursor.String(), Steps: []stepUpdate{}, Note: f.reader.note}
	var lines bytes.Buffer
	f.reader.sheet.differences(func(step int, c change) {
		is.Steps = append(is.Steps, stepUpdate{step, c.At, len(c.Lines)})
		for _, line := range c.Lines {
			lines.WriteByte('\n')
			lines.WriteString(line)
		}
	})
	if len(is.Steps) == 0 && is.Note == "" {
		return nil
	}
	f.reader.note = ""
	head, err := json.Marshal(is)
	if err != nil {
		return err
	}
	return f.out.Send("output", append(head, lines.Bytes()...))
}
