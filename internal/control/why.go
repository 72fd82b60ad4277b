package control

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// mostAhead is how many tasks that come first are counted; nobody waits for the exact number of more.
const mostAhead = 1000

// Why says in words why a task waits, what to act on first.
func (d UserDoor) Why(ctx context.Context, id string) (remuda.Why, error) {
	why := remuda.Why{TaskID: id, Reasons: []string{}}
	err := d.p.store.Read(ctx, func(v View) error {
		task, err := d.task(ctx, v, id, remuda.RoleViewer)
		if err != nil {
			return err
		}
		why.State = task.State
		if task.State != remuda.Queued {
			return nil
		}
		for _, look := range []func(context.Context, View, TaskView) (string, error){
			d.p.whyRunners, whyPolicy, whyLimits, whyGroup, whyAhead,
		} {
			reason, err := look(ctx, v, task)
			if err != nil {
				return err
			}
			if reason != "" {
				why.Reasons = append(why.Reasons, reason)
			}
		}
		if len(why.Reasons) == 0 {
			why.Reasons = []string{"a runner is taking it now"}
		}
		return nil
	})
	return why, err
}

// whyRunners counts the runners of the class by what keeps each from taking the task.
func (p *Plane) whyRunners(ctx context.Context, v View, task TaskView) (string, error) {
	now := time.Now()
	states, err := v.RunnerStates(ctx, task.ClassID, micros(now.Add(-lostRunnerAfter)), micros(now))
	if err != nil {
		return "", err
	}
	var found census
	for _, s := range states {
		if s.Silent {
			found.silent += s.Count
			continue
		}
		keeps := p.keeps(s, task)
		if keeps == (hindrance{}) {
			return "", nil
		}
		found.add(keeps, s.Count)
	}
	return found.sentence(task.Class), nil
}

// keeps says what keeps runners from taking a task, what lasts longest first; nothing when nothing does.
func (p *Plane) keeps(s RunnerState, task TaskView) hindrance {
	lacks := lacking(task.Capabilities, s.Capabilities)
	far := skew(s.Version, p.version)
	switch {
	case far != "":
		return being(far + " (" + s.Version + "; the control plane is " + p.version + ")")
	case len(lacks) > 0:
		return hindrance{"lacks " + listed(lacks), "lack " + listed(lacks)}
	case s.Revoked:
		return hindrance{"has registered with a token that is revoked", "have registered with tokens that are revoked"}
	case s.Draining:
		return being("draining")
	case s.Paused:
		return being("paused")
	case s.Quarantined && !s.Ready:
		return being("in quarantine (" + s.Reason + ")")
	case !s.Ready && s.Reason != "":
		return being("not ready (" + s.Reason + ")")
	case !s.Ready:
		return being("not ready")
	case s.Busy:
		return being("busy")
	}
	return hindrance{}
}

func whyPolicy(ctx context.Context, v View, task TaskView) (string, error) {
	class, err := v.ClassView(ctx, task.ClassID)
	if err != nil {
		return "", err
	}
	var project ProjectRow
	if err := v.Get(ctx, &project, task.ProjectID); err != nil {
		return "", err
	}
	if project.Visibility == public && project.BuildsForks && !class.AllowForks {
		return "the class refuses forks, and project " + project.Name + " is public and builds them", nil
	}
	if allowed, err := serves(ctx, v, class, task.OrganizationID); err != nil || !allowed {
		return task.Class + " does not serve " + task.Organization + " any more; its owner may change that", err
	}
	return "", nil
}

func whyLimits(ctx context.Context, v View, task TaskView) (string, error) {
	var organization OrganizationRow
	if err := v.Get(ctx, &organization, task.OrganizationID); err != nil {
		return "", err
	}
	var project ProjectRow
	if err := v.Get(ctx, &project, task.ProjectID); err != nil {
		return "", err
	}
	var class ClassRow
	if err := v.Get(ctx, &class, task.ClassID); err != nil {
		return "", err
	}
	var reached []string
	for _, limit := range []struct {
		what           string
		running, limit int
	}{
		{organization.Name, organization.Running, organization.TaskLimit},
		{"project " + project.Name, project.Running, project.TaskLimit},
		{task.Class, class.Running, class.TaskLimit},
	} {
		if limit.limit > 0 && limit.running >= limit.limit {
			reached = append(reached, fmt.Sprintf("%s is at its limit of %s", limit.what, counting(limit.limit, "running task", "running tasks")))
		}
	}
	return strings.Join(reached, "; "), nil
}

// whyGroup names what a full group runs.
func whyGroup(ctx context.Context, v View, task TaskView) (string, error) {
	if task.GroupID == "" {
		return "", nil
	}
	var group GroupRow
	if err := v.Get(ctx, &group, task.GroupID); err != nil || group.Running < group.TaskLimit {
		return "", err
	}
	tasks, err := v.GroupTasks(ctx, group.ID)
	if err != nil {
		return "", err
	}
	var holders []string
	for _, one := range tasks {
		if one.State == remuda.Running {
			holders = append(holders, "task "+one.ID+" of job "+one.Job)
		}
	}
	switch n := len(holders); {
	case n == 0:
		return "waits for " + group.Name, nil
	case n == 1:
		return "waits for " + group.Name + ": " + holders[0] + " runs", nil
	case n > mostNamed:
		holders = append(holders[:mostNamed], counting(n-mostNamed, "other", "others"))
	}
	return "waits for " + group.Name + ": " + listed(holders) + " run", nil
}

// whyAhead counts what goes first: older tasks of the same project, and others' turns.
func whyAhead(ctx context.Context, v View, task TaskView) (string, error) {
	ahead, err := v.Ahead(ctx, task.TaskRow, mostAhead+1)
	if err != nil {
		return "", err
	}
	tasks := fmt.Sprintf("%d ahead of it in %s", ahead.Tasks, task.Class)
	if ahead.Tasks > mostAhead {
		tasks = fmt.Sprintf("more than %d ahead of it in %s", mostAhead, task.Class)
	}
	others := counting(ahead.Projects, "other project takes turns with", "other projects take turns with")
	switch {
	case ahead == Ahead{}:
		return "", nil
	case ahead.Projects == 0:
		return tasks, nil
	case ahead.Tasks == 0:
		return others + " its own in " + task.Class, nil
	}
	return tasks + ", and " + others + " its own", nil
}
