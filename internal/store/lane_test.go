package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func laneFacts() []fact {
	return []fact{
		{"no more of a group run than its limit, whatever their classes", groupsHold},
		{"a group that is full keeps back only its own", groupsKeepBackTheirOwn},
		{"the tasks of a project go by rank, whatever their groups", groupsGoByRank},
		{"a group whose limit is raised has room", groupsGrow},
		{"a runner claims only what it has the capabilities for", capabilitiesAreNeeded},
		{"a project's share is one, whatever its groups and what they need", sharesAreOfProjects},
		{"turns go by weight, however few run at once", turnsGoByWeight},
		{"a long queue does not keep back a project that comes later", latecomersGetTurns},
		{"time without tasks earns no turns", idlenessEarnsNothing},
		{"a weight that is changed holds from then on", weightsChange},
		{"lanes are what their tasks make them", lanesAreTrue},
		{"runners of a class are counted by what keeps them", runnersAreCounted},
	}
}

// groupIn adds a group to a project of the town.
func (w *town) groupIn(t testing.TB, project string, limit int) control.GroupRow {
	t.Helper()
	group := control.GroupRow{ID: newID(), ProjectID: project, Name: "g-" + newID(), TaskLimit: limit}
	insert(t, w.s, &group)
	return group
}

// queueIn adds a task of a group.
func (w *town) queueIn(t testing.TB, group control.GroupRow, change func(*control.TaskRow)) string {
	t.Helper()
	return w.queue(t, func(r *control.TaskRow) {
		r.GroupID, r.ProjectID = group.ID, group.ProjectID
		if change != nil {
			change(r)
		}
	}).ID
}

func groupsHold(t *testing.T, s control.Store) {
	w := newTown(t, s)
	second := w.classIn(t)
	group := w.groupIn(t, w.project.ID, 2)
	var queued []string
	for i := range 6 {
		queued = append(queued, w.queueIn(t, group, func(r *control.TaskRow) { r.ClassID, r.Rank = []string{w.class.ID, second.ID}[i%2], int64(i) }))
	}
	first := w.taken(t, w.class.ID)
	want(t, "of one class", first, queued[0], queued[2])
	want(t, "of the other, when two run", w.taken(t, second.ID))
	w.ended(t, first[0])
	want(t, "of the other, when one has ended", w.taken(t, second.ID), queued[1])
	want(t, "of both", w.taken(t, w.class.ID, second.ID))
	w.ended(t, queued[1])
	w.ended(t, queued[2])
	if got := len(w.taken(t, w.class.ID, second.ID)); got != 2 {
		t.Errorf("%d were claimed when two could be", got)
	}
}

func groupsKeepBackTheirOwn(t *testing.T, s control.Store) {
	w := newTown(t, s)
	full, other := w.groupIn(t, w.project.ID, 1), w.groupIn(t, w.project.ID, 1)
	blocked := []string{w.queueIn(t, full, nil), w.queueIn(t, full, nil)}
	free := w.queueIn(t, other, func(r *control.TaskRow) { r.Rank = 5 })
	alone := w.queue(t, func(r *control.TaskRow) { r.Rank = 9 }).ID
	want(t, "claimed", w.taken(t, w.class.ID), blocked[0], free, alone)
	// The same name in another project is another group.
	project := w.projectIn(t, func(*control.ProjectRow) {})
	same := control.GroupRow{ID: newID(), ProjectID: project.ID, Name: full.Name, TaskLimit: 1}
	insert(t, s, &same)
	elsewhere := w.queueIn(t, same, nil)
	want(t, "of another project", w.taken(t, w.class.ID), elsewhere)
}

func groupsGoByRank(t *testing.T, s control.Store) {
	w := newTown(t, s)
	one, two := w.groupIn(t, w.project.ID, 10), w.groupIn(t, w.project.ID, 10)
	ranked := func(rank int64) func(*control.TaskRow) {
		return func(r *control.TaskRow) { r.Rank = rank }
	}
	c, a := w.queueIn(t, one, ranked(30)), w.queueIn(t, one, ranked(10))
	d, b := w.queue(t, ranked(40)).ID, w.queue(t, ranked(20)).ID
	e, first := w.queueIn(t, two, ranked(50)), w.queueIn(t, two, ranked(-5))
	want(t, "claimed", w.taken(t, w.class.ID), first, a, b, c, d, e)
}

