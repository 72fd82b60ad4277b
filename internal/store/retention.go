package store

import (
	"context"

	"github.com/remuda-dev/remuda/internal/control"
)

func (v view) Oldest(_ context.Context, after string) (rows []control.TaskRow, err error) {
	return rows, v.all(&rows, `select id, state, submitted_at, ended_at, pinned, output_removed_at from tasks
		where id > $1 order by id limit 256`, after)
}

func (v view) AttemptIDs(_ context.Context, task string) (ids []string, err error) {
	return ids, v.all(&ids, `select id from attempts where task_id = $1 order by number`, task)
}

func (t tx) ForgetTask(_ context.Context, id string) (done bool, err error) {
	for _, text := range [...]string{
		// The newest event stays: the next one's id is one more than its own.
		`delete from events where id in (select id from events where subject = $1 and id < (select max(id) from events) order by id limit 64)`,
		`delete from attempts where id in (select id from attempts where task_id = $1 order by number limit 64)`,
	} {
		n, err := t.exec(text, id)
		if err != nil || n == mostDeleted {
			return false, err
		}
	}
	var job string
	if err := t.one(&job, `select job_id from tasks where id = $1`, id); err != nil {
		return true, ignoreNotFound(err) // somebody else has
	}
	if _, err := t.exec(`delete from tasks where id = $1`, id); err != nil {
		return false, err
	}
	_, err = t.exec(`delete from jobs where id = $1 and not exists (select 1 from tasks where job_id = $1)`, job)
	return err == nil, err
}

func (t tx) ForgetEvents(_ context.Context, before control.Micros) (int64, error) {
	return t.exec(`delete from events where at < $1 and id in
		(select id from events where id < (select max(id) from events) order by id limit 64)`, before)
}
