package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func claimFacts() []fact {
	return []fact{
		{"a lane is made once", aLaneIsMadeOnce},
		{"tasks are claimed by rank, then in the order in which they came", claimedByRank},
		{"no task is claimed over a limit of organization, project or class", limitsHold},
		{"a limit that is reached keeps back only its own", limitsKeepBackTheirOwn},
		{"forks of public projects are claimed only where the class allows them", forksNeedLeave},
		{"only tasks of the asked classes are claimed", onlyAskedClasses},
		{"projects share a class by their weights", projectsShareByWeight},
		{"classes and what their tasks need are known by organization", waitingIsKnown},
		{"what is ahead of a task is counted", aheadIsCounted},
		{"whether anything limits a task is known", limitedIsKnown},
	}
}

func aLaneIsMadeOnce(t *testing.T, s control.Store) {
	w := newTown(t, s)
	lane := func(group string) (lane control.LaneRow) {
		write(t, s, func(tx control.Tx) (err error) {
			lane, err = tx.Lane(t.Context(), control.LaneKey{ClassID: w.class.ID, ProjectID: w.project.ID, Group: group, GroupID: group})
			return err
		})
		return lane
	}
	first, again, other := lane(""), lane(""), lane("deploy")
	if first != again || first.ID == other.ID || other.Group != "deploy" {
		t.Errorf("lanes are %+v, %+v and %+v", first, again, other)
	}
}

func claimedByRank(t *testing.T, s control.Store) {
	w := newTown(t, s)
	ranked := func(rank int64) string { return w.queue(t, func(r *control.TaskRow) { r.Rank = rank }).ID }
	// Ranks are times: a priority moves one forward, waiting moves it forward, too, since others come later.
	late, first, second, urgent := ranked(300), ranked(100), ranked(100), ranked(-60e6)
	want(t, "claimed", w.taken(t, w.class.ID), urgent, first, second, late)
}

// limited sets the limit of one table's row.
func limited(t *testing.T, w *town, table string, limit int) {
	t.Helper()
	organization, project, class := w.organization, w.project, w.class
	organization.TaskLimit, project.TaskLimit, class.TaskLimit = limit, limit, limit
	row := map[string]control.Row{"organizations": &organization, "projects": &project, "resource_classes": &class}[table]
	write(t, w.s, func(tx control.Tx) error { return tx.Update(t.Context(), row, "task_limit") })
}

func limitsHold(t *testing.T, s control.Store) {
	for _, table := range []string{"organizations", "projects", "resource_classes"} {
		t.Run(table, func(t *testing.T) {
			w := newTown(t, s)
			var queued []string
			for range 5 {
				queued = append(queued, w.queue(t, nil).ID)
			}
			limited(t, w, table, 2)
			want(t, "at a limit of 2", w.taken(t, w.class.ID), queued[:2]...)
			w.ended(t, queued[0])
			want(t, "after one has ended", w.taken(t, w.class.ID), queued[2])
			limited(t, w, table, 1) // fewer than run
			want(t, "at a limit below what runs", w.taken(t, w.class.ID))
			limited(t, w, table, 0)
			want(t, "without a limit", w.taken(t, w.class.ID), queued[3:]...)
		})
	}
}

func limitsKeepBackTheirOwn(t *testing.T, s control.Store) {
	w := newTown(t, s)
	full := w.projectIn(t, func(p *control.ProjectRow) { p.TaskLimit = 1 })
	var blocked []string
	for range 3 {
		blocked = append(blocked, w.queue(t, func(r *control.TaskRow) { r.ProjectID, r.Rank = full.ID, -100 }).ID)
	}
	free := w.queue(t, nil).ID
	want(t, "claimed", w.taken(t, w.class.ID), blocked[0], free)
}

func forksNeedLeave(t *testing.T, s control.Store) {
	for _, c := range []struct {
		visibility         string
		buildsForks, allow bool
		claimed            bool
	}{
		{"public", true, false, false},
		{"public", true, true, true},
		{"public", false, false, true},
		{"private", true, false, true},
		{"private", false, false, true},
	} {
		t.Run(fmt.Sprintf("%s %v %v", c.visibility, c.buildsForks, c.allow), func(t *testing.T) {
			w := newTown(t, s)
			w.project.Visibility, w.project.BuildsForks, w.class.AllowForks = c.visibility, c.buildsForks, c.allow
			write(t, s, func(tx control.Tx) error {
				if err := tx.Update(t.Context(), &w.project, "visibility", "builds_forks"); err != nil {
					return err
				}
				return tx.Update(t.Context(), &w.class, "allow_forks")
			})
			w.queue(t, nil)
			if got := len(w.taken(t, w.class.ID)) == 1; got != c.claimed {
				t.Errorf("claimed is %v", got)
			}
		})
	}
}

