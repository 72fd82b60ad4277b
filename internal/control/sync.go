package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/seal"
)

// maxClaims bounds one answer; the next sync brings the rest.
const maxClaims = 64

// Sync is a runner's one open request. Its arrival is a sign of life of all claims that it names. It is held until
// there is something to say, the hold is over, a newer sync of the same runner arrives, or ctx ends.
func (d RunnerDoor) Sync(ctx context.Context, s remuda.Sync) (remuda.SyncAnswer, error) {
	ctx, done := d.p.supersede(ctx, d.id)
	defer done()

	var classes []ClassView
	err := d.p.store.Read(ctx, func(v View) (err error) {
		classes, err = v.RunnerClasses(ctx, d.id)
		return err
	})
	if err != nil {
		return remuda.SyncAnswer{}, fmt.Errorf("sync runner %s: %w", d.id, err)
	}
	topics := []string{runnerTopic(d.id)}
	for _, class := range classes {
		topics = append(topics, classTopic(class.ID))
	}
	woken := d.p.hub.subscribe(topics...) // before reading, so that nothing falls between
	defer woken.close()

	news, err := d.arrive(ctx, s)
	if err != nil {
		return remuda.SyncAnswer{}, err
	}
	hold := holdIdle
	if len(s.Holding) > 0 {
		hold = holdBusy
	}
	over := time.NewTimer(hold)
	defer over.Stop()
	for {
		answer, err := d.look(ctx, s)
		if err != nil || news || speaks(answer) || answer.Drain && !s.Draining {
			return answer, err
		}
		select {
		case <-woken.C:
		case <-over.C:
			return answer, nil
		case <-ctx.Done():
			return answer, nil // superseded, or nobody listens any more
		}
	}
}

func speaks(a remuda.SyncAnswer) bool {
	return len(a.Claims)+len(a.Cancel)+len(a.Lost) > 0
}

// openSync is told apart from the next one by its address.
type openSync struct{ end context.CancelFunc }

// supersede ends the sync that this runner still has open here: its connection may be dead, and it must not take
// claims into a void.
func (p *Plane) supersede(ctx context.Context, runner string) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	p.mu.Lock()
	mine := &openSync{cancel}
	if older := p.syncs[runner]; older != nil {
		older.end()
	}
	p.syncs[runner] = mine
	p.mu.Unlock()
	return ctx, func() {
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.syncs[runner] == mine {
			delete(p.syncs, runner)
		}
	}
}

// arrive writes down what the runner says of itself. It has news when the runner learns from the answer alone that its
// word was taken: that it drains, or that it was told to and did not know.
func (d RunnerDoor) arrive(ctx context.Context, s remuda.Sync) (news bool, err error) {
	err = d.p.write(ctx, "runner "+d.id, func(t *transition) error {
		var row RunnerRow
		if err := t.Get(ctx, &row, d.id); err != nil {
			return orAbsent(err, "runner", d.id)
		}
		news = row.Draining != s.Draining || row.DrainAsked && !s.Draining
		if row.Draining != s.Draining && s.Draining {
			if err := t.event(ctx, "runner.draining", "", d.id, row.Name); err != nil {
				return err
			}
		}
		row.Ready, row.Reason, row.Draining, row.LastSeenAt = s.Ready, s.Reason, s.Draining, t.now
		if err := t.Update(ctx, &row, "ready", "reason", "draining", "last_seen_at"); err != nil {
			return err
		}
		if len(s.Holding) == 0 {
			return nil
		}
		return t.Sign(ctx, s.Holding, t.now)
	})
	if err != nil {
		return false, fmt.Errorf("sync runner %s: %w", d.id, err)
	}
	return news, nil
}

// look says what the runner should know now, after claiming what its free slots take.
func (d RunnerDoor) look(ctx context.Context, s remuda.Sync) (remuda.SyncAnswer, error) {
	answer := remuda.SyncAnswer{}
	var runner RunnerRow
	var live []AttemptView
	queued := false
	err := d.p.store.Read(ctx, func(v View) (err error) {
		if err := v.Get(ctx, &runner, d.id); err != nil {
			return orAbsent(err, "runner", d.id)
		}
		live, err = v.LiveAttempts(ctx, d.id)
		if err != nil || !takes(runner, live) {
			return err
		}
		_, err = claimableFor(ctx, v, runner)
		queued = err == nil
		return ignoreAbsent(err)
	})
	if err != nil {
		return answer, err
	}
	if queued {
		if live, err = d.claim(ctx); err != nil {
			return answer, err
		}
	}
	answer.Drain = runner.Draining || runner.DrainAsked
	for _, a := range live {
		switch {
		case !slices.Contains(s.Holding, a.ID):
			if len(answer.Claims) == maxClaims {
				continue
			}
			claim, err := d.p.deliver(ctx, runner, a)
			if err != nil {
				return answer, err
			}
			answer.Claims = append(answer.Claims, claim)
		case a.CancelRequested && !slices.Contains(s.Canceling, a.ID):
			answer.Cancel = append(answer.Cancel, a.ID)
		}
	}
	answer.Lost, err = d.lost(ctx, s.Holding, live)
	return answer, err
}

// takes says whether the runner takes a new claim.
func takes(r RunnerRow, live []AttemptView) bool {
	return r.Ready && !r.Paused && !r.Draining && !r.DrainAsked && r.GoneAt == 0 && len(live) < r.Slots
}

