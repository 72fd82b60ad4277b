package blocks_test

import (
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

var external = remuda.Result{State: remuda.Succeeded, External: true, Steps: []remuda.Step{{Name: "trigger", State: remuda.StepSucceeded}}}

// pipelined orders a block whose runs go on without their runner, and claims its first run.
func (w *town) pipelined(timeout time.Duration) (remuda.Block, work) {
	w.t.Helper()
	v := with(tofu(), func(v *remuda.Version) {
		v.Inputs, v.Timeout = nil, remuda.Duration(timeout)
		v.Implementation.OpenTofu.Async = true
	})
	return w.order(w.define("Pipelined", v), nil), w.claim()
}

// holds is how many claims the runner of the test has.
func (w *town) holds() (n int) {
	w.t.Helper()
	done(w.t, w.store.Read(w.t.Context(), func(v control.View) error {
		live, err := v.LiveAttempts(w.t.Context(), w.horse.id)
		n = len(live)
		return err
	}))
	return n
}

func reported(name string, status remuda.RunStatus, steps ...blocks.SourceStep) blocks.SourceReport {
	return blocks.SourceReport{Name: name, Status: status, Steps: steps}
}

func TestAnAsynchronousRunGoesOnWithoutItsRunner(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		block, it := w.pipelined(time.Hour)
		done(w.t, it.door.MayHandOn(ctx))
		// What it sets going may be quick: it speaks while the runner still works.
		done(w.t, it.door.RegisterSource(ctx, blocks.Source{Name: "pipeline", Steps: []blocks.SourceStep{{ID: "deploy"}}}))
		got(it.door.ReportSource(ctx, reported("pipeline", remuda.RunInProgress, logged("deploy", remuda.RunInProgress, "going"))))(w.t)
		w.becomes(block, remuda.BlockInProgress)

		done(w.t, w.horse.Finish(ctx, it.claim.ID, external))
		done(w.t, w.horse.Finish(ctx, it.claim.ID, external)) // as when the answer was lost
		if n := w.holds(); n != 0 {
			w.t.Errorf("its runner still has %d claims", n)
		}
		w.becomes(block, remuda.BlockInProgress)
		same(w.t, "what it printed", "going", w.printed(block, 1))

		got(it.door.ReportSource(ctx, reported("pipeline", remuda.RunSucceeded, logged("deploy", remuda.RunSucceeded, "going\ngone"), blocks.SourceStep{
			ID: "tell", Status: remuda.RunSucceeded, Outputs: told(map[string]any{"url": "https://x"}),
		})))(w.t)
		same(w.t, "outputs", `"https://x"`, string(w.becomes(block, remuda.BlockSucceeded).Outputs["url"].Value))
		task := got(w.plane.AsUser(w.user("plat", remuda.RoleAdmin)).Task(ctx, w.runs(block)[0].Task))(w.t)
		var steps []string
		for _, step := range task.Attempts[0].Steps {
			steps = append(steps, step.Name+" "+string(step.State))
		}
		same(w.t, "steps", []string{"trigger succeeded", "deploy succeeded", "tell succeeded"}, steps)
	})
}

func TestAPipelineThatIsFasterThanItsRunnerEndsTheRunWithIt(t *testing.T) {
	for end, want := range map[remuda.RunStatus]remuda.BlockStatus{remuda.RunSucceeded: remuda.BlockSucceeded, remuda.RunFailed: remuda.BlockFailed} {
		t.Run(string(end), func(t *testing.T) {
			t.Parallel()
			w := newTown(t, false)
			block, it := w.pipelined(time.Hour)
			done(t, it.door.RegisterSource(t.Context(), blocks.Source{Name: "pipeline"}))
			got(it.door.ReportSource(t.Context(), reported("pipeline", end)))(t)
			w.becomes(block, remuda.BlockInProgress)
			done(t, w.horse.Finish(t.Context(), it.claim.ID, external))
			w.becomes(block, want)
		})
	}
}

func TestARunOfWhichNoPipelineReportsFailsWithItsTimeout(t *testing.T) {
	onBoth(t, func(w *town) {
		block, it := w.pipelined(time.Second)
		ctx := w.t.Context()
		done(w.t, w.horse.Finish(ctx, it.claim.ID, external))
		done(w.t, w.store.Write(ctx, control.Alone, func(tx control.Tx) error { // as if a minute had passed
			var row control.AttemptRow
			if err := tx.Get(ctx, &row, it.claim.ID); err != nil {
				return err
			}
			row.LastSignAt -= control.Micros(time.Minute.Microseconds())
			return tx.Update(ctx, &row, "last_sign_at")
		}))
		failed := w.becomes(block, remuda.BlockFailed)
		same(w.t, "detail", "what its runner set going did not report an end within the task's timeout", failed.Detail)
		same(w.t, "reason", remuda.ReasonTimeout, got(w.plane.AsUser(w.user("plat", remuda.RoleAdmin)).Task(w.t.Context(), w.runs(block)[0].Task))(w.t).Reason)
		wantKind(w.t, it.door.RegisterSource(w.t.Context(), blocks.Source{Name: "late"}), remuda.Gone)
	})
}

func TestARunThatWasLeftEndsAtOnceWhenItIsAbortedAndItsPipelineIsTold(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		block, it := w.pipelined(time.Hour)
		done(w.t, it.door.RegisterSource(ctx, blocks.Source{Name: "pipeline"}))
		done(w.t, w.horse.Finish(ctx, it.claim.ID, external))
		got(w.owner().AbortRun(ctx, w.block(block).LatestRun))(w.t)
		w.becomes(block, remuda.BlockAborted)
		if !got(it.door.ReportSource(ctx, reported("pipeline", remuda.RunInProgress)))(w.t) {
			w.t.Error("its pipeline is not told that it was aborted")
		}
	})
}

func TestARunThatIsNotAsynchronousIsLeftToNobody(t *testing.T) {
	w := newTown(t, false)
	w.order(w.define("Plain", with(tofu(), func(v *remuda.Version) { v.Inputs = nil })), nil)
	it := w.claim()
	wantKind(t, it.door.MayHandOn(t.Context()), remuda.Forbidden)
}

// The vendor's runner goes on saying that an asynchronous run is in progress when it is done with it.
func TestTheVendorsRunnerLeavesARunWhenItsStepIsDone(t *testing.T) {
	onBoth(t, func(w *town) {
		ctx := w.t.Context()
		block, _, run := w.foreign(plain(true))
		done(w.t, run.RegisterSource(ctx, blocks.Source{Name: "runner", Steps: []blocks.SourceStep{{ID: "trigger"}}}))
		got(run.ReportSource(ctx, reported("runner", remuda.RunInProgress, logged("trigger", remuda.RunInProgress, "g"))))(w.t)
		same(w.t, "events before", []string(nil), w.events("task.left"))
		got(run.ReportSource(ctx, reported("runner", remuda.RunInProgress, logged("trigger", remuda.RunSucceeded, "go"))))(w.t)
		same(w.t, "events after", []string{"task.left"}, w.events("task.left"))
		done(w.t, run.RegisterSource(ctx, blocks.Source{Name: "pipeline"}))
		got(run.ReportSource(ctx, reported("pipeline", remuda.RunSucceeded)))(w.t)
		w.becomes(block, remuda.BlockSucceeded)
	})
}
