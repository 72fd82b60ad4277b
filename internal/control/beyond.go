package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/remuda-dev/remuda"
)

// Transition is one change of the store as the rules of building blocks and pipelines make it, together with what it
// means for tasks. Its Tx changes their own rows.
type Transition = transition

// Change carries out a transition of other rules. Like every transition it may be run again from its start, and changes
// nothing but the store until Change returns.
func (p *Plane) Change(ctx context.Context, scope Scope, actor string, change func(*Transition) error) error {
	return p.writeIn(ctx, scope, actor, change)
}

// Look runs look over one consistent state of the store.
func (p *Plane) Look(ctx context.Context, look func(View) error) error {
	return p.store.Read(ctx, look)
}

// Now is when the transition is made.
func (t *transition) Now() Micros { return t.now }

// From says from where it was asked for, for the events that it writes.
func (t *transition) From(address string) { t.address = address }

// Note writes an event down, in the transaction of what it tells.
func (t *transition) Note(ctx context.Context, kind, organization, subject, detail string) error {
	return t.event(ctx, kind, organization, subject, detail)
}

// Work is a job of one task that other rules queue.
type Work struct {
	JobID          string // made by NewID; the job's secrets are bound to it
	OrganizationID string // whose limits count
	ProjectID      string
	ClassID        string
	Name           string
	Implementation string // which is also the capability that its runner needs
	Payload        any    // what the implementation carries out, encoded as JSON
	Secrets        map[string]string
	SubmittedBy    string
	ReaderID       string // another organization that may see it; empty for none
	Timeout        remuda.Duration
	QueueTimeout   remuda.Duration
	CancelGrace    remuda.Duration
	LostAfter      remuda.Duration
	Pinned         bool // retention leaves it alone
}

// Queue inserts the job and its task.
func (p *Plane) Queue(ctx context.Context, t *Transition, w Work) (TaskRow, error) {
	payload, err := json.Marshal(w.Payload)
	if err != nil {
		return TaskRow{}, fmt.Errorf("encode the payload of %s: %w", w.Name, err)
	}
	secrets, err := p.sealJobSecrets(w.JobID, w.Secrets)
	if err != nil {
		return TaskRow{}, err
	}
	job := JobRow{
		ID: w.JobID, OrganizationID: w.OrganizationID, Name: w.Name, Implementation: w.Implementation, Payload: payload,
		Secrets: secrets, SubmittedBy: w.SubmittedBy, ReaderID: w.ReaderID, CreatedAt: t.now,
	}
	if err := t.Insert(ctx, &job); err != nil {
		return TaskRow{}, err
	}
	class, err := t.ClassView(ctx, w.ClassID)
	if err != nil {
		return TaskRow{}, err
	}
	task := TaskRow{
		JobID: job.ID, OrganizationID: w.OrganizationID, ProjectID: w.ProjectID, ClassID: w.ClassID, Name: w.Name, Total: 1,
		SubmittedBy: w.SubmittedBy, State: remuda.Queued, Capabilities: needs([]string{w.Implementation}), Rank: int64(t.now),
		Timeout: cmp.Or(w.Timeout, defaultTimeout), QueueTimeout: cmp.Or(w.QueueTimeout, defaultQueueTimeout),
		CancelGrace: cmp.Or(w.CancelGrace, defaultCancelGrace), MaxAttempts: defaultMaxAttempts,
		LostAfter: w.LostAfter.Or(class.LostAfter).Or(defaultLostAfter), SubmittedAt: t.now, Pinned: w.Pinned,
	}
	task.QueueUntil = t.now.add(task.QueueTimeout)
	err = t.enqueue(ctx, task, LaneKey{ClassID: w.ClassID, ProjectID: w.ProjectID, Capabilities: task.Capabilities}, 1)
	if err != nil {
		return TaskRow{}, err
	}
	tasks, err := t.Tasks(ctx, TaskQuery{JobID: job.ID, Span: Span{Limit: 1}})
	if err != nil || len(tasks) == 0 {
		return TaskRow{}, fmt.Errorf("find the task of job %s: %w", job.ID, err)
	}
	return tasks[0].TaskRow, nil
}

// Cancel cancels a task in a transition of other rules; one that has ended stays as it is.
func (t *transition) Cancel(ctx context.Context, id, detail string) error {
	task, err := t.Movable(ctx, id)
	if err != nil || task.State.Ended() {
		return err
	}
	return t.cancel(ctx, &task, detail)
}

// NewID makes an id as all rows have it.
func NewID() string { return newID() }

// DefaultProject is what counts for those who name no project.
const DefaultProject = defaultProject

// FindProject finds an organization's project by name, or makes it.
func (t *transition) FindProject(ctx context.Context, organizationID, name string) (ProjectRow, error) {
	project, err := t.ProjectByName(ctx, organizationID, name)
	if !errors.Is(err, remuda.NotFound) {
		return project, err
	}
	project = newProject(organizationID, name, t.now)
	if err := validProject(project); err != nil {
		return project, err
	}
	if err := t.Insert(ctx, &project); err != nil {
		return project, err
	}
	return project, t.event(ctx, "project.created", organizationID, project.Name, "by a block")
}

// Usable finds a class that an organization owns or may use; remuda.NotFound for all others.
func Usable(ctx context.Context, v View, full, organizationID string) (ClassView, error) {
	return usable(ctx, v, full, organizationID)
}

// Hearing is told of new events, on this plane and on others. C holds at most one wake-up, which carries no data and may
// be lost: whoever is woken reads the truth, and looks now and then without.
type Hearing struct {
	C    <-chan struct{}
	end  func()
	join func(topics ...string)
}

// Task hears of a task, too: no event tells of its steps.
func (h Hearing) Task(id string) { h.join(taskTopic(id)) }

// Close ends it.
func (h Hearing) Close() { h.end() }

// HearEvents hears of new events from now on.
func (p *Plane) HearEvents() Hearing {
	s := p.hub.subscribe(eventTopic)
	return Hearing{C: s.C, end: s.close, join: s.join}
}
