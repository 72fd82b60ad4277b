package store_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/store"
)

func poolFacts() []fact {
	return []fact{
		{"what a runner carries out is listed apart from what it did before", runnerAttemptsAreListed},
		{"runners are counted by class and by what one sees of them", classRunnersAreCounted},
		{"runners are listed by the token that they registered with", runnersAreListedByToken},
	}
}

func runnerAttemptsAreListed(t *testing.T, s control.Store) {
	ctx, w, other := t.Context(), newTown(t, s), newTown(t, s)
	task := w.queue(t, nil)
	attempt := func(number int, runner string, state remuda.AttemptState) control.AttemptRow {
		row := control.AttemptRow{ID: newID(), TaskID: task.ID, Number: number, RunnerID: runner, State: state, ClaimedAt: 5, EndedAt: 9}
		insert(t, s, &row)
		return row
	}
	lost := attempt(1, w.runner.ID, remuda.AttemptLost)
	returned := attempt(2, w.runner.ID, remuda.AttemptReturned)
	attempt(3, other.runner.ID, remuda.AttemptFailed)
	begun := attempt(4, w.runner.ID, remuda.AttemptBegun)
	list := func(live bool, p control.Span) []control.RunnerAttemptView {
		return read(t, s, func(v control.View) ([]control.RunnerAttemptView, error) {
			return v.RunnerAttempts(ctx, w.runner.ID, live, p)
		})
	}
	id := func(a control.RunnerAttemptView) string { return a.ID }
	want(t, "over", ids(list(false, control.Span{Limit: many}), id), returned.ID, lost.ID)
	want(t, "the newest", ids(list(false, control.Span{Limit: 1}), id), returned.ID)
	want(t, "after it", ids(list(false, control.Span{Limit: 1, After: returned.ID}), id), lost.ID)
	wanted := []control.RunnerAttemptView{{
		AttemptRow: begun, Task: task.Name, OrganizationID: w.organization.ID, Organization: w.organization.Name, Project: w.project.Name,
		Class: w.namespace.Name + "/" + w.class.Name,
	}}
	if diff := cmp.Diff(wanted, list(true, control.Span{Limit: many})); diff != "" {
		t.Errorf("live (-want +got):\n%s", diff)
	}
}

func classRunnersAreCounted(t *testing.T, s control.Store) {
	ctx, w, other := t.Context(), newTown(t, s), newTown(t, s)
	second := w.classIn(t)
	token := control.TokenRow{ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), ClassID: &w.class.ID}
	revoked := control.TokenRow{ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), ClassID: &w.class.ID, RevokedAt: 1}
	insert(t, s, &token, &revoked)
	serve := func(change func(*control.RunnerRow), token string, classes ...string) control.RunnerRow {
		row := newRunner()
		row.LastSeenAt, row.SilentAt = 100, 200
		change(&row)
		insert(t, s, &row)
		for _, class := range classes {
			insert(t, s, &control.RunnerClassRow{RunnerID: row.ID, ClassID: class, TokenID: token})
		}
		return row
	}
	idle := func(*control.RunnerRow) {}
	serve(idle, token.ID, w.class.ID, second.ID)
	serve(idle, token.ID, w.class.ID)
	serve(idle, token.ID, other.class.ID)
	serve(idle, revoked.ID, w.class.ID)
	serve(func(r *control.RunnerRow) { r.GoneAt = 1 }, token.ID, w.class.ID)
	serve(func(r *control.RunnerRow) { r.LastSeenAt = 10 }, token.ID, w.class.ID)
	serve(func(r *control.RunnerRow) { r.SilentAt = 120; r.Paused = true }, token.ID, w.class.ID)
	serve(func(r *control.RunnerRow) { r.DrainAsked = true; r.Quarantined = true }, token.ID, w.class.ID)
	busy := serve(idle, token.ID, second.ID)
	task := w.queue(t, nil)
	insert(t, s, &control.AttemptRow{ID: newID(), TaskID: task.ID, Number: 1, RunnerID: busy.ID, State: remuda.AttemptClaimed})

	rows := read(t, s, func(v control.View) ([]control.ClassRunnerCount, error) {
		return v.ClassRunnerCounts(ctx, []string{w.class.ID, second.ID}, 50, 150)
	})
	got := map[control.ClassRunnerCount]bool{}
	for _, row := range rows {
		got[row] = true
	}
	wanted := map[control.ClassRunnerCount]bool{
		{ClassID: w.class.ID, RunnerCount: control.RunnerCount{Count: 2}}:                                    true,
		{ClassID: w.class.ID, RunnerCount: control.RunnerCount{Count: 1, Silent: true, Paused: true}}:        true,
		{ClassID: w.class.ID, RunnerCount: control.RunnerCount{Count: 1, Draining: true, Quarantined: true}}: true,
		{ClassID: second.ID, RunnerCount: control.RunnerCount{Count: 1}}:                                     true,
		{ClassID: second.ID, RunnerCount: control.RunnerCount{Count: 1, Busy: true}}:                         true,
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	none := read(t, s, func(v control.View) ([]control.ClassRunnerCount, error) {
		return v.ClassRunnerCounts(ctx, nil, 50, 150)
	})
	if len(none) != 0 {
		t.Errorf("of no class are counted %+v", none)
	}
}

func runnersAreListedByToken(t *testing.T, s control.Store) {
	w, second := newTown(t, s), newRunner()
	first := control.TokenRow{ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), ClassID: &w.class.ID}
	other := control.TokenRow{ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), ClassID: &w.class.ID}
	insert(t, s, &first, &other, &second)
	insert(t, s, &control.RunnerClassRow{RunnerID: w.runner.ID, ClassID: w.class.ID, TokenID: first.ID},
		&control.RunnerClassRow{RunnerID: second.ID, ClassID: w.class.ID, TokenID: other.ID})
	rows := read(t, s, func(v control.View) ([]control.RunnerView, error) {
		return v.Runners(t.Context(), control.RunnerQuery{TokenID: first.ID, Span: control.Span{Limit: many}})
	})
	want(t, "of a token", ids(rows, func(r control.RunnerView) string { return r.ID }), w.runner.ID)
}

func TestWhatARunnerDidIsFoundByAnIndex(t *testing.T) {
	dir := t.TempDir()
	databases()[0].opened(t, dir)
	for live, index := range map[bool]string{true: "attempts_live", false: "attempts_over"} {
		text, args := store.RunnerAttemptsText("a runner", live, control.Span{After: "an attempt", Limit: 10})
		steps := strings.Join(explained(t, dir, text, args), "\n")
		if !strings.Contains(steps, index) || strings.Contains(steps, "SCAN") {
			t.Errorf("live %v:\n%s", live, steps)
		}
		if !live && strings.Contains(steps, "TEMP B-TREE") {
			t.Errorf("all that it ever did is sorted:\n%s", steps)
		}
	}
}
