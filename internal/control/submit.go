package control

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/remuda-dev/remuda"
)

// What a submission gets when it says nothing, and the bounds of what it may say.
const (
	defaultTimeout      = remuda.Duration(time.Hour)
	defaultQueueTimeout = remuda.Duration(24 * time.Hour)
	defaultCancelGrace  = remuda.Duration(10 * time.Second)
	defaultMaxAttempts  = 3
	maxTimeout          = remuda.Duration(7 * 24 * time.Hour)
	priorityStep        = time.Minute // how much waiting one step of priority is worth
	implementationJob   = "job"
	defaultProject      = "default"
)

func jobSecretsPlace(job string) string { return "jobs/" + job + "/secrets" }

// Submit queues a job: n tasks. The same idempotency key with the same submission answers as the first time; with
// another one it is a conflict.
func (d UserDoor) Submit(ctx context.Context, s remuda.Submission, idempotencyKey string) (remuda.JobSubmitted, error) {
	if err := complete(&s); err != nil {
		return remuda.JobSubmitted{}, err
	}
	if len(idempotencyKey) > 200 {
		return remuda.JobSubmitted{}, remuda.Fail(remuda.Invalid, "an idempotency key has at most 200 bytes")
	}
	payload, err := json.Marshal(s.Job)
	if err != nil {
		return remuda.JobSubmitted{}, fmt.Errorf("encode job: %w", err)
	}
	jobID := newID()
	secrets, err := d.p.encryptSecrets(jobID, s)
	if err != nil {
		return remuda.JobSubmitted{}, err
	}
	job := JobRow{ID: jobID, Name: s.Name, Implementation: implementationJob, Payload: payload, Secrets: secrets, SubmittedBy: d.user.Name}
	scope := Beside
	if s.Concurrency != nil {
		job.ConcurrencyGroup, job.ConcurrencyLimit = s.Concurrency.Group, s.Concurrency.Limit
		scope = Alone // it looks for the group's other tasks
	}
	err = d.writeIn(ctx, scope, func(t *transition) error {
		class, project, err := d.target(ctx, t, &s)
		if err != nil {
			return err
		}
		if idempotencyKey != "" {
			first, err := d.repeated(ctx, t, s, project.OrganizationID, idempotencyKey, jobID)
			if err != nil || first != "" {
				job.ID = first
				return err
			}
		}
		job.ID, job.OrganizationID, job.CreatedAt = jobID, project.OrganizationID, t.now
		if err := t.Insert(ctx, &job); err != nil {
			return err
		}
		task := taskOf(s, job, project, class, t.now)
		lane := LaneKey{ClassID: class.ID, ProjectID: project.ID, Capabilities: task.Capabilities}
		if s.Concurrency != nil {
			group, err := t.join(ctx, *s.Concurrency, project, job)
			if err != nil {
				return err
			}
			task.GroupID, lane.Group, lane.GroupID = group.ID, group.Name, group.ID
		}
		return t.enqueue(ctx, task, lane, s.Parallelism)
	})
	if err != nil {
		return remuda.JobSubmitted{}, err
	}
	return d.submitted(ctx, job.ID)
}

func (d UserDoor) submitted(ctx context.Context, job string) (remuda.JobSubmitted, error) {
	answer := remuda.JobSubmitted{ID: job}
	err := d.p.store.Read(ctx, func(v View) error {
		var row JobRow
		if err := v.Get(ctx, &row, job); err != nil {
			return err
		}
		answer.Name = row.Name
		tasks, err := v.Tasks(ctx, TaskQuery{JobID: job, Span: Span{Limit: 4096}})
		if err != nil {
			return err
		}
		answer.Tasks = make([]remuda.Task, 0, len(tasks))
		for _, task := range slices.Backward(tasks) { // the newest is first in lists
			if task.RetryOf == "" {
				answer.Tasks = append(answer.Tasks, wordsOfTask(task))
			}
		}
		return nil
	})
	return answer, err
}

var secretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// complete fills in what a submission left out, and refuses what it must not say.
func complete(s *remuda.Submission) error {
	if s.Job == nil || len(s.Job.Steps) == 0 {
		return remuda.Fail(remuda.Invalid, "a submission has a job with at least one step")
	}
	if err := validJob(*s.Job, s.Source); err != nil {
		return err
	}
	if s.Source.HasPassword() {
		const wrong = "a password in the address would be shown to everyone who may see the task; put it into a secret and name that in checkout's token"
		return &remuda.Error{Kind: remuda.Invalid, Detail: wrong, Fields: []remuda.Field{{Location: "body.source.repository", Message: wrong}}}
	}
	for name, value := range s.Secrets {
		if len(name) > 200 || !secretName.MatchString(name) {
			return remuda.Fail(remuda.Invalid, "a secret's name is that of an environment variable: letters, digits and '_'")
		}
		if len(value.Reveal()) < remuda.ShortestSecret {
			return remuda.Fail(remuda.Invalid, fmt.Sprintf("secret %s has less than %d bytes: it could not be hidden in output without spoiling it", name, remuda.ShortestSecret))
		}
	}
	if s.Project == "" {
		s.Project = defaultProject
	}
	if s.Name == "" {
		s.Name = s.ResourceClass
	}
	s.Timeout = s.Timeout.Or(defaultTimeout)
	s.QueueTimeout = s.QueueTimeout.Or(defaultQueueTimeout)
	s.CancelGrace = s.CancelGrace.Or(defaultCancelGrace)
	if s.MaxAttempts == 0 {
		s.MaxAttempts = defaultMaxAttempts
	}
	if s.Parallelism == 0 {
		s.Parallelism = 1
	}
	switch {
	case len(s.Name) > 200:
		return remuda.Fail(remuda.Invalid, "a name has at most 200 bytes")
	case len(s.Source.Repository) > 2048 || len(s.Source.Ref) > 1024:
		return remuda.Fail(remuda.Invalid, "source.repository has at most 2048 bytes, source.ref at most 1024")
	case s.Timeout < 0 || s.QueueTimeout < 0 || s.LostAfter < 0 || s.CancelGrace < 0:
		return remuda.Fail(remuda.Invalid, "a duration is not negative")
	case s.Timeout > maxTimeout || s.QueueTimeout > maxTimeout || s.LostAfter > maxTimeout:
		return remuda.Fail(remuda.Invalid, "timeout, queue_timeout and lost_after are at most "+maxTimeout.String())
	case s.CancelGrace > remuda.Duration(10*time.Minute):
		return remuda.Fail(remuda.Invalid, "cancel_grace is at most 10m")
	case s.LostAfter != 0 && s.LostAfter < remuda.Duration(silentAfter):
		return remuda.Fail(remuda.Invalid, "lost_after is at least 30s: before that a runner is only silent")
	case s.MaxAttempts < 1 || s.MaxAttempts > 10:
		return remuda.Fail(remuda.Invalid, "max_attempts is from 1 to 10")
	case s.Parallelism < 1 || s.Parallelism > 256:
		return remuda.Fail(remuda.Invalid, "parallelism is from 1 to 256")
	case s.Priority < -100 || s.Priority > 100:
		return remuda.Fail(remuda.Invalid, "priority is from -100 to 100")
	}
	return completeQueue(s)
}

func validJob(job remuda.Job, source remuda.Source) error {
	for i, step := range job.Steps {
		place := fmt.Sprintf("body.job.steps[%d]", i)
		wrong := ""
		switch {
		case (step.Run == nil) == (step.Checkout == nil):
			wrong = "a step is either run or checkout"
		case step.Run != nil && step.Run.Command == "":
			wrong = "a run step has a command"
		case step.Run != nil && !slices.Contains([]remuda.When{"", remuda.OnSuccess, remuda.OnFail, remuda.Always}, step.Run.When):
			wrong = "when is on_success, on_fail or always"
		case step.Checkout != nil && source.Repository == "":
			wrong = "checkout needs source.repository"
		}
		if wrong != "" {
			return &remuda.Error{Kind: remuda.Invalid, Detail: place + ": " + wrong, Fields: []remuda.Field{{Location: place, Message: wrong}}}
		}
	}
	return nil
}

// encryptSecrets closes a submission's secrets. A fork's task gets none: whoever opened it wrote its steps.
func (p *Plane) encryptSecrets(job string, s remuda.Submission) ([]byte, error) {
	if len(s.Secrets) == 0 || s.Source.Fork {
		return nil, nil
	}
	plain := map[string]string{}
	for name, value := range s.Secrets {
		plain[name] = value.Reveal()
	}
	return p.sealJobSecrets(job, plain)
}

// sealJobSecrets encrypts the secrets of a job for the store.
func (p *Plane) sealJobSecrets(job string, values map[string]string) ([]byte, error) {
	if len(values) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encode secrets: %w", err)
	}
	sealed, err := p.keys.Encrypt(text, jobSecretsPlace(job))
	if err != nil {
		return nil, fmt.Errorf("encrypt secrets: %w", err)
	}
	return sealed, nil
}

