package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

func rowFacts() []fact {
	return []fact{
		{"a row is read as it was inserted", rowsAreReadAsInserted},
		{"an update writes the named columns and no other", updatesWriteNamedColumns},
		{"rows that are written together are as each by itself", togetherIsAsApart},
		{"what is absent is not found", absentIsNotFound},
		{"what is taken is a conflict", takenIsAConflict},
		{"what is referred to is not deleted", referredToIsNotDeleted},
		{"a class takes along what belongs to it", aClassTakesAlong},
	}
}

// full is one row of each table, each of its members set.
func full(t *testing.T, s control.Store) []control.Row {
	w := newTown(t, s)
	lane := read(t, s, func(v control.View) (control.TaskRow, error) { return v.Movable(t.Context(), w.queue(t, nil).ID) }).LaneID
	token := control.TokenRow{
		ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), Nickname: "n", ClassID: &w.class.ID, OrganizationID: &w.organization.ID,
		Role: remuda.RoleMember, CreatedBy: "c", CreatedAt: 5, LastUsedAt: 6, RevokedAt: 7, SingleUse: true, ExpiresAt: 8, UsedAt: 9, UsedBy: "r",
		Permissions: "p q",
	}
	runner := control.RunnerRow{
		ID: newID(), Name: "r", Hostname: "h", Version: "v", OS: "linux", Arch: "amd64", IP: "::1", Slots: 3, Capabilities: "a b",
		PublicKey: []byte{1, 2}, TokenHash: []byte(newID()), Ready: true, Reason: "x", Draining: true, DrainAsked: true, Paused: true,
		RegisteredAt: 1, LastSeenAt: 2, LastUsedAt: 3, SilentAt: 4, GoneAt: 5, Quarantined: true, ResumeAsked: 6, DrainLife: "l",
	}
	task := control.TaskRow{
		GroupID: "g", Capabilities: " docker ",
		ID: newID(), JobID: w.job.ID, OrganizationID: w.organization.ID, ProjectID: w.project.ID, ClassID: w.class.ID, LaneID: lane,
		Name: "ein Täsk", Index: 1, Total: 2, SubmittedBy: "me", Repository: "https://x", Ref: "main", Fork: true, State: remuda.Running,
		Reason: remuda.ReasonStep, Detail: "d", Priority: -3, Rank: -1 << 40, Timeout: 1, QueueTimeout: 2, LostAfter: 3, CancelGrace: 4,
		MaxAttempts: 5, RetryInterrupted: true, Attempts: 6, AttemptsUsed: 7, AttemptID: "a", CancelRequested: true, RetryOf: "b",
		SubmittedAt: 8, QueueUntil: 9, StartedAt: 10, EndedAt: 11, Pinned: true, OutputRemovedAt: 12,
	}
	attempt := control.AttemptRow{
		ID: newID(), TaskID: task.ID, Number: 1, RunnerID: runner.ID, State: remuda.AttemptBegun, Reason: remuda.ReasonLost, Detail: "d",
		Steps: "[]", LostAfter: 1, ClaimedAt: 2, BegunAt: 3, EndedAt: 4, LastSignAt: 5,
	}
	rows := []control.Row{
		&control.OrganizationRow{ID: newID(), Name: "o-" + newID(), VCSName: "O", TaskLimit: 1, Running: 2, CreatedAt: 3, Extra: "{}"},
		&control.ProjectRow{
			ID: newID(), OrganizationID: w.organization.ID, Name: "p", Visibility: "public", BuildsForks: true, TaskLimit: 1, Weight: 2, Running: 3,
			CreatedAt: 4, Extra: "{}",
		},
		&control.ClassRow{
			ID: newID(), NamespaceID: w.namespace.ID, Name: "c", Description: "d", Access: remuda.AccessSome, TaskLimit: 1, AllowForks: true,
			LostAfter: 2, Running: 3, CreatedAt: 4,
		},
		&token, &runner,
		&control.EntryRow{
			ID: w.class.ID, DisplayName: "d", PublicKey: "k", Implementation: "ALL", Capabilities: "a b", SelfHosted: true, Extra: "{}", TokenID: "t",
			CreatedAt: 1,
		},
		&control.JobRow{
			ID: newID(), OrganizationID: w.organization.ID, Name: "j", Implementation: "job", Payload: []byte(`{"a": 1}`), Secrets: []byte{0, 255},
			SubmittedBy: "me", ReaderID: "o", CreatedAt: 1, ConcurrencyGroup: "g", ConcurrencyLimit: 2,
		},
		&control.SubmissionKeyRow{ID: newID(), Request: []byte{1}, JobID: "j", CreatedAt: 2},
		&control.GroupRow{ID: newID(), ProjectID: w.project.ID, Name: "g", TaskLimit: 1, Running: 2},
		&control.LaneRow{
			ID: newID(), ClassID: w.class.ID, ProjectID: w.project.ID, Group: "g", Queued: 1, Running: 2, Capabilities: " docker ", GroupID: "g", MainID: "m",
			Head: 3, Closed: true, ProjectRunning: 4, Weight: 5, Level: 6, Turns: 7, TurnAt: 8, Waits: true, IdleSince: 9, OrganizationID: w.organization.ID,
		},
		&task, &attempt,
	}
	return append(rows, fullBlocks(w.organization.ID, w.project.ID, w.class.ID)...)
}

