package blocks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

const (
	runCancelGrace    = remuda.Duration(time.Minute) // OpenTofu gives its lock back, and notes what it has made
	defaultRunTimeout = remuda.Duration(time.Hour)
)

// ask is a run that somebody wants.
type ask struct {
	behavior remuda.Behavior
	trigger  remuda.RunTrigger
	author   remuda.RunAuthor
	script   string
	planOf   string // the run whose plan is applied
	gate     bool   // it is planned first
}

// queue makes a run of a block whose inputs are complete: at once, or when the live one has ended. Changes that come
// meanwhile share one run.
func (t *change) queue(ctx context.Context, s *scene, a ask) (RunRow, error) {
	if a.behavior == remuda.Apply && a.planOf == "" && s.version.Approval && s.version.Implementation.Type == remuda.BlueprintOpenTofu {
		a.behavior, a.gate = remuda.Detect, true
	}
	if s.block.NextRun != "" {
		var next RunRow
		if err := t.Get(ctx, &next, s.block.NextRun); err != nil {
			return next, err
		}
		if next.Behavior == a.behavior && next.Gate == a.gate && a.behavior != remuda.Maintenance {
			return next, t.resolveAgain(ctx, s, a.author)
		}
		if weight(next) >= weight(RunRow{Behavior: a.behavior, Gate: a.gate}) {
			return next, remuda.Fail(remuda.Conflict, fmt.Sprintf("run %d of this block, %s, waits already; try again when it has ended", next.Number, next.Behavior))
		}
		if err := t.drop(ctx, s, &next, "another run took its place"); err != nil {
			return next, err
		}
	}
	run, err := t.number(ctx, s, a)
	if err != nil {
		return run, err
	}
	if s.block.LiveRun != "" {
		if err := t.resolveAgain(ctx, s, a.author); err != nil {
			return run, err
		}
		s.block.NextRun = run.ID
		if err := t.Update(ctx, &s.block.BlockRow, "next_run"); err != nil {
			return run, err
		}
		return run, t.Note(ctx, "run.waits", s.block.OrganizationID, run.ID, fmt.Sprintf("%s of block %s after its live run", run.Behavior, s.block.Name))
	}
	err = t.start(ctx, s, &run)
	return run, err
}

// weight orders the runs that may wait behind a live one: a heavier one takes the place of a lighter one.
func weight(r RunRow) int {
	switch {
	case r.Behavior == remuda.Destroy:
		return 4
	case r.Behavior == remuda.Apply || r.Gate:
		return 3
	case r.Behavior == remuda.Maintenance:
		return 2
	default:
		return 1
	}
}

// number inserts the next run of a block, pending.
func (t *change) number(ctx context.Context, s *scene, a ask) (RunRow, error) {
	who, err := encode(a.author)
	if err != nil {
		return RunRow{}, err
	}
	s.block.RunCount++
	run := RunRow{
		ID: control.NewID(), BlockID: s.block.ID, VersionID: s.versionRow.ID, Number: s.block.RunCount, Version: s.versionRow.Number,
		Behavior: a.behavior, Trigger: a.trigger, Author: who, Status: remuda.RunPending, Gate: a.gate, PlanOf: a.planOf,
		Script: a.script, CreatedAt: t.Now(),
	}
	if err := t.Insert(ctx, &run); err != nil {
		return run, err
	}
	if run.Behavior == remuda.Detect {
		s.block.LatestDryRun = run.ID
	}
	if run.Behavior != remuda.Detect || run.Gate {
		s.block.LatestRun = run.ID
	}
	return run, t.Update(ctx, &s.block.BlockRow, "run_count", "latest_run", "latest_dry_run")
}

// drop ends a run that waits behind the live one and never began.
func (t *change) drop(ctx context.Context, s *scene, run *RunRow, detail string) error {
	run.Status, run.Detail, run.EndedAt = remuda.RunAborted, detail, t.Now()
	if err := t.Update(ctx, run, "status", "detail", "ended_at"); err != nil {
		return err
	}
	s.block.NextRun = ""
	if err := t.Update(ctx, &s.block.BlockRow, "next_run"); err != nil {
		return err
	}
	return t.Note(ctx, "run.aborted", s.block.OrganizationID, run.ID, detail)
}

