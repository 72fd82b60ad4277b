package simulation

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/runner"
)

// mutation breaks one rule on purpose.
type mutation struct {
	name     string
	rule     rule        // must notice
	plan     func(*plan) // what the plan needs for it to matter
	deaf     bool        // no replica hears the wake-ups of others
	store    func(control.Store) control.Store
	executor func(*host) runner.Executor
	hasty    bool // agents do not wait for leave to begin
}

// with makes a plan know some faults and strikes, and others at hand.
func with(faults []fault, strikes ...strike) func(*plan) {
	return func(p *plan) {
		p.bad = max(p.bad, 0.15)
		p.faults = append(p.faults, faults...)
		p.strikes = append(p.strikes, strikes...)
	}
}

// cutOff makes a plan in which hosts are cut off for about as long as makes a claim lost.
func cutOff(p *plan) {
	p.trouble, p.every, p.lasting, p.slow = 150*time.Second, 10*time.Second, []time.Duration{80 * time.Second}, true
	p.faults, p.strikes, p.repeats = nil, []strike{cutLine}, true
}

// orphaned makes a plan in which agents lose their runners for longer than makes a claim that has not begun lost.
func orphaned(p *plan) {
	p.trouble, p.every, p.lasting = 80*time.Second, 3*time.Second, []time.Duration{80 * time.Second}
	p.faults, p.strikes = nil, []strike{killRunner}
}

func mutations() []mutation {
	return slices.Concat(mutationsOfClaims(), mutationsOfEnds(), mutationsOfRecords(), mutationsOfRunners())
}

func mutationsOfClaims() []mutation {
	return []mutation{
		{name: "limits are ignored", rule: limited, plan: with(nil, setLimit), store: spoils{
			claimable: func(ctx context.Context, v control.View, classes []string, found control.TaskRow, err error) (control.TaskRow, error) {
				if err == nil {
					return found, nil
				}
				return oldest(ctx, v, classes, remuda.Queued)
			},
		}.store()},
		{name: "a task that runs is offered again", rule: oneClaim, store: spoils{
			claimable: func(ctx context.Context, v control.View, classes []string, found control.TaskRow, err error) (control.TaskRow, error) {
				if err == nil {
					return found, nil
				}
				found, err = oldest(ctx, v, classes, remuda.Running)
				found.State = remuda.Queued
				return found, err
			},
		}.store()},
		{name: "tasks that were handed back are offered to nobody", rule: everEnds, plan: with([]fault{lostThere}, rebootHost, killRunner), store: spoils{
			claimable: func(_ context.Context, _ control.View, _ []string, found control.TaskRow, err error) (control.TaskRow, error) {
				if err == nil && found.Attempts > 0 {
					return control.TaskRow{}, remuda.NotFound
				}
				return found, err
			},
		}.store()},
		{name: "a runner's claims are not counted", rule: roomy, store: spoils{
			live: func([]control.AttemptView) []control.AttemptView { return nil },
		}.store()},
		{name: "a runner serves every class", rule: rested, store: spoils{
			classes: func(ctx context.Context, v control.View, found []string) []string {
				all, err := v.Classes(ctx, control.ClassQuery{Span: control.Span{Limit: 10}})
				if err != nil {
					return found
				}
				var ids []string
				for _, class := range all {
					ids = append(ids, class.ID)
				}
				return ids
			},
		}.store()},
		{name: "a pause is not written down", rule: rested, plan: with(nil, pauseRunner), store: withoutColumns("paused")},
		{name: "an order to drain is not written down", rule: rested, plan: with(nil, askDrain), store: withoutColumns("drain_asked")},
		{name: "a held sync forgets that its runner drains", rule: quiet, plan: with([]fault{slowBack}, drainRunner), store: forgottenDrain},
		{name: "wake-ups are lost, and nobody polls", rule: prompt, deaf: true, plan: func(p *plan) {
			p.replicas, p.deaf, p.faults, p.strikes = 2, true, nil, nil
		}, store: spoils{
			waiting: func([]control.LaneKey) []control.LaneKey { return nil },
		}.store()},
	}
}