func onlyAskedClasses(t *testing.T, s control.Store) {
	w := newTown(t, s)
	second, third := w.classIn(t), w.classIn(t)
	one := w.queue(t, nil).ID
	two := w.queue(t, func(r *control.TaskRow) { r.ClassID = second.ID }).ID
	three := w.queue(t, func(r *control.TaskRow) { r.ClassID = third.ID }).ID
	want(t, "of none", w.taken(t))
	want(t, "of the second and third", w.taken(t, third.ID, second.ID), two, three)
	want(t, "of the first", w.taken(t, w.class.ID), one)
}

func projectsShareByWeight(t *testing.T, s control.Store) {
	w := newTown(t, s)
	heavy := w.projectIn(t, func(p *control.ProjectRow) { p.Weight = 3 })
	counts := map[string]int{}
	of := map[string]string{}
	for i := range 40 { // the light one came first, with all its tasks
		id := w.queue(t, func(r *control.TaskRow) { r.Rank = int64(i) }).ID
		of[id] = "light"
	}
	for i := range 40 {
		id := w.queue(t, func(r *control.TaskRow) { r.ProjectID, r.Rank = heavy.ID, int64(1000+i) }).ID
		of[id] = "heavy"
	}
	limited(t, w, "organizations", 20)
	for _, id := range w.taken(t, w.class.ID) {
		counts[of[id]]++
	}
	if counts["light"] != 5 || counts["heavy"] != 15 {
		t.Errorf("of 20 running tasks %v: want 5 and 15 for the weights 1 and 3", counts)
	}
}

func waitingIsKnown(t *testing.T, s control.Store) {
	w, other := newTown(t, s), newTown(t, s)
	w.open(t)
	second := w.classIn(t)
	for range 2 {
		w.queue(t, nil)
		w.queue(t, func(r *control.TaskRow) { r.ProjectID, r.OrganizationID = other.project.ID, other.organization.ID })
	}
	w.queue(t, func(r *control.TaskRow) { r.ClassID = second.ID })
	w.queue(t, func(r *control.TaskRow) { r.Capabilities = " docker " })
	for organization, expected := range map[string][]control.LaneKey{
		w.organization.ID:     {{ClassID: w.class.ID}, {ClassID: w.class.ID, Capabilities: " docker "}, {ClassID: second.ID}},
		other.organization.ID: {{ClassID: w.class.ID}},
		"":                    {{ClassID: w.class.ID}, {ClassID: w.class.ID, Capabilities: " docker "}, {ClassID: second.ID}},
	} {
		got := read(t, s, func(v control.View) ([]control.LaneKey, error) { return v.Waiting(t.Context(), organization) })
		for _, key := range expected {
			if !slices.Contains(got, key) {
				t.Errorf("of %q wait %v, want %v", organization, got, key)
			}
		}
		if organization != "" && len(got) != len(expected) {
			t.Errorf("of %q wait %v, want %v", organization, got, expected)
		}
	}
	if got := len(w.takenWith(t, []string{"docker"}, w.class.ID, second.ID)); got != 6 {
		t.Fatalf("%d were claimed", got)
	}
	got := read(t, s, func(v control.View) ([]control.LaneKey, error) { return v.Waiting(t.Context(), w.organization.ID) })
	if len(got) != 0 {
		t.Errorf("there wait %v after all were claimed", got)
	}
}

