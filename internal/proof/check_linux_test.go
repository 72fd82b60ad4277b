package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// verdict is what became of all orders.
type verdict struct {
	states   map[string]int
	attempts map[string]bool // the ids of all
	repeated int             // tasks with more than one attempt
}

// judge looks at every order, by what the control plane says and by what the tasks left.
func (s *site) judge(orders []*order) verdict {
	t, v := s.t, verdict{states: map[string]int{}, attempts: map[string]bool{}}
	for _, o := range orders {
		task, err := s.user.Task(t.Context(), o.id)
		if err != nil {
			t.Errorf("task %d, %q, was acknowledged and is not there: %v", o.number, o.id, err)
			continue
		}
		v.states[strings.TrimSpace(string(task.State)+" "+string(task.Reason))]++
		for _, attempt := range task.Attempts {
			v.attempts[attempt.ID] = true
		}
		if len(task.Attempts) > 1 {
			v.repeated++
		}
		if err := s.judgeOne(t.Context(), o, task); err != nil {
			t.Errorf("task %d (%s), %s %s %q with %d attempts: %v", o.number, o.id, task.State, task.Reason, task.Detail, len(task.Attempts), err)
		}
	}
	return v
}

func (s *site) judgeOne(ctx context.Context, o *order, task remuda.Task) error {
	begun := map[int]bool{}
	for _, attempt := range task.Attempts {
		if attempt.State.Live() {
			return fmt.Errorf("attempt %d is still %s", attempt.Number, attempt.State)
		}
		if attempt.BegunAt != nil {
			begun[attempt.Number] = true
		}
	}
	if err := judgeEnd(o, task, len(begun)); err != nil {
		return err
	}
	executed, err := executions(o.countsIn(s.dir))
	if err != nil {
		return err
	}
	times := 0
	for attempt, n := range executed {
		if times += n; n > 1 || !begun[attempt] {
			return fmt.Errorf("attempt %d of those that begun, %v, was executed %d times", attempt, begun, n)
		}
	}
	if last := len(task.Attempts); task.State == remuda.Succeeded && executed[last] != 1 {
		return fmt.Errorf("its last attempt was executed %d times", executed[last])
	}
	if !o.submission.RetryInterrupted && times > 1 {
		return fmt.Errorf("it was executed %d times, which it does not allow", times)
	}
	return errors.Join(s.judgeOutput(ctx, o, task), s.judgeSubmission(ctx, o))
}

// judgeEnd says whether killing explains how a task ended.
func judgeEnd(o *order, task remuda.Task, begun int) error {
	if task.State == remuda.Succeeded {
		return nil
	}
	if task.State != remuda.Failed || task.Reason != remuda.ReasonLost && task.Reason != remuda.ReasonInfrastructure {
		return errors.New("that is not how killing ends a task")
	}
	if o.submission.RetryInterrupted && len(task.Attempts) < o.submission.MaxAttempts {
		return errors.New("it may be repeated, and was not")
	}
	if begun == 0 && len(task.Attempts) < 3 {
		return errors.New("it never began, and was not repeated")
	}
	return nil
}

// executions are how often each attempt was executed, by the task's own count.
func executions(file string) (map[int]int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	times := map[int]int{}
	for _, word := range strings.Fields(string(text)) {
		attempt, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("the count is %q", text)
		}
		times[attempt]++
	}
	return times, nil
}

// judgeOutput compares each attempt's output with what the task prints: all of it when it succeeded, a beginning of it
// otherwise.
func (s *site) judgeOutput(ctx context.Context, o *order, task remuda.Task) error {
	for _, attempt := range task.Attempts {
		whole := attempt.State == remuda.AttemptSucceeded
		for step, prints := range o.prints {
			got, err := s.output(ctx, o.id, client.OutputQuery{Attempt: attempt.Number, Step: &step})
			if err != nil {
				return err
			}
			if !bytes.HasPrefix(prints, got) || whole && len(got) != len(prints) {
				return fmt.Errorf("attempt %d (%s), step %d: %s", attempt.Number, attempt.State, step, differ(got, prints))
			}
		}
		got, err := s.output(ctx, o.id, client.OutputQuery{Attempt: attempt.Number})
		if err != nil {
			return err
		}
		if int64(len(got)) != attempt.Output || whole && !bytes.Equal(got, o.all()) {
			return fmt.Errorf("attempt %d: its %d bytes: %s", attempt.Number, attempt.Output, differ(got, o.all()))
		}
		if whole && (o.followed != attempt.Number || !bytes.Equal(o.seen, got)) {
			return fmt.Errorf("attempt %d: its follower, who was at attempt %d: %s", attempt.Number, o.followed, differ(o.seen, got))
		}
	}
	return nil
}

