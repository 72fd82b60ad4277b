package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// TaskFilter asks for tasks; an empty member asks nothing. Search looks in names.
type TaskFilter struct {
	Organization, Project, ResourceClass, JobID string
	States                                      []remuda.State
	Search                                      string
	Since                                       time.Time // submitted at this time or later; from the first on when zero
}

func wordsOfTask(t TaskView) remuda.Task {
	words := remuda.Task{
		ID: t.ID, JobID: t.JobID, Name: t.Name, Organization: t.Organization, Project: t.Project,
		SubmittedBy: t.SubmittedBy, Source: remuda.Source{Repository: t.Repository, Ref: t.Ref, Fork: t.Fork},
		ResourceClass: t.Class, Implementation: t.Implementation, Index: t.Index, Total: t.Total,
		State: t.State, Reason: t.Reason, Detail: t.Detail, Priority: t.Priority,
		Timeout: t.Timeout, QueueTimeout: t.QueueTimeout, LostAfter: t.LostAfter, CancelGrace: t.CancelGrace,
		MaxAttempts: t.MaxAttempts, RetryInterrupted: t.RetryInterrupted,
		CancelRequested: t.CancelRequested && !t.State.Ended(), RetryOf: t.RetryOf,
		ConcurrencyGroup: t.Group, RunnerID: t.RunnerID, Runner: t.Runner,
		SubmittedAt: t.SubmittedAt.Time(), StartedAt: t.StartedAt.optional(), EndedAt: t.EndedAt.optional(),
		OutputRemovedAt: t.OutputRemovedAt.optional(),
	}
	if t.Capabilities != "" {
		words.Capabilities = strings.Fields(t.Capabilities)
	}
	if t.State == remuda.Running && t.Runner != externalName && t.LastSignAt != 0 && time.Since(t.LastSignAt.Time()) > silentAfter {
		words.SilentSince = t.LastSignAt.optional()
	}
	return words
}

func wordsOfAttempt(a AttemptView) (remuda.Attempt, error) {
	words := remuda.Attempt{
		ID: a.ID, Number: a.Number, State: a.State, Reason: a.Reason, Detail: a.Detail, RunnerID: a.RunnerID,
		Runner: a.Runner, ClaimedAt: a.ClaimedAt.Time(), BegunAt: a.BegunAt.optional(), EndedAt: a.EndedAt.optional(),
		LastSignAt: a.LastSignAt.Time(), Steps: []remuda.Step{},
	}
	if a.Steps != "" {
		if err := json.Unmarshal([]byte(a.Steps), &words.Steps); err != nil {
			return words, fmt.Errorf("read steps of attempt %s: %w", a.ID, err)
		}
	}
	if !a.State.Live() {
		closeSteps(words.Steps, a.EndedAt)
	}
	return words, nil
}

// closeSteps shows the steps of an attempt that is over as over: whoever carried them out did not live to say so.
func closeSteps(steps []remuda.Step, at Micros) {
	for i := range steps {
		switch step := &steps[i]; step.State {
		case remuda.StepPending:
			step.State = remuda.StepSkipped
		case remuda.StepRunning:
			step.State, step.EndedAt = remuda.StepCanceled, at.optional()
		}
	}
}

// Tasks lists the newest first.
func (d UserDoor) Tasks(ctx context.Context, f TaskFilter, q PageQuery) (remuda.Page[remuda.Task], error) {
	only, err := d.only("task")
	if err != nil {
		return remuda.Page[remuda.Task]{}, err
	}
	span := q.span()
	query := TaskQuery{Organization: only, JobID: f.JobID, States: f.States, Search: f.Search, From: firstIDOf(f.Since), Span: span}
	var rows []TaskView
	err = d.p.store.Read(ctx, func(v View) error {
		if err := d.narrow(ctx, v, f, &query); err != nil {
			return err
		}
		var err error
		rows, err = v.Tasks(ctx, query)
		return err
	})
	if err != nil {
		return remuda.Page[remuda.Task]{}, err
	}
	return page(rows, span, func(r TaskView) string { return r.ID }, wordsOfTask), nil
}

