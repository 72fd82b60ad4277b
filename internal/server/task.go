package server

import (
	"context"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

type submitJobInput struct {
	byUser
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"200" doc:"Any text that is new for each submission: sent again with the same key, it answers with the job that the first one made"`
	Body           remuda.Submission
}

func submitJob(ctx context.Context, in *submitJobInput) (remuda.JobSubmitted, error) {
	return in.door.Submit(ctx, in.Body, in.IdempotencyKey)
}

type listTasksInput struct {
	byUser
	Organization  string         `query:"organization" maxLength:"64" doc:"Only those that this organization submitted"`
	Project       string         `query:"project" maxLength:"200" doc:"Only those of this project"`
	ResourceClass string         `query:"resource_class" maxLength:"130" doc:"Only those for this class, as namespace/name"`
	Job           string         `query:"job" maxLength:"64" doc:"Only those of the job with this id"`
	State         []remuda.State `query:"state,explode" enum:"waiting,queued,running,succeeded,failed,canceled,skipped" maxItems:"7" doc:"Only those in one of these states; say it once for each"`
	Search        string         `query:"search" maxLength:"200" doc:"Only those whose name has this in it"`
	Paging
}

func listTasks(ctx context.Context, in *listTasksInput) (remuda.Page[remuda.Task], error) {
	filter := control.TaskFilter{
		Organization: in.Organization, Project: in.Project, ResourceClass: in.ResourceClass,
		JobID: in.Job, States: in.State, Search: in.Search,
	}
	return listed(in.door.Tasks(ctx, filter, in.query()))
}

type taskInput struct {
	byUser
	Task string `path:"task" doc:"The task's id"`
}

func showTask(ctx context.Context, in *taskInput) (remuda.Task, error) {
	return in.door.Task(ctx, in.Task)
}

func cancelTask(ctx context.Context, in *taskInput) (remuda.Task, error) {
	return in.door.CancelTask(ctx, in.Task)
}

func retryTask(ctx context.Context, in *taskInput) (remuda.Task, error) {
	return in.door.RetryTask(ctx, in.Task)
}

func explainTask(ctx context.Context, in *taskInput) (remuda.Why, error) {
	return in.door.Why(ctx, in.Task)
}