// start freezes what a run carries out, and queues its task.
func (t *change) start(ctx context.Context, s *scene, run *RunRow) error {
	var by remuda.RunAuthor
	if err := json.Unmarshal([]byte(run.Author), &by); err != nil {
		return fmt.Errorf("read run %s: %w", run.ID, err)
	}
	values, err := t.r.resolve(s, by)
	if err != nil {
		return err
	}
	if !values.complete() && run.Behavior != remuda.Destroy {
		return t.park(ctx, s, run, values)
	}
	// The version may be another one than when the run was asked for.
	run.VersionID, run.Version = s.versionRow.ID, s.versionRow.Number
	if run.Inputs, err = t.r.print(s, values); err != nil {
		return err
	}
	if err := t.keepResolved(ctx, s, values); err != nil {
		return err
	}
	s.block.LiveRun = run.ID
	if changes(*run) {
		s.block.Status, s.block.Missing, s.block.Detail = remuda.BlockPending, "", ""
	}
	if err := t.Update(ctx, &s.block.BlockRow, "live_run", "status", "missing", "detail"); err != nil {
		return err
	}
	if s.version.Implementation.Type == remuda.BlueprintManual {
		return t.startManual(ctx, s, run, values)
	}
	problem, err := t.task(ctx, s, run, by, values)
	if err != nil {
		return err
	}
	if err := t.Update(ctx, run, "version_id", "version", "inputs", "task_id", "job_id"); err != nil {
		return err
	}
	if err := t.Note(ctx, "run.queued", s.block.OrganizationID, run.ID, fmt.Sprintf("%s of block %s, by %s", run.Behavior, s.block.Name, by.Name)); err != nil {
		return err
	}
	if problem != "" {
		return t.end(ctx, s, run, remuda.RunFailed, problem)
	}
	return nil
}

// changes says whether a run changes where its block stands: one that looks, or is for maintenance, does not.
func changes(run RunRow) bool {
	return run.Gate || run.Behavior == remuda.Apply || run.Behavior == remuda.Destroy
}

// park ends a run that cannot begin, since something is missing that was there when it was asked for.
func (t *change) park(ctx context.Context, s *scene, run *RunRow, values resolved) error {
	run.Status, run.Detail, run.EndedAt = remuda.RunAborted, "an input was missing when its turn came", t.Now()
	if err := t.Update(ctx, run, "status", "detail", "ended_at"); err != nil {
		return err
	}
	return t.wait(ctx, s, values)
}

// wait parks a block until its inputs are complete.
func (t *change) wait(ctx context.Context, s *scene, values resolved) error {
	status, missing, detail := values.status()
	text, err := encode(missing)
	if err != nil {
		return err
	}
	s.block.Status, s.block.Missing, s.block.Detail = status, text, detail
	if err := t.Update(ctx, &s.block.BlockRow, "status", "missing", "detail"); err != nil {
		return err
	}
	return t.keepResolved(ctx, s, values)
}

// resolveAgain notes what the inputs come to now: the run that waits will go by it.
func (t *change) resolveAgain(ctx context.Context, s *scene, author remuda.RunAuthor) error {
	values, err := t.r.resolve(s, author)
	if err != nil {
		return err
	}
	return t.keepResolved(ctx, s, values)
}

// keepResolved notes what the inputs came to.
func (t *change) keepResolved(ctx context.Context, s *scene, values resolved) error {
	text, err := encode(values.values)
	if err != nil || text == s.block.Resolved {
		return err
	}
	s.block.Resolved = text
	return t.Update(ctx, &s.block.BlockRow, "resolved")
}

// task queues the task of a run; what keeps it from being queued is answered in words.
func (t *change) task(ctx context.Context, s *scene, run *RunRow, by remuda.RunAuthor, values resolved) (problem string, err error) {
	if s.versionRow.ClassID == "" || s.versionRow.Class == "" {
		return fmt.Sprintf("version %d of the definition names no resource class that there is", s.versionRow.Number), nil
	}
	if _, err := control.Usable(ctx, t.tx, s.versionRow.Class, s.definition.OrganizationID); errors.Is(err, remuda.NotFound) {
		return s.definition.Organization + " may not use the resource class " + s.versionRow.Class + " any more", nil
	} else if err != nil {
		return "", err
	}
	if run.PlanOf != "" {
		var plan RunRow
		if err := t.Get(ctx, &plan, run.PlanOf); err != nil {
			return "", err
		}
		if problem, err := t.departed(ctx, s, plan, values); err != nil || problem != "" {
			return problem + ": the plan that was approved is stale", err
		}
	}
	order, secrets, problem, err := t.order(ctx, s, *run, by, values)
	if err != nil || problem != "" {
		return problem, err
	}
	project, err := t.projectOf(ctx, s)
	if err != nil {
		return "", err
	}
	run.JobID = control.NewID()
	work := control.Work{
		JobID: run.JobID, OrganizationID: s.definition.OrganizationID, ProjectID: project, ClassID: s.versionRow.ClassID,
		Name: s.block.Name, Implementation: s.version.Implementation.Type, Payload: order, Secrets: secrets, SubmittedBy: by.Name,
		Timeout: cmp.Or(s.version.Timeout, defaultRunTimeout), CancelGrace: runCancelGrace, Pinned: true,
	}
	if s.definition.Transparent || s.definition.OrganizationID == s.block.OrganizationID {
		work.ReaderID = s.block.OrganizationID
	}
	task, err := t.r.plane.Queue(ctx, t.Transition, work)
	if err != nil {
		return "", err
	}
	run.TaskID = task.ID
	return "", t.pinLast(ctx, s.block.ID, run.ID)
}

