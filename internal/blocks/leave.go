package blocks

import (
	"context"
	"errors"
	"fmt"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// An asynchronous run goes on when its runner is done with it: what the runner set going reports by the run token how it
// ends. From then on nobody holds its claim but those others.

// heard are the sources of a run with the attempt of its claim.
func (t *change) heard(ctx context.Context, claim, run string) (known sources, attempt control.AttemptRow, err error) {
	if err = t.Get(ctx, &attempt, claim); err != nil {
		return known, attempt, orAbsent(err, "claim", claim)
	}
	known, err = sourcesOf(ctx, t.tx, run)
	return known, attempt, err
}

// others are the sources beside the runner.
func (s sources) others() (others sources) {
	for i, row := range s.rows {
		if !s.specs[i].Runner {
			others.rows, others.specs = append(others.rows, row), append(others.specs, s.specs[i])
		}
	}
	return others
}

// handedOn says whether the runner of an asynchronous run is done with it: it says so, or goes on saying that the run is
// in progress when it has taken its last step, as the vendor's does.
func (s sources) handedOn() bool {
	for i, spec := range s.specs {
		if !spec.Runner {
			continue
		}
		done := len(spec.Steps) > 0 && s.rows[i].Status == remuda.RunInProgress
		for _, step := range spec.Steps {
			done = done && step.Status == remuda.RunSucceeded
		}
		return done || s.rows[i].Status == remuda.RunSucceeded
	}
	return false
}

// speaksForRunner says whether the next source of a run is who claimed it: the first one, where that is another system's
// runner. Of a run that a runner of ours carries out, the agent tells.
func (t *change) speaksForRunner(ctx context.Context, known sources, a control.AttemptRow) (bool, error) {
	if len(known.rows) > 0 {
		return false, nil
	}
	return t.r.plane.IsNode(ctx, t.tx, a)
}

// judge says how a run ended by what its sources say, pending while it goes on, and leaves it to others when its runner
// is done with it.
func (t *change) judge(ctx context.Context, known sources, a control.AttemptRow, async bool) (remuda.RunStatus, string, error) {
	left, err := t.r.plane.IsExternal(ctx, t.tx, a)
	if err != nil {
		return "", "", err
	}
	node := false
	if !left {
		if node, err = t.r.plane.IsNode(ctx, t.tx, a); err != nil {
			return "", "", err
		}
	}
	status, summary := known.verdict()
	switch {
	case left:
		if status != remuda.RunFailed && status != remuda.RunAborted {
			status, summary = known.others().verdict()
		}
	case !node: // its runner, and the agent, have not ended: what others say counts when they have
		return remuda.RunPending, "", nil
	case !async, status == remuda.RunFailed, status == remuda.RunAborted:
	case !known.handedOn():
		return remuda.RunPending, "", nil
	default:
		left = true
		status, summary = known.others().verdict()
	}
	if status.Ended() || !left {
		return status, summary, nil
	}
	return status, summary, t.r.plane.Leave(ctx, t.Transition, a.ID)
}

// MayHandOn refuses to whoever carries out a run that is to end by itself.
func (d RunDoor) MayHandOn(ctx context.Context) error {
	return d.r.look(ctx, func(v View) error {
		run, _, err := d.live(ctx, v)
		if err != nil {
			return err
		}
		version, err := v.VersionView(ctx, run.VersionID)
		if err != nil {
			return orAbsent(err, "version", run.VersionID)
		}
		said, err := readVersion(version.VersionRow)
		if err == nil && !asynchronous(said.Implementation) {
			err = remuda.Fail(remuda.Forbidden, "the version of this run is not asynchronous: nothing else reports how it ends")
		}
		return err
	})
}

// conclude ends a run that was left to others when they have said how it ended, or somebody aborts it: nobody else would.
func (r *Rules) conclude(ctx context.Context, id string) error {
	var claim, summary string
	status := remuda.RunPending
	err := r.look(ctx, func(v View) error {
		var run RunRow
		if err := v.Get(ctx, &run, id); err != nil || run.Status.Ended() || run.TaskID == "" {
			return ignoreAbsent(err)
		}
		task, err := v.Movable(ctx, run.TaskID)
		if err != nil || task.State != remuda.Running {
			return ignoreAbsent(err)
		}
		attempt, err := v.Attempt(ctx, task.AttemptID)
		if err != nil {
			return ignoreAbsent(err)
		}
		left, err := r.plane.IsExternal(ctx, v, attempt.AttemptRow)
		if err != nil || !left {
			return err
		}
		claim = attempt.ID
		if attempt.CancelRequested {
			status = remuda.RunAborted
			return nil
		}
		known, err := sourcesOf(ctx, v, id)
		if err != nil {
			return err
		}
		status, summary = known.others().verdict()
		return nil
	})
	if err != nil {
		return fmt.Errorf("conclude run %s: %w", id, err)
	}
	if claim == "" || !status.Ended() {
		return nil
	}
	err = r.AsRun(claim).finishSources(ctx, status, summary)
	if errors.Is(err, remuda.Gone) {
		return nil
	}
	return err
}
