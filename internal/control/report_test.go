package control_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func TestBeginIsGrantedAgainAndOnceWrittenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		task, h := r.submit(hello()), r.register(1)
		claim := r.claim(h)
		agent := r.plane.AsTask(claim.ID)
		first := must(t, agent.Begin, ctx, remuda.Begin{Steps: []remuda.Step{{Number: 1, Name: "b"}, {Number: 0, Name: "a"}}})
		time.Sleep(time.Second)
		again := must(t, agent.Begin, ctx, remuda.Begin{})
		same(t, "begun", first, again)
		attempt := r.task(task).Attempts[0]
		if attempt.State != remuda.AttemptBegun || attempt.BegunAt == nil || !attempt.BegunAt.Equal(first.BegunAt) ||
			len(attempt.Steps) != 2 || attempt.Steps[0].Name != "a" {
			t.Errorf("the attempt is %+v", attempt)
		}
		if again := r.claim(h); !again.Begun {
			t.Error("delivered again, it is not said to have begun")
		}
	})
}

func TestAStaleClaimChangesNothing(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	task, h, claim, agent := r.lead(with(func(s *remuda.Submission) { s.RetryInterrupted = true }))
	done(t, h.Return(ctx, claim.ID, remuda.Return{Detail: "d"}))
	fresh := r.claim(h)
	r.begin(fresh)
	before := r.task(task)
	wantKind(t, second(agent.Begin(ctx, remuda.Begin{})), remuda.Gone)
	wantKind(t, agent.Steps(ctx, []remuda.Step{{Name: "stale"}}), remuda.Gone)
	wantKind(t, h.Finish(ctx, claim.ID, succeeded), remuda.Gone)
	same(t, "the task", before, r.task(task))
	nobody := r.plane.AsTask("nobody")
	wantKind(t, second(nobody.Begin(ctx, remuda.Begin{})), remuda.NotFound)
	wantKind(t, nobody.Steps(ctx, nil), remuda.NotFound)
	wantKind(t, second(nobody.Stream(ctx, 0)), remuda.NotFound)
	wantKind(t, second(nobody.Append(ctx, remuda.Chunk{})), remuda.NotFound)
	wantKind(t, second(nobody.CloseStream(ctx, 0, remuda.StreamClose{})), remuda.NotFound)
}

func TestNothingIsReportedBeforeItBegan(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	r.submit(hello())
	agent := r.plane.AsTask(r.claim(r.register(1)).ID)
	wantKind(t, agent.Steps(ctx, nil), remuda.Conflict)
	wantKind(t, second(agent.Stream(ctx, 0)), remuda.Conflict)
	wantKind(t, second(agent.Append(ctx, remuda.Chunk{Data: []byte("x")})), remuda.Conflict)
	wantKind(t, second(agent.CloseStream(ctx, 0, remuda.StreamClose{})), remuda.Conflict)
}

func TestAStepThatHasEndedStaysAsItIs(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	task, _, _, agent := r.lead(hello())
	code := 3
	for _, steps := range [][]remuda.Step{
		{{Number: 0, Name: "a", State: remuda.StepRunning}, {Number: 1, Name: "b", State: remuda.StepPending}},
		{{Number: 0, Name: "a", State: remuda.StepFailed, ExitCode: &code}},
		{{Number: 0, Name: "a", State: remuda.StepRunning}}, // it was overtaken
		{{Number: 1, Name: "b", State: remuda.StepRunning}, {Number: 5, Name: "late", State: remuda.StepPending}},
	} {
		done(t, agent.Steps(ctx, steps))
	}
	same(t, "steps", []remuda.Step{
		{Number: 0, Name: "a", State: remuda.StepFailed, ExitCode: &code}, {Number: 1, Name: "b", State: remuda.StepRunning},
		{Number: 5, Name: "late", State: remuda.StepPending},
	}, r.task(task).Attempts[0].Steps)
}

func TestReportsHaveBounds(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	_, _, _, agent := r.lead(hello())
	many := make([]remuda.Step, 1001)
	for i := range many {
		many[i].Number = i
	}
	wantKind(t, agent.Steps(ctx, many), remuda.Invalid)
	done(t, agent.Steps(ctx, many[:1000]))
	wantKind(t, agent.Steps(ctx, []remuda.Step{{Number: 2000}}), remuda.Invalid)
	wantKind(t, second(agent.Begin(ctx, remuda.Begin{Steps: many})), remuda.Invalid)
	for _, number := range []int{-1, 10000} {
		wantKind(t, agent.Steps(ctx, []remuda.Step{{Number: number}}), remuda.Invalid)
		wantKind(t, second(agent.Stream(ctx, number)), remuda.Invalid)
		wantKind(t, second(agent.Append(ctx, remuda.Chunk{Step: number})), remuda.Invalid)
		wantKind(t, second(agent.CloseStream(ctx, number, remuda.StreamClose{})), remuda.Invalid)
	}
	wantKind(t, second(agent.Append(ctx, remuda.Chunk{Offset: -1})), remuda.Invalid)
	wantKind(t, second(agent.Append(ctx, remuda.Chunk{Source: -1})), remuda.Invalid)
}

func TestOutputMayComeForAnHourAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		task, h, claim, agent := r.lead(hello())
		r.print(agent, 0, "early ")
		done(t, h.Finish(ctx, claim.ID, succeeded))
		time.Sleep(59 * time.Minute)
		same(t, "held", int64(10), r.print(agent, 6, "late").Length)
		same(t, "a stream", int64(10), must(t, agent.Stream, ctx, 0).Length)
		if state := got(agent.CloseStream(ctx, 0, remuda.StreamClose{Length: 10}))(t); !state.Closed {
			t.Errorf("closed, it is %+v", state)
		}
		wantKind(t, agent.Steps(ctx, nil), remuda.Gone)
		time.Sleep(time.Minute + time.Second)
		wantKind(t, second(agent.Append(ctx, remuda.Chunk{Step: 1, Data: []byte("x")})), remuda.Gone)
		wantKind(t, second(agent.CloseStream(ctx, 0, remuda.StreamClose{Length: 10})), remuda.Gone)
		wantKind(t, second(agent.Stream(ctx, 0)), remuda.Gone)
		same(t, "output", "early late", r.output(task, control.OutputQuery{}))
		same(t, "produced", int64(10), r.task(task).Attempts[0].Output)
	})
}

// output reads a task's output whole.
func (r *ranch) output(task string, q control.OutputQuery) string {
	r.t.Helper()
	var all strings.Builder
	for {
		part := got(r.admin.Output(r.t.Context(), task, q))(r.t)
		for _, chunk := range part.Chunks {
			all.Write(chunk.Data)
		}
		if part.Next == q.Offset {
			return all.String()
		}
		q.Offset = part.Next
	}
}

func TestAStreamThatClosesOtherwiseThanItIsHeldIsAConflict(t *testing.T) {
	r := newRanch(t)
	_, _, _, agent := r.lead(hello())
	r.print(agent, 0, "four")
	_, err := agent.CloseStream(t.Context(), 0, remuda.StreamClose{Length: 5})
	wantKind(t, err, remuda.Conflict)
}

// signs counts how often a store is asked to write a sign of life down.
type signs struct {
	control.Store
	n int
}

type signing struct {
	control.Tx
	signs *signs
}

func (s *signs) Write(ctx context.Context, scope control.Scope, transition func(control.Tx) error) error {
	return s.Store.Write(ctx, scope, func(tx control.Tx) error { return transition(signing{tx, s}) })
}

func (s signing) Sign(ctx context.Context, runner string, claims []string, at control.Micros) error {
	if len(claims) > 0 {
		s.signs.n++
	}
	return s.Tx.Sign(ctx, runner, claims, at)
}

func TestSignsOfLifeAreWrittenDownEveryFiveSecondsAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		task, h, claim, agent := r.lead(hello())
		counted := &signs{Store: r.store}
		plane := control.New(control.Options{Store: counted, Keys: r.keys, Log: discard()})
		busy := plane.AsTask(claim.ID)
		var offset int64
		for range 60 * 5 {
			state := must(t, busy.Append, ctx, remuda.Chunk{Offset: offset, Data: []byte("x")})
			offset = state.Length
			time.Sleep(200 * time.Millisecond)
		}
		if counted.n < 11 || counted.n > 12 {
			t.Errorf("%d signs were written down in a minute, want one every 5 s", counted.n)
		}
		for what, call := range map[string]func() error{
			"a look at a stream": func() error { return second(agent.Stream(ctx, 0)) },
			"a close":            func() error { return second(agent.CloseStream(ctx, 3, remuda.StreamClose{})) },
			"steps":              func() error { return agent.Steps(ctx, nil) },
			"a repeated begin":   func() error { return second(agent.Begin(ctx, remuda.Begin{})) },
			"a sync": func() error {
				return second(h.Sync(ctx, remuda.Sync{Holding: []string{claim.ID}, Draining: true}))
			},
		} {
			time.Sleep(20 * time.Second)
			now := time.Now()
			done(t, call())
			if last := r.task(task).Attempts[0].LastSignAt; last.Before(now.Truncate(time.Microsecond)) {
				t.Errorf("%s is no sign of life: the last was at %s, now is %s", what, last, now)
			}
		}
	})
}

func TestFollowingIsToldToTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		task, _, _, agent := r.lead(hello())
		if r.print(agent, 0, "a").Following {
			t.Error("somebody follows before anyone does")
		}
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			_ = r.admin.Follow(ctx, task, control.OutputQuery{}, func(control.Followed) error { return nil })
		}()
		synctest.Wait()
		if !r.print(agent, 1, "b").Following || !must(t, agent.Stream, t.Context(), 0).Following {
			t.Error("nobody follows while somebody does")
		}
		leave()
		synctest.Wait()
		if r.print(agent, 2, "c").Following {
			t.Error("somebody follows after they have left")
		}
	})
}
