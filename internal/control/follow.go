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
	Skipped int64          // bytes between the offset and the first chunk, or Next, that are not kept any more
	Ended   bool           // nothing comes after Next
	Removed time.Time      // when retention removed what was skipped; zero when it was dropped for its length
}

// Output reads a part of a task's output.
func (d UserDoor) Output(ctx context.Context, taskID string, q OutputQuery) (OutputPart, error) {
	seen, err := d.see(ctx, taskID)
	if err != nil {
		return OutputPart{}, err
	}
	return d.output(ctx, seen.task, seen.attempts, q)
}

func (d UserDoor) output(ctx context.Context, task TaskView, attempts []AttemptView, q OutputQuery) (OutputPart, error) {
	part := OutputPart{Attempt: q.Attempt, Next: q.Offset, Ended: task.State.Ended()}
	if q.Offset < 0 {
		return part, remuda.Fail(remuda.Invalid, "an offset is a number from 0")
	}
	number := q.Attempt
	if number == 0 {
		number = len(attempts)
	}
	if number == 0 {
		return part, nil // it has not been claimed
	}
	if number < 0 || number > len(attempts) {
		return part, noSuchAttempt()
	}
	part.Attempt = number
	attempt := attempts[number-1]
	most := q.Max
	if most <= 0 || most > 4<<20 {
		most = 1 << 20
	}
	var length int64
	var err error
	part.Chunks, err = d.p.store.Output().Chunks(ctx, attempt.ID, q.Step, q.Offset, most)
	if err == nil && len(part.Chunks) == 0 {
		length, err = d.p.lengthOf(ctx, attempt.ID, q.Step)
	}
	if err == nil && length > q.Offset { // what is not there now either is not kept any more
		part.Chunks, err = d.p.store.Output().Chunks(ctx, attempt.ID, q.Step, q.Offset, most)
	}
	if err != nil {
		return part, err
	}
	if len(part.Chunks) > 0 {
		last := part.Chunks[len(part.Chunks)-1]
		part.Skipped = part.Chunks[0].Offset - q.Offset
		part.Next = last.Offset + int64(len(last.Data))
		part.Ended = false
		return part, nil
	}
	part.Skipped = max(0, length-q.Offset)
	part.Next += part.Skipped
	if part.Skipped > 0 && task.OutputRemovedAt != 0 {
		part.Removed = task.OutputRemovedAt.Time()
	}
	part.Ended = !attempt.State.Live() && (number < len(attempts) || q.Attempt != 0 || task.State.Ended())
	return part, nil
}

func noSuchAttempt() error { return remuda.Fail(remuda.NotFound, "the task has no such attempt") }

// lengthOf is how many bytes an attempt, or one of its steps, has produced.
func (p *Plane) lengthOf(ctx context.Context, attempt string, step *int) (int64, error) {
	if step == nil {
		return p.store.Output().Length(ctx, attempt)
	}
	state, err := p.store.Output().Stream(ctx, attempt, *step)
	return state.Length, err
}

// Followed is one thing that a follower is told: the task when it or its steps changed, or a part of its output.
type Followed struct {
	Task   *remuda.Task
	Output *OutputPart
}

// Follow calls yield with the task at once and whenever it changes, and with output from q.Offset on as it arrives. It
// returns nil after the task has ended and all its output was given; the task as it ended is the last that it gives.
// When q.Attempt is 0, output goes on with each later attempt from 0; else it returns when that attempt has ended.
func (d UserDoor) Follow(ctx context.Context, taskID string, q OutputQuery, yield func(Followed) error) error {
	woken := d.p.hub.subscribe(taskTopic(taskID)) // before reading, so that nothing falls between
	defer woken.close()
	d.p.following(taskID)
	look := time.NewTicker(pollEvery) // silence is told by no wake-up
	defer look.Stop()
	follower := follower{door: d, task: taskID, query: q, whole: q.Attempt == 0, yield: yield}
	for {
		ended, err := follower.step(ctx)
		if err != nil || ended {
			return err
		}
		select {
		case <-woken.C:
		case <-look.C:
			if err := d.stillIn(ctx); err != nil {
				return err
			}
			d.p.following(taskID)
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
	yield func(Followed) error
	known bool // something was told
	told  remuda.Task
}

func (f *follower) step(ctx context.Context) (ended bool, err error) {
	seen, err := f.door.see(ctx, f.task)
	if err != nil {
		return false, err
	}
	if f.whole && f.query.Attempt == 0 {
		f.query.Attempt = len(seen.attempts)
	}
	if f.query.Attempt < 0 || !f.whole && f.query.Attempt > len(seen.attempts) {
		return false, noSuchAttempt()
	}
	// What is left of attempts that are over comes before the one that follows them is told.
	for f.whole && f.query.Attempt < len(seen.attempts) {
		if err := f.drain(ctx, seen); err != nil {
			return false, err
		}
		f.query.Attempt, f.query.Offset = f.query.Attempt+1, 0
	}
	// The end is told after the last byte, too. Who comes when it is there already learns of the steps first.
	if !f.known || !seen.task.State.Ended() {
		if err := f.tell(ctx, seen); err != nil {
			return false, err
		}
	}
	if err := f.drain(ctx, seen); err != nil {
		return false, err
	}
	if seen.task.State.Ended() {
		f.known = false
		return true, f.tell(ctx, seen)
	}
	over := !f.whole && !seen.attempts[f.query.Attempt-1].State.Live()
	return over, nil
}

// tell gives the task when it is not as it was told before.
func (f *follower) tell(ctx context.Context, seen sightOfTask) error {
	words, err := outline(seen)
	if err != nil {
		return err
	}
	visible := withoutSigns(words)
	if f.known && reflect.DeepEqual(visible, f.told) {
		return nil
	}
	if err := f.door.p.measure(ctx, &words); err != nil {
		return err
	}
	if words.Job, err = f.door.p.jobOf(ctx, seen.task); err != nil {
		return err
	}
	f.known, f.told = true, visible
	return f.yield(Followed{Task: &words})
}

// drain gives all output that is there now.
func (f *follower) drain(ctx context.Context, seen sightOfTask) error {
	if f.query.Attempt == 0 {
		return nil
	}
	for {
		part, err := f.door.output(ctx, seen.task, seen.attempts, f.query)
		if err != nil {
			return err
		}
		if part.Next == f.query.Offset {
			return nil
		}
		f.query.Offset = part.Next
		if err := f.yield(Followed{Output: &part}); err != nil {
			return err
		}
	}
}

// withoutSigns leaves out what changes with every sign of life.
func withoutSigns(t remuda.Task) remuda.Task {
	attempts := make([]remuda.Attempt, len(t.Attempts))
	for i, a := range t.Attempts {
		a.LastSignAt = time.Time{}
		attempts[i] = a
	}
	t.Attempts = attempts
	return t
}
