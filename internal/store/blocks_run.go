package store

import (
	"context"
	"fmt"

	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

const (
	runColumns = `select r.*, b.organization_id, d.organization_id as owner_id, d.transparent`
	runTables  = ` from runs r join blocks b on b.id = r.block_id join definitions d on d.id = b.definition_id`
)

func (v blockView) RunView(_ context.Context, id string) (row blocks.RunView, err error) {
	return row, v.one(&row, runColumns+runTables+` where r.id = $1`, id)
}

func (v blockView) RunOfTask(_ context.Context, task string) (row blocks.RunView, err error) {
	return row, v.one(&row, runColumns+runTables+` where r.task_id = $1 and r.task_id <> ''`, task)
}

func runClause(q blocks.RunQuery) *conditions {
	c := &conditions{}
	own := "b.organization_id = $? and (d.transparent or d.organization_id = b.organization_id)"
	if q.Managed {
		own = "(d.organization_id = $? or " + own + ")"
	}
	c.where(own, q.VisibleTo)
	c.where("b.organization_id = $?", q.Organization)
	c.where("r.block_id = $?", q.Block)
	in(c, "r.status", q.Status)
	c.where("r.approval = $?", string(q.Approval))
	if q.ByHand {
		c.parts = append(c.parts, "r.ended_at = 0 and r.task_id = '' and r.status = 'in_progress'")
	}
	return c
}

func (v blockView) Runs(_ context.Context, q blocks.RunQuery) (rows []blocks.RunView, err error) {
	c := runClause(q)
	return rows, v.all(&rows, runColumns+runTables+c.part("r", q.Page), c.args...)
}

func (v blockView) CountRuns(_ context.Context, q blocks.RunQuery) (n int, err error) {
	c := runClause(q)
	return n, v.one(&n, `select count(*)`+runTables+c.clause(), c.args...)
}

func (v blockView) LastRuns(_ context.Context, block string, limit int) (rows []blocks.RunRow, err error) {
	return rows, v.all(&rows, `select * from runs where block_id = $1 and task_id <> '' order by number desc limit cast($2 as bigint)`, block, limit)
}

func (v blockView) RunSources(_ context.Context, run string) (rows []blocks.RunSourceRow, err error) {
	return rows, v.all(&rows, `select * from run_sources where run_id = $1 order by position`, run)
}

func (v blockView) RunEvents(_ context.Context, after int64, limit int) (rows []blocks.RunEvent, err error) {
	var live bool // mostly there is none, and then there is nothing to read
	if err := v.one(&live, `select exists (select 1 from runs where ended_at = 0 and task_id <> '')`); err != nil || !live {
		return nil, err
	}
	c := conditions{args: []any{after}, parts: []string{"e.id > $1"}}
	if v.postgres != nil {
		c.args = append(c.args, v.postgres.store.shift)
		c.parts = append(c.parts, fmt.Sprintf("e.id < %s + $%d", unsettled, len(c.args)))
	}
	c.args = append(c.args, limit)
	// cross join holds SQLite to the order: few events are new, and each looks for its run.
	err = v.all(&rows, `select e.id, r.id as run_id from events e cross join runs r`+c.clause()+
		fmt.Sprintf(" and r.task_id = e.subject and r.task_id <> '' order by e.id limit cast($%d as bigint)", len(c.args)), c.args...)
	if v.postgres != nil && len(rows) > 0 {
		v.postgres.shown = max(v.postgres.shown, rows[len(rows)-1].ID)
	}
	return rows, err
}

func (v blockView) Unsettled(_ context.Context, limit int) (ids []string, err error) {
	return ids, v.all(&ids, `select r.id from runs r left join tasks t on t.id = r.task_id
		where r.ended_at = 0 and r.task_id <> '' and (t.id is null or t.state in ('succeeded', 'failed', 'canceled', 'skipped'))
		order by r.id limit cast($1 as bigint)`, limit)
}

func (v blockView) DriftDue(_ context.Context, now control.Micros, limit int) (ids []string, err error) {
	return ids, v.all(&ids, `select id from blocks where drift_at <> 0 and drift_at <= $1 order by drift_at limit cast($2 as bigint)`, now, limit)
}

func (t blockTx) ShareRuns(_ context.Context, definition string, transparent bool) error {
	_, err := t.exec(`update jobs set reader_id = case when $2 then
			(select b.organization_id from runs r join blocks b on b.id = r.block_id where r.job_id = jobs.id limit 1) else '' end
		where id in (select r.job_id from runs r join blocks b on b.id = r.block_id where b.definition_id = $1 and r.job_id <> '')
			and organization_id <> (select b.organization_id from runs r join blocks b on b.id = r.block_id where r.job_id = jobs.id limit 1)`,
		definition, transparent)
	return err
}

func (t blockTx) Advance(_ context.Context, reader string, event int64) error {
	_, err := t.exec(`insert into readers (id, event_id) values ($1, $2)
		on conflict (id) do update set event_id = excluded.event_id where readers.event_id < excluded.event_id`, reader, event)
	return err
}

func (t blockTx) ForgetBlocks(_ context.Context, definition, version string) error {
	c := conditions{args: []any{definition}, parts: []string{"definition_id = $1", "lifecycle = 'deleted'"}}
	c.where("version_id = $?", version)
	_, err := t.exec(`delete from blocks`+c.clause(), c.args...)
	return err
}

func (t blockTx) Pin(_ context.Context, task string, pinned bool) error {
	_, err := t.exec(`update tasks set pinned = $2 where id = $1`, task, pinned)
	return err
}