// target finds the class and the project of a submission, and holds both to their policies.
func (d UserDoor) target(ctx context.Context, t *transition, s *remuda.Submission) (ClassView, ProjectRow, error) {
	if s.Organization == "" {
		s.Organization = d.user.Organization
	}
	if s.Organization == "" { // the administrator, who said nothing: the class's own organization
		class, err := t.ClassByName(ctx, s.ResourceClass)
		if err != nil {
			return ClassView{}, ProjectRow{}, orAbsent(err, "resource class", s.ResourceClass)
		}
		s.Organization = class.Organization
	}
	owner, err := d.organizationFor(ctx, t, "job", s.Organization, remuda.RoleMember)
	if err != nil {
		return ClassView{}, ProjectRow{}, err
	}
	class, err := usable(ctx, t, s.ResourceClass, owner.ID)
	if err != nil {
		return class, ProjectRow{}, err
	}
	project, err := t.ProjectByName(ctx, owner.ID, s.Project)
	if errors.Is(err, remuda.NotFound) {
		project = newProject(owner.ID, s.Project, t.now)
		if err := validProject(project); err != nil {
			return class, project, err
		}
		if err := t.Insert(ctx, &project); err != nil {
			return class, project, err
		}
		err = t.event(ctx, "project.created", owner.ID, project.Name, "by a submission")
	}
	if err != nil {
		return class, project, err
	}
	return class, project, forkPolicy(class, project, s.Source)
}

// forkPolicy keeps strangers' code off machines that people host: a public project that builds forks needs a class
// that says it takes them.
func forkPolicy(class ClassView, project ProjectRow, source remuda.Source) error {
	if source.Fork && !project.BuildsForks {
		return remuda.Fail(remuda.Forbidden, "project "+project.Name+" does not build forks; an admin may set builds_forks")
	}
	if project.Visibility == public && project.BuildsForks && !class.AllowForks {
		return remuda.Fail(remuda.Forbidden, "resource class "+class.FullName+" refuses forks, and project "+project.Name+
			" is public and builds them; the class's owner may set allow_forks")
	}
	return nil
}

// repeated answers the job that the same key made before, or remembers the key for this one.
func (d UserDoor) repeated(ctx context.Context, t *transition, s remuda.Submission, organization, key, job string) (string, error) {
	request, err := d.requestHash(s)
	if err != nil {
		return "", err
	}
	id := fmt.Sprintf("%x", sha256.Sum256([]byte(organization+"\x00"+d.user.Token+"\x00"+d.user.Name+"\x00"+key)))
	var first SubmissionKeyRow
	err = t.Get(ctx, &first, id)
	if errors.Is(err, remuda.NotFound) {
		return "", t.Insert(ctx, &SubmissionKeyRow{ID: id, Request: request, JobID: job, CreatedAt: t.now})
	}
	if err != nil {
		return "", err
	}
	if !bytes.Equal(first.Request, request) {
		return "", remuda.Fail(remuda.Conflict, "this idempotency key was used for another submission; take a new key")
	}
	return first.JobID, nil
}

// requestHash is keyed, since it covers secrets.
func (d UserDoor) requestHash(s remuda.Submission) ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode submission: %w", err)
	}
	secrets := map[string]string{}
	for name, value := range s.Secrets {
		secrets[name] = value.Reveal()
	}
	more, err := json.Marshal(secrets)
	if err != nil {
		return nil, fmt.Errorf("encode submission: %w", err)
	}
	return d.p.keys.MAC("submission", string(text)+string(more)), nil
}

func taskOf(s remuda.Submission, job JobRow, project ProjectRow, class ClassView, now Micros) TaskRow {
	return TaskRow{
		JobID: job.ID, OrganizationID: project.OrganizationID, ProjectID: project.ID, ClassID: class.ID,
		Name: s.Name, Total: s.Parallelism, SubmittedBy: job.SubmittedBy,
		Repository: s.Source.Repository, Ref: s.Source.Ref, Fork: s.Source.Fork,
		State: remuda.Queued, Priority: s.Priority, Capabilities: needs(s.Capabilities),
		Rank:    int64(now) - int64(s.Priority)*priorityStep.Microseconds(),
		Timeout: s.Timeout, QueueTimeout: s.QueueTimeout, CancelGrace: s.CancelGrace,
		LostAfter:   s.LostAfter.Or(class.LostAfter).Or(defaultLostAfter),
		MaxAttempts: s.MaxAttempts, RetryInterrupted: s.RetryInterrupted,
		SubmittedAt: now, QueueUntil: now.add(s.QueueTimeout),
	}
}

// enqueue inserts n queued tasks alike but for their index.
func (t *transition) enqueue(ctx context.Context, task TaskRow, key LaneKey, n int) error {
	lane, err := t.Lane(ctx, key)
	if err != nil {
		return err
	}
	task.LaneID = lane.ID
	err = t.Together(ctx, func() error {
		for i := range n {
			task.ID, task.Index = newID(), i
			if err := t.Insert(ctx, &task); err != nil {
				return err
			}
			if err := t.event(ctx, "task.queued", task.OrganizationID, task.ID, ""); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.wake(workTopic(task.ClassID, task.Capabilities), n)
	return t.Count(ctx, task, n, 0)
}
