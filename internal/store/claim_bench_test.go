package store_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// sizeOf is a size that the environment may set.
func sizeOf(b testing.TB, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatalf("%s: %v", name, err)
	}
	return n
}

// crowd queues n tasks over some lanes: projects times groups.
type crowd struct {
	queued, projects, groups int
	by                       string // whose limit, or what, keeps all of them from being claimed, but for a thousand
	finished                 int
}

func crowds(queued, finished int) map[string]crowd {
	return map[string]crowd{
		"a thousand":                      {queued: 1000, projects: 1},
		"all in one lane":                 {queued: queued, projects: 1},
		"in 1000 projects":                {queued: queued, projects: 1000},
		"in 10000 groups":                 {queued: queued, projects: 1, groups: min(10000, queued)},
		"behind a project's limit":        {queued: queued, projects: 1, by: "projects"},
		"of 1000 projects at their limit": {queued: queued, projects: 1000, by: "projects"},
		"of an organization at its limit": {queued: queued, projects: 1000, by: "organizations"},
		"that need what the runner lacks": {queued: queued, projects: 1000, by: "capabilities"},
		"in 10000 full groups":            {queued: queued, projects: 1, groups: min(10000, queued), by: "groups"},
		"beside many that have ended":     {queued: 1000, projects: 1, finished: finished},
	}
}

// gather fills a town. The thousand that may always be claimed are a project's of another organization.
func (c crowd) gather(b testing.TB, s control.Store) *town {
	b.Helper()
	w := newTown(b, s)
	w.open(b)
	free := newTown(b, s)
	defer func() { // last, so that its turn comes last
		lane := control.LaneKey{ClassID: w.class.ID, ProjectID: free.project.ID}
		free.fill(b, lane, 1000, remuda.Queued)
		free.fill(b, lane, c.finished, remuda.Succeeded)
	}()
	rest := c.queued - 1000
	if c.by == "organizations" {
		w.organization.TaskLimit, w.organization.Running = 1, 1
		write(b, s, func(tx control.Tx) error { return tx.Update(b.Context(), &w.organization, "task_limit", "running") })
	}
	for i := range c.projects {
		project := w.projectIn(b, func(p *control.ProjectRow) {
			if c.by == "projects" {
				p.TaskLimit, p.Running = 1, 1
			}
		})
		part := rest/c.projects + min(1, max(0, rest%c.projects-i))
		lane := control.LaneKey{ClassID: w.class.ID, ProjectID: project.ID}
		if c.by == "capabilities" {
			lane.Capabilities = " gpu "
		}
		if c.groups == 0 {
			w.fill(b, lane, part, remuda.Queued)
			continue
		}
		for g := range c.groups {
			group := control.GroupRow{ID: newID(), ProjectID: project.ID, Name: fmt.Sprintf("g-%d", g), TaskLimit: 1}
			if c.by == "groups" {
				group.Running = 1
			}
			insert(b, s, &group)
			lane.Group, lane.GroupID = group.Name, group.ID
			w.fill(b, lane, part/c.groups+min(1, max(0, part%c.groups-g)), remuda.Queued)
		}
	}
	return w
}

// fill adds n tasks to a lane.
func (w *town) fill(b testing.TB, key control.LaneKey, n int, state remuda.State) {
	b.Helper()
	for n > 0 {
		part := min(n, 5000)
		n -= part
		write(b, w.s, func(tx control.Tx) error {
			lane, err := tx.Lane(b.Context(), key)
			if err != nil {
				return err
			}
			task := control.TaskRow{
				JobID: w.job.ID, OrganizationID: w.organization.ID, ProjectID: key.ProjectID, ClassID: key.ClassID, LaneID: lane.ID, GroupID: key.GroupID,
				Capabilities: key.Capabilities, State: state,
			}
			for i := range part {
				task.ID, task.Rank = newID(), int64(i)
				if err := tx.Insert(b.Context(), &task); err != nil {
					return err
				}
			}
			if state != remuda.Queued {
				return nil
			}
			return tx.Count(b.Context(), task, part, 0)
		})
	}
}

// BenchmarkClaim finds and takes one task, and gives it back, so that the crowd stays as it is. The sizes come from
// REMUDA_BENCH_QUEUED and REMUDA_BENCH_FINISHED.
func BenchmarkClaim(b *testing.B) {
	queued, finished := sizeOf(b, "REMUDA_BENCH_QUEUED", 20000), sizeOf(b, "REMUDA_BENCH_FINISHED", 20000)
	for _, d := range databases() {
		for name, c := range crowds(queued, finished) {
			b.Run(d.name+"/"+name, func(b *testing.B) {
				s := d.opened(b, d.fresh(b))
				w := c.gather(b, s)
				b.Run("look", func(b *testing.B) {
					err := s.Read(b.Context(), func(v control.View) error {
						for b.Loop() {
							if _, err := v.Claimable(b.Context(), []string{w.class.ID}, []string{"job"}, 1); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						b.Fatal(err)
					}
				})
				b.Run("take", func(b *testing.B) {
					write(b, s, func(tx control.Tx) error {
						for b.Loop() {
							if err := w.takeAndReturn(b.Context(), tx); err != nil {
								return err
							}
						}
						return nil
					})
				})
			})
		}
	}
}

func (w *town) takeAndReturn(ctx context.Context, tx control.Tx) error {
	task, _, err := w.takeWith(ctx, tx, []string{"job"}, w.class.ID)
	if err != nil {
		return err
	}
	task.State = remuda.Queued
	if err := tx.Update(ctx, &task, "state"); err != nil {
		return err
	}
	return tx.Count(ctx, task, 1, -1)
}