func mutationsOfEnds() []mutation {
	return []mutation{
		{name: "every claim is said to be live", rule: fenced, plan: with([]fault{twice, slowThere}, cutLine), store: spoils{
			attempt: func(_ context.Context, a *control.AttemptView) { revive(a) },
		}.store()},
		{name: "leave to begin is given to whoever asks", rule: fenced, plan: cutOff, store: spoils{
			attempt: func(ctx context.Context, a *control.AttemptView) {
				if c := callOf(ctx); c != nil && c.what == "begin" && !a.State.Live() {
					revive(a)
					a.BegunAt = a.LastSignAt
				}
			},
		}.store()},
		{name: "a claim that was lost may be finished", rule: fenced, plan: cutOff, store: spoils{
			attempt: func(ctx context.Context, a *control.AttemptView) {
				if c := callOf(ctx); c != nil && c.what == "finish" && a.State == remuda.AttemptLost {
					revive(a)
				}
			},
		}.store()},
		{name: "a finish repeated is a conflict", rule: repeated, plan: with([]fault{twice}), store: spoils{
			attempt: func(ctx context.Context, a *control.AttemptView) {
				if c := callOf(ctx); c != nil && c.what == "finish" && !a.State.Live() {
					a.Detail += " before"
				}
			},
		}.store()},
		{name: "a task that has ended can be cancelled", rule: oneEnd, plan: with([]fault{twice, slowThere}), store: spoils{
			taskView: func(t *control.TaskView) {
				if t.State.Ended() {
					t.State = remuda.Queued
				}
			},
		}.store()},
		{name: "a cancelled task is forgotten to be", rule: obeyed, plan: with(nil, killRunner, rebootHost, cutLine), store: spoils{
			movable: func(t *control.TaskRow) { t.CancelRequested = false },
		}.store()},
		{name: "what a job replaces goes on", rule: obeyed, store: spoils{
			group: func([]control.GroupTask) []control.GroupTask { return nil },
		}.store()},
		{name: "what may begin only once is repeated", rule: onlyOnce, plan: with(nil, rebootHost, cutLine), store: spoils{
			movable: func(t *control.TaskRow) { t.RetryInterrupted = true },
		}.store()},
		{name: "attempts are not counted", rule: bounded, plan: with(nil, rebootHost, cutLine), store: spoils{
			movable: func(t *control.TaskRow) { t.AttemptsUsed = 0 },
		}.store()},
		{name: "time in which no sign could be taken counts", rule: heard, plan: with(nil, setClock), store: spoils{timeless: true}.store()},
		{name: "signs of life are not written down", rule: heard, store: spoils{deaf: true}.store()},
		{name: "a claim that gave a sign meanwhile is lost all the same", rule: heard, plan: cutOff, store: staleSweep},
	}
}

func mutationsOfRecords() []mutation {
	output := func(o forgetfulOutput) func(control.Store) control.Store {
		return spoils{output: func(below control.OutputStore) control.OutputStore {
			o.OutputStore = below
			return o
		}}.store()
	}
	return []mutation{
		{name: "a chunk is taken wherever it starts", rule: kept, plan: with([]fault{lostBack, twice}), store: output(forgetfulOutput{astray: true})},
		{name: "a chunk is acknowledged and not kept", rule: kept, store: output(forgetfulOutput{lossy: true})},
		{name: "an end is not counted", rule: counted, store: spoils{
			count: func(_ control.TaskRow, queued, running int) (int, int) { return queued, max(0, running) },
		}.store()},
		{name: "an event is not written down", rule: told, store: spoils{
			event: func(e *control.EventRow) bool { return e.Type != "task.running" },
		}.store()},
		{name: "a submission's key is forgotten", rule: submitted, plan: with([]fault{lostBack}), store: spoils{
			key: func(*control.SubmissionKeyRow) bool { return false },
		}.store()},
		{name: "a write fails now and then", rule: sound, store: spoils{
			update: func(_ context.Context, row control.Row, columns []string) ([]string, error) {
				if a, of := row.(*control.AttemptRow); of && a.ID[len(a.ID)-1] < '4' {
					return nil, errors.New("it does not want to")
				}
				return columns, nil
			},
		}.store()},
	}
}