func aheadIsCounted(t *testing.T, s control.Store) {
	w := newTown(t, s)
	first, second := w.projectIn(t, func(*control.ProjectRow) {}), w.projectIn(t, func(*control.ProjectRow) {})
	other := w.classIn(t)
	var tasks []control.TaskRow
	for i := range 6 {
		tasks = append(tasks, w.queue(t, func(r *control.TaskRow) { r.Rank = int64(i / 2) }))
		w.queue(t, func(r *control.TaskRow) { r.Rank, r.ClassID = -9, other.ID }) // elsewhere
	}
	w.queue(t, func(r *control.TaskRow) { r.Rank, r.Capabilities = -1, " docker " })
	wanted := func(projects, most int) {
		t.Helper()
		for i, task := range tasks {
			got := read(t, s, func(v control.View) (control.Ahead, error) { return v.Ahead(t.Context(), task, most) })
			if got != (control.Ahead{Tasks: min(i+1, most), Projects: projects}) {
				t.Errorf("ahead of task %d is %+v", i, got)
			}
		}
	}
	wanted(0, 1000)
	for _, project := range []string{first.ID, first.ID, second.ID} {
		w.queue(t, func(r *control.TaskRow) {
			r.Rank, r.ProjectID, r.Capabilities = -5, project, []string{"", " gpu "}[len(tasks)%2]
		})
	}
	wanted(2, 3)
	// What its group holds back does not go first, but for those of its own group.
	full := w.groupIn(t, w.project.ID, 1)
	full.Running = 1
	write(t, s, func(tx control.Tx) error { return tx.Update(t.Context(), &full, "running") })
	grouped := w.queueIn(t, full, func(r *control.TaskRow) { r.Rank = -3 })
	wanted(2, 1000)
	last := w.queue(t, func(r *control.TaskRow) { r.Rank, r.GroupID = -2, full.ID })
	got := read(t, s, func(v control.View) (control.Ahead, error) { return v.Ahead(t.Context(), last, 1000) })
	if got.Tasks != 1 {
		t.Errorf("ahead of a task of its group is %+v, want %s alone", got, grouped)
	}
}

func limitedIsKnown(t *testing.T, s control.Store) {
	for _, table := range []string{"organizations", "projects", "resource_classes"} {
		w := newTown(t, s)
		task := w.queue(t, nil)
		look := func(v control.View) (bool, error) { return v.Limited(t.Context(), task) }
		if read(t, s, look) {
			t.Error("a task is limited by nothing")
		}
		limited(t, w, table, 1)
		if !read(t, s, look) {
			t.Errorf("the limit of %s is not seen", table)
		}
	}
}

// Three organizations share a class; each is at its limit all the time.
func TestManyClaimersTakeEachTaskOnceAndExceedNoLimit(t *testing.T) {
	const claimers, limit, classLimit = 16, 7, 20
	each := eachClaimed
	if os.Getenv("REMUDA_TEST_LONG") != "" {
		each = 3334
	}
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			s := d.opened(t, d.fresh(t))
			host := newTown(t, s)
			host.open(t)
			host.class.TaskLimit = classLimit
			write(t, s, func(tx control.Tx) error { return tx.Update(t.Context(), &host.class, "task_limit") })
			towns, owners := map[string]*town{}, map[string]string{}
			for range 3 {
				w := newTown(t, s)
				w.organization.TaskLimit = limit
				towns[w.organization.ID] = w
				write(t, s, func(tx control.Tx) error {
					if err := tx.Update(t.Context(), &w.organization, "task_limit"); err != nil {
						return err
					}
					ids, err := queueMany(t.Context(), tx, w, host.class.ID, each)
					for _, id := range ids {
						owners[id] = w.organization.ID
					}
					return err
				})
			}
			c := &claimers16{t: t, s: s, host: host, left: 3 * each, claimed: map[string]int{}}
			c.changed = sync.NewCond(&c.mu)
			seen := observe(t, s, host, owners, func() {
				var all sync.WaitGroup
				for range claimers {
					all.Go(c.claim)
				}
				all.Wait()
			})
			if len(c.claimed) != 3*each || seen.most > classLimit {
				t.Errorf("%d tasks were claimed, want %d; %d ran at once, want at most %d", len(c.claimed), 3*each, seen.most, classLimit)
			}
			for id, n := range c.claimed {
				if n != 1 {
					t.Errorf("task %s was claimed %d times", id, n)
				}
			}
			reached := false
			for id, w := range towns {
				reached = reached || seen.peak[id] == limit
				if seen.peak[id] > limit {
					t.Errorf("%d tasks of an organization ran at once, over its limit of %d", seen.peak[id], limit)
				}
				row := read(t, s, func(v control.View) (control.OrganizationRow, error) {
					return v.OrganizationByName(t.Context(), w.organization.Name)
				})
				if row.Running != 0 {
					t.Errorf("%d are counted as running when all have ended", row.Running)
				}
			}
			if !reached {
				t.Error("no organization came to its limit: this test does not see whether it holds")
			}
		})
	}
}

