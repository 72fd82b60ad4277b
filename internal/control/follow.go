package control

import (
	"context"
	"reflect"
	"time"

	"github.com/remuda-dev/remuda"
)

// OutputQuery says which output: of the last attempt when Attempt is 0; of all its steps, in the order in which their
// bytes arrived, when Step is nil. Offset counts bytes of that same stream.
type OutputQuery struct {
	Attempt int
	Step    *int
	Offset  int64
	Max     int // bytes; 1 MiB when 0
}

// OutputPart is what is there from an offset on.
type OutputPart struct {
	Attempt int
	Chunks  []remuda.Chunk // in order; their offsets are in the stream that was asked for
	Next    int64          // where to go on
	Skipped int64          // bytes between the offset and the first chunk that are not kept any more
	Ended   bool           // nothing comes after Next
}

// Output reads a part of a task's output.
func (d UserDoor) Output(ctx context.Context, taskID string, q OutputQuery) (OutputPart, error) {
	var task TaskView
	var attempts []AttemptView
	err := d.p.store.Read(ctx, func(v View) (err error) {
		if task, err = d.task(ctx, v, taskID, remuda.RoleViewer); err != nil {
			return err
		}
		attempts, err = v.Attempts(ctx, taskID)
		return err
	})
	if err != nil {
		return OutputPart{}, err
	}
	return d.output(ctx, task, attempts, q)
}

func (d UserDoor) output(ctx context.Context, task TaskView, attempts []AttemptView, q OutputQuery) (OutputPart, error) {
	part := OutputPart{Attempt: q.Attempt, Next: q.Offset, Ended: task.State.Ended()}
	number := q.Attempt
	if number == 0 {
		number = len(attempts)
	}
	if number == 0 {
		return part, nil // it has not been claimed
	}
	if number < 0 || number > len(attempts) {
		return part, remuda.Fail(remuda.NotFound, "the task has no such attempt")
	}
	part.Attempt = number
	attempt := attempts[number-1]
	most := q.Max
	if most <= 0 || most > 4<<20 {
		most = 1 << 20
	}
	chunks, err := d.p.store.Output().Chunks(ctx, attempt.ID, q.Step, q.Offset, most)
	if err != nil {
		return part, err
	}
	part.Chunks = chunks
	part.Ended = !attempt.State.Live() && len(chunks) == 0 && (number < len(attempts) || task.State.Ended())
	if len(chunks) > 0 {
		last := chunks[len(chunks)-1]
		part.Skipped = chunks[0].Offset - q.Offset
		part.Next = last.Offset + int64(len(last.Data))
	}
	return part, nil
}

// Followed is one thing that a follower is told: the task when it or its steps changed, or a part of its output.
type Followed struct {
	Task   *remuda.Task
	Output *OutputPart
}

// Follow calls yield with the task at once and whenever it changes, and with output from q.Offset on as it arrives. It
// returns nil after the task has ended and all its output was given. When another attempt starts and q.Attempt is 0,
// output goes on with that attempt from 0.
func (d UserDoor) Follow(ctx context.Context, taskID string, q OutputQuery, yield func(Followed) error) error {
	woken := d.p.hub.subscribe(taskTopic(taskID)) // before reading, so that nothing falls between
	defer woken.close()
	look := time.NewTicker(pollEvery) // silence is told by no wake-up
	defer look.Stop()
	follower := follower{door: d, task: taskID, query: q, whole: q.Attempt == 0}
	for {
		ended, err := follower.step(ctx, yield)
		if err != nil || ended {
			return err
		}
		select {
		case <-woken.C:
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// follower remembers what was told.
type follower struct {
	door  UserDoor
	task  string
	query OutputQuery
	whole bool // it goes on with later attempts
	told  remuda.Task
}

func (f *follower) step(ctx context.Context, yield func(Followed) error) (ended bool, err error) {
	words, row, err := f.door.show(ctx, f.task)
	if err != nil {
		return false, err
	}
	if f.whole && f.query.Attempt != 0 && f.query.Attempt < len(words.Attempts) {
		// Give what is left of the attempt that ended before the one that follows it.
		if err := f.drain(ctx, row, yield); err != nil {
			return false, err
		}
		f.query.Offset = 0
	}
	if f.whole {
		f.query.Attempt = len(words.Attempts)
	}
	if visible := withoutSigns(words); !reflect.DeepEqual(visible, f.told) && !row.State.Ended() {
		f.told = visible
		if err := yield(Followed{Task: &words}); err != nil {
			return false, err
		}
	}
	if err := f.drain(ctx, row, yield); err != nil {
		return false, err
	}
	if row.State.Ended() {
		return true, yield(Followed{Task: &words}) // the end is told after the last byte
	}
	return false, nil
}

// drain gives all output that is there now.
func (f *follower) drain(ctx context.Context, row TaskView, yield func(Followed) error) error {
	if f.query.Attempt == 0 {
		return nil
	}
	for {
		part, err := f.door.Output(ctx, f.task, f.query)
		if err != nil {
			return err
		}
		if len(part.Chunks) == 0 {
			return nil
		}
		f.query.Offset = part.Next
		if err := yield(Followed{Output: &part}); err != nil {
			return err
		}
	}
}

// withoutSigns leaves out what changes with every sign of life and every byte of output.
func withoutSigns(t remuda.Task) remuda.Task {
	attempts := make([]remuda.Attempt, len(t.Attempts))
	for i, a := range t.Attempts {
		a.LastSignAt, a.Output = time.Time{}, 0
		attempts[i] = a
	}
	t.Attempts = attempts
	t.Job = nil
	return t
}