func (s *site) output(ctx context.Context, id string, q client.OutputQuery) ([]byte, error) {
	body, err := s.user.Output(ctx, id, q)
	if err != nil {
		return nil, fmt.Errorf("read its output: %w", err)
	}
	defer body.Close()
	return io.ReadAll(body)
}

// differ says where two texts begin to differ.
func differ(got, want []byte) string {
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	show := func(text []byte) []byte { return text[at:min(at+60, len(text))] }
	return fmt.Sprintf("%d bytes instead of %d; from byte %d on %q instead of %q", len(got), len(want), at, show(got), show(want))
}

// judgeSubmission repeats the submission: its key must still mean the same task.
func (s *site) judgeSubmission(ctx context.Context, o *order) error {
	again, err := s.user.Submit(ctx, o.submission, o.key())
	if err != nil {
		return fmt.Errorf("submit it again: %w", err)
	}
	if again.Tasks[0].ID != o.id {
		return fmt.Errorf("its key means task %s now", again.Tasks[0].ID)
	}
	return nil
}

// judgeAll looks at what counts all tasks together.
func (s *site) judgeAll(ctx context.Context, orders []*order) error {
	tasks, err := client.All(ctx, func(ctx context.Context, q client.PageQuery) (remuda.Page[remuda.Task], error) {
		return s.user.Tasks(ctx, client.TaskFilter{Organization: owner}, q)
	})
	if err != nil {
		return err
	}
	if len(tasks) != len(orders) {
		err = fmt.Errorf("there are %d tasks, and %d were asked for", len(tasks), len(orders))
	}
	return errors.Join(err, s.judgeCounts(ctx), s.judgeEvents(ctx, orders))
}

// judgeCounts: nothing runs and nothing waits, so every count is zero.
func (s *site) judgeCounts(ctx context.Context) error {
	organization, err := s.user.Organization(ctx, owner)
	if err != nil {
		return err
	}
	pool, err := s.user.ResourceClass(ctx, class)
	if err != nil {
		return err
	}
	projects, err := client.All(ctx, func(ctx context.Context, q client.PageQuery) (remuda.Page[remuda.Project], error) {
		return s.user.Projects(ctx, owner, q)
	})
	if err != nil {
		return err
	}
	counts := fmt.Sprintf("organization %d, class %d queued %d", organization.Running, pool.Running, pool.Queued)
	if counts != "organization 0, class 0 queued 0" {
		err = fmt.Errorf("counts are left: %s", counts)
	}
	for _, project := range projects {
		if project.Running != 0 {
			err = errors.Join(err, fmt.Errorf("project %s counts %d running", project.Name, project.Running))
		}
	}
	return err
}

// judgeEvents: each task ended once.
func (s *site) judgeEvents(ctx context.Context, orders []*order) error {
	ends := map[string]int{}
	for after := int64(0); ; {
		events, err := s.user.Events(ctx, client.EventFilter{After: after, Limit: 1000})
		if err != nil {
			return err
		}
		if len(events) == 0 {
			break
		}
		for _, event := range events {
			after = event.ID
			if state, ok := strings.CutPrefix(event.Type, "task."); ok && remuda.State(state).Ended() {
				ends[event.Subject]++
			}
		}
	}
	for _, o := range orders {
		if ends[o.id] != 1 {
			return fmt.Errorf("task %d ended %d times", o.number, ends[o.id])
		}
	}
	return nil
}
