package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// tale is what a follower was told, in words: states of the task, and "attempt:text".
type tale struct {
	parts []string
	err   error
	ended bool
}

func (s *tale) take(f control.Followed) error {
	if f.Task != nil {
		s.parts = append(s.parts, string(f.Task.State))
	}
	if f.Output != nil {
		var text strings.Builder
		for _, chunk := range f.Output.Chunks {
			text.Write(chunk.Data)
		}
		if f.Output.Skipped > 0 {
			s.parts = append(s.parts, fmt.Sprintf("%d:skipped %d", f.Output.Attempt, f.Output.Skipped))
		}
		if text.Len() > 0 {
			s.parts = append(s.parts, fmt.Sprintf("%d:%s", f.Output.Attempt, text.String()))
		}
	}
	return nil
}

// follow follows in a goroutine of its own; the tale may be read after synctest.Wait.
func (r *ranch) follow(ctx context.Context, task string, q control.OutputQuery) *tale {
	s := &tale{}
	go func() {
		s.err = r.admin.Follow(ctx, task, q, s.take)
		s.ended = true
	}()
	synctest.Wait()
	return s
}

func TestAFollowerIsToldOfEachChangeAndEachByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		task := r.submit(hello())
		early := r.follow(ctx, task, control.OutputQuery{})
		h := r.register(1)
		claim := r.claim(h)
		synctest.Wait()
		agent := r.begin(claim)
		synctest.Wait()
		r.print(agent, 0, "one ")
		synctest.Wait()
		late := r.follow(ctx, task, control.OutputQuery{})
		offset := r.follow(ctx, task, control.OutputQuery{Offset: 2})
		done(t, agent.Steps(ctx, []remuda.Step{{Name: "echo", State: remuda.StepSucceeded}}))
		synctest.Wait()
		done(t, agent.Steps(ctx, []remuda.Step{{Name: "echo", State: remuda.StepSucceeded}})) // nothing new
		r.print(agent, 4, "two")
		synctest.Wait()
		done(t, h.Finish(ctx, claim.ID, succeeded))
		synctest.Wait()
		later := r.follow(ctx, task, control.OutputQuery{})
		same(t, "from the start", []string{"queued", "running", "running", "1:one ", "running", "1:two", "succeeded"}, early.parts)
		same(t, "from the middle", []string{"running", "1:one ", "running", "1:two", "succeeded"}, late.parts)
		same(t, "from an offset", []string{"running", "1:e ", "running", "1:two", "succeeded"}, offset.parts)
		same(t, "after the end", []string{"succeeded", "1:one two", "succeeded"}, later.parts)
		for _, s := range []*tale{early, late, offset, later} {
			if !s.ended || s.err != nil {
				t.Errorf("a follower has ended: %v, %v", s.ended, s.err)
			}
		}
	})
}

func TestAFollowerGoesOnWithTheNextAttemptAfterAllOfTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		repeat := with(func(s *remuda.Submission) { s.RetryInterrupted, s.MaxAttempts = true, 9 })
		task, h, first, agent := r.lead(repeat)
		var next control.TaskDoor
		var claim remuda.Claim
		turn := 0
		told := &tale{}
		// Two attempts come and go while the follower is busy with what it was told.
		err := r.admin.Follow(ctx, task, control.OutputQuery{}, func(f control.Followed) error {
			if turn++; turn == 1 {
				r.print(agent, 0, "one")
				done(t, h.Return(ctx, first.ID, remuda.Return{Detail: "d"}))
				middle := r.claim(h)
				r.print(r.begin(middle), 0, "two")
				done(t, h.Return(ctx, middle.ID, remuda.Return{Detail: "d"}))
				claim = r.claim(h)
				next = r.begin(claim)
				r.print(next, 0, "three")
			}
			if f.Output != nil && f.Output.Attempt == 3 {
				done(t, h.Finish(ctx, claim.ID, succeeded))
			}
			return told.take(f)
		})
		done(t, err)
		same(t, "told", []string{"running", "1:one", "2:two", "running", "3:three", "succeeded"}, told.parts)
		for attempt, want := range []string{"three", "one", "two", "three"} {
			same(t, fmt.Sprintf("of attempt %d", attempt), want, r.output(task, control.OutputQuery{Attempt: attempt}))
		}
	})
}

func TestAFollowerOfOneAttemptEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx := t.Context()
		task, h, claim, agent := r.lead(with(func(s *remuda.Submission) { s.RetryInterrupted = true }))
		one := r.follow(ctx, task, control.OutputQuery{Attempt: 1})
		r.print(agent, 0, "one")
		synctest.Wait()
		done(t, h.Return(ctx, claim.ID, remuda.Return{Detail: "d"}))
		synctest.Wait()
		same(t, "told", []string{"running", "1:one", "queued"}, one.parts)
		if !one.ended || one.err != nil {
			t.Errorf("it has ended: %v, %v", one.ended, one.err)
		}
		for _, attempt := range []int{2, -1} {
			none := r.follow(ctx, task, control.OutputQuery{Attempt: attempt})
			if len(none.parts) != 0 {
				t.Errorf("of an attempt that is not there is told %v", none.parts)
			}
			wantKind(t, none.err, remuda.NotFound)
		}
	})
}

func TestAFollowerEndsWhenATaskIsCancelledBeforeItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		task := r.submit(hello())
		told := r.follow(t.Context(), task, control.OutputQuery{})
		must(t, r.admin.CancelTask, t.Context(), task)
		synctest.Wait()
		same(t, "told", []string{"queued", "canceled"}, told.parts)
	})
}

func TestAFollowerThatLeavesOrFailsIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		task := r.submit(hello())
		ctx, leave := context.WithCancel(t.Context())
		told := r.follow(ctx, task, control.OutputQuery{})
		leave()
		synctest.Wait()
		if !told.ended || !errors.Is(told.err, context.Canceled) {
			t.Errorf("it has ended: %v, %v", told.ended, told.err)
		}
		enough := errors.New("enough")
		err := r.admin.Follow(t.Context(), task, control.OutputQuery{}, func(control.Followed) error { return enough })
		if !errors.Is(err, enough) {
			t.Errorf("it answers %v", err)
		}
		wantKind(t, r.admin.Follow(t.Context(), "nothing", control.OutputQuery{}, told.take), remuda.NotFound)
	})
}

func TestAFollowerIsToldOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		task, _, _, agent := r.lead(hello())
		var silent []bool
		go func() {
			_ = r.admin.Follow(t.Context(), task, control.OutputQuery{}, func(f control.Followed) error {
				silent = append(silent, f.Task != nil && f.Task.SilentSince != nil)
				return nil
			})
		}()
		time.Sleep(40 * time.Second)
		r.print(agent, 0, "x")
		synctest.Wait()
		same(t, "told to be silent", []bool{false, true, false, false}, silent)
	})
}

func TestAStepIsReadByItself(t *testing.T) {
	r := newRanch(t)
	ctx := t.Context()
	task, h, claim, agent := r.lead(hello())
	for _, chunk := range []remuda.Chunk{{Step: 0, Data: []byte("a0 ")}, {Step: 1, Data: []byte("b0 ")}, {Step: 0, Offset: 3, Data: []byte("a1")}} {
		must(t, agent.Append, ctx, chunk)
	}
	part := got(r.admin.Output(ctx, task, control.OutputQuery{Step: pointer(0)}))(t)
	if part.Ended || part.Next != 5 || part.Attempt != 1 || len(part.Chunks) != 2 || part.Chunks[1].Offset != 3 {
		t.Errorf("the part is %+v", part)
	}
	same(t, "of the second", "0 ", r.output(task, control.OutputQuery{Step: pointer(1), Offset: 1}))
	same(t, "of none", "", r.output(task, control.OutputQuery{Step: pointer(7)}))
	same(t, "of all", "a0 b0 a1", r.output(task, control.OutputQuery{}))
	same(t, "in pieces", "a0 b0 a1", r.output(task, control.OutputQuery{Max: 1}))
	done(t, h.Finish(ctx, claim.ID, succeeded))
	for offset, ended := range map[int64]bool{0: false, 5: true, 99: true} {
		part := got(r.admin.Output(ctx, task, control.OutputQuery{Step: pointer(0), Offset: offset}))(t)
		if part.Ended != ended || part.Skipped != 0 {
			t.Errorf("from %d the part is %+v", offset, part)
		}
	}
	wantKind(t, second(r.admin.Output(ctx, task, control.OutputQuery{Offset: -1})), remuda.Invalid)
	wantKind(t, second(r.admin.Output(ctx, task, control.OutputQuery{Attempt: 2})), remuda.NotFound)
	fresh := r.submit(hello())
	if part := got(r.admin.Output(ctx, fresh, control.OutputQuery{}))(t); part.Ended || len(part.Chunks) != 0 || part.Attempt != 0 {
		t.Errorf("before it ran the part is %+v", part)
	}
	wantKind(t, second(r.admin.Output(ctx, fresh, control.OutputQuery{Attempt: 1})), remuda.NotFound)
}

