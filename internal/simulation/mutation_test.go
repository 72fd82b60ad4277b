package simulation

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/store"
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
	bucket   func(store.Bucket) store.Bucket
	astray   time.Duration // by how much the clock of every other control plane is ahead
	hasty    bool          // agents do not wait for leave to begin
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

// full makes a plan in which the store takes no writes for longer than makes a claim lost.
func full(p *plan) {
	p.trouble, p.every, p.lasting, p.replicas = 150*time.Second, 10*time.Second, []time.Duration{70 * time.Second}, 1
	p.faults, p.strikes, p.repeats = nil, []strike{fullDisk}, true
}

// trims makes a plan in which more is printed than is kept.
func trims(p *plan) { p.loud, p.limit, p.bucket = 8, 500, false }

// parted makes a plan in which output goes to a bucket.
func parted(p *plan) { p.loud, p.limit, p.bucket = 8, 0, true }

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
		{name: "time in which nothing could be written counts", rule: heard, plan: full, store: spoils{timeless: true}.store()},
		{name: "the clocks of control planes are minutes apart", rule: heard, astray: 3 * time.Minute, plan: func(p *plan) { p.replicas = 2 }},
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
		{name: "output is trimmed to less than its limit", rule: trimmed, plan: trims, store: output(forgetfulOutput{strict: 2})},
		{name: "of output past its limit the head goes", rule: kept, plan: trims, store: output(forgetfulOutput{headless: true})},
		{name: "the bucket loses parts", rule: kept, plan: parted, bucket: func(b store.Bucket) store.Bucket { return lossyBucket{b} }},
		{name: "what is removed stays in the bucket", rule: emptied, plan: parted, bucket: func(b store.Bucket) store.Bucket { return hoard{b} }},
		{name: "what failed is written all the same", rule: submitted, plan: with(nil, sickStore), store: leaking},
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
