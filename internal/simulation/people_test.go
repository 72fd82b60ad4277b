package simulation

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// person is someone with the administrator's token.
type person struct {
	w    *world
	line *line
	name string
}

func (w *world) person(name string) person { return person{w, w.newLine(name), name} }

// asks has a replica do something for a person.
func asks[T any](ctx context.Context, p person, what string, do func(context.Context, control.UserDoor) (T, error)) (T, error) {
	return send(ctx, p.line, call{what: what, replaces: what == replacing}, func(ctx context.Context, r *replica) (T, error) {
		var none T
		who, err := r.plane.Authenticate(ctx, p.w.town.admin)
		if err != nil {
			return none, err
		}
		return do(ctx, r.plane.AsUser(*who.User))
	})
}

// replacing is the verb of a submission that takes the place of what its group has.
const replacing = "submit and replace"

// insist asks until there is an answer that would be the same the next time.
func insist[T any](ctx context.Context, p person, what string, do func(context.Context, control.UserDoor) (T, error)) (T, error) {
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		answer, err := asks(ctx, p, what, do)
		if err == nil || ctx.Err() != nil || !passes(err) {
			return answer, err
		}
		if !pause(ctx, wait) {
			return answer, ctx.Err()
		}
	}
}

// passes is true for errors that may not come again.
func passes(err error) bool {
	switch remuda.KindOf(err) {
	case remuda.Unavailable, remuda.Limited, remuda.Internal:
		return true
	}
	return false
}

// submission draws a job.
func submission(r *rand.Rand, name string) remuda.Submission {
	project := one(r, []string{"red", "blue", "green"})
	s := remuda.Submission{
		Name: name, Organization: "acme", Project: project, ResourceClass: one(r, []string{"acme/linux", "acme/linux", "acme/mac"}),
		Job:         &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: "true"}}}},
		Parallelism: 1 + r.IntN(2), Priority: r.IntN(5) - 2, MaxAttempts: 1 + r.IntN(4), RetryInterrupted: r.IntN(3) == 0,
		LostAfter:   remuda.Duration(between(r, 30*time.Second, 60*time.Second)),
		CancelGrace: remuda.Duration(between(r, time.Second, 5*time.Second)),
	}
	if project == "green" {
		s.Organization = "beta"
	}
	if r.IntN(4) == 0 {
		s.Concurrency = &remuda.Concurrency{Group: one(r, []string{"left", "right"}), Limit: 1 + r.IntN(2), Policy: one(r, []remuda.ConcurrencyPolicy{
			remuda.ConcurrencyQueue, remuda.ConcurrencyQueue, remuda.ConcurrencyReplace, remuda.ConcurrencyReject,
		})}
	}
	if r.IntN(6) == 0 {
		s.Capabilities = []string{"docker"}
	}
	if r.IntN(5) == 0 {
		s.QueueTimeout = remuda.Duration(between(r, 5*time.Second, 40*time.Second))
	}
	if r.IntN(5) == 0 {
		s.Timeout = remuda.Duration(between(r, time.Second, 20*time.Second))
	}
	return s
}

// submits sends jobs, each until it is acknowledged, and some once more.
func (p person) submits(ctx context.Context) {
	r := stream(p.w.plan.seed, p.name)
	for n := range p.w.plan.jobs {
		if !pause(ctx, between(r, 0, p.w.plan.trouble/time.Duration(p.w.plan.jobs))) {
			return
		}
		key := p.name + " job " + strconv.Itoa(n)
		s := submission(r, key)
		s.RetryInterrupted = s.RetryInterrupted || p.w.plan.repeats
		verb := "submit"
		if s.Concurrency != nil && s.Concurrency.Policy == remuda.ConcurrencyReplace {
			verb = replacing
		}
		submit := func(ctx context.Context, d control.UserDoor) (remuda.JobSubmitted, error) {
			return d.Submit(ctx, s, key)
		}
		if p.w.plan.http {
			user := p.line.client().User(p.w.town.admin)
			p.acknowledged(ctx, s, func() (remuda.JobSubmitted, error) { return user.Submit(ctx, s, key) })
			continue
		}
		first, ok := p.acknowledged(ctx, s, func() (remuda.JobSubmitted, error) { return insist(ctx, p, verb, submit) })
		if ok && r.IntN(3) == 0 {
			second, ok := p.acknowledged(ctx, s, func() (remuda.JobSubmitted, error) { return insist(ctx, p, verb, submit) })
			if ok && second.ID != first.ID {
				p.w.ledger.isBroken(submitted, "the key %q made the jobs %s and %s", key, first.ID, second.ID)
			}
		}
	}
}

