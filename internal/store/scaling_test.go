package store_test

import (
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func scalingFacts() []fact {
	return []fact{
		{"demand and capacity of a class are counted", demandIsCounted},
		{"a revoked class token joins nobody to its class", revokedTokensJoinNobody},
		{"class tokens of no use are forgotten when their runners have left", uselessTokensAreForgotten},
	}
}

func demandIsCounted(t *testing.T, s control.Store) {
	ctx, w := t.Context(), newTown(t, s)
	token := control.TokenRow{ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), ClassID: &w.class.ID}
	insert(t, s, &token)
	soon := control.Now() + 60e6
	for _, change := range []func(*control.RunnerRow){
		func(r *control.RunnerRow) { r.Ready, r.Slots = true, 3 },
		func(r *control.RunnerRow) { r.Ready, r.Slots = false, 2 }, // it has slots, and gives none now
		func(r *control.RunnerRow) { r.Ready, r.Quarantined = true, true },
		func(r *control.RunnerRow) { r.Ready, r.Paused = true, true },
		func(r *control.RunnerRow) { r.Ready, r.Draining = true, true },
		func(r *control.RunnerRow) { r.Ready, r.DrainAsked = true, true },
		func(r *control.RunnerRow) { r.Ready, r.SilentAt = true, 1 },
		func(r *control.RunnerRow) { r.Ready, r.GoneAt = true, 1 },
	} {
		runner := newRunner()
		runner.Slots, runner.SilentAt = 1, soon
		change(&runner)
		insert(t, s, &runner, &control.RunnerClassRow{RunnerID: runner.ID, ClassID: w.class.ID, TokenID: token.ID})
	}
	first := w.queue(t, func(task *control.TaskRow) { task.SubmittedAt, task.Rank = 100, 100 })
	w.queue(t, func(task *control.TaskRow) { task.SubmittedAt, task.Rank = 50, 200 }) // older, and not next
	demand := read(t, s, func(v control.View) ([]control.DemandRow, error) { return v.Demand(ctx, w.class.ID) })
	if len(demand) != 1 || demand[0].Queued != 2 || demand[0].OldestAt != 100 || !demand[0].Allowed || demand[0].ProjectID != first.ProjectID {
		t.Errorf("the demand is %+v", demand)
	}
	capacity := read(t, s, func(v control.View) ([]control.CapacityRow, error) { return v.Capacity(ctx, w.class.ID, control.Now()) })
	if len(capacity) != 1 || capacity[0] != (control.CapacityRow{ClassID: w.class.ID, Capacity: 5, Idle: 3}) {
		t.Errorf("the capacity is %+v", capacity)
	}
	all := read(t, s, func(v control.View) ([]control.CapacityRow, error) { return v.Capacity(ctx, "", control.Now()) })
	if len(all) == 0 {
		t.Error("among all there is no capacity")
	}
}

func revokedTokensJoinNobody(t *testing.T, s control.Store) {
	ctx, w := t.Context(), newTown(t, s)
	token := control.TokenRow{ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), ClassID: &w.class.ID}
	insert(t, s, &token, &control.RunnerClassRow{RunnerID: w.runner.ID, ClassID: w.class.ID, TokenID: token.ID})
	classes := func() []string {
		return read(t, s, func(v control.View) ([]string, error) { return v.RunnerClasses(ctx, w.runner.ID) })
	}
	listed := func(q control.RunnerQuery) []control.RunnerView {
		q.Limit = 10
		return read(t, s, func(v control.View) ([]control.RunnerView, error) { return v.Runners(ctx, q) })
	}
	want(t, "classes", classes(), w.class.ID)
	token.RevokedAt = 1
	write(t, s, func(tx control.Tx) error { return tx.Update(ctx, &token, "revoked_at") })
	want(t, "classes afterwards", classes())
	if n := len(listed(control.RunnerQuery{ClassID: w.class.ID})); n != 0 {
		t.Errorf("%d runners serve the class", n)
	}
	if rows := listed(control.RunnerQuery{Organization: w.organization.ID}); len(rows) != 1 || rows[0].Classes != "" {
		t.Errorf("its organization sees %+v", rows)
	}
}

func uselessTokensAreForgotten(t *testing.T, s control.Store) {
	ctx, w := t.Context(), newTown(t, s)
	there, gone := newRunner(), newRunner()
	gone.GoneAt = 1
	insert(t, s, &there, &gone)
	kept := map[string]bool{}
	for _, c := range []struct {
		change func(*control.TokenRow)
		runner string
		kept   bool
	}{
		{func(*control.TokenRow) {}, "", true},
		{func(r *control.TokenRow) { r.RevokedAt = 50 }, "", false},
		{func(r *control.TokenRow) { r.RevokedAt = 150 }, "", true},
		{func(r *control.TokenRow) { r.RevokedAt = 50 }, there.ID, true},
		{func(r *control.TokenRow) { r.UsedAt = 50 }, there.ID, true},
		{func(r *control.TokenRow) { r.UsedAt = 50 }, gone.ID, false},
		{func(r *control.TokenRow) { r.UsedAt = 150 }, gone.ID, true},
		{func(r *control.TokenRow) { r.ExpiresAt = 50 }, "", false},
		{func(r *control.TokenRow) { r.ExpiresAt = 150 }, "", true},
	} {
		class := w.classIn(t)
		token := control.TokenRow{ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), ClassID: &class.ID}
		c.change(&token)
		insert(t, s, &token)
		if c.runner != "" {
			insert(t, s, &control.RunnerClassRow{RunnerID: c.runner, ClassID: class.ID, TokenID: token.ID})
		}
		kept[token.ID] = c.kept
	}
	admin := control.TokenRow{ID: newID(), Kind: remuda.AdminToken, Hash: []byte(newID()), RevokedAt: 50}
	insert(t, s, &admin)
	kept[admin.ID] = true // lest a file brings it back
	write(t, s, func(tx control.Tx) error {
		_, err := tx.ForgetTokens(ctx, 100)
		return err
	})
	for id, wanted := range kept {
		err := s.Read(ctx, func(v control.View) error { return v.Get(ctx, &control.TokenRow{}, id) })
		if (err == nil) != wanted {
			t.Errorf("token %s: %v, kept should be %t", id, err, wanted)
		}
	}
}
