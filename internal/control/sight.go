package control

import (
	"context"
	"time"

	"github.com/remuda-dev/remuda"
)

// QueueRow is what an organization has queued in a class. Head is the oldest of the tasks that are next in line.
type QueueRow struct {
	ClassID        string `db:"class_id"`
	OrganizationID string `db:"organization_id"`
	Queued         int    `db:"queued"`
	Head           string `db:"head"`
	Since          Micros `db:"since"`
}

// ClassSight is how a class stands. Who may use it and does not own it sees its own tasks there and no runner.
type ClassSight struct {
	Name, Organization string
	Own                bool // its owner looks
	Queued, Running    int
	Oldest             *time.Time // when the oldest of the tasks that are next in line was submitted
	Head               string     // the oldest of these that the user may read
	Runners            map[remuda.RunnerState]int
}

// Stuck is true when tasks wait and no runner is there that claims, as far as the user sees the runners.
func (c ClassSight) Stuck() bool {
	return c.Own && c.Queued > 0 && c.Runners[remuda.RunnerIdle]+c.Runners[remuda.RunnerBusy] == 0
}

// Sights shows all classes that the user's organization owns or may use, by name and at most so many.
func (d UserDoor) Sights(ctx context.Context, most int) ([]ClassSight, error) {
	only, err := d.only("resource class")
	if err != nil {
		return nil, err
	}
	now := time.Now()
	var classes []ClassView
	var queues []QueueRow
	var runners []ClassRunnerCount
	err = d.p.store.Read(ctx, func(v View) (err error) {
		if classes, err = v.ClassesAtWork(ctx, only, most); err != nil || len(classes) == 0 {
			return err
		}
		if queues, err = v.Queues(ctx); err != nil {
			return err
		}
		var own []string
		for _, class := range classes {
			if only == "" || class.OrganizationID == only {
				own = append(own, class.ID)
			}
		}
		runners, err = v.ClassRunnerCounts(ctx, own, micros(now.Add(-lostRunnerAfter)), micros(now))
		return err
	})
	if err != nil {
		return nil, err
	}
	return sights(classes, queues, runners, only), nil
}

func sights(classes []ClassView, queues []QueueRow, runners []ClassRunnerCount, only string) []ClassSight {
	all, at := make([]ClassSight, len(classes)), map[string]*ClassSight{}
	for i, class := range classes {
		all[i] = ClassSight{
			Name: class.FullName, Organization: class.Organization, Own: only == "" || class.OrganizationID == only,
			Running: class.Running, Runners: map[remuda.RunnerState]int{},
		}
		at[class.ID] = &all[i]
	}
	for _, queue := range queues {
		sight, seen := at[queue.ClassID]
		readable := only == "" || queue.OrganizationID == only
		if !seen || !sight.Own && !readable {
			continue
		}
		sight.Queued += queue.Queued
		if since := queue.Since.optional(); since != nil && (sight.Oldest == nil || since.Before(*sight.Oldest)) {
			sight.Oldest = since
		}
		if readable && (sight.Head == "" || queue.Head < sight.Head) {
			sight.Head = queue.Head
		}
	}
	for _, row := range runners {
		if sight := at[row.ClassID]; sight != nil {
			sight.Runners[row.state()] += row.Count
		}
	}
	return all
}

// failedLately is how far back tasks are looked for that failed.
const failedLately = 7 * 24 * time.Hour

// LastFailed lists the tasks that failed in the last week, the last first.
func (d UserDoor) LastFailed(ctx context.Context, most int) ([]remuda.Task, error) {
	only, err := d.only("task")
	if err != nil {
		return nil, err
	}
	var rows []TaskView
	err = d.p.store.Read(ctx, func(v View) (err error) {
		rows, err = v.LastFailed(ctx, only, micros(time.Now().Add(-failedLately)), most)
		return err
	})
	failed := make([]remuda.Task, 0, len(rows))
	for _, row := range rows {
		failed = append(failed, wordsOfTask(row))
	}
	return failed, err
}