func groupsGrow(t *testing.T, s control.Store) {
	w := newTown(t, s)
	group := w.groupIn(t, w.project.ID, 1)
	queued := []string{w.queueIn(t, group, nil), w.queueIn(t, group, nil), w.queueIn(t, group, nil)}
	want(t, "with a limit of 1", w.taken(t, w.class.ID), queued[0])
	group.TaskLimit, group.Running = 2, 1
	write(t, s, func(tx control.Tx) error { return tx.Update(t.Context(), &group, "task_limit") })
	last := w.queueIn(t, group, nil) // the limit of a group changes when a job comes
	want(t, "with a limit of 2", w.taken(t, w.class.ID), queued[1])
	group.TaskLimit = 4
	write(t, s, func(tx control.Tx) error { return tx.Update(t.Context(), &group, "task_limit") })
	w.ended(t, queued[0])
	want(t, "with a limit of 4, when one has ended", w.taken(t, w.class.ID), queued[2], last)
}

func capabilitiesAreNeeded(t *testing.T, s control.Store) {
	w := newTown(t, s)
	need := func(capabilities string, rank int64) string {
		return w.queue(t, func(r *control.TaskRow) { r.Capabilities, r.Rank = capabilities, rank }).ID
	}
	both, docker, none := need(" docker  gpu ", 1), need(" docker ", 2), need("", 3)
	group := w.groupIn(t, w.project.ID, 1)
	grouped := w.queueIn(t, group, func(r *control.TaskRow) { r.Capabilities, r.Rank = " gpu ", 4 })
	alike := need(" dock ", 5) // part of a word is not the word
	want(t, "by a runner without any", w.taken(t, w.class.ID), none)
	want(t, "by one with others", w.takenWith(t, []string{"job", "do", "cker", "gp"}, w.class.ID))
	want(t, "by one with docker", w.takenWith(t, []string{"job", "docker"}, w.class.ID), docker)
	want(t, "by one with gpu", w.takenWith(t, []string{"gpu"}, w.class.ID), grouped)
	want(t, "by one with both", w.takenWith(t, []string{"gpu", "x", "docker"}, w.class.ID), both)
	want(t, "by one with dock", w.takenWith(t, []string{"dock"}, w.class.ID), alike)
}

// herd claims and ends in turns with so many slots, and counts claims by project until one project has no more.
func (w *town) herd(t testing.TB, slots, claims int, of map[string]string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	write(t, w.s, func(tx control.Tx) error {
		clear(counts)
		var running []control.TaskRow
		for range claims {
			if len(running) == slots { // the oldest ends, as when all take as long
				if err := w.end(t.Context(), tx, running[0]); err != nil {
					return err
				}
				running = running[1:]
			}
			task, _, err := w.takeWith(t.Context(), tx, []string{"docker"}, w.class.ID)
			if err != nil {
				return err
			}
			running = append(running, task)
			counts[of[task.ProjectID]]++
		}
		for _, task := range running {
			if err := w.end(t.Context(), tx, task); err != nil {
				return err
			}
		}
		return nil
	})
	return counts
}

func (w *town) end(ctx context.Context, tx control.Tx, task control.TaskRow) error {
	task.State = remuda.Succeeded
	if err := tx.Update(ctx, &task, "state"); err != nil {
		return err
	}
	return tx.Count(ctx, task, 0, -1)
}

// fillLane queues n tasks of a project, by rank from a number on.
func (w *town) fillLane(t testing.TB, project string, n int, from int64) {
	t.Helper()
	write(t, w.s, func(tx control.Tx) error {
		lane, err := tx.Lane(t.Context(), control.LaneKey{ClassID: w.class.ID, ProjectID: project})
		if err != nil {
			return err
		}
		task := control.TaskRow{
			JobID: w.job.ID, OrganizationID: w.organization.ID, ProjectID: project, ClassID: w.class.ID, LaneID: lane.ID, State: remuda.Queued,
		}
		for i := range n {
			task.ID, task.Rank = newID(), from+int64(i)
			if err := tx.Insert(t.Context(), &task); err != nil {
				return err
			}
		}
		return tx.Count(t.Context(), task, n, 0)
	})
}

func turnsGoByWeight(t *testing.T, s control.Store) {
	for _, slots := range []int{1, 2, 5} {
		t.Run(fmt.Sprintf("%d slots", slots), func(t *testing.T) {
			w := newTown(t, s)
			heavy, heaviest := w.projectIn(t, func(p *control.ProjectRow) { p.Weight = 3 }), w.projectIn(t, func(p *control.ProjectRow) { p.Weight = 6 })
			of := map[string]string{w.project.ID: "light", heavy.ID: "heavy", heaviest.ID: "heaviest"}
			for id := range of {
				w.fillLane(t, id, 160, 0)
			}
			counts := w.herd(t, slots, 200, of)
			for name, expected := range map[string]int{"light": 20, "heavy": 60, "heaviest": 120} {
				if got := counts[name]; got < expected-7 || got > expected+7 {
					t.Errorf("of 200 claims %v: the weights are 1, 3 and 6", counts)
					break
				}
			}
		})
	}
}

