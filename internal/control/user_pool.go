package control

import (
	"context"
	"time"

	"github.com/remuda-dev/remuda"
)

// RunnerAttempt is one claim of a runner and the task that it is of. What the task is called, and whose it is, stays empty
// where the user may not see the task: a hosted class carries out those of other organizations.
type RunnerAttempt struct {
	remuda.Attempt // without steps and output

	TaskID, Task, Organization, Project, ResourceClass string
}

// RunnerAttemptView is an attempt with its task's names.
type RunnerAttemptView struct {
	AttemptRow
	Task           string `db:"task"`
	OrganizationID string `db:"organization_id"`
	Organization   string `db:"organization"`
	Project        string `db:"project"`
	Class          string `db:"class"`
}

// RunnerAttempts lists what a runner carries out now, if live, or else what it did before; the newest first.
func (d UserDoor) RunnerAttempts(ctx context.Context, id string, live bool, q PageQuery) (remuda.Page[RunnerAttempt], error) {
	var rows []RunnerAttemptView
	span := q.span()
	err := d.p.store.Read(ctx, func(v View) error {
		if _, err := d.runner(ctx, v, id, remuda.RoleViewer); err != nil {
			return err
		}
		var err error
		rows, err = v.RunnerAttempts(ctx, id, live, span)
		return err
	})
	if err != nil {
		return remuda.Page[RunnerAttempt]{}, err
	}
	return page(rows, span, func(r RunnerAttemptView) string { return r.ID }, d.wordsOfRunnerAttempt), nil
}

func (d UserDoor) wordsOfRunnerAttempt(a RunnerAttemptView) RunnerAttempt {
	words := RunnerAttempt{Attempt: remuda.Attempt{
		ID: a.ID, Number: a.Number, State: a.State, Reason: a.Reason, RunnerID: a.RunnerID,
		ClaimedAt: a.ClaimedAt.Time(), BegunAt: a.BegunAt.optional(), EndedAt: a.EndedAt.optional(), LastSignAt: a.LastSignAt.Time(),
	}}
	if d.may(a.OrganizationID, remuda.RoleViewer, "task", a.TaskID) == nil {
		words.TaskID, words.Task, words.Detail = a.TaskID, a.Task, a.Detail
		words.Organization, words.Project, words.ResourceClass = a.Organization, a.Project, a.Class
	}
	return words
}

// ClassRunnerCount is how many runners of a class look alike.
type ClassRunnerCount struct {
	ClassID string `db:"class_id"`
	RunnerCount
}

// ClassRunnerCounts counts the runners that are not lost, by class and state, for classes that the user's organization
// owns.
func (d UserDoor) ClassRunnerCounts(ctx context.Context, classes []string) (map[string]map[remuda.RunnerState]int, error) {
	now := time.Now()
	counts, names := map[string]map[remuda.RunnerState]int{}, map[string]string{}
	err := d.p.store.Read(ctx, func(v View) error {
		var ids []string
		for _, name := range classes {
			class, err := d.ownClass(ctx, v, name, remuda.RoleViewer)
			if err != nil {
				return err
			}
			ids, names[class.ID], counts[name] = append(ids, class.ID), name, map[remuda.RunnerState]int{}
		}
		rows, err := v.ClassRunnerCounts(ctx, ids, micros(now.Add(-lostRunnerAfter)), micros(now))
		for _, row := range rows {
			counts[names[row.ClassID]][row.state()] += row.Count
		}
		return err
	})
	return counts, err
}
