package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// tx implements control.Tx. The ctx of each call is its caller's; a transaction under way has one of its own.
type tx struct{ view }

func (t tx) Insert(_ context.Context, row control.Row) error {
	names, values := columnsOf(row)
	if _, numbered := row.(*control.EventRow); numbered {
		names, values = names[1:], values[1:] // the database gives its id
	}
	marks := make([]string, len(names))
	for i := range names {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	_, err := t.exec("insert into "+row.Table()+" ("+strings.Join(names, ", ")+") values ("+strings.Join(marks, ", ")+")", values...)
	return err
}

func (t tx) Update(_ context.Context, row control.Row, columns ...string) error {
	names, values := columnsOf(row)
	sets := make([]string, len(columns))
	args := []any{values[slices.Index(names, "id")]}
	for i, column := range columns {
		at := slices.Index(names, column)
		if at < 0 {
			return fmt.Errorf("table %s has no column %s", row.Table(), column)
		}
		sets[i] = fmt.Sprintf("%s = $%d", column, i+2)
		args = append(args, values[at])
	}
	n, err := t.exec("update "+row.Table()+" set "+strings.Join(sets, ", ")+" where id = $1", args...)
	if err == nil && n == 0 {
		return remuda.NotFound
	}
	return err
}

func (t tx) Delete(_ context.Context, row control.Row) error {
	names, values := columnsOf(row)
	n, err := t.exec("delete from "+row.Table()+" where id = $1", values[slices.Index(names, "id")])
	if err == nil && n == 0 {
		return remuda.NotFound
	}
	return err
}

func (t tx) Lane(_ context.Context, class, project, group string) (control.LaneRow, error) {
	_, err := t.exec(`insert into lanes (id, class_id, project_id, concurrency_group, queued, running)
		values ($1, $2, $3, $4, 0, 0) on conflict (class_id, project_id, concurrency_group) do nothing`,
		uuid.Must(uuid.NewV7()).String(), class, project, group)
	if err != nil {
		return control.LaneRow{}, err
	}
	var lane control.LaneRow
	err = t.one(&lane, `select * from lanes where class_id = $1 and project_id = $2 and concurrency_group = $3`, class, project, group)
	return lane, err
}

func (t tx) Count(_ context.Context, task control.TaskRow, queued, running int) error {
	if queued != 0 || running != 0 {
		_, err := t.exec(`update lanes set queued = queued + $2, running = running + $3 where id = $1`, task.LaneID, queued, running)
		if err != nil {
			return err
		}
	}
	if running == 0 {
		return nil
	}
	for table, id := range map[string]string{
		"organizations": task.OrganizationID, "projects": task.ProjectID, "resource_classes": task.ClassID,
	} {
		if _, err := t.exec(`update `+table+` set running = running + $2 where id = $1`, id, running); err != nil {
			return err
		}
	}
	return nil
}

func (t tx) Sign(_ context.Context, claims []string, at control.Micros) error {
	for _, claim := range claims {
		_, err := t.exec(`update attempts set last_sign_at = $2
			where id = $1 and state in ('claimed', 'begun') and last_sign_at < $2`, claim, at)
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

func (t tx) ForgetOldKeys(_ context.Context, before control.Micros) error {
	_, err := t.exec(`delete from submission_keys where id in
		(select id from submission_keys where created_at < $1 order by created_at limit 64)`, before)
	return err
}