func queueMany(ctx context.Context, tx control.Tx, w *town, class string, n int) (ids []string, err error) {
	lane, err := tx.Lane(ctx, control.LaneKey{ClassID: class, ProjectID: w.project.ID})
	if err != nil {
		return nil, err
	}
	task := control.TaskRow{
		JobID: w.job.ID, OrganizationID: w.organization.ID, ProjectID: w.project.ID, ClassID: class, LaneID: lane.ID, State: remuda.Queued,
	}
	for range n {
		task.ID = newID()
		ids = append(ids, task.ID)
		if err := tx.Insert(ctx, &task); err != nil {
			return nil, err
		}
	}
	return ids, tx.Count(ctx, task, n, 0)
}

// claimers16 claims until nothing is left, each of its goroutines holding a few tasks at a time.
type claimers16 struct {
	t    *testing.T
	s    control.Store
	host *town

	mu      sync.Mutex
	changed *sync.Cond     // a task has ended
	ended   int            // how many have
	left    int            // how many were not claimed yet
	claimed map[string]int // by task
}

// taken is a task that one of them holds.
type taken struct {
	task    control.TaskRow
	attempt control.AttemptRow
}

// sights are what was seen while tasks were claimed.
type sights struct {
	peak map[string]int // by organization
	most int            // in the class
	n    int
}

// observe looks again and again, while work goes on, at how many run: as they are counted and as they are.
func observe(t *testing.T, s control.Store, host *town, owners map[string]string, work func()) sights {
	seen := sights{peak: map[string]int{}}
	over := make(chan struct{})
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	var looking sync.WaitGroup
	looking.Go(func() {
		for done := false; !done; seen.n++ {
			select {
			case <-over:
				done = true
			case <-pace.C:
			}
			seen.look(t, s, host, owners)
		}
	})
	work()
	close(over)
	looking.Wait()
	if seen.n < 10 {
		t.Errorf("it was looked %d times: too few to see anything", seen.n)
	}
	return seen
}

func (seen *sights) look(t *testing.T, s control.Store, host *town, owners map[string]string) {
	ctx := t.Context()
	err := s.Read(ctx, func(v control.View) error {
		live, err := v.LiveAttempts(ctx, host.runner.ID)
		if err != nil {
			return err
		}
		running := map[string]int{}
		for _, owner := range owners {
			running[owner] = 0
		}
		for _, attempt := range live {
			running[owners[attempt.TaskID]]++
		}
		for id, n := range running {
			var row control.OrganizationRow
			if err := v.Get(ctx, &row, id); err != nil {
				return err
			}
			if row.Running != n {
				t.Errorf("%d tasks of an organization run, and %d are counted", n, row.Running)
			}
			seen.peak[id] = max(seen.peak[id], n)
		}
		var class control.ClassRow
		if err := v.Get(ctx, &class, host.class.ID); err != nil {
			return err
		}
		if class.Running != len(live) {
			t.Errorf("%d tasks of the class run, and %d are counted", len(live), class.Running)
		}
		seen.most = max(seen.most, len(live))
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func (c *claimers16) claim() {
	var held []taken
	for {
		c.mu.Lock()
		ended := c.ended
		c.mu.Unlock()
		var one taken
		err := c.s.Write(c.t.Context(), control.Claiming, func(tx control.Tx) (err error) {
			one.task, one.attempt, err = c.host.take(c.t.Context(), tx, c.host.class.ID)
			return err
		})
		switch {
		case err == nil:
			c.count(one.task)
			held = append(held, one)
		case !errors.Is(err, remuda.NotFound):
			c.t.Error(err)
			return
		case len(held) == 0 && !c.waitFor(ended):
			return
		}
		if len(held) == 3 || err != nil && len(held) > 0 {
			c.end(held[0])
			held = slices.Delete(held, 0, 1)
		}
	}
}

// waitFor waits until more tasks have ended than had when nothing could be claimed. It is false when all are claimed.
func (c *claimers16) waitFor(ended int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.left > 0 && c.ended == ended {
		c.changed.Wait()
	}
	return c.left > 0
}

func (c *claimers16) end(one taken) {
	err := c.s.Write(c.t.Context(), control.Beside, func(tx control.Tx) error {
		one.task.State, one.attempt.State = remuda.Succeeded, remuda.AttemptSucceeded
		if err := tx.Update(c.t.Context(), &one.task, "state"); err != nil {
			return err
		}
		if err := tx.Update(c.t.Context(), &one.attempt, "state"); err != nil {
			return err
		}
		return tx.Count(c.t.Context(), one.task, 0, -1)
	})
	if err != nil {
		c.t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended++
	c.changed.Broadcast()
}

func (c *claimers16) count(task control.TaskRow) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.claimed[task.ID]++
	if c.left--; c.left == 0 {
		c.changed.Broadcast()
	}
}
