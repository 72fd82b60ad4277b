package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func closedFacts() []fact {
	return []fact{
		{"lanes are closed while their project is at its limit, in every class", lanesCloseWithTheirProject},
		{"what may not run hides nothing behind it", nothingIsHidden},
		{"of each kind behind what may not run one task is claimed at once", kindsAreClaimedFairly},
		{"what may not run in one class keeps nothing back for the work of another", classesAreAlike},
	}
}

func lanesCloseWithTheirProject(t *testing.T, s control.Store) {
	w := newTown(t, s)
	second := w.classIn(t)
	project := w.projectIn(t, func(p *control.ProjectRow) { p.TaskLimit = 2 })
	queue := func(class, capabilities string) control.TaskRow {
		return w.queue(t, func(r *control.TaskRow) {
			r.ClassID, r.ProjectID, r.Capabilities = class, project.ID, capabilities
		})
	}
	lanes := []string{queue(w.class.ID, "").LaneID, queue(w.class.ID, " docker ").LaneID, queue(second.ID, "").LaneID}
	closed := func(when string, expected bool) {
		t.Helper()
		for _, id := range lanes {
			lane := read(t, s, func(v control.View) (row control.LaneRow, err error) { return row, v.Get(t.Context(), &row, id) })
			if lane.Closed != expected || lane.OrganizationID != w.organization.ID {
				t.Errorf("%s: %+v", when, lane)
			}
		}
	}
	limit := func(n int) {
		t.Helper()
		project.TaskLimit = n
		write(t, s, func(tx control.Tx) error { return tx.Update(t.Context(), &project, "task_limit") })
	}
	closed("when nothing runs", false)
	running := w.taken(t, w.class.ID, second.ID)
	if len(running) != 2 {
		t.Fatalf("%d were claimed at a limit of 2", len(running))
	}
	closed("when two run", true)
	lanes = append(lanes, queue(second.ID, " gpu ").LaneID)
	closed("and a lane is made", true)
	limit(3)
	closed("with a limit of 3", false)
	limit(1)
	closed("with a limit of 1", true)
	w.ended(t, running[0])
	closed("when as many run as may", true)
	w.ended(t, running[1])
	closed("when both have ended", false)
	running = w.takenWith(t, []string{"docker"}, w.class.ID)
	closed("when one runs", true)
	limit(0)
	closed("without a limit", false)
	w.ended(t, running[0])
	closed("without a limit, when nothing runs", false)
}

// first queues a task in each of many projects, whose turns come before all others'.
func (w *town) first(t *testing.T, class string, change func(*control.TaskRow), project func(*control.ProjectRow)) {
	t.Helper()
	for range 30 {
		p := w.projectIn(t, project)
		w.queue(t, func(r *control.TaskRow) {
			r.ClassID, r.ProjectID = class, p.ID
			change(r)
		})
	}
}

func asItIs(*control.TaskRow)        {}
func anyProject(*control.ProjectRow) {}

// last queues tasks of a project whose turn comes after all others'.
func (w *town) last(t *testing.T, class string, n int, change func(*control.TaskRow)) (ids []string) {
	t.Helper()
	for i := range n {
		task := w.queue(t, func(r *control.TaskRow) {
			r.ClassID, r.Rank = class, int64(i)
			change(r)
		})
		ids = append(ids, task.ID)
		write(t, w.s, func(tx control.Tx) error {
			return tx.Update(t.Context(), &control.LaneRow{ID: task.LaneID, TurnAt: 1 << 50}, "turn_at")
		})
	}
	return ids
}