func TestAReaderOfWhatWasDroppedIsToldHowMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		r.restart(control.Options{OutputLimit: 64})
		ctx := t.Context()
		task, h, claim, agent := r.lead(hello())
		must(t, agent.Append, ctx, remuda.Chunk{Data: bytes.Repeat([]byte("h"), 32)})
		must(t, agent.Append, ctx, remuda.Chunk{Step: 1, Data: []byte("dropped")})
		for i := range int64(20) {
			must(t, agent.Append, ctx, remuda.Chunk{Step: 2, Offset: i * 8, Data: fmt.Appendf(nil, "line %02d\n", i)})
		}
		done(t, h.Finish(ctx, claim.ID, succeeded))
		told := r.follow(ctx, task, control.OutputQuery{})
		same(t, "of all", []string{
			"succeeded", "1:" + strings.Repeat("h", 32), "1:skipped 135", "1:line 16\nline 17\nline 18\nline 19\n", "succeeded",
		}, told.parts)
		told = r.follow(ctx, task, control.OutputQuery{Step: pointer(1)})
		same(t, "of a step that was dropped", []string{"succeeded", "1:skipped 7", "succeeded"}, told.parts)
		told = r.follow(ctx, task, control.OutputQuery{Step: pointer(2), Offset: 100})
		same(t, "of a step from within", []string{"succeeded", "1:skipped 28", "1:line 16\nline 17\nline 18\nline 19\n", "succeeded"}, told.parts)
		same(t, "produced", int64(199), r.task(task).Attempts[0].Output)
	})
}

func TestEventsAreFollowedWithoutAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		ctx, leave := context.WithCancel(t.Context())
		first := r.submit(hello())
		var all, own []string
		tell := func(into *[]string) func([]remuda.Event) error {
			return func(events []remuda.Event) error {
				for _, e := range events {
					*into = append(*into, e.Type+" "+e.Subject)
				}
				return nil
			}
		}
		ended := make(chan error, 2)
		every, one := control.EventFilter{Type: "task.*", Limit: 1}, control.EventFilter{Type: "task.*", Limit: 1, Subject: first}
		viewer := r.user(remuda.RoleViewer)
		go func() { ended <- r.admin.FollowEvents(ctx, every, tell(&all)) }()
		go func() { ended <- viewer.FollowEvents(ctx, one, tell(&own)) }()
		synctest.Wait()
		other := r.submit(hello())
		must(t, r.admin.CancelTask, ctx, first)
		synctest.Wait()
		same(t, "all", []string{"task.queued " + first, "task.queued " + other, "task.canceled " + first}, all)
		same(t, "of one", []string{"task.queued " + first, "task.canceled " + first}, own)
		elsewhere := *r // another plane on the same store
		elsewhere.restart(control.Options{})
		must(t, elsewhere.admin.CancelTask, ctx, other)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		same(t, "of another plane", "task.canceled "+other, all[len(all)-1])
		leave()
		for range 2 {
			done(t, <-ended)
		}
	})
}