func mutationsOfRunners() []mutation {
	return []mutation{
		{name: "a restarted runner forgets what is left", rule: tidy, plan: with(nil, killRunner), executor: func(h *host) runner.Executor { return forgetful{h} }},
		{name: "an agent does not wait for leave", rule: onlyOnce, plan: orphaned, hasty: true},
		{name: "an executor tells what it has not done", rule: obeyed, executor: func(h *host) runner.Executor { return liar{h} }},
	}
}

func revive(a *control.AttemptView) {
	if !a.State.Live() {
		a.State, a.EndedAt = remuda.AttemptBegun, 0
	}
}

func without(columns []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(columns), func(c string) bool { return slices.Contains(names, c) })
}

// withoutColumns leaves columns out of every update.
func withoutColumns(names ...string) func(control.Store) control.Store {
	return spoils{update: func(_ context.Context, _ control.Row, columns []string) ([]string, error) {
		return without(columns, names...), nil
	}}.store()
}

// forgetful does not look for what an earlier runner left.
type forgetful struct{ *host }

// Left finds nothing.
func (forgetful) Left(context.Context) ([]string, error) { return nil, nil }

// liar says that all went well.
type liar struct{ *host }

// Execute does nothing.
func (liar) Execute(context.Context, runner.Work) (remuda.Result, error) {
	return remuda.Result{State: remuda.Succeeded}, nil
}

// staleSweep shows a sweep that takes a claim the claim as it was when it looked for silent ones, and leaves others
// the time to change it.
func staleSweep(below control.Store) control.Store {
	var mu sync.Mutex
	seen := map[string]control.AttemptRow{}
	return spoils{
		expired: func(found []control.AttemptRow) []control.AttemptRow {
			mu.Lock()
			defer mu.Unlock()
			for _, a := range found {
				seen[a.ID] = a
			}
			return found
		},
		attempt: func(ctx context.Context, a *control.AttemptView) {
			mu.Lock()
			defer mu.Unlock()
			if read, was := seen[a.ID]; was && callOf(ctx) == nil && a.State.Live() {
				a.State, a.LastSignAt = read.State, read.LastSignAt
			}
		},
	}.store()(lateSweeps{below})
}

// lateSweeps has what no call asks for wait before it is carried out.
type lateSweeps struct{ control.Store }

// Write waits for less than what makes a gap between sweeps.
func (s lateSweeps) Write(ctx context.Context, scope control.Scope, transition func(control.Tx) error) error {
	if callOf(ctx) == nil {
		pause(ctx, time.Second)
	}
	return s.Store.Write(ctx, scope, transition)
}

// forgottenDrain shows a sync that its runner wants more, whatever it said when it arrived.
func forgottenDrain(below control.Store) control.Store {
	var mu sync.Mutex
	arrived := map[*call]bool{}
	return spoils{
		update: func(ctx context.Context, row control.Row, columns []string) ([]string, error) {
			if _, of := row.(*control.RunnerRow); of {
				mu.Lock()
				defer mu.Unlock()
				arrived[callOf(ctx)] = true
			}
			return columns, nil
		},
		runner: func(ctx context.Context, r *control.RunnerRow) {
			mu.Lock()
			defer mu.Unlock()
			if c := callOf(ctx); c != nil && c.what == "sync" && arrived[c] {
				r.Draining, r.Ready = false, true
			}
		},
	}.store()(below)
}