func latecomersGetTurns(t *testing.T, s control.Store) {
	w := newTown(t, s)
	late := w.projectIn(t, func(*control.ProjectRow) {})
	of := map[string]string{w.project.ID: "long", late.ID: "late"}
	w.fillLane(t, w.project.ID, 300, 0)
	w.herd(t, 1, 100, of)
	w.fillLane(t, late.ID, 20, 1e9)
	counts := w.herd(t, 1, 20, of)
	if counts["late"] < 9 {
		t.Errorf("of 20 claims by one slot %v", counts)
	}
}

func idlenessEarnsNothing(t *testing.T, s control.Store) {
	w := newTown(t, s)
	idle := w.projectIn(t, func(*control.ProjectRow) {})
	of := map[string]string{w.project.ID: "busy", idle.ID: "idle"}
	w.fillLane(t, idle.ID, 1, 0)
	w.herd(t, 1, 1, of)
	w.fillLane(t, w.project.ID, 150, 0)
	w.herd(t, 1, 100, of)
	w.fillLane(t, idle.ID, 50, 0)
	counts := w.herd(t, 1, 40, of)
	if counts["busy"] < 19 || counts["idle"] < 19 {
		t.Errorf("of 40 claims %v after one was idle for long", counts)
	}
}

func sharesAreOfProjects(t *testing.T, s control.Store) {
	w := newTown(t, s)
	many := w.projectIn(t, func(*control.ProjectRow) {})
	of := map[string]string{w.project.ID: "one lane", many.ID: "many"}
	w.fillLane(t, w.project.ID, 60, 0)
	for range 60 {
		w.queueIn(t, w.groupIn(t, many.ID, 1), func(r *control.TaskRow) { r.Capabilities = []string{"", " docker "}[rand.IntN(2)] })
	}
	for _, slots := range []int{1, 4} {
		counts := w.herd(t, slots, 40, of)
		if counts["many"] < 18 || counts["many"] > 22 {
			t.Errorf("of 40 claims by %d slots %v: both weigh the same", slots, counts)
		}
	}
}

func weightsChange(t *testing.T, s control.Store) {
	w := newTown(t, s)
	other := w.projectIn(t, func(*control.ProjectRow) {})
	of := map[string]string{w.project.ID: "one", other.ID: "other"}
	w.fillLane(t, w.project.ID, 200, 0)
	w.fillLane(t, other.ID, 200, 0)
	w.herd(t, 4, 40, of)
	other.Weight = 4
	write(t, s, func(tx control.Tx) error {
		if err := tx.Update(t.Context(), &other, "weight"); err != nil {
			return err
		}
		return tx.Weigh(t.Context(), other.ID, 4)
	})
	if counts := w.herd(t, 5, 100, of); counts["other"] < 77 || counts["other"] > 83 {
		t.Errorf("of 100 claims %v: the weights are 1 and 4", counts)
	}
	lane := control.LaneKey{ClassID: w.classIn(t).ID, ProjectID: other.ID}
	write(t, s, func(tx control.Tx) error {
		row, err := tx.Lane(t.Context(), lane)
		if row.Weight != 4 {
			t.Errorf("a new lane weighs %d", row.Weight)
		}
		return err
	})
}

// After anything that may happen, each lane says what its tasks say.
func lanesAreTrue(t *testing.T, s control.Store) {
	for seed := range uint64(4) {
		w := newTown(t, s)
		f := &fickle{t: t, w: w, random: rand.New(rand.NewPCG(seed, 7)), lanes: map[string]bool{}}
		f.classes = []string{w.class.ID, w.classIn(t).ID}
		f.projects = []control.ProjectRow{w.project, w.projectIn(t, func(p *control.ProjectRow) { p.Weight, p.TaskLimit = 3, 2 })}
		for _, p := range f.projects {
			for range 2 {
				f.groups = append(f.groups, w.groupIn(t, p.ID, 1+f.random.IntN(2)))
			}
		}
		for range 150 {
			f.act()
		}
		f.audit()
		if t.Failed() {
			t.Logf("seed %d", seed)
			return
		}
	}
}

// fickle does anything to the tasks of a town.
type fickle struct {
	t        *testing.T
	w        *town
	random   *rand.Rand
	classes  []string
	projects []control.ProjectRow
	groups   []control.GroupRow
	queued   []string
	running  []string
	lanes    map[string]bool
}

