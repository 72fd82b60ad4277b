package control

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/remuda-dev/remuda"
)

// The bounds of what a submission may say of its group and of what it needs.
const (
	maxGroupName       = 200
	maxGroupLimit      = 10000
	maxCapabilities    = 20
	defaultGroupLimit  = 1
	nameOfCapabilities = "letters, digits and '._:/+-', at most 64"
)

var capabilityName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,63}$`)

// completeQueue fills in what a submission left out of its group and its capabilities, and refuses what it must not say.
func completeQueue(s *remuda.Submission) error {
	if len(s.Capabilities) > maxCapabilities {
		return remuda.Fail(remuda.Invalid, fmt.Sprintf("a job needs at most %d capabilities", maxCapabilities))
	}
	for _, capability := range s.Capabilities {
		if !capabilityName.MatchString(capability) {
			return remuda.Fail(remuda.Invalid, "a capability is one word: "+nameOfCapabilities)
		}
	}
	if s.Concurrency == nil {
		return nil
	}
	c := *s.Concurrency // what the caller has stays as it is
	if c.Limit == 0 {
		c.Limit = defaultGroupLimit
	}
	if c.Policy == "" {
		c.Policy = remuda.ConcurrencyQueue
	}
	switch {
	case c.Group == "" || len(c.Group) > maxGroupName:
		return remuda.Fail(remuda.Invalid, fmt.Sprintf("concurrency.group has 1 to %d bytes", maxGroupName))
	case strings.TrimSpace(c.Group) != c.Group || strings.ContainsFunc(c.Group, func(r rune) bool { return !unicode.IsPrint(r) }):
		return remuda.Fail(remuda.Invalid, "concurrency.group has printable characters, and no space at its ends")
	case c.Limit < 1 || c.Limit > maxGroupLimit:
		return remuda.Fail(remuda.Invalid, fmt.Sprintf("concurrency.limit is from 1 to %d", maxGroupLimit))
	case !slices.Contains([]remuda.ConcurrencyPolicy{remuda.ConcurrencyQueue, remuda.ConcurrencyReplace, remuda.ConcurrencyReject}, c.Policy):
		return remuda.Fail(remuda.Invalid, "concurrency.policy is queue, replace or reject")
	}
	s.Concurrency = &c
	return nil
}

// needs are capabilities as lanes have them: in order, each once, between two spaces of its own.
func needs(capabilities []string) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(capabilities)))
	var text strings.Builder
	for _, capability := range sorted {
		text.WriteString(" " + capability + " ")
	}
	return text.String()
}

// lacking are the capabilities, as lanes have them, that a runner, as it says it, does not have.
func lacking(needs, has string) []string {
	had := strings.Fields(has)
	return slices.DeleteFunc(strings.Fields(needs), func(c string) bool { return slices.Contains(had, c) })
}

// join finds or makes the group of a new job, whose word on the limit holds from now on, and does with the group's
// older tasks what the job says. The job's own tasks are not there yet: they never count against themselves.
func (t *transition) join(ctx context.Context, c remuda.Concurrency, project ProjectRow, job JobRow) (GroupRow, error) {
	group, err := t.GroupByName(ctx, project.ID, c.Group)
	switch {
	case errors.Is(err, remuda.NotFound):
		group = GroupRow{ID: newID(), ProjectID: project.ID, Name: c.Group, TaskLimit: c.Limit}
		return group, t.Insert(ctx, &group)
	case err != nil:
		return group, err
	}
	if group.TaskLimit != c.Limit {
		group.TaskLimit = c.Limit
		if err := t.Update(ctx, &group, "task_limit"); err != nil {
			return group, err
		}
	}
	if c.Policy == remuda.ConcurrencyQueue {
		return group, nil
	}
	older, err := t.GroupTasks(ctx, group.ID)
	if err != nil || len(older) == 0 {
		return group, err
	}
	if c.Policy == remuda.ConcurrencyReject {
		return group, remuda.Fail(remuda.Conflict, fmt.Sprintf("concurrency group %s takes one job at a time, and %s (%s) has not ended",
			group.Name, older[0].Job, older[0].JobID))
	}
	for _, task := range older {
		if err := t.cancel(ctx, &task.TaskRow, "replaced by job "+job.Name+" ("+job.ID+")"); err != nil {
			return group, err
		}
	}
	return group, nil
}

// laneAgain finds or makes the lane of a task that is like one that has ended. That one's lane and group may be gone: then
// the group comes back by the word of its job.
func (t *transition) laneAgain(ctx context.Context, old TaskRow) (LaneRow, error) {
	key := LaneKey{ClassID: old.ClassID, ProjectID: old.ProjectID, Capabilities: old.Capabilities}
	if old.GroupID == "" {
		return t.Lane(ctx, key)
	}
	var job JobRow
	if err := t.Get(ctx, &job, old.JobID); err != nil {
		return LaneRow{}, err
	}
	var group GroupRow
	err := t.Get(ctx, &group, old.GroupID)
	if errors.Is(err, remuda.NotFound) && job.ConcurrencyGroup == "" { // queued by a plane before this version
		return LaneRow{}, remuda.Fail(remuda.Conflict, "the concurrency group of task "+old.ID+" is not known any more; submit its job again")
	}
	if errors.Is(err, remuda.NotFound) {
		group, err = t.GroupByName(ctx, old.ProjectID, job.ConcurrencyGroup)
	}
	if errors.Is(err, remuda.NotFound) {
		group = GroupRow{ID: newID(), ProjectID: old.ProjectID, Name: job.ConcurrencyGroup, TaskLimit: job.ConcurrencyLimit}
		err = t.Insert(ctx, &group)
	}
	if err != nil {
		return LaneRow{}, err
	}
	key.Group, key.GroupID = group.Name, group.ID
	return t.Lane(ctx, key)
}
