package client

import (
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/remuda-dev/remuda"
)

// RunnerFilter chooses runners; empty members choose all.
type RunnerFilter struct {
	ResourceClass, Organization string
	State                       remuda.RunnerState
}

// TaskFilter chooses tasks; empty members choose all.
type TaskFilter struct {
	Organization, Project, ResourceClass, JobID string
	States                                      []remuda.State
	Search                                      string
}

// OutputQuery says which output: of the last attempt when Attempt is 0, of all its steps in the order in which their
// bytes arrived when Step is nil. Offset counts bytes of that same stream.
type OutputQuery struct {
	Attempt int
	Step    *int
	Offset  int64
}

func (q OutputQuery) values() values {
	v := values{}
	if q.Attempt > 0 {
		v.set("attempt", strconv.Itoa(q.Attempt))
	}
	if q.Step != nil {
		v.set("step", strconv.Itoa(*q.Step))
	}
	if q.Offset > 0 {
		v.set("offset", strconv.FormatInt(q.Offset, 10))
	}
	return v
}

// Runners lists runners.
func (u *User) Runners(ctx context.Context, f RunnerFilter, q PageQuery) (remuda.Page[remuda.Runner], error) {
	query := q.values()
	query.set("resource_class", f.ResourceClass)
	query.set("organization", f.Organization)
	query.set("state", string(f.State))
	return read[remuda.Page[remuda.Runner]](ctx, u, "/runners", query)
}

// Runner shows one, with its claims.
func (u *User) Runner(ctx context.Context, id string) (remuda.Runner, error) {
	return read[remuda.Runner](ctx, u, path("runners", id), nil)
}

// PauseRunner tells a runner to take nothing new, or to go on.
func (u *User) PauseRunner(ctx context.Context, id string, paused bool) (remuda.Runner, error) {
	verb := "resume"
	if paused {
		verb = "pause"
	}
	return send[remuda.Runner](ctx, u, http.MethodPost, path("runners", id, verb), nil)
}

// DrainRunner tells a runner to finish what it has and then to end.
func (u *User) DrainRunner(ctx context.Context, id string) (remuda.Runner, error) {
	return send[remuda.Runner](ctx, u, http.MethodPost, path("runners", id, "drain"), nil)
}

// Submit asks for a job. The same key submits the same job once, however often it is sent; an empty one gets a random
// key, so that the repetitions of this call submit once.
func (u *User) Submit(ctx context.Context, s remuda.Submission, idempotencyKey string) (remuda.JobSubmitted, error) {
	secrets := make(map[string]string, len(s.Secrets))
	for name, value := range s.Secrets {
		secrets[name] = value.Reveal()
	}
	if idempotencyKey == "" {
		idempotencyKey = rand.Text()
	}
	wire := struct {
		remuda.Submission
		Secrets map[string]string `json:"secrets,omitempty"` // hides the embedded one, which would send marks
	}{s, secrets}
	var submitted remuda.JobSubmitted
	err := u.door.do(ctx, call{method: http.MethodPost, path: "/tasks", body: wire, key: idempotencyKey}, &submitted)
	return submitted, err
}

// Tasks lists tasks, the newest first.
func (u *User) Tasks(ctx context.Context, f TaskFilter, q PageQuery) (remuda.Page[remuda.Task], error) {
	query := q.values()
	query.set("organization", f.Organization)
	query.set("project", f.Project)
	query.set("resource_class", f.ResourceClass)
	query.set("job", f.JobID)
	query.set("search", f.Search)
	for _, state := range f.States {
		query.set("state", string(state))
	}
	return read[remuda.Page[remuda.Task]](ctx, u, "/tasks", query)
}

// Task shows one, with its attempts and steps.
func (u *User) Task(ctx context.Context, id string) (remuda.Task, error) {
	return read[remuda.Task](ctx, u, path("tasks", id), nil)
}

// CancelTask asks for a task's end. A running one ends when its runner says so.
func (u *User) CancelTask(ctx context.Context, id string) (remuda.Task, error) {
	return send[remuda.Task](ctx, u, http.MethodPost, path("tasks", id, "cancel"), nil)
}

// RetryTask submits a task that has ended again, as a new one.
func (u *User) RetryTask(ctx context.Context, id string) (remuda.Task, error) {
	return send[remuda.Task](ctx, u, http.MethodPost, path("tasks", id, "retry"), nil)
}

// Why tells why a task waits.
func (u *User) Why(ctx context.Context, id string) (remuda.Why, error) {
	return read[remuda.Why](ctx, u, path("tasks", id, "why"), nil)
}

// Output reads a task's output from an offset on, as it is now. The caller closes it.
func (u *User) Output(ctx context.Context, taskID string, q OutputQuery) (io.ReadCloser, error) {
	answer, err := u.door.send(ctx, call{
		method: http.MethodGet, path: path("tasks", taskID, "output"), query: url.Values(q.values()), accept: "text/plain",
	})
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// OpenAPI is the control plane's own description of itself, as JSON.
func (u *User) OpenAPI(ctx context.Context) ([]byte, error) {
	return read[rawJSON](ctx, u, "/openapi.json", nil)
}

// rawJSON keeps an answer as it came.
type rawJSON []byte

func (r *rawJSON) UnmarshalJSON(data []byte) error {
	*r = append((*r)[:0], data...)
	return nil
}
