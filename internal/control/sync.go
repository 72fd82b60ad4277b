package control

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// maxClaims bounds one answer; the next sync brings the rest.
const maxClaims = 64

// maxAnswer bounds one answer in bytes of payload, of which a client takes 64 MiB; a claim that is larger goes alone.
const maxAnswer = 8 << 20

// Sync is a runner's one open request. Its arrival is a sign of life of all claims that it names. It is held until
// there is something to say, the hold is over, a newer sync of the same runner arrives, LetGo is called, or ctx ends.
//
// While it is held, the stack below it stays small: whatever goes deep is done aside.
func (d RunnerDoor) Sync(ctx context.Context, s remuda.Sync) (remuda.SyncAnswer, error) {
	h := d.take(s)
	defer h.leave()
	d.p.crew.Do(func() { h.enter(ctx) })
	return h.wait(ctx)
}

// wait waits until there is something to say.
func (h *heldSync) wait(ctx context.Context) (remuda.SyncAnswer, error) {
	d := h.door
	if h.stale {
		d.p.crew.Do(func() { h.look(ctx) })
	}
	for ; !h.done; d.p.crew.Do(func() { h.look(ctx) }) {
		select {
		case <-h.woken.C:
		case <-h.over.C:
			h.rests = h.rest()
			return h.answer, nil
		case <-h.end: // superseded, or let go
			return h.answer, nil
		case <-ctx.Done(): // nobody listens any more
			d.p.crew.Do(func() { d.dropped(ctx, h) })
			return h.answer, nil
		}
	}
	if h.err != nil {
		h.woken.wake() // this one may have been meant for another runner, too
		return remuda.SyncAnswer{}, fmt.Errorf("sync runner %s: %w", d.id, h.err)
	}
	return h.answer, nil
}

// spread is how much less than the others a runner's idle sync is held: those that came together drift apart.
func spread(runner string, hold time.Duration) time.Duration {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(runner))
	return time.Duration(sum.Sum32()) * time.Microsecond % (hold / 5)
}

func speaks(a remuda.SyncAnswer) bool {
	return len(a.Claims)+len(a.Cancel)+len(a.Lost) > 0 || a.Resume != 0
}

// comeBackWithin is how the runners that have a sync open here spread should we go away: a thousand come back in a
// second.
func (p *Plane) comeBackWithin() remuda.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return remuda.Duration(max(time.Second, time.Duration(len(p.syncs))*time.Millisecond))
}

// dropped notes that a runner's connection broke while its sync was held: it is called silent as early as one that
// holds claims, since the hold says nothing of it any more. That it could not be noted only makes this later.
func (d RunnerDoor) dropped(ctx context.Context, mine *heldSync) {
	_ = d.p.store.Write(context.WithoutCancel(ctx), Beside, func(tx Tx) error {
		if !d.p.isNewest(d.id, mine) {
			return nil // the newer sync's arrival says more than this one's end, and may be written already
		}
		d.p.unsee(d.id)
		var row RunnerRow
		if err := tx.Get(ctx, &row, d.id); err != nil || !mine.is(row) {
			return err // it arrived at another plane since
		}
		row.SilentAt = min(row.SilentAt, max(row.LastSeenAt.after(silentAfter), Now().after(overdueSync)))
		return tx.Update(ctx, &row, "silent_at")
	})
}

// sight is what is known of a runner at one moment.
type sight struct {
	runner  RunnerRow
	classes []string
	live    []AttemptView
	room    int    // how many claims it can be given
	news    bool   // the runner is to learn that its word was taken
	refused string // why it gets nothing new, whatever it says
	syncs   bool   // it keeps a sync open, and so comes back as soon as it is given a claim
	given   bool   // a claim, just now
}

func (s sight) topics() []string {
	topics := make([]string, len(s.classes))
	for i, class := range s.classes {
		topics[i] = classTopic(class)
	}
	return topics
}

// takes says whether the runner takes a new claim.
func (s sight) takes() bool {
	r := s.runner
	return s.refused == "" && r.Ready && !r.Paused && !r.Draining && !r.DrainAsked && r.GoneAt == 0 && s.room > 0
}

