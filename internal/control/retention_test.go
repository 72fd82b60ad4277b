package control_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

const day = 24 * time.Hour

// retaining is a ranch whose plane keeps things for so long. Its plane does not run yet: that would take long for every
// day.
func retaining(t *testing.T, keep control.Retention) *ranch {
	r := newRanch(t)
	r.restart(control.Options{Retention: keep})
	return r
}

// ranAndPrinted is a task that has ended after it printed a text.
func (r *ranch) ranAndPrinted(h horse, text string) string {
	r.t.Helper()
	task := r.submit(hello())
	claim := r.claim(h)
	r.print(r.begin(claim), 0, text)
	done(r.t, h.Finish(r.t.Context(), claim.ID, succeeded))
	return task
}

// retain lets the plane run for a few minutes.
func (r *ranch) retain() {
	r.t.Helper()
	stop := r.run()
	time.Sleep(7 * time.Minute)
	synctest.Wait()
	stop()
}

func (r *ranch) attempt(task string) string {
	r.t.Helper()
	return r.task(task).Attempts[0].ID
}

func (r *ranch) wantGone(task string) {
	r.t.Helper()
	_, err := r.admin.Task(r.t.Context(), task)
	wantKind(r.t, err, remuda.NotFound)
}

func TestTasksGoWithAllThatBelongsToThemWhenTheyAreOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retaining(t, control.Retention{Age: remuda.Duration(3 * day)})
		h := r.register(1)
		old := r.ranAndPrinted(h, "long ago")
		output := r.attempt(old)
		job := r.task(old).JobID
		time.Sleep(2 * day)
		young := r.ranAndPrinted(h, "just now")
		r.retain()
		r.wantState(old, remuda.Succeeded)
		time.Sleep(25 * time.Hour)
		waiting := r.submit(hello())
		r.retain()
		r.wantGone(old)
		r.wantState(young, remuda.Succeeded)
		r.wantState(waiting, remuda.Queued)
		if got := r.output(young, control.OutputQuery{}); got != "just now" {
			t.Errorf("the young one printed %q", got)
		}
		if length, err := r.store.Output().Length(t.Context(), output); err != nil || length != 0 {
			t.Errorf("of the old one's output %d bytes are known, %v", length, err)
		}
		for _, event := range r.events(control.EventFilter{}) {
			if strings.Contains(event, old) {
				t.Errorf("there still is the event %s", event)
			}
		}
		err := r.store.Read(t.Context(), func(v control.View) error { return v.Get(t.Context(), &control.JobRow{}, job) })
		wantKind(t, err, remuda.NotFound)
		if deleted := r.plane.Kept().Deleted; deleted.Tasks != 1 {
			t.Errorf("it counts as %+v", deleted)
		}
	})
}

func TestWhatIsPinnedOrWantedForEverStays(t *testing.T) {
	for what, keep := range map[string]control.Retention{"pinned": {Age: remuda.Duration(2 * day), Size: 1}, "for ever": {}} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := retaining(t, keep)
				task := r.ranAndPrinted(r.register(1), "kept")
				if what == "pinned" {
					done(t, r.store.Write(t.Context(), control.Alone, func(tx control.Tx) error {
						return tx.Update(t.Context(), &control.TaskRow{ID: task, Pinned: true}, "pinned")
					}))
				}
				time.Sleep(5 * day)
				r.retain()
				if got := r.output(task, control.OutputQuery{}); got != "kept" {
					t.Errorf("its output is %q", got)
				}
			})
		})
	}
}

func TestARetryOutlivesWhatItRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retaining(t, control.Retention{Age: remuda.Duration(2 * day)})
		old := r.ranAndPrinted(r.register(1), "first")
		time.Sleep(day + 12*time.Hour)
		retry := must(t, r.admin.RetryTask, t.Context(), old)
		time.Sleep(13 * time.Hour)
		r.retain()
		r.wantGone(old)
		if task := r.wantState(retry.ID, remuda.Queued); task.RetryOf != old || task.Job == nil {
			t.Errorf("the retry is %+v", task)
		}
		h := r.register(1)
		claim := r.claim(h)
		r.begin(claim)
		done(t, h.Finish(t.Context(), claim.ID, succeeded))
		again := must(t, r.admin.RetryTask, t.Context(), retry.ID)
		r.wantState(again.ID, remuda.Queued)
	})
}

func TestTheOldestOutputGoesWhenAllIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retaining(t, control.Retention{Size: 2500})
		h := r.register(1)
		var tasks []string
		for range 4 {
			tasks = append(tasks, r.ranAndPrinted(h, strings.Repeat("x", 1000)))
		}
		r.retain()
		if r.task(tasks[0]).OutputRemovedAt != nil {
			t.Error("output is removed of which more may arrive")
		}
		time.Sleep(2 * time.Hour)
		r.retain()
		for i, task := range tasks {
			removed := r.task(task).OutputRemovedAt
			part := got(r.admin.Output(t.Context(), task, control.OutputQuery{}))(t)
			switch {
			case i >= 2:
				if removed != nil || len(part.Chunks) != 1 {
					t.Errorf("task %d has %d chunks, removed at %v", i, len(part.Chunks), removed)
				}
			case removed == nil || !part.Removed.Equal(*removed) || part.Skipped != 1000 || part.Next != 1000 || !part.Ended || len(part.Chunks) > 0:
				t.Errorf("task %d, removed at %v, is read as %+v", i, removed, part)
			}
			if length := r.task(task).Attempts[0].Output; length != 1000 {
				t.Errorf("task %d printed %d bytes", i, length)
			}
		}
		kept := r.plane.Kept()
		if kept.Deleted != (control.Deleted{Outputs: 2, Bytes: 2000}) || kept.Output.Store != 2000 {
			t.Errorf("it counts as %+v", kept)
		}
		tale := r.follow(t.Context(), tasks[0], control.OutputQuery{})
		synctest.Wait()
		if !tale.ended {
			t.Error("a follower of what was removed does not come to an end")
		}
	})
}

func TestEventsGoWhenTheyAreOldButForTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retaining(t, control.Retention{Events: remuda.Duration(2 * day)})
		for i := range 100 {
			must(t, r.admin.CreateOrganization, t.Context(), remuda.Organization{Name: fmt.Sprintf("o-%d", i)})
		}
		last := r.lastEvent()
		time.Sleep(3 * day)
		r.retain()
		if left := strings.Join(r.events(control.EventFilter{}), "\n"); strings.Count(left, " o-") != 1 || r.lastEvent() != last {
			t.Errorf("left are %s", left)
		}
		must(t, r.admin.CreateOrganization, t.Context(), remuda.Organization{Name: "later"})
		if now := r.lastEvent(); now <= last {
			t.Errorf("the next event has the id %d after %d", now, last)
		}
	})
}

// broken is a store whose bucket can be away.
type broken struct {
	control.Store
	output *brokenOutput
}

type brokenOutput struct {
	control.OutputStore
	away atomic.Bool
}

func (b broken) Output() control.OutputStore { return b.output }

func (b *brokenOutput) Tend(context.Context) error {
	if b.away.Load() {
		return fmt.Errorf("%w: no route", control.ErrBucketAway)
	}
	return nil
}

func TestTheOperatorIsToldOnceWhenTheBucketGoesAndComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRanch(t)
		output := &brokenOutput{OutputStore: r.store.Output()}
		r.restart(control.Options{Store: broken{deaf{r.store}, output}})
		r.run()
		count := func(what string) int { return bytes.Count([]byte(r.log.String()), []byte(what)) }
		time.Sleep(20 * time.Second)
		if count("bucket") != 0 || r.plane.Kept().BucketAway {
			t.Error("the bucket is told of while it works")
		}
		output.away.Store(true)
		time.Sleep(20 * time.Second)
		if count("in the store meanwhile") != 1 || !r.plane.Kept().BucketAway {
			t.Errorf("while it is away the log says %s", r.log)
		}
		done(t, r.plane.Ready(t.Context()))
		output.away.Store(false)
		time.Sleep(20 * time.Second)
		if count("can be used again") != 1 || r.plane.Kept().BucketAway {
			t.Errorf("when it is back the log says %s", r.log)
		}
	})
}