func rowsAreReadAsInserted(t *testing.T, s control.Store) {
	for _, row := range full(t, s) {
		value := reflect.ValueOf(row).Elem()
		for i := range value.NumField() {
			if value.Field(i).IsZero() {
				t.Errorf("%s.%s is not set: this test does not see whether it is kept", row.Table(), value.Type().Field(i).Name)
			}
		}
		insert(t, s, row)
		again := reflect.New(value.Type()).Interface().(control.Row)
		err := s.Read(t.Context(), func(v control.View) error {
			return v.Get(t.Context(), again, value.FieldByName("ID").String())
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(row, again); diff != "" {
			t.Errorf("a row of %s came back otherwise (-inserted +read):\n%s", row.Table(), diff)
		}
	}
}

func updatesWriteNamedColumns(t *testing.T, s control.Store) {
	w := newTown(t, s)
	changed := w.project
	changed.TaskLimit, changed.Weight, changed.Visibility = 7, 8, "public"
	write(t, s, func(tx control.Tx) error { return tx.Update(t.Context(), &changed, "task_limit", "weight") })
	want := w.project
	want.TaskLimit, want.Weight = 7, 8
	got := control.ProjectRow{}
	write(t, s, func(tx control.Tx) error { return tx.Get(t.Context(), &got, want.ID) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	err := s.Write(t.Context(), control.Alone, func(tx control.Tx) error { return tx.Update(t.Context(), &changed, "weight", "wight") })
	if err == nil {
		t.Error("a column that is not there was written")
	}
}

func absentIsNotFound(t *testing.T, s control.Store) {
	for what, call := range map[string]func(control.Tx) error{
		"get":    func(tx control.Tx) error { return tx.Get(t.Context(), &control.JobRow{}, newID()) },
		"update": func(tx control.Tx) error { return tx.Update(t.Context(), &control.JobRow{ID: newID()}, "name") },
		"delete": func(tx control.Tx) error { return tx.Delete(t.Context(), &control.JobRow{ID: newID()}) },
	} {
		t.Run(what, func(t *testing.T) { wantKind(t, s.Write(t.Context(), control.Alone, call), remuda.NotFound) })
	}
	ctx, id := t.Context(), newID()
	missing(t, s, func(v control.View) (control.OrganizationRow, error) { return v.OrganizationByName(ctx, id) })
	missing(t, s, func(v control.View) (control.NamespaceRow, error) { return v.NamespaceByName(ctx, id) })
	missing(t, s, func(v control.View) (control.ProjectRow, error) { return v.ProjectByName(ctx, id, id) })
	missing(t, s, func(v control.View) (control.ClassView, error) { return v.ClassByName(ctx, id+"/x") })
	missing(t, s, func(v control.View) (control.ClassView, error) { return v.ClassByName(ctx, "no slash") })
	missing(t, s, func(v control.View) (control.ClassView, error) { return v.ClassView(ctx, id) })
	missing(t, s, func(v control.View) (control.TokenView, error) { return v.TokenByHash(ctx, []byte(id)) })
	missing(t, s, func(v control.View) (control.RunnerRow, error) { return v.RunnerByTokenHash(ctx, []byte(id)) })
	missing(t, s, func(v control.View) (control.TaskView, error) { return v.TaskView(ctx, id) })
	missing(t, s, func(v control.View) (control.TaskRow, error) { return v.Movable(ctx, id) })
	if held := read(t, s, func(v control.View) ([]control.Held, error) { return v.Claimed(ctx, id, newID()) }); len(held) != 0 {
		t.Errorf("claims that there are not: %+v", held)
	}
	missing(t, s, func(v control.View) (control.AttemptView, error) { return v.Attempt(ctx, id) })
	missing(t, s, func(v control.View) (control.TaskRow, error) { return claimable(ctx, v, nil, nil) })
	missing(t, s, func(v control.View) (control.TaskRow, error) { return claimable(ctx, v, []string{id}, nil) })
}

func takenIsAConflict(t *testing.T, s control.Store) {
	w, other := newTown(t, s), newTown(t, s)
	task := w.queue(t, nil)
	attempt := control.AttemptRow{ID: newID(), TaskID: task.ID, Number: 1, State: remuda.AttemptLost}
	token := control.TokenRow{ID: newID(), Kind: remuda.AdminToken, Hash: []byte(newID())}
	insert(t, s, &attempt, &token)
	for what, row := range map[string]control.Row{
		"an id":                            &w.job,
		"an organization's name":           &control.OrganizationRow{ID: newID(), Name: w.organization.Name},
		"a namespace's name":               &control.NamespaceRow{ID: newID(), Name: w.namespace.Name, OrganizationID: other.organization.ID},
		"an organization's only namespace": &control.NamespaceRow{ID: newID(), Name: newID(), OrganizationID: w.organization.ID},
		"a project's name":                 &control.ProjectRow{ID: newID(), OrganizationID: w.organization.ID, Name: w.project.Name},
		"a class's name":                   &control.ClassRow{ID: newID(), NamespaceID: w.namespace.ID, Name: w.class.Name},
		"a token":                          &control.TokenRow{ID: newID(), Hash: token.Hash},
		"a runner's token":                 &control.RunnerRow{ID: newID(), PublicKey: []byte{1}, TokenHash: w.runner.TokenHash},
		"an attempt's number":              &control.AttemptRow{ID: newID(), TaskID: task.ID, Number: 1},
	} {
		t.Run(what, func(t *testing.T) {
			wantKind(t, s.Write(t.Context(), control.Alone, func(tx control.Tx) error { return tx.Insert(t.Context(), row) }), remuda.Conflict)
		})
	}
	insert(t, s, &control.ProjectRow{ID: newID(), OrganizationID: other.organization.ID, Name: w.project.Name, Weight: 1})
	renamed := other.namespace
	renamed.Name = w.namespace.Name
	wantKind(t, s.Write(t.Context(), control.Alone, func(tx control.Tx) error { return tx.Update(t.Context(), &renamed, "name") }), remuda.Conflict)
}

func referredToIsNotDeleted(t *testing.T, s control.Store) {
	w := newTown(t, s)
	w.queue(t, nil)
	for _, row := range []control.Row{&w.organization, &w.namespace, &w.job} {
		err := s.Write(t.Context(), control.Alone, func(tx control.Tx) error { return tx.Delete(t.Context(), row) })
		wantKind(t, err, remuda.Conflict)
	}
}

func aClassTakesAlong(t *testing.T, s control.Store) {
	w := newTown(t, s)
	token := control.TokenRow{ID: newID(), Kind: remuda.ClassToken, Hash: []byte(newID()), ClassID: &w.class.ID}
	insert(t, s, &token, &control.RunnerClassRow{RunnerID: w.runner.ID, ClassID: w.class.ID, TokenID: token.ID})
	write(t, s, func(tx control.Tx) error {
		if _, err := tx.Lane(t.Context(), control.LaneKey{ClassID: w.class.ID, ProjectID: w.project.ID}); err != nil {
			return err
		}
		return tx.ReplaceClassAccess(t.Context(), w.class.ID, []string{w.organization.ID})
	})
	write(t, s, func(tx control.Tx) error { return tx.Delete(t.Context(), &w.class) })
	missing(t, s, func(v control.View) (control.TokenView, error) { return v.TokenByHash(t.Context(), token.Hash) })
	served := read(t, s, func(v control.View) ([]string, error) { return v.RunnerClasses(t.Context(), w.runner.ID) })
	allowed := read(t, s, func(v control.View) ([]control.OrganizationRow, error) { return v.ClassAccess(t.Context(), w.class.ID) })
	if len(served)+len(allowed) != 0 {
		t.Errorf("left are %v and %v", served, allowed)
	}
}

func togetherIsAsApart(t *testing.T, s control.Store) {
	ctx, w := t.Context(), newTown(t, s)
	var tasks []control.TaskRow
	var attempts []control.AttemptRow
	for i := range 3 {
		task := w.queue(t, nil)
		tasks = append(tasks, task)
		attempts = append(attempts, control.AttemptRow{
			ID: newID(), TaskID: task.ID, Number: i + 1, RunnerID: w.runner.ID, State: remuda.AttemptBegun, Reason: remuda.ReasonLost,
			Detail: "d, \"quoted\" {and} \\", Steps: "[]", LostAfter: 1, ClaimedAt: 2, BegunAt: 3, EndedAt: control.Micros(i), LastSignAt: 5,
		})
	}
	last := lastEvent(t, s)
	err := s.Write(ctx, control.Beside, func(tx control.Tx) error {
		err := tx.Together(ctx, func() error {
			for i := range tasks {
				tasks[i].Detail, tasks[i].CancelRequested, tasks[i].StartedAt = attempts[i].ID, true, control.Micros(i)
				err := errors.Join(
					tx.Insert(ctx, &attempts[i]),
					tx.Update(ctx, &tasks[i], "detail", "cancel_requested", "started_at"),
					tx.Insert(ctx, &control.EventRow{Type: "task.x", OrganizationID: w.organization.ID, Subject: tasks[i].ID, At: 1}))
				if err != nil {
					return err
				}
			}
			seen, err := tx.Movable(ctx, tasks[2].ID)
			if err == nil && seen.Detail != attempts[2].ID {
				err = fmt.Errorf("what was written before is read as %+v", seen)
			}
			tasks[0].Name = "renamed"
			return errors.Join(err, tx.Update(ctx, &tasks[0], "name"))
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range tasks {
		var attempt control.AttemptRow
		task := control.TaskRow{}
		err := s.Read(ctx, func(v control.View) error {
			return errors.Join(v.Get(ctx, &attempt, attempts[i].ID), v.Get(ctx, &task, tasks[i].ID))
		})
		if diff := cmp.Diff(attempts[i], attempt) + cmp.Diff(tasks[i], task); err != nil || diff != "" {
			t.Error(err, diff)
		}
	}
	events := read(t, s, func(v control.View) ([]control.EventView, error) {
		return v.Events(ctx, control.EventFilter{After: last, Limit: 10}, w.organization.ID)
	})
	var subjects []string
	for _, event := range events {
		subjects = append(subjects, event.Subject)
	}
	if want := []string{tasks[0].ID, tasks[1].ID, tasks[2].ID}; !reflect.DeepEqual(subjects, want) {
		t.Errorf("the events are of %v, want %v", subjects, want)
	}

	absent := control.TaskRow{ID: newID()}
	wantKind(t, s.Write(ctx, control.Alone, func(tx control.Tx) error {
		return tx.Together(ctx, func() error {
			tasks[1].Detail = "not to be seen"
			return errors.Join(tx.Update(ctx, &tasks[1], "detail"), tx.Update(ctx, &absent, "detail"))
		})
	}), remuda.NotFound)
	if seen := read(t, s, func(v control.View) (control.TaskRow, error) { return v.Movable(ctx, tasks[1].ID) }); seen.Detail != attempts[1].ID {
		t.Errorf("of a change that failed is left %q", seen.Detail)
	}
}