// see reads what is known of the runner, and how much it takes by what it says.
func (d RunnerDoor) see(ctx context.Context, v View, said remuda.Sync) (sight, error) {
	s, err := d.recognize(ctx, v)
	if err != nil {
		return s, err
	}
	if s.runner.GoneAt != 0 {
		return s, remuda.Fail(remuda.Gone, "the runner said goodbye; register it again")
	}
	err = d.count(ctx, v, &s)
	if said.Most > 0 {
		holding := setOf(said.Holding)
		for _, a := range s.live {
			if !holding[a.ID] {
				said.Most-- // on its way to the runner
			}
		}
		s.room = min(s.room, said.Most)
	}
	return s, err
}

// recognize reads the runner's row.
func (d RunnerDoor) recognize(ctx context.Context, v View) (s sight, err error) {
	s.syncs = true
	if err := v.Get(ctx, &s.runner, d.id); err != nil {
		return s, orAbsent(err, "runner", d.id)
	}
	s.refused = d.p.refusal(s.runner)
	return s, nil
}

// count reads what the runner may claim from and what it has, and so how much room there is.
func (d RunnerDoor) count(ctx context.Context, v View, s *sight) (err error) {
	if s.classes, err = v.RunnerClasses(ctx, d.id); err != nil {
		return err
	}
	s.live, err = v.LiveAttempts(ctx, d.id)
	s.room = s.runner.Slots - len(s.live)
	return err
}

// arrive writes down what the runner says of itself, and claims for it. It has news when the runner learns from the
// answer alone that its word was taken: that it drains, or that it was told to and did not know. One that drains and
// holds nothing waits for that word alone, which may have been lost before. One that is refused hears it at once when it
// is new here.
func (d RunnerDoor) arrive(ctx context.Context, s remuda.Sync, hold time.Duration) (seen sight, err error) {
	err = d.p.writeIn(ctx, Claiming, "runner "+d.id, func(t *transition) error {
		if seen, err = d.see(ctx, t, s); err != nil {
			return err
		}
		row := &seen.runner
		first := row.LastSeenAt == row.RegisteredAt
		seen.news = first && seen.refused != "" || row.Draining != s.Draining || row.DrainAsked && !s.Draining || s.Draining && len(s.Holding) == 0
		if s.Draining && !row.Draining {
			if err := t.ofRunner(ctx, "runner.draining", d.id, row.Name); err != nil {
				return err
			}
		}
		if err := t.quarantine(ctx, row, s); err != nil {
			return err
		}
		if s.Draining {
			row.DrainLife = s.Life
		}
		same := s.Life != "" && s.Life == row.DrainLife
		row.Draining = s.Draining || (s.Again || same) && row.Draining
		row.Ready, row.Reason, row.LastSeenAt = s.Ready, s.Reason, t.now
		row.SilentAt = t.now.after(max(busySilentAfter, hold+overdueSync))
		if err := t.Sign(ctx, d.id, unsigned(seen.live, s.Holding, t.now), t.now); err != nil {
			return err
		}
		if err := t.fill(ctx, &seen); err != nil {
			return err
		}
		return t.Update(ctx, row, "ready", "reason", "draining", "drain_life", "last_seen_at", "last_used_at", "silent_at")
	})
	return seen, err
}

// quarantine notes that a runner went into quarantine or left it.
func (t *transition) quarantine(ctx context.Context, row *RunnerRow, s remuda.Sync) error {
	if row.Quarantined == s.Quarantined {
		return nil
	}
	kind, detail := "runner.quarantined", row.Name+": "+s.Reason
	if !s.Quarantined {
		kind, detail = "runner.recovered", row.Name
		row.ResumeAsked = 0
	}
	row.Quarantined = s.Quarantined
	if err := t.Update(ctx, row, "quarantined", "resume_asked"); err != nil {
		return err
	}
	return t.ofRunner(ctx, kind, row.ID, detail)
}

// look sees the runner again, and claims for it when there is something to claim.
func (d RunnerDoor) look(ctx context.Context, s remuda.Sync) (seen sight, err error) {
	claimable := false
	err = d.p.store.Read(ctx, func(v View) (err error) {
		if seen, err = d.see(ctx, v, s); err != nil || !seen.takes() {
			return err
		}
		found, err := v.Claimable(ctx, seen.classes, strings.Fields(seen.runner.Capabilities), 1)
		claimable = len(found) > 0
		return err
	})
	if err != nil || !claimable {
		return seen, err
	}
	return d.claim(ctx, s)
}

