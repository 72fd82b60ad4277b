package store_test

import (
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func timeFacts() []fact {
	return []fact{
		{"a sign is written for live claims of its runner, and never moves back", signsAreWritten},
		{"attempts expire by silence, those that began by their own patience", attemptsExpire},
		{"queued tasks are overdue after their time", tasksAreOverdue},
		{"old idempotency keys are forgotten, 64 at a time", oldKeysAreForgotten},
	}
}

func signsAreWritten(t *testing.T, s control.Store) {
	w := newTown(t, s)
	task := w.queue(t, nil)
	attempt := func(number int, runner string, state remuda.AttemptState) control.AttemptRow {
		row := control.AttemptRow{ID: newID(), TaskID: task.ID, Number: number, RunnerID: runner, State: state, LastSignAt: 50}
		insert(t, s, &row)
		return row
	}
	claimed, begun := attempt(1, w.runner.ID, remuda.AttemptClaimed), attempt(2, w.runner.ID, remuda.AttemptBegun)
	lost, foreign := attempt(3, w.runner.ID, remuda.AttemptLost), attempt(4, newID(), remuda.AttemptBegun)
	unnamed := attempt(5, w.runner.ID, remuda.AttemptBegun)
	sign := func(at control.Micros) {
		write(t, s, func(tx control.Tx) error {
			return tx.Sign(t.Context(), w.runner.ID, []string{claimed.ID, begun.ID, lost.ID, foreign.ID, newID()}, at)
		})
	}
	sign(100)
	sign(90)
	for _, c := range []struct {
		row  control.AttemptRow
		want control.Micros
	}{{claimed, 100}, {begun, 100}, {lost, 50}, {foreign, 50}, {unnamed, 50}} {
		got := read(t, s, func(v control.View) (control.AttemptView, error) { return v.Attempt(t.Context(), c.row.ID) })
		if got.LastSignAt != c.want {
			t.Errorf("the %s attempt %d has its last sign at %d, want %d", c.row.State, c.row.Number, got.LastSignAt, c.want)
		}
	}
}

// The rows of other facts have their last signs near the year 1970, so this one looks at a time before that.
func attemptsExpire(t *testing.T, s control.Store) {
	const second = 1_000_000
	const origin = -1_000_000 * second
	w := newTown(t, s)
	task := w.queue(t, nil)
	attempt := func(number int, state remuda.AttemptState, sign control.Micros, lostAfter remuda.Duration) string {
		row := control.AttemptRow{ID: newID(), TaskID: task.ID, Number: number, State: state, LastSignAt: origin + sign*second, LostAfter: lostAfter}
		insert(t, s, &row)
		return row.ID
	}
	const minute = remuda.Duration(60e9)
	claimed := attempt(1, remuda.AttemptClaimed, 10, 10*minute)
	begun := attempt(2, remuda.AttemptBegun, 20, minute)
	patient := attempt(3, remuda.AttemptBegun, 30, 2*minute)
	attempt(4, remuda.AttemptLost, 5, minute)
	for _, c := range []struct {
		what       string
		now, since control.Micros
		want       []string
	}{
		{"nobody is silent", 40, 0, nil},
		{"what had not begun is silent for 30 s", 41, 0, []string{claimed}},
		{"what has begun has its own time", 80, 0, []string{claimed}},
		{"and is over it", 81, 0, []string{claimed, begun}},
		{"also where it is longer", 151, 0, []string{claimed, begun, patient}},
		{"silence did not begin before signs could be taken", 151, 125, nil},
		{"that counts for each by its own time", 151, 100, []string{claimed}},
		{"and then it goes on", 161, 100, []string{claimed, begun}},
	} {
		t.Run(c.what, func(t *testing.T) {
			rows := read(t, s, func(v control.View) ([]control.AttemptRow, error) {
				now := origin + c.now*second
				return v.Expired(t.Context(), now-30*second, origin+c.since*second, now)
			})
			want(t, "expired", ids(rows, func(a control.AttemptRow) string { return a.ID }), c.want...)
		})
	}
}

func tasksAreOverdue(t *testing.T, s control.Store) {
	w := newTown(t, s)
	queued := func(until control.Micros, state remuda.State) string {
		return w.queue(t, func(r *control.TaskRow) { r.QueueUntil, r.State = until, state }).ID
	}
	second, first := queued(-1000, remuda.Queued), queued(-2000, remuda.Queued)
	queued(-3000, remuda.Running)
	queued(-3000, remuda.Canceled)
	overdue := func(now control.Micros) []string {
		rows := read(t, s, func(v control.View) ([]control.TaskRow, error) { return v.Overdue(t.Context(), now) })
		return ids(rows, func(r control.TaskRow) string { return r.ID })
	}
	want(t, "before their time", overdue(-2000))
	want(t, "after that of one", overdue(-1000), first)
	want(t, "after that of both", overdue(-999), first, second)
	for range 70 {
		queued(-5000, remuda.Queued)
	}
	if n := len(overdue(0)); n != 64 {
		t.Errorf("%d at once, want 64", n)
	}
}

func oldKeysAreForgotten(t *testing.T, s control.Store) {
	key := func(at control.Micros) string {
		row := control.SubmissionKeyRow{ID: newID(), Request: []byte{1}, JobID: "j", CreatedAt: at}
		insert(t, s, &row)
		return row.ID
	}
	left := func(ids []string) (n int) {
		for _, id := range ids {
			err := s.Read(t.Context(), func(v control.View) error { return v.Get(t.Context(), &control.SubmissionKeyRow{}, id) })
			if err == nil {
				n++
			}
		}
		return n
	}
	forget := func() {
		write(t, s, func(tx control.Tx) error {
			_, err := tx.ForgetOldKeys(t.Context(), -50)
			return err
		})
	}
	var old []string
	for i := range 70 {
		old = append(old, key(control.Micros(-100-i)))
	}
	young := []string{key(-50), key(10)}
	forget()
	if n := left(old); n != 6 {
		t.Errorf("%d old keys are left after the first time, want 6", n)
	}
	forget()
	if left(old) != 0 || left(young) != 2 {
		t.Errorf("left are %d old and %d young keys, want 0 and 2", left(old), left(young))
	}
}
