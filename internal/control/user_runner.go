package control

import (
	"context"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// RunnerFilter asks for runners of a class, an organization, in a state, or that registered with a class token, by its id.
type RunnerFilter struct {
	ResourceClass, Organization, Token string
	State                              remuda.RunnerState
}

func (p *Plane) wordsOfRunner(now time.Time) func(RunnerView) remuda.Runner {
	return func(r RunnerView) remuda.Runner {
		if r.Reason == "" && r.Classes == "" {
			r.Reason = "the class tokens that it registered with were revoked: it gets nothing new"
		}
		if r.Reason == "" {
			r.Reason = p.refusal(r.RunnerRow)
		}
		return remuda.Runner{
			ID: r.ID, Name: r.Name, Hostname: r.Hostname, ResourceClasses: strings.Fields(r.Classes),
			Version: r.Version, OS: r.OS, Arch: r.Arch, IP: r.IP, Slots: r.Slots, Busy: r.Busy,
			Capabilities: strings.Fields(r.Capabilities), State: stateOf(r, now), Reason: r.Reason,
			RegisteredAt: r.RegisteredAt.Time(), LastSeenAt: r.LastSeenAt.Time(), LastUsedAt: r.LastUsedAt.optional(),
		}
	}
}

// stateOf is what one sees of a runner, unless it is lost.
func stateOf(r RunnerView, now time.Time) remuda.RunnerState {
	if r.GoneAt != 0 || now.Sub(r.LastSeenAt.Time()) > lostRunnerAfter {
		return remuda.RunnerLost
	}
	return RunnerCount{
		Silent: micros(now) > r.SilentAt, Draining: r.Draining || r.DrainAsked, Paused: r.Paused, Quarantined: r.Quarantined, Busy: r.Busy > 0,
	}.state()
}

// state is what one sees: what a runner does, unless it gives no sign.
func (c RunnerCount) state() remuda.RunnerState {
	switch {
	case c.Silent:
		return remuda.RunnerSilent
	case c.Draining:
		return remuda.RunnerDraining
	case c.Paused:
		return remuda.RunnerPaused
	case c.Quarantined:
		return remuda.RunnerQuarantined
	case c.Busy:
		return remuda.RunnerBusy
	default:
		return remuda.RunnerIdle
	}
}

// RunnerCounts counts the runners that are not lost, by state.
func (d UserDoor) RunnerCounts(ctx context.Context) (map[remuda.RunnerState]int, error) {
	if err := d.onlyAdmin("counting all runners"); err != nil {
		return nil, err
	}
	now := time.Now()
	counts := map[remuda.RunnerState]int{}
	err := d.p.store.Read(ctx, func(v View) error {
		rows, err := v.RunnerCounts(ctx, micros(now.Add(-lostRunnerAfter)), micros(now))
		for _, row := range rows {
			counts[row.state()] += row.Count
		}
		return err
	})
	return counts, err
}

// Runners lists those that serve a class of the user's organization; ones that are lost for good are left out unless
// that state is asked for.
func (d UserDoor) Runners(ctx context.Context, f RunnerFilter, q PageQuery) (remuda.Page[remuda.Runner], error) {
	now := time.Now()
	span := q.span()
	only, err := d.only("runner")
	if err != nil {
		return remuda.Page[remuda.Runner]{}, err
	}
	query := RunnerQuery{Organization: only, TokenID: f.Token, Span: span}
	if f.State != remuda.RunnerLost {
		query.Since = micros(now.Add(-lostRunnerAfter))
	}
	var rows []RunnerView
	err = d.p.store.Read(ctx, func(v View) error {
		if f.ResourceClass != "" {
			class, err := d.ownClass(ctx, v, f.ResourceClass, remuda.RoleViewer)
			if err != nil {
				return err
			}
			query.ClassID = class.ID
		}
		if f.Organization != "" {
			owner, err := d.organizationFor(ctx, v, "runner", f.Organization, remuda.RoleViewer)
			if err != nil {
				return err
			}
			query.Organization = owner.ID
		}
		var err error
		rows, err = runnersIn(ctx, v, query, f.State, now)
		return err
	})
	if err != nil {
		return remuda.Page[remuda.Runner]{}, err
	}
	return page(rows, span, func(r RunnerView) string { return r.ID }, d.p.wordsOfRunner(now)), nil
}

// runnersIn reads on until a page is full of runners in a state: a state is computed, so the store cannot choose by it.
func runnersIn(ctx context.Context, v View, query RunnerQuery, state remuda.RunnerState, now time.Time) ([]RunnerView, error) {
	if state == "" {
		return v.Runners(ctx, query)
	}
	var kept []RunnerView
	most := query.Limit
	for query.Limit = 500; ; {
		rows, err := v.Runners(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if stateOf(row, now) != state {
				continue
			}
			if kept = append(kept, row); len(kept) == most {
				return kept, nil
			}
		}
		if len(rows) < query.Limit {
			return kept, nil
		}
		query.After = rows[len(rows)-1].ID
	}
}

// runner finds one that serves a class of the user's organization.
func (d UserDoor) runner(ctx context.Context, v View, id string, role remuda.Role) (RunnerView, error) {
	only, err := d.only("runner")
	if err != nil {
		return RunnerView{}, err
	}
	rows, err := v.Runners(ctx, RunnerQuery{ID: id, Organization: only, Span: Span{Limit: 1}})
	if err != nil {
		return RunnerView{}, err
	}
	if len(rows) == 0 {
		return RunnerView{}, absent("runner", id)
	}
	return rows[0], d.may(d.user.OrganizationID, role, "runner", id)
}

// Runner shows one, with its claims.
func (d UserDoor) Runner(ctx context.Context, id string) (remuda.Runner, error) {
	var words remuda.Runner
	err := d.p.store.Read(ctx, func(v View) error {
		row, err := d.runner(ctx, v, id, remuda.RoleViewer)
		if err != nil {
			return err
		}
		words = d.p.wordsOfRunner(time.Now())(row)
		live, err := v.LiveAttempts(ctx, id)
		for _, a := range live {
			words.Claims = append(words.Claims, a.ID)
		}
		return err
	})
	return words, err
}

func (d UserDoor) orderRunner(ctx context.Context, id, verb string, change func(*RunnerRow, Micros) []string) (remuda.Runner, error) {
	err := d.write(ctx, func(t *transition) error {
		view, err := d.runner(ctx, t, id, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		columns := change(&view.RunnerRow, t.now)
		if err := t.Update(ctx, &view.RunnerRow, columns...); err != nil {
			return err
		}
		t.wake(runnerTopic(id), everyone)
		return t.ofRunner(ctx, "runner."+verb, id, view.Name)
	})
	if err != nil {
		return remuda.Runner{}, err
	}
	return d.Runner(ctx, id)
}

// PauseRunner stops a runner's claiming, or lets it claim again, also when it is in quarantine. What it runs goes on.
func (d UserDoor) PauseRunner(ctx context.Context, id string, paused bool) (remuda.Runner, error) {
	verb := "resumed"
	if paused {
		verb = "paused"
	}
	return d.orderRunner(ctx, id, verb, func(r *RunnerRow, now Micros) []string {
		r.Paused = paused
		if !paused && r.Quarantined {
			r.ResumeAsked = now
		}
		return []string{"paused", "resume_asked"}
	})
}

// DrainRunner tells a runner to finish what it has and to exit.
func (d UserDoor) DrainRunner(ctx context.Context, id string) (remuda.Runner, error) {
	return d.orderRunner(ctx, id, "drain-asked", func(r *RunnerRow, _ Micros) []string {
		r.DrainAsked = true
		return []string{"drain_asked"}
	})
}
