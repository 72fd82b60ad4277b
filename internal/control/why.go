package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

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
		for _, look := range []func(context.Context, View, TaskView) (string, error){whyRunners, whyPolicy, whyLimits, whyAhead} {
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

// whyRunners counts the runners of the class by what keeps each from claiming.
func whyRunners(ctx context.Context, v View, task TaskView) (string, error) {
	now := time.Now()
	rows, err := v.Runners(ctx, RunnerQuery{ClassID: task.ClassID, Since: micros(now.Add(-lostRunnerAfter)), Span: Span{Limit: 1000}})
	if err != nil {
		return "", err
	}
	counts, connected, unfit := map[string]int{}, 0, ""
	for _, r := range rows {
		switch state := stateOf(r, now); {
		case state == remuda.RunnerLost || state == remuda.RunnerSilent:
			counts["silent"]++
			continue
		case state == remuda.RunnerDraining:
			counts["draining"]++
		case state == remuda.RunnerPaused:
			counts["paused"]++
		case state == remuda.RunnerQuarantined && !r.Ready:
			counts["in quarantine"]++
			unfit = "; one in quarantine says: " + r.Reason
		case !r.Ready && r.Reason != "":
			counts["not ready ("+r.Reason+")"]++
		case !r.Ready:
			counts["not ready"]++
		case r.Busy >= r.Slots:
			counts["busy"]++
		default:
			return "", nil
		}
		connected++
	}
	if connected == 0 {
		reason := "no runner is connected for " + task.Class
		if n := counts["silent"]; n > 0 {
			reason += fmt.Sprintf("; %d were, and are silent now", n)
		}
		return reason, nil
	}
	return fmt.Sprintf("all %d connected runners of %s are taken: %s", connected, task.Class, inWords(counts)) + unfit, nil
}

func inWords(counts map[string]int) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		if what != "silent" {
			parts = append(parts, fmt.Sprintf("%d %s", counts[what], what))
		}
	}
	return strings.Join(parts, ", ")
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
			reached = append(reached, fmt.Sprintf("%s is at its limit of %d running tasks", limit.what, limit.limit))
		}
	}
	return strings.Join(reached, "; "), nil
}

func whyAhead(ctx context.Context, v View, task TaskView) (string, error) {
	ahead, err := v.Ahead(ctx, task.TaskRow)
	if err != nil || ahead == 0 {
		return "", err
	}
	return fmt.Sprintf("%d ahead of it in %s", ahead, task.Class), nil
}