func nothingIsHidden(t *testing.T, s control.Store) {
	for name, fill := range map[string]func(t *testing.T, host, other *town) (expected []string){
		"an organization at its limit": func(t *testing.T, host, other *town) []string {
			host.organization.TaskLimit, host.organization.Running = 1, 1
			write(t, s, func(tx control.Tx) error { return tx.Update(t.Context(), &host.organization, "task_limit", "running") })
			host.first(t, host.class.ID, asItIs, anyProject)
			return other.last(t, host.class.ID, 3, asItIs)
		},
		"an organization that may not use the class any more": func(t *testing.T, host, other *town) []string {
			other.first(t, host.class.ID, asItIs, anyProject)
			host.class.Access = remuda.AccessOwner
			write(t, s, func(tx control.Tx) error { return tx.Update(t.Context(), &host.class, "access") })
			return host.last(t, host.class.ID, 3, asItIs)
		},
		"tasks that need what the runner lacks": func(t *testing.T, host, _ *town) []string {
			host.first(t, host.class.ID, func(r *control.TaskRow) { r.Capabilities = " gpu " }, anyProject)
			return host.last(t, host.class.ID, 3, func(r *control.TaskRow) { r.Capabilities = " docker " })
		},
		"projects that build forks": func(t *testing.T, host, _ *town) []string {
			host.first(t, host.class.ID, asItIs, func(p *control.ProjectRow) { p.Visibility, p.BuildsForks = "public", true })
			return host.last(t, host.class.ID, 3, asItIs)
		},
		"all of these": func(t *testing.T, host, other *town) []string {
			third := newTown(t, s)
			third.organization.TaskLimit, third.organization.Running = 1, 1
			write(t, s, func(tx control.Tx) error { return tx.Update(t.Context(), &third.organization, "task_limit", "running") })
			third.first(t, host.class.ID, asItIs, anyProject)
			other.first(t, host.class.ID, func(r *control.TaskRow) { r.Capabilities = " gpu " }, anyProject)
			host.first(t, host.class.ID, func(r *control.TaskRow) { r.Capabilities = " docker  gpu " }, anyProject)
			host.first(t, host.class.ID, asItIs, func(p *control.ProjectRow) { p.Visibility, p.BuildsForks = "public", true })
			return other.last(t, host.class.ID, 3, func(r *control.TaskRow) { r.Capabilities = " docker " })
		},
	} {
		t.Run(name, func(t *testing.T) {
			host, other := newTown(t, s), newTown(t, s)
			host.open(t)
			expected := fill(t, host, other)
			want(t, "claimed", host.takenWith(t, []string{"docker"}, host.class.ID), expected...)
		})
	}
}

func kindsAreClaimedFairly(t *testing.T, s control.Store) {
	host, one, two := newTown(t, s), newTown(t, s), newTown(t, s)
	host.open(t)
	host.organization.TaskLimit, host.organization.Running = 1, 1
	one.organization.TaskLimit = 1
	write(t, s, func(tx control.Tx) error {
		return errors.Join(tx.Update(t.Context(), &host.organization, "task_limit", "running"), tx.Update(t.Context(), &one.organization, "task_limit"))
	})
	host.first(t, host.class.ID, asItIs, anyProject)
	docker := func(r *control.TaskRow) { r.Capabilities = " docker " }
	ones, twos, dockers := one.last(t, host.class.ID, 5, asItIs), two.last(t, host.class.ID, 5, asItIs), two.last(t, host.class.ID, 5, docker)
	found := read(t, s, func(v control.View) ([]control.TaskRow, error) {
		return v.Claimable(t.Context(), []string{host.class.ID}, []string{"docker"}, 8)
	})
	got := map[string]bool{}
	for _, task := range found {
		got[task.ID] = true
	}
	if len(found) != 3 || !got[ones[0]] || !got[twos[0]] || !got[dockers[0]] {
		t.Errorf("claimed are %v, want the first of each kind: %s, %s and %s", got, ones[0], twos[0], dockers[0])
	}
}

func classesAreAlike(t *testing.T, s control.Store) {
	host, other := newTown(t, s), newTown(t, s)
	host.open(t)
	busy := host.classIn(t)
	host.first(t, host.class.ID, func(r *control.TaskRow) { r.Capabilities = " gpu " }, anyProject)
	behind := other.last(t, host.class.ID, 2, asItIs)
	later := host.last(t, busy.ID, 2, asItIs)
	lane := host.lane(t, later[0])
	lane.TurnAt = 1 << 51
	write(t, s, func(tx control.Tx) error { return tx.Update(t.Context(), &lane, "turn_at") })
	// Each lane that is claimed from has a turn less, and so a level more.
	want(t, "claimed", host.taken(t, busy.ID, host.class.ID), behind[0], later[0], behind[1], later[1])
}