// claim sees the runner again, and claims for it what it may take, if there is still anything.
func (d RunnerDoor) claim(ctx context.Context, s remuda.Sync) (seen sight, err error) {
	err = d.p.writeIn(ctx, Taking, "runner "+d.id, func(t *transition) error {
		if seen, err = d.see(ctx, t, s); err != nil {
			return err
		}
		if err := t.fill(ctx, &seen); err != nil || !seen.given {
			return err
		}
		return t.Update(ctx, &seen.runner, "last_used_at", "silent_at")
	})
	return seen, err
}

// fill gives the runner's free slots the best tasks that it may take, each as a new attempt, and notes in its row that it
// was used. When it has no slot for more, it wakes another runner of the class.
func (t *transition) fill(ctx context.Context, s *sight) error {
	capabilities := strings.Fields(s.runner.Capabilities)
	for left := maxClaims; left > 0 && s.takes(); { // the next sync takes more
		tasks, err := t.Claimable(ctx, s.classes, capabilities, min(left, s.room))
		if err != nil || len(tasks) == 0 {
			return err
		}
		left -= len(tasks)
		s.runner.LastUsedAt = t.now
		if s.syncs {
			s.runner.SilentAt = t.now.after(busySilentAfter)
		}
		err = t.Together(ctx, func() error {
			for _, task := range tasks {
				attempt, err := t.lease(ctx, &task, &s.runner)
				if err != nil {
					return err
				}
				s.live = append(s.live, attempt)
				s.given = true
				s.room--
			}
			return nil
		})
		if err != nil {
			return err
		}
		t.wake(runnerTopic(s.runner.ID), everyone) // its newest sync delivers these, should it not be the one that claims
		if !s.takes() {
			t.wake(classTopic(tasks[len(tasks)-1].ClassID), 1)
		}
	}
	return nil
}

// answer says what the runner should know now.
func (d RunnerDoor) answer(ctx context.Context, s remuda.Sync, seen sight) (remuda.SyncAnswer, error) {
	answer := remuda.SyncAnswer{Drain: seen.runner.Draining || seen.runner.DrainAsked, Spread: d.p.comeBackWithin(), Refused: seen.refused}
	if s.Quarantined && int64(seen.runner.ResumeAsked) > s.Resumed {
		answer.Resume = int64(seen.runner.ResumeAsked)
	}
	holding, canceling, live := setOf(s.Holding), setOf(s.Canceling), map[string]bool{}
	var unknown []AttemptView
	for _, a := range seen.live {
		live[a.ID] = true
		switch {
		case !holding[a.ID] && len(unknown) < maxClaims:
			unknown = append(unknown, a)
		case holding[a.ID] && a.CancelRequested && !canceling[a.ID]:
			answer.Cancel = append(answer.Cancel, a.ID)
		}
	}
	ended := slices.DeleteFunc(slices.Clone(s.Holding), func(id string) bool { return live[id] })
	if len(ended)+len(unknown) == 0 {
		return answer, nil
	}
	var found []delivery
	err := d.p.store.Read(ctx, func(v View) (err error) {
		if answer.Lost, err = d.lost(ctx, v, ended); err != nil {
			return err
		}
		found, err = deliveries(ctx, v, unknown)
		return err
	})
	if err != nil {
		return answer, err
	}
	answer.Claims, err = d.p.deliver(ctx, seen.runner, found)
	return answer, err
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// unsigned are the live claims among those that a runner names that are to be given a sign of life. One that was given
// one just now needs no other: it is counted in many seconds.
func unsigned(live []AttemptView, holding []string, now Micros) (claims []string) {
	held := setOf(holding)
	for _, a := range live {
		if held[a.ID] && a.LastSignAt.after(signEvery/5) <= now {
			claims = append(claims, a.ID)
		}
	}
	return claims
}

// lost finds those claims, of some that are not live, that are not the runner's any more. One that it ended itself
// meanwhile is no news to it.
func (d RunnerDoor) lost(ctx context.Context, v View, claims []string) (lost []string, err error) {
	for _, claim := range claims {
		attempt, err := v.Attempt(ctx, claim)
		switch {
		case errors.Is(err, remuda.NotFound):
		case err != nil:
			return nil, fmt.Errorf("look up claim %s: %w", claim, err)
		case attempt.State != remuda.AttemptLost && attempt.RunnerID == d.id:
			continue
		}
		lost = append(lost, claim)
	}
	return lost, nil
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
	return AttemptView{AttemptRow: attempt, Runner: runner.Name}, nil
}