func (f *fickle) act() {
	t, ctx := f.t, f.t.Context()
	switch n := f.random.IntN(11); {
	case n == 10: // a limit changes
		project := control.ProjectRow{ID: f.projects[f.random.IntN(2)].ID, TaskLimit: f.random.IntN(5)}
		write(t, f.w.s, func(tx control.Tx) error { return tx.Update(ctx, &project, "task_limit") })
	case n < 4:
		group := control.GroupRow{ProjectID: f.projects[f.random.IntN(len(f.projects))].ID}
		if f.random.IntN(3) > 0 {
			group = f.groups[f.random.IntN(len(f.groups))]
		}
		task := f.w.queue(t, func(r *control.TaskRow) {
			r.ClassID, r.ProjectID, r.GroupID = f.classes[f.random.IntN(2)], group.ProjectID, group.ID
			r.Capabilities, r.Rank = []string{"", "", " docker "}[f.random.IntN(3)], f.random.Int64N(50)
		})
		f.queued, f.lanes[task.LaneID] = append(f.queued, task.ID), true
	case n < 7:
		write(t, f.w.s, func(tx control.Tx) error {
			task, _, err := f.w.takeWith(ctx, tx, []string{"docker"}, f.classes[f.random.IntN(2)])
			if remuda.KindOf(err) == remuda.NotFound {
				return nil
			}
			f.queued = slices.DeleteFunc(f.queued, func(id string) bool { return id == task.ID })
			f.running = append(f.running, task.ID)
			return err
		})
	case n == 7 && len(f.queued) > 0: // cancelled while it waits
		f.queued = f.move(f.queued, remuda.Canceled, -1, 0)
	case n == 8 && len(f.running) > 0: // handed back
		f.queued = append(f.queued, f.running[0])
		f.running = f.move(f.running, remuda.Queued, 1, -1)
	case len(f.running) > 0:
		f.running = f.move(f.running, remuda.Succeeded, 0, -1)
	}
}

// move takes the first of some tasks into another state.
func (f *fickle) move(ids []string, to remuda.State, queued, running int) []string {
	write(f.t, f.w.s, func(tx control.Tx) error {
		task, err := tx.Movable(f.t.Context(), ids[0])
		if err != nil {
			return err
		}
		task.State = to
		if err := tx.Update(f.t.Context(), &task, "state"); err != nil {
			return err
		}
		return tx.Count(f.t.Context(), task, queued, running)
	})
	return ids[1:]
}

// audit holds the lanes to the tasks.
func (f *fickle) audit() {
	t := f.t
	tasks := read(t, f.w.s, func(v control.View) ([]control.TaskView, error) {
		return v.Tasks(t.Context(), control.TaskQuery{Organization: f.w.organization.ID, Span: control.Span{Limit: 10000}})
	})
	lanes := map[string]control.LaneRow{}
	see := func(id string) control.LaneRow {
		if _, known := lanes[id]; !known {
			lanes[id] = read(t, f.w.s, func(v control.View) (row control.LaneRow, err error) { return row, v.Get(t.Context(), &row, id) })
		}
		return lanes[id]
	}
	for id := range f.lanes {
		see(see(id).MainID)
	}
	open := map[string]bool{} // main lanes behind which something may be claimed
	for id := range lanes {
		got := lanes[id]
		expected := got
		expected.Queued, expected.Running, expected.Closed = 0, 0, false
		first := int64(1 << 60)
		for _, task := range tasks {
			switch {
			case task.LaneID == id && task.State == remuda.Queued:
				expected.Queued++
				first = min(first, task.Rank)
			case task.LaneID == id && task.State == remuda.Running:
				expected.Running++
			}
		}
		if got.GroupID != "" {
			expected.Closed = f.full(got.GroupID, tasks)
			if expected.Queued > 0 {
				expected.Head = first
			}
		}
		if expected.Queued > 0 && !expected.Closed {
			open[got.MainID] = true
		}
		if got.GroupID == "" {
			expected.Closed = f.projectIsFull(got.ProjectID, tasks)
		}
		if got != expected {
			t.Errorf("a lane is\n%+v, by its tasks\n%+v", got, expected)
		}
	}
	for id, got := range lanes {
		if got.GroupID != "" {
			continue
		}
		running := 0
		for _, task := range tasks {
			if task.ClassID == got.ClassID && task.ProjectID == got.ProjectID && task.State == remuda.Running {
				running++
			}
		}
		if got.ProjectRunning != running || got.Level != running/got.Weight || got.Waits != open[id] {
			t.Errorf("main lane %+v: %d of its project run, and it waits is %v", got, running, open[id])
		}
	}
	if !strings.Contains(fmt.Sprint(tasks), string(remuda.Queued)) || len(f.running) == 0 {
		t.Error("nothing is queued, or nothing runs: this test sees little")
	}
}