// narrow turns the names of a filter into ids.
func (d UserDoor) narrow(ctx context.Context, v View, f TaskFilter, query *TaskQuery) error {
	if f.Organization != "" {
		owner, err := d.organization(ctx, v, f.Organization, remuda.RoleViewer)
		if err != nil {
			return err
		}
		query.Organization = owner.ID
	}
	if f.Project != "" {
		if query.Organization == "" {
			return remuda.Fail(remuda.Invalid, "to filter by project, name its organization, too")
		}
		project, err := v.ProjectByName(ctx, query.Organization, f.Project)
		if err != nil {
			return orAbsent(err, "project", f.Project)
		}
		query.Project = project.ID
	}
	if f.ResourceClass != "" {
		class, err := d.visibleClass(ctx, v, f.ResourceClass)
		if err != nil {
			return err
		}
		query.ClassID = class.ID
	}
	return nil
}

// task finds one of the user's organization.
func (d UserDoor) task(ctx context.Context, v View, id string, role remuda.Role) (TaskView, error) {
	row, err := v.TaskView(ctx, id)
	if err != nil {
		return row, orAbsent(err, "task", id)
	}
	if role == remuda.RoleViewer && d.readsRun(row) {
		return row, nil
	}
	return row, d.may(row.OrganizationID, role, "task", id)
}

// readsRun says whether a task is a run that the user may see beside those of its own organization: of a block that its
// organization ordered, when the runs are for it to see; or as an API key that manages the definition's blocks.
func (d UserDoor) readsRun(t TaskView) bool {
	if t.Implementation == implementationJob {
		return false
	}
	return d.user.May(remuda.PermitRunList, t.ReaderID) || d.user.May(remuda.PermitManagedBlockList, t.OrganizationID)
}

// Task shows one with its attempts, their steps, and what was submitted.
func (d UserDoor) Task(ctx context.Context, id string) (remuda.Task, error) {
	seen, err := d.see(ctx, id)
	if err != nil {
		return remuda.Task{}, err
	}
	return d.words(ctx, seen)
}

// sightOfTask is what is known of a task at one moment.
type sightOfTask struct {
	task     TaskView
	attempts []AttemptView
}

// see reads what is known of one of the user's tasks.
func (d UserDoor) see(ctx context.Context, id string) (seen sightOfTask, err error) {
	err = d.p.store.Read(ctx, func(v View) error {
		if seen.task, err = d.task(ctx, v, id, remuda.RoleViewer); err != nil {
			return err
		}
		seen.attempts, err = v.Attempts(ctx, id)
		return err
	})
	return seen, err
}

// words is a task whole.
func (d UserDoor) words(ctx context.Context, seen sightOfTask) (remuda.Task, error) {
	words, err := outline(seen)
	if err == nil {
		err = d.p.measure(ctx, &words)
	}
	if err == nil {
		words.Job, err = d.p.jobOf(ctx, seen.task)
	}
	return words, err
}

// outline is a task without how much it wrote, and without what was submitted, which may be long and never changes.
func outline(seen sightOfTask) (remuda.Task, error) {
	words := wordsOfTask(seen.task)
	for _, a := range seen.attempts {
		attempt, err := wordsOfAttempt(a)
		if err != nil {
			return words, err
		}
		words.Attempts = append(words.Attempts, attempt)
	}
	return words, nil
}

// measure tells how much each attempt wrote.
func (p *Plane) measure(ctx context.Context, words *remuda.Task) (err error) {
	for i := range words.Attempts {
		attempt := &words.Attempts[i]
		if attempt.Output, err = p.store.Output().Length(ctx, attempt.ID); err != nil {
			return err
		}
	}
	return nil
}

// jobOf is what a task carries out, if it is shell steps.
func (p *Plane) jobOf(ctx context.Context, task TaskView) (*remuda.Job, error) {
	if task.Implementation != implementationJob {
		return nil, nil
	}
	var row JobRow
	err := p.store.Read(ctx, func(v View) error { return v.Get(ctx, &row, task.JobID) })
	if err != nil {
		return nil, fmt.Errorf("read job %s: %w", task.JobID, err)
	}
	job := &remuda.Job{}
	if err := json.Unmarshal(row.Payload, job); err != nil {
		return nil, fmt.Errorf("read job %s: %w", task.JobID, err)
	}
	return job, nil
}