// acknowledged submits until that is acknowledged.
func (p person) acknowledged(ctx context.Context, s remuda.Submission, submit func() (remuda.JobSubmitted, error)) (remuda.JobSubmitted, bool) {
	for ctx.Err() == nil {
		job, err := submit()
		if err == nil {
			if len(job.Tasks) != s.Parallelism {
				p.w.ledger.isBroken(submitted, "a job of %d tasks was answered with %d", s.Parallelism, len(job.Tasks))
			}
			p.w.ledger.knowsTasks(job.Tasks)
			return job, true
		}
		if remuda.KindOf(err) == remuda.Conflict && s.Concurrency != nil && s.Concurrency.Policy == remuda.ConcurrencyReject {
			if p.w.ledger.has(s.Name) {
				p.w.ledger.isBroken(submitted, "job %q is there, and saying so again is answered %v", s.Name, err)
			}
			return job, false
		}
		if !passes(err) && ctx.Err() == nil {
			p.w.ledger.isBroken(sound, "%s cannot submit: %v", p.name, err)
			return job, false
		}
		pause(ctx, time.Second)
	}
	return remuda.JobSubmitted{}, false
}

// meddles cancels and retries tasks.
func (p person) meddles(ctx context.Context) {
	r := stream(p.w.plan.seed, p.name)
	for pause(ctx, between(r, time.Second, 25*time.Second)) {
		if r.IntN(3) > 0 {
			late := r.IntN(6) == 0 // too late is refused
			id := p.w.ledger.someTask(r.IntN, func(t taskTruth) bool { return t.State.Ended() == late })
			if id == "" {
				continue
			}
			p.w.note("%s cancels %s", p.name, id)
			_, err := asks(ctx, p, "cancel", func(ctx context.Context, d control.UserDoor) (remuda.Task, error) { return d.CancelTask(ctx, id) })
			if err != nil && !passes(err) && remuda.KindOf(err) != remuda.Conflict && ctx.Err() == nil {
				p.w.ledger.isBroken(sound, "task %s cannot be cancelled: %v", id, err)
			}
			continue
		}
		id := p.w.ledger.someTask(r.IntN, func(t taskTruth) bool { return t.State.Ended() })
		if id == "" {
			continue
		}
		p.w.note("%s retries %s", p.name, id)
		task, err := asks(ctx, p, "retry", func(ctx context.Context, d control.UserDoor) (remuda.Task, error) { return d.RetryTask(ctx, id) })
		if err == nil {
			p.w.ledger.knowsTasks([]remuda.Task{task})
		}
	}
}

// follows reads the output of one task after the other, going on where it was when the road broke.
func (p person) follows(ctx context.Context) {
	r := stream(p.w.plan.seed, p.name)
	for pause(ctx, between(r, time.Second, 10*time.Second)) {
		id := p.w.ledger.someTask(r.IntN, func(t taskTruth) bool { return !t.State.Ended() })
		if id != "" {
			p.follow(ctx, r, id)
		}
	}
}

func (p person) follow(ctx context.Context, r *rand.Rand, id string) {
	read := map[int]*reading{} // by attempt
	last := 1
	for ctx.Err() == nil {
		replica := p.w.site.pick(p.name)
		if replica == nil {
			pause(ctx, time.Second)
			continue
		}
		looking, cancel := context.WithTimeout(ctx, between(r, time.Second, 30*time.Second))
		stop := context.AfterFunc(replica.life, cancel)
		if read[last] == nil {
			read[last] = &reading{}
		}
		query := control.OutputQuery{Attempt: last, Offset: read[last].next}
		door := replica.plane.AsUser(control.User{Name: p.name, Admin: true})
		err := door.Follow(looking, id, query, func(f control.Followed) error {
			if f.Output == nil {
				return nil
			}
			if was := read[last].takes(f.Output.Chunks, f.Output.Next, p.w.plan.limit); was != "" {
				p.w.ledger.isBroken(kept, "a follower of task %s, attempt %d: %s", id, f.Output.Attempt, was)
			}
			return nil
		})
		stop()
		cancel()
		if err == nil {
			if !p.w.ledger.hasMore(id, last) {
				break
			}
			last++
			continue
		}
		if ctx.Err() == nil && remuda.KindOf(err) == remuda.NotFound {
			pause(ctx, 2*time.Second) // it was not claimed yet
			if p.w.ledger.isEnded(id) {
				break
			}
		}
	}
	for attempt, seen := range read {
		p.w.ledger.wasRead(id, attempt, seen)
	}
}