// lost are the names that are not the runner's any more. One that it ended itself meanwhile is not news to it.
func (d RunnerDoor) lost(ctx context.Context, holding []string, live []AttemptView) ([]string, error) {
	var lost []string
	for _, id := range holding {
		if slices.ContainsFunc(live, func(a AttemptView) bool { return a.ID == id }) {
			continue
		}
		var attempt AttemptView
		err := d.p.store.Read(ctx, func(v View) (err error) {
			attempt, err = v.Attempt(ctx, id)
			return err
		})
		switch {
		case errors.Is(err, remuda.NotFound), err == nil && (attempt.State == remuda.AttemptLost || attempt.RunnerID != d.id):
			lost = append(lost, id)
		case err != nil:
			return nil, fmt.Errorf("look up claim %s: %w", id, err)
		}
	}
	return lost, nil
}

func ignoreAbsent(err error) error {
	if errors.Is(err, remuda.NotFound) {
		return nil
	}
	return err
}

// claimableFor is the next task that this runner may take.
func claimableFor(ctx context.Context, v View, runner RunnerRow) (TaskRow, error) {
	classes, err := v.RunnerClasses(ctx, runner.ID)
	if err != nil {
		return TaskRow{}, err
	}
	ids := make([]string, len(classes))
	for i, class := range classes {
		ids[i] = class.ID
	}
	return v.Claimable(ctx, ids)
}

// claim fills the runner's free slots, each with a new attempt of the best task that it may take.
func (d RunnerDoor) claim(ctx context.Context) ([]AttemptView, error) {
	var live []AttemptView
	err := d.p.write(ctx, "runner "+d.id, func(t *transition) error {
		var runner RunnerRow
		if err := t.Get(ctx, &runner, d.id); err != nil {
			return err
		}
		var err error
		if live, err = t.LiveAttempts(ctx, d.id); err != nil {
			return err
		}
		for n := 0; n < maxClaims && takes(runner, live); n++ {
			task, err := claimableFor(ctx, t, runner)
			if errors.Is(err, remuda.NotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			attempt, err := t.lease(ctx, &task, &runner)
			if err != nil {
				return err
			}
			live = append(live, attempt)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim for runner %s: %w", d.id, err)
	}
	return live, nil
}

// lease gives a queued task to a runner as a new attempt.
func (t *transition) lease(ctx context.Context, task *TaskRow, runner *RunnerRow) (AttemptView, error) {
	task.Attempts++
	task.AttemptsUsed++
	attempt := AttemptRow{
		ID: newID(), TaskID: task.ID, Number: task.Attempts, RunnerID: runner.ID, State: remuda.AttemptClaimed,
		LostAfter: task.LostAfter, ClaimedAt: t.now, LastSignAt: t.now,
	}
	if err := t.Insert(ctx, &attempt); err != nil {
		return AttemptView{}, err
	}
	task.AttemptID, task.StartedAt = attempt.ID, t.now
	if err := t.move(ctx, task, remuda.Running, "", ""); err != nil {
		return AttemptView{}, err
	}
	if runner.LastUsedAt != t.now {
		runner.LastUsedAt = t.now
		if err := t.Update(ctx, runner, "last_used_at"); err != nil {
			return AttemptView{}, err
		}
	}
	return AttemptView{AttemptRow: attempt, Runner: runner.Name}, nil
}

// deliver is the claim as the runner gets it, its secrets sealed to the runner's key.
func (p *Plane) deliver(ctx context.Context, runner RunnerRow, a AttemptView) (remuda.Claim, error) {
	var task TaskView
	var job JobRow
	err := p.store.Read(ctx, func(v View) (err error) {
		if task, err = v.TaskView(ctx, a.TaskID); err != nil {
			return err
		}
		return v.Get(ctx, &job, task.JobID)
	})
	if err != nil {
		return remuda.Claim{}, fmt.Errorf("deliver claim %s: %w", a.ID, err)
	}
	sealed, err := p.sealSecrets(runner, a.ID, job)
	if err != nil {
		return remuda.Claim{}, fmt.Errorf("deliver claim %s: %w", a.ID, err)
	}
	return remuda.Claim{
		ID: a.ID, Attempt: a.Number, Payload: job.Payload, Sealed: sealed,
		Task: remuda.ClaimTask{
			ID: task.ID, JobID: task.JobID, Name: task.Name, Organization: task.Organization, Project: task.Project,
			SubmittedBy: task.SubmittedBy, Source: remuda.Source{Repository: task.Repository, Ref: task.Ref, Fork: task.Fork},
			ResourceClass: task.Class, Implementation: job.Implementation, Index: task.Index, Total: task.Total,
		},
		Timeout: task.Timeout, CancelGrace: task.CancelGrace, OutputLimit: p.outputLimit,
		Begun: a.State == remuda.AttemptBegun, CancelRequested: task.CancelRequested, ClaimedAt: a.ClaimedAt.Time(),
	}, nil
}

func (p *Plane) sealSecrets(runner RunnerRow, claim string, job JobRow) ([]byte, error) {
	secrets := remuda.ClaimSecrets{Token: p.taskToken(claim)}
	if len(job.Secrets) > 0 {
		plain, err := p.keys.Decrypt(job.Secrets, jobSecretsPlace(job.ID))
		if err != nil {
			return nil, fmt.Errorf("decrypt secrets: %w", err)
		}
		if err := json.Unmarshal(plain, &secrets.Secrets); err != nil {
			return nil, fmt.Errorf("read secrets: %w", err)
		}
	}
	text, err := json.Marshal(secrets)
	if err != nil {
		return nil, fmt.Errorf("encode secrets: %w", err)
	}
	return seal.To(runner.PublicKey, []byte(claim), text)
}