// full says whether a group's limit is reached, and holds its counter to its tasks.
func (f *fickle) full(group string, tasks []control.TaskView) bool {
	row := read(f.t, f.w.s, func(v control.View) (row control.GroupRow, err error) { return row, v.Get(f.t.Context(), &row, group) })
	running := 0
	for _, task := range tasks {
		if task.GroupID == group && task.State == remuda.Running {
			running++
		}
	}
	if row.Running != running || running > row.TaskLimit {
		f.t.Errorf("of group %+v %d run", row, running)
	}
	return running >= row.TaskLimit
}

// projectIsFull says whether a project's limit is reached, and holds its counter to its tasks.
func (f *fickle) projectIsFull(project string, tasks []control.TaskView) bool {
	row := read(f.t, f.w.s, func(v control.View) (row control.ProjectRow, err error) {
		return row, v.Get(f.t.Context(), &row, project)
	})
	running := 0
	for _, task := range tasks {
		if task.ProjectID == project && task.State == remuda.Running {
			running++
		}
	}
	if row.Running != running {
		f.t.Errorf("of project %+v %d run", row, running)
	}
	return row.TaskLimit > 0 && running >= row.TaskLimit
}

func runnersAreCounted(t *testing.T, s control.Store) {
	w := newTown(t, s)
	token := control.TokenRow{ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), ClassID: &w.class.ID}
	revoked := control.TokenRow{ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), ClassID: &w.class.ID, RevokedAt: 1}
	insert(t, s, &token, &revoked)
	add := func(n int, by control.TokenRow, change func(*control.RunnerRow)) (last control.RunnerRow) {
		for range n {
			last = newRunner()
			last.Slots, last.Ready, last.LastSeenAt, last.SilentAt, last.Version, last.Capabilities = 1, true, 50, 200, "v1", "job"
			change(&last)
			insert(t, s, &last, &control.RunnerClassRow{RunnerID: last.ID, ClassID: w.class.ID, TokenID: by.ID})
		}
		return last
	}
	add(4, token, func(*control.RunnerRow) {})
	add(2, token, func(r *control.RunnerRow) { r.Ready, r.Reason = false, "full" })
	add(1, token, func(r *control.RunnerRow) { r.Reason = "said while it is ready" })
	add(3, token, func(r *control.RunnerRow) { r.DrainAsked = true })
	add(1, token, func(r *control.RunnerRow) { r.Draining = true })
	add(1, token, func(r *control.RunnerRow) { r.Paused, r.Capabilities = true, "job docker" })
	add(1, token, func(r *control.RunnerRow) { r.SilentAt, r.Quarantined = 99, true })
	add(1, revoked, func(*control.RunnerRow) {})
	add(1, token, func(r *control.RunnerRow) { r.GoneAt = 60 })
	add(1, token, func(r *control.RunnerRow) { r.LastSeenAt = 10 })
	busy := add(1, token, func(r *control.RunnerRow) { r.Version = "v2" })
	task := w.queue(t, nil)
	insert(t, s, &control.AttemptRow{ID: newID(), TaskID: task.ID, Number: 1, RunnerID: busy.ID, State: remuda.AttemptBegun})
	got := read(t, s, func(v control.View) ([]control.RunnerState, error) {
		return v.RunnerStates(t.Context(), w.class.ID, 10, 100)
	})
	like := func(n int, change func(*control.RunnerState)) control.RunnerState {
		state := control.RunnerState{Version: "v1", Capabilities: "job", Ready: true, Count: n}
		change(&state)
		return state
	}
	expected := []control.RunnerState{
		like(5, func(*control.RunnerState) {}),
		like(4, func(r *control.RunnerState) { r.Draining = true }),
		like(2, func(r *control.RunnerState) { r.Ready, r.Reason = false, "full" }),
		like(1, func(r *control.RunnerState) { r.Paused, r.Capabilities = true, "job docker" }),
		like(1, func(r *control.RunnerState) { r.Silent, r.Quarantined = true, true }),
		like(1, func(r *control.RunnerState) { r.Revoked = true }),
		like(1, func(r *control.RunnerState) { r.Version, r.Busy = "v2", true }),
	}
	for _, state := range expected {
		if !slices.Contains(got, state) {
			t.Errorf("%+v is missing", state)
		}
	}
	if len(got) != len(expected) {
		t.Errorf("counted are %+v", got)
	}
}
