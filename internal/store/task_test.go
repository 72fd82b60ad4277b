package store_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func taskListFacts() []fact {
	return []fact{
		{"tasks are listed by what they belong to, their state and name", tasksAreListed},
		{"a task is seen with the names of what it belongs to", tasksHaveNames},
		{"what a move and a runner need of a task is as the task is", partsAreAsTheWhole},
		{"attempts are seen by task and by runner", attemptsAreSeen},
	}
}

func tasksAreListed(t *testing.T, s control.Store) {
	ctx, w := t.Context(), newTown(t, s)
	class, project := w.classIn(t), w.projectIn(t, func(*control.ProjectRow) {})
	job := control.JobRow{ID: newID(), OrganizationID: w.organization.ID, Payload: []byte("{}")}
	insert(t, s, &job)
	plain := w.queue(t, nil).ID
	named := w.queue(t, func(r *control.TaskRow) { r.Name = "100%_Sure\\thing" }).ID
	failed := w.queue(t, func(r *control.TaskRow) { r.State = remuda.Failed }).ID
	elsewhere := w.queue(t, func(r *control.TaskRow) { r.ClassID = class.ID }).ID
	others := w.queue(t, func(r *control.TaskRow) { r.ProjectID, r.JobID = project.ID, job.ID }).ID
	newTown(t, s).queue(t, nil)
	list := func(q control.TaskQuery) []string {
		q.Organization, q.Limit = w.organization.ID, max(q.Limit, 5)
		rows := read(t, s, func(v control.View) ([]control.TaskView, error) { return v.Tasks(ctx, q) })
		return ids(rows, func(r control.TaskView) string { return r.ID })
	}
	want(t, "of the organization", list(control.TaskQuery{}), others, elsewhere, failed, named, plain)
	want(t, "of a project", list(control.TaskQuery{Project: project.ID}), others)
	want(t, "of a class", list(control.TaskQuery{ClassID: class.ID}), elsewhere)
	want(t, "of a job", list(control.TaskQuery{JobID: job.ID}), others)
	want(t, "in a state", list(control.TaskQuery{States: []remuda.State{remuda.Failed}}), failed)
	want(t, "in states", list(control.TaskQuery{States: []remuda.State{remuda.Failed, remuda.Queued}}), others, elsewhere, failed, named, plain)
	want(t, "in no such state", list(control.TaskQuery{States: []remuda.State{remuda.Skipped}}))
	want(t, "from one on", list(control.TaskQuery{From: failed}), others, elsewhere, failed)
	want(t, "after one", list(control.TaskQuery{Span: control.Span{After: failed}}), named, plain)
	for search, found := range map[string][]string{
		"sure": {named}, "%_S": {named}, `\T`: {named}, "a%k": nil, "_": {named}, "TASK": {others, elsewhere, failed, plain}, "'": nil,
	} {
		want(t, "called "+search, list(control.TaskQuery{Search: search}), found...)
	}
}

func tasksHaveNames(t *testing.T, s control.Store) {
	ctx, w := t.Context(), newTown(t, s)
	row := w.queue(t, nil)
	runner := control.RunnerRow{ID: newID(), Name: "web-1", PublicKey: []byte("key"), TokenHash: []byte("hash")}
	insert(t, s, &runner)
	attempt := control.AttemptRow{ID: newID(), TaskID: row.ID, Number: 1, LastSignAt: 77, RunnerID: runner.ID}
	insert(t, s, &attempt)
	row.AttemptID = attempt.ID
	write(t, s, func(tx control.Tx) error { return tx.Update(ctx, &row, "attempt_id") })
	wanted := control.TaskView{
		TaskRow: row, Organization: w.organization.Name, Project: w.project.Name, Class: w.namespace.Name + "/" + w.class.Name,
		Implementation: "job", LastSignAt: 77, RunnerID: runner.ID, Runner: "web-1",
	}
	one := read(t, s, func(v control.View) (control.TaskView, error) { return v.TaskView(ctx, row.ID) })
	list := read(t, s, func(v control.View) ([]control.TaskView, error) {
		return v.Tasks(ctx, control.TaskQuery{ClassID: w.class.ID, Span: control.Span{Limit: 2}})
	})
	if diff := cmp.Diff([]control.TaskView{wanted, wanted}, append(list, one)); diff != "" {
		t.Error(diff)
	}
}

