package tofu

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/remuda-dev/remuda"
)

// planPath is where the plan lies: outside of the module, which may take its own folder for data.
func (r *run) planPath() string { return filepath.Join(r.task.Folder.Work(), "plan") }

// changesFound is the exit code by which a plan with changes is told from one without.
const changesFound = 2

// lockPatience is for how long tofu waits for a lock that somebody holds.
const lockPatience = "-lock-timeout=10s"

// detect plans, and leaves the plan for an APPLY.
func (r *run) detect(ctx context.Context) error {
	changes, err := r.plan(ctx)
	if err != nil {
		return err
	}
	plan, err := os.ReadFile(r.planPath())
	if err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	summary, err := r.summary(ctx)
	if err != nil {
		return err
	}
	if err := r.plane.SavePlan(ctx, plan); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return r.plane.ReportRun(ctx, remuda.RunReport{Changes: &changes, Plan: summary})
}

// plan makes a plan, and tells whether anything is to change.
func (r *run) plan(ctx context.Context) (changes bool, err error) {
	arguments := []string{"plan", "-input=false", "-detailed-exitcode", lockPatience, "-out=" + r.planPath()}
	if r.order.Behavior == remuda.Destroy {
		arguments = append(arguments, "-destroy")
	}
	end, err := r.tofu(ctx, nil, arguments...)
	switch {
	case err != nil:
		return false, err
	case end == nil:
		return false, nil
	case end.code == changesFound:
		return true, nil
	}
	return false, end.failure()
}

// startTakes is about as long as tofu takes to begin with an APPLY.
const startTakes = 300 * time.Millisecond

// apply applies: the plan that was approved, or one of its own. It is planned and applied in two steps so that what it
// does is known as data, and so that nothing is applied where nothing changes.
func (r *run) apply(ctx context.Context) error {
	if r.order.Plan {
		r.tell("applying the plan that was approved")
	} else if changes, err := r.plan(ctx); err != nil || !changes {
		return r.nothing(ctx, err)
	}
	// What it does is read while it is being done, and not while tofu starts, which takes all that there is.
	type told struct {
		summary *remuda.PlanSummary
		err     error
	}
	summarised, applied := make(chan told, 1), make(chan struct{})
	go func() {
		started := time.NewTimer(startTakes)
		defer started.Stop()
		select {
		case <-started.C:
		case <-applied:
		}
		summary, err := r.summary(ctx)
		summarised <- told{summary, err}
	}()
	err := r.must(ctx, "apply", "-input=false", "-auto-approve", lockPatience, r.planPath())
	close(applied)
	of := <-summarised
	switch {
	case of.err != nil && ctx.Err() == nil:
		r.task.Log.Warn("what the plan does cannot be told", "error", of.err)
	case ctx.Err() == nil:
		changes := true
		if reported := r.plane.ReportRun(ctx, remuda.RunReport{Changes: &changes, Plan: of.summary}); err == nil {
			err = reported
		}
	}
	return err
}

// nothing ends an APPLY that has nothing to do.
func (r *run) nothing(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	changes := false
	return r.plane.ReportRun(ctx, remuda.RunReport{Changes: &changes, Plan: &remuda.PlanSummary{}})
}

// fetchPlan fetches the plan that was approved. It knows which versions of providers it was made with, and init has to
// take these: meanwhile there may be newer ones.
func (r *run) fetchPlan(ctx context.Context) error {
	plan, err := r.plane.SavedPlan(ctx)
	if errors.Is(err, remuda.NotFound) {
		return refuse("the plan that was approved is not there any more: plan anew")
	}
	if err != nil {
		return fmt.Errorf("fetch the plan: %w", err)
	}
	if err := create(r.planPath(), plan); err != nil {
		return fmt.Errorf("fetch the plan: %w", err)
	}
	locks, found := locksOf(plan)
	if !found {
		return nil
	}
	if err := os.WriteFile(filepath.Join(r.folder(), lockFile), locks, 0o600); err != nil {
		return fmt.Errorf("lock the plan's providers: %w", err)
	}
	return nil
}

// longestLocks bounds a lock file in a plan.
const longestLocks = 1 << 20

// locksOf is the lock file in a plan, which is an archive; none is found when it is encrypted.
func locksOf(plan []byte) (locks []byte, found bool) {
	archive, err := zip.NewReader(bytes.NewReader(plan), int64(len(plan)))
	if err != nil {
		return nil, false
	}
	member, err := archive.Open(lockFile)
	if err != nil {
		return nil, false
	}
	defer member.Close()
	locks, err = io.ReadAll(io.LimitReader(member, longestLocks))
	return locks, err == nil
}