// projectOf is what a run counts by. It is its definition's owner's machines that run it, so it counts among the owner's
// tasks; each organization that orders has a turn of its own.
func (t *change) projectOf(ctx context.Context, s *scene) (id string, err error) {
	if s.definition.OrganizationID == s.block.OrganizationID && s.block.ProjectID != "" {
		return s.block.ProjectID, nil
	}
	name := control.DefaultProject
	if s.definition.OrganizationID != s.block.OrganizationID {
		name = "blocks/" + s.block.Organization
	}
	project, err := t.FindProject(ctx, s.definition.OrganizationID, name)
	return project.ID, err
}

// pinLast keeps retention from a living block's last run, and lets it have the one before.
func (t *change) pinLast(ctx context.Context, block, but string) error {
	last, err := t.tx.LastRuns(ctx, block, 2)
	for _, run := range last {
		if err == nil && run.ID != but {
			err = t.tx.Pin(ctx, run.TaskID, false)
		}
	}
	return err
}

// order is the payload of a run's task, with the secrets that it names.
func (t *change) order(ctx context.Context, s *scene, run RunRow, by remuda.RunAuthor, values resolved) (o remuda.RunOrder, secrets map[string]string, problem string, err error) {
	secrets = map[string]string{}
	o = remuda.RunOrder{
		Run: run.ID, Number: run.Number, Behavior: run.Behavior, Trigger: run.Trigger, Author: by,
		Block: remuda.RunOrderBlock{
			ID: s.block.ID, Name: s.block.Name, Organization: s.block.Organization, Project: s.block.Project, Platform: s.tenant.Platform,
		},
		Definition: remuda.RunOrderVersion{ID: s.definition.ID, Organization: s.definition.Organization, Version: s.versionRow.Number},
		Outputs:    s.version.Outputs, Plan: run.PlanOf != "", Script: run.Script,
	}
	for _, key := range ordered(s.version.Inputs) {
		in := s.version.Inputs[key]
		if secret, is := values.secrets[key]; is {
			name := inputSecret(key)
			secrets[name] = secret
			o.Inputs = append(o.Inputs, remuda.RunInput{Key: key, Type: in.Type, Secret: name, Environment: in.Environment})
		} else if !isNull(values.values[key].Value) {
			o.Inputs = append(o.Inputs, remuda.RunInput{Key: key, Type: in.Type, Value: values.values[key].Value, Environment: in.Environment})
		}
	}
	for _, p := range s.parents {
		o.Parents = append(o.Parents, remuda.RunParent{Block: p.ID, Definition: p.DefinitionID})
	}
	o.Implementation = named(s.version.Implementation)
	for name, secret := range s.presets {
		if len(name) > len("implementation/") && name[:len("implementation/")] == "implementation/" {
			secrets[name] = secret
		}
	}
	o.Integration, problem, err = t.integration(ctx, s, secrets)
	return o, secrets, problem, err
}

// ordered are the keys of inputs in the order in which they are shown.
func ordered(inputs map[string]remuda.Input) []string {
	return slices.SortedFunc(maps.Keys(inputs), func(a, b string) int {
		return cmp.Or(cmp.Compare(inputs[a].Order, inputs[b].Order), cmp.Compare(a, b))
	})
}

// named is an implementation in which the name that a secret has in the claim stands for it.
func named(b remuda.Blueprint) remuda.Blueprint {
	name := func(v *remuda.Value, name string) *remuda.Value {
		if v == nil {
			return nil
		}
		return &remuda.Value{Hash: name}
	}
	if b.OpenTofu != nil {
		o := *b.OpenTofu
		o.SSHKey = name(o.SSHKey, "implementation/ssh_key")
		o.Credentials = slices.Clone(o.Credentials)
		for i := range o.Credentials {
			o.Credentials[i].Token = name(o.Credentials[i].Token, fmt.Sprintf("implementation/credentials/%d", i))
		}
		b.OpenTofu = &o
	}
	if b.GitLab != nil {
		g := *b.GitLab
		g.Token = name(g.Token, "implementation/token")
		b.GitLab = &g
	}
	return b
}

// integrationOf is the id of the integration that an implementation names.
func integrationOf(b remuda.Blueprint) string {
	switch {
	case b.GitHub != nil:
		return b.GitHub.Integration
	case b.GitLab != nil:
		return b.GitLab.Integration
	case b.AzureDevOps != nil:
		return b.AzureDevOps.Integration
	}
	return ""
}