// CancelTask ends a task that waits; a running one is ended by its runner, which is told at once. Cancelling one that
// has ended is a conflict.
func (d UserDoor) CancelTask(ctx context.Context, id string) (remuda.Task, error) {
	err := d.writeIn(ctx, Beside, func(t *transition) error {
		view, err := d.task(ctx, t, id, remuda.RoleMember)
		if err != nil {
			return err
		}
		if view.State.Ended() {
			return remuda.Fail(remuda.Conflict, "task "+id+" has ended already: its state is "+string(view.State))
		}
		return t.cancel(ctx, &view.TaskRow, "cancelled by "+d.user.Name)
	})
	if err != nil {
		return remuda.Task{}, err
	}
	return d.Task(ctx, id)
}

// cancel ends a task that waits, and has the runner of one that runs end it. The detail says who wanted it.
func (t *transition) cancel(ctx context.Context, task *TaskRow, detail string) error {
	switch {
	case task.CancelRequested:
		return nil
	case task.State != remuda.Running:
		return t.move(ctx, task, remuda.Canceled, "", detail)
	}
	attempt, err := t.Attempt(ctx, task.AttemptID)
	if err != nil {
		return err
	}
	task.CancelRequested, task.Detail = true, detail
	if err := t.Update(ctx, task, "cancel_requested", "detail"); err != nil {
		return err
	}
	t.wake(runnerTopic(attempt.RunnerID), everyone)
	t.wake(taskTopic(task.ID), everyone)
	return t.event(ctx, "task.cancel-requested", task.OrganizationID, task.ID, detail)
}

// RetryTask submits a task that has ended once more, as a new task of the same job. It takes its turn in its group,
// whatever the policy was: nothing is replaced by what is repeated, and nothing keeps it from being repeated.
func (d UserDoor) RetryTask(ctx context.Context, id string) (remuda.Task, error) {
	retry := ""
	err := d.writeIn(ctx, Beside, func(t *transition) error {
		view, err := d.task(ctx, t, id, remuda.RoleMember)
		if err != nil {
			return err
		}
		if view.Implementation != implementationJob {
			return remuda.Fail(remuda.Conflict, "task "+id+" is a run of a building block: what it was queued with is of the past; have the block run again instead")
		}
		if !view.State.Ended() {
			return remuda.Fail(remuda.Conflict, "task "+id+" has not ended; cancel it first")
		}
		class, err := usable(ctx, t, view.Class, view.OrganizationID)
		if err != nil {
			return err
		}
		project, err := t.ProjectByName(ctx, view.OrganizationID, view.Project)
		if err != nil {
			return err
		}
		if err := forkPolicy(class, project, remuda.Source{Fork: view.Fork}); err != nil {
			return err
		}
		retry, err = t.again(ctx, view.TaskRow, d.user.Name)
		return err
	})
	if err != nil {
		return remuda.Task{}, err
	}
	return d.Task(ctx, retry)
}

// again queues a task like one that has ended. Its job's secrets serve it too.
func (t *transition) again(ctx context.Context, old TaskRow, submitter string) (string, error) {
	lane, err := t.laneAgain(ctx, old)
	if err != nil {
		return "", err
	}
	task := TaskRow{
		ID: newID(), JobID: old.JobID, OrganizationID: old.OrganizationID, ProjectID: old.ProjectID,
		ClassID: old.ClassID, LaneID: lane.ID, Name: old.Name, Index: old.Index, Total: old.Total,
		GroupID: lane.GroupID, Capabilities: old.Capabilities,
		SubmittedBy: submitter, Repository: old.Repository, Ref: old.Ref, Fork: old.Fork, State: remuda.Queued,
		Priority: old.Priority, Rank: int64(t.now) - int64(old.Priority)*priorityStep.Microseconds(),
		Timeout: old.Timeout, QueueTimeout: old.QueueTimeout, LostAfter: old.LostAfter, CancelGrace: old.CancelGrace,
		MaxAttempts: old.MaxAttempts, RetryInterrupted: old.RetryInterrupted, RetryOf: old.ID,
		SubmittedAt: t.now, QueueUntil: t.now.add(old.QueueTimeout),
	}
	if err := t.Insert(ctx, &task); err != nil {
		return "", err
	}
	if err := t.Count(ctx, task, 1, 0); err != nil {
		return "", err
	}
	t.wake(workTopic(task.ClassID, task.Capabilities), 1)
	return task.ID, t.event(ctx, "task.queued", task.OrganizationID, task.ID, "retry of "+old.ID)
}