// Projects are at their limits all the time, in classes that others claim from at the same time: their lanes close and open
// with every claim and every end. No lane stays closed, and no transaction waits for another that waits for it.
func TestFullProjectsAreClaimedFromByManyAtOnce(t *testing.T) {
	const projects, classes, each, limit = 3, 2, 40, 2
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			address := d.fresh(t)
			if d.name == "postgres" { // a wait in a circle is not broken up before the statement fails
				address += map[bool]string{true: "&", false: "?"}[strings.Contains(address, "?")] + "deadlock_timeout=60s&statement_timeout=8s"
			}
			s := d.opened(t, address)
			w := newTown(t, s)
			f := &fullProjects{t: t, w: w, classes: []string{w.class.ID}, limit: limit, running: map[string]int{}, left: projects * classes * each}
			f.changed = sync.NewCond(&f.mu)
			for range classes - 1 {
				f.classes = append(f.classes, w.classIn(t).ID)
			}
			for range projects {
				project := w.projectIn(t, func(p *control.ProjectRow) { p.TaskLimit = limit }).ID
				group := w.groupIn(t, project, 1)
				for i := range classes * each {
					w.queue(t, func(r *control.TaskRow) {
						r.ClassID, r.ProjectID, r.Capabilities = f.classes[i%classes], project, []string{"", " docker "}[i/classes%2]
						if i%7 == 0 {
							r.GroupID = group.ID
						}
					})
				}
			}
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() { f.work(f.classes[i%classes]) })
			}
			all.Wait()
			if f.left > 0 {
				t.Errorf("%d tasks were never claimed", f.left)
			}
			if f.full == 0 {
				t.Error("no project came to its limit: this test sees nothing")
			}
		})
	}
}

// fullProjects claims and ends tasks of projects that are at their limits.
type fullProjects struct {
	t       *testing.T
	w       *town
	classes []string
	limit   int

	mu      sync.Mutex
	changed *sync.Cond     // a task has ended, or all is over
	running map[string]int // by project
	live    int
	ends    int
	left    int // to be claimed
	full    int // how often a project came to its limit
	failed  bool
}

// work claims tasks of a class, and ends the first that it holds when it holds two or finds no other.
func (f *fullProjects) work(class string) {
	var held []control.TaskRow
	for {
		f.mu.Lock()
		ends := f.ends
		f.mu.Unlock()
		task, err := f.claim(class)
		switch {
		case err == nil:
			held = append(held, task)
		case !errors.Is(err, remuda.NotFound):
			f.fail(err)
			return
		case len(held) == 0 && !f.wait(ends):
			return
		}
		if len(held) == 2 || err != nil && len(held) > 0 {
			f.end(held[0])
			held = held[1:]
		}
	}
}

func (f *fullProjects) claim(class string) (task control.TaskRow, err error) {
	town := *f.w // its clock is its own
	err = f.w.s.Write(f.t.Context(), control.Taking, func(tx control.Tx) (err error) {
		task, _, err = town.takeWith(f.t.Context(), tx, []string{"docker"}, class)
		return err
	})
	if err != nil {
		return task, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left--
	f.live++
	if f.running[task.ProjectID]++; f.running[task.ProjectID] == f.limit {
		f.full++
	}
	return task, nil
}

// end counts the task as ended before it is: what another claims meanwhile is under the limit by then.
func (f *fullProjects) end(task control.TaskRow) {
	f.mu.Lock()
	f.running[task.ProjectID]--
	f.mu.Unlock()
	err := f.w.s.Write(f.t.Context(), control.Beside, func(tx control.Tx) error { return f.w.end(f.t.Context(), tx, task) })
	if err != nil {
		f.fail(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live--
	f.ends++
	f.changed.Broadcast()
}

// wait waits until another task has ended. When none runs, and nothing can be claimed although tasks are left, a lane
// stayed closed.
func (f *fullProjects) wait(ends int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.ends == ends && f.live > 0 && !f.failed {
		f.changed.Wait()
	}
	if f.failed || f.ends == ends && f.live == 0 {
		f.changed.Broadcast()
		return false
	}
	return f.left > 0
}

func (f *fullProjects) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = true
	f.changed.Broadcast()
	f.t.Error(fmt.Errorf("claim or end: %w", err))
}
