package store

import (
	"context"
	"reflect"

	"github.com/remuda-dev/remuda/internal/control"
)

// tx implements control.Tx. The ctx of each call is its caller's; a transaction under way has one of its own.
type tx struct{ view }

func (t tx) Insert(_ context.Context, row control.Row) error {
	if gathered, err := t.withAlike(row, true, nil); gathered || err != nil {
		return err
	}
	text, values := t.shapes.inserting(row)
	if numbered(row) && t.postgres != nil {
		t.changes++
		return t.postgres.number(text, values)
	}
	return t.later(false, text, values...)
}

func (t tx) Update(_ context.Context, row control.Row, columns ...string) error {
	if gathered, err := t.withAlike(row, false, columns); gathered || err != nil {
		return err
	}
	text, values, err := t.shapes.updating(row, columns)
	if err != nil {
		return err
	}
	return t.later(true, text, values...)
}

func (t tx) Delete(_ context.Context, row control.Row) error {
	id := reflect.Indirect(reflect.ValueOf(row)).FieldByName("ID").String()
	return t.later(true, "delete from "+row.Table()+" where id = $1", id)
}

func (t tx) Count(_ context.Context, task control.TaskRow, queued, running int) error {
	if queued == 0 && running == 0 {
		return nil
	}
	if task.GroupID != "" || queued < 0 {
		if t.accompanied {
			return errApart // it locks lanes before the end
		}
		t.claiming() // it changes, or goes by, what lies in several lanes
	}
	if running != 0 {
		t.tally.count("projects", task.ProjectID, running)
		t.tally.count("organizations", task.OrganizationID, running)
		t.tally.count("resource_classes", task.ClassID, running)
	}
	if task.GroupID != "" {
		return t.countGroup(task, queued, running)
	}
	t.countLane(task, queued, running)
	return nil
}

func (t tx) Weigh(_ context.Context, project string, weight int) error {
	if err := t.settle(); err != nil {
		return err
	}
	return t.later(false, `update lanes set weight = $2, level = project_running / $2, turns = 0 where project_id = $1`, project, weight)
}

func (t tx) Sign(_ context.Context, runner string, claims []string, at control.Micros) error {
	for _, claim := range claims {
		err := t.later(false, `update attempts set last_sign_at = $2
			where id = $1 and runner_id = $3 and state in ('claimed', 'begun') and last_sign_at < $2`, claim, at, runner)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t tx) ReplaceClassAccess(_ context.Context, class string, organizations []string) error {
	if _, err := t.exec(`delete from class_access where class_id = $1`, class); err != nil {
		return err
	}
	for _, organization := range organizations {
		_, err := t.exec(`insert into class_access (class_id, organization_id) values ($1, $2)
			on conflict (class_id, organization_id) do nothing`, class, organization)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t tx) ForgetOldKeys(_ context.Context, before control.Micros) (int64, error) {
	return t.exec(`delete from submission_keys where id in
		(select id from submission_keys where created_at < $1 order by created_at limit 64)`, before)
}

func (t tx) ForgetTokens(_ context.Context, before control.Micros) (int64, error) {
	return t.exec(`delete from tokens where id in (select t.id from tokens t where t.kind in ('class', 'api-key')
		and (t.revoked_at <> 0 and t.revoked_at < $1 or t.used_at <> 0 and t.used_at < $1 or t.expires_at <> 0 and t.expires_at < $1)
		and not exists (select 1 from runner_classes x join runners r on r.id = x.runner_id where x.token_id = t.id and r.gone_at = 0)
		order by t.id limit 64)`, before)
}

func (t tx) LeaveSilent(_ context.Context, before, now control.Micros) (int64, error) {
	return t.exec(`update runners set gone_at = $2 where id in (
		select r.id from runners r where r.gone_at = 0 and r.silent_at < $1
			and not exists (select 1 from live_attempts a where a.runner_id = r.id)
		order by r.silent_at limit 64)`, before, now)
}
