package control

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/seal"
)

// delivery is one claim with what the runner needs of it.
type delivery struct {
	attempt AttemptView
	task    TaskView
	job     *JobRow
}

// deliver makes claims what the runner gets, their secrets sealed to its key. A claim whose secrets cannot be read is
// ended: delivered again and again, it would keep the runner from all others.
func (p *Plane) deliver(ctx context.Context, runner RunnerRow, deliveries []delivery) (claims []remuda.Claim, err error) {
	size := 0
	secrets := map[string]map[string]string{} // by job
	for _, d := range deliveries {
		if size += len(d.job.Payload) + len(d.job.Secrets); size > maxAnswer && len(claims) > 0 {
			break // the next sync does not name the rest, and so brings it
		}
		values, opened := secrets[d.job.ID]
		if !opened {
			if values, err = p.openSecrets(*d.job); err != nil {
				if err := p.undeliverable(ctx, d, unreadable, err); err != nil {
					return nil, err
				}
				continue
			}
			secrets[d.job.ID] = values
		}
		sealed, err := p.sealSecrets(runner, d.attempt.ID, values)
		if err != nil {
			if err := p.undeliverable(ctx, d, unsealable, err); err != nil {
				return nil, err
			}
			continue
		}
		claims = append(claims, p.wordsOfClaim(d, sealed))
	}
	return claims, nil
}

// deliveries finds what belongs to these attempts. One that has ended meanwhile is not delivered any more.
func deliveries(ctx context.Context, v View, attempts []AttemptView) (found []delivery, err error) {
	claims := make([]string, len(attempts))
	for i, attempt := range attempts {
		claims[i] = attempt.ID
	}
	tasks, err := v.Deliverable(ctx, claims...)
	if err != nil {
		return nil, fmt.Errorf("deliver claims: %w", err)
	}
	of := make(map[string]TaskView, len(tasks))
	for _, task := range tasks {
		of[task.AttemptID] = task
	}
	jobs := map[string]*JobRow{}
	for _, attempt := range attempts {
		task, live := of[attempt.ID]
		if !live {
			continue
		}
		if jobs[task.JobID] == nil {
			jobs[task.JobID] = &JobRow{}
			if err := v.Get(ctx, jobs[task.JobID], task.JobID); err != nil {
				return nil, fmt.Errorf("deliver claims: %w", err)
			}
		}
		found = append(found, delivery{attempt, task, jobs[task.JobID]})
	}
	return found, nil
}

func (p *Plane) wordsOfClaim(d delivery, sealed []byte) remuda.Claim {
	a, task := d.attempt, d.task
	return remuda.Claim{
		ID: a.ID, Attempt: a.Number, Payload: d.job.Payload, Token: p.taskToken(a.ID), Sealed: sealed,
		Task: remuda.ClaimTask{
			ID: task.ID, JobID: task.JobID, Name: task.Name, Organization: task.Organization, Project: task.Project,
			SubmittedBy: task.SubmittedBy, Source: remuda.Source{Repository: task.Repository, Ref: task.Ref, Fork: task.Fork},
			ResourceClass: task.Class, Implementation: task.Implementation, Index: task.Index, Total: task.Total,
		},
		Timeout: task.Timeout, CancelGrace: task.CancelGrace, OutputLimit: p.outputLimit,
		Begun: a.State == remuda.AttemptBegun, CancelRequested: task.CancelRequested, ClaimedAt: a.ClaimedAt.Time(),
	}
}

// openSecrets reads a job's secrets.
func (p *Plane) openSecrets(job JobRow) (values map[string]string, err error) {
	if len(job.Secrets) == 0 {
		return nil, nil
	}
	plain, err := p.keys.Decrypt(job.Secrets, jobSecretsPlace(job.ID))
	if err != nil {
		return nil, fmt.Errorf("decrypt secrets of job %s: %w", job.ID, err)
	}
	if err := json.Unmarshal(plain, &values); err != nil {
		return nil, fmt.Errorf("read secrets of job %s: they are no JSON object", job.ID) // the cause would quote them
	}
	return values, nil
}

// sealSecrets closes what only the runner may know. For a node of another system's pool each value is closed singly, in
// the form that it knows, and the names lie open.
func (p *Plane) sealSecrets(runner RunnerRow, claim string, values map[string]string) ([]byte, error) {
	if len(values) == 0 {
		return nil, nil
	}
	if seal.IsPEM(runner.PublicKey) {
		singly := make(map[string]string, len(values))
		for name, value := range values {
			sealed, err := seal.ToRSA(runner.PublicKey, []byte(value))
			if err != nil {
				return nil, err
			}
			singly[name] = sealed
		}
		return json.Marshal(singly)
	}
	text, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encode secrets: %w", err)
	}
	return seal.To(runner.PublicKey, []byte(claim), text)
}

// Why a claim cannot be delivered. A runner that registers proves that its key is good; an entry may have none.
const (
	unreadable = "its secrets cannot be read with the key of this control plane; submit it again"
	unsealable = "its secrets cannot be sealed to its runner: the pool's entry has no good public key"
)

// undeliverable fails the task of a claim that its runner cannot be given.
func (p *Plane) undeliverable(ctx context.Context, d delivery, detail string, cause error) error {
	p.log.Error("deliver a claim", "claim", d.attempt.ID, "err", cause)
	err := p.writeIn(ctx, Beside, "system", func(t *transition) error {
		view, err := t.Attempt(ctx, d.attempt.ID)
		if err != nil || !view.State.Live() {
			return err
		}
		task, err := t.Movable(ctx, view.TaskID)
		if err != nil {
			return err
		}
		attempt := view.AttemptRow
		attempt.State, attempt.Reason, attempt.Detail = remuda.AttemptFailed, remuda.ReasonConfig, detail
		if err := t.end(ctx, &attempt, &task); err != nil {
			return err
		}
		return t.move(ctx, &task, remuda.Failed, remuda.ReasonConfig, detail)
	})
	if err != nil {
		return fmt.Errorf("end claim %s, which cannot be delivered: %w", d.attempt.ID, err)
	}
	return nil
}