func partsAreAsTheWhole(t *testing.T, s control.Store) {
	ctx, w, claim := t.Context(), newTown(t, s), newID()
	row := w.queue(t, func(r *control.TaskRow) {
		r.Name, r.SubmittedBy, r.Repository, r.Ref, r.Fork, r.Index, r.Total = "n", "me", "https://x", "main", true, 1, 2
		r.Timeout, r.CancelGrace, r.CancelRequested, r.QueueTimeout, r.QueueUntil, r.LostAfter = 1, 2, true, 3, 4, 5
		r.MaxAttempts, r.RetryInterrupted, r.Attempts, r.AttemptsUsed, r.AttemptID = 6, true, 7, 8, claim
		r.Priority, r.Rank, r.SubmittedAt, r.StartedAt, r.EndedAt, r.RetryOf, r.Reason, r.Detail = 9, 10, 11, 12, 13, "r", "step", "d"
	})
	move := control.TaskRow{
		ID: row.ID, JobID: row.JobID, OrganizationID: row.OrganizationID, ProjectID: row.ProjectID, ClassID: row.ClassID, LaneID: row.LaneID,
		State: row.State, QueueTimeout: 3, QueueUntil: 4, LostAfter: 5, MaxAttempts: 6, RetryInterrupted: true, Attempts: 7,
		AttemptsUsed: 8, AttemptID: claim, CancelRequested: true, Rank: 10, Detail: "d",
	}
	end := move
	end.JobID, end.QueueUntil, end.LostAfter, end.Attempts, end.AttemptID = "", 0, 0, 0, ""
	begin := move
	begin.JobID, begin.Capabilities, begin.Detail, begin.QueueTimeout, begin.QueueUntil = "", "", "", 0, 0
	begin.MaxAttempts, begin.RetryInterrupted, begin.AttemptID, begin.CancelRequested = 0, false, "", false
	deliver := control.TaskView{
		TaskRow: control.TaskRow{
			ID: row.ID, JobID: row.JobID, AttemptID: claim, Name: "n", SubmittedBy: "me", Repository: "https://x", Ref: "main", Fork: true, Index: 1, Total: 2,
			Timeout: 1, CancelGrace: 2, CancelRequested: true,
		},
		Organization: w.organization.Name, Project: w.project.Name, Class: w.namespace.Name + "/" + w.class.Name, Implementation: "job",
	}
	ended := newID()
	insert(t, s,
		&control.AttemptRow{ID: ended, TaskID: row.ID, Number: 1, RunnerID: w.runner.ID, State: remuda.AttemptReturned, Detail: "d"},
		&control.AttemptRow{ID: claim, TaskID: row.ID, Number: 2, RunnerID: w.runner.ID, State: remuda.AttemptClaimed})
	for id, want := range map[string]control.AttemptRow{
		ended: {ID: ended, TaskID: row.ID, RunnerID: w.runner.ID, State: remuda.AttemptReturned, Detail: "d"},
		claim: {ID: claim, TaskID: row.ID, RunnerID: w.runner.ID, State: remuda.AttemptClaimed},
	} {
		var task control.TaskRow
		attempt := read(t, s, func(v control.View) (attempt control.AttemptRow, err error) {
			held, err := v.Claimed(ctx, id)
			if err == nil && len(held) == 1 {
				attempt, task = held[0].Attempt, held[0].Task
			}
			return attempt, err
		})
		if diff := cmp.Diff(want, attempt) + cmp.Diff(end, task); diff != "" {
			t.Error(diff)
		}
	}
	both := read(t, s, func(v control.View) ([]control.Held, error) { return v.Claimed(ctx, ended, newID(), claim) })
	if len(both) != 2 || both[0].Task.ID != row.ID || both[0].Attempt.ID == both[1].Attempt.ID {
		t.Errorf("of two claims that there are and one that there is not, it answers %+v", both)
	}
	movable := read(t, s, func(v control.View) (control.TaskRow, error) { return v.Movable(ctx, row.ID) })
	next := read(t, s, func(v control.View) (control.TaskRow, error) { return claimable(ctx, v, []string{w.class.ID}, nil) })
	if diff := cmp.Diff([]control.TaskRow{move, begin}, []control.TaskRow{movable, next}); diff != "" {
		t.Error(diff)
	}
	deliverable := read(t, s, func(v control.View) ([]control.TaskView, error) { return v.Deliverable(ctx, ended, claim, newID()) })
	if diff := cmp.Diff([]control.TaskView{deliver}, deliverable); diff != "" {
		t.Error(diff)
	}
}

func attemptsAreSeen(t *testing.T, s control.Store) {
	ctx, w := t.Context(), newTown(t, s)
	task := w.queue(t, func(r *control.TaskRow) { r.CancelRequested = true })
	var rows []control.AttemptRow
	for i, state := range []remuda.AttemptState{remuda.AttemptReturned, remuda.AttemptLost, remuda.AttemptClaimed, remuda.AttemptBegun} {
		rows = append(rows, control.AttemptRow{
			ID: newID(), TaskID: task.ID, Number: i + 1, RunnerID: w.runner.ID, State: state, Reason: remuda.ReasonLost, Detail: "d",
			Steps: `[{"number": 1}]`, LostAfter: 1, ClaimedAt: 2, BegunAt: 3, EndedAt: 4, LastSignAt: 5,
		})
	}
	rows[0].RunnerID = newID() // one that is not known any more
	for _, row := range slices.Backward(rows) {
		insert(t, s, &row)
	}
	all := read(t, s, func(v control.View) ([]control.AttemptView, error) { return v.Attempts(ctx, task.ID) })
	var wanted []control.AttemptView
	for i, row := range rows {
		wanted = append(wanted, control.AttemptView{AttemptRow: row, Runner: []string{"", "r", "r", "r"}[i], CancelRequested: true})
	}
	if diff := cmp.Diff(wanted, all); diff != "" {
		t.Error(diff)
	}
	live := read(t, s, func(v control.View) ([]control.AttemptView, error) { return v.LiveAttempts(ctx, w.runner.ID) })
	want(t, "live ones", ids(live, func(a control.AttemptView) string { return a.ID }), rows[2].ID, rows[3].ID)
	if a := live[1]; a.TaskID != task.ID || a.Number != 4 || a.State != remuda.AttemptBegun || a.BegunAt != 3 || a.LastSignAt != 5 || !a.CancelRequested {
		t.Errorf("a live attempt is %+v", a)
	}
	one := read(t, s, func(v control.View) (control.AttemptView, error) { return v.Attempt(ctx, rows[1].ID) })
	part := control.AttemptRow{
		ID: rows[1].ID, TaskID: task.ID, RunnerID: w.runner.ID, State: remuda.AttemptLost, Reason: remuda.ReasonLost, Detail: "d",
		BegunAt: 3, EndedAt: 4, LastSignAt: 5,
	}
	if diff := cmp.Diff(control.AttemptView{AttemptRow: part, CancelRequested: true}, one); diff != "" {
		t.Error(diff)
	}
}
