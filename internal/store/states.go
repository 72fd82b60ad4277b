package store

import (
	"context"

	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

// Lists of states leave out the bodies, which are large.
const stateColumns = `select id, block_id, number, serial, lineage, size, mac, run_id, deleted, created_by, created_at from states`

func (v blockView) NewestState(_ context.Context, block string) (row blocks.StateRow, err error) {
	return row, v.one(&row, stateColumns+` where block_id = $1 order by number desc limit 1`, block)
}

func (v blockView) StateNumber(_ context.Context, block string) (n int, err error) {
	return n, v.one(&n, `select coalesce(max(number), 0) from states where block_id = $1`, block)
}

func (v blockView) StateByNumber(_ context.Context, block string, number int) (row blocks.StateRow, err error) {
	return row, v.one(&row, `select * from states where block_id = $1 and number = $2 and not deleted`, block, number)
}

func (v blockView) States(_ context.Context, block string, p blocks.Page) (rows []blocks.StateRow, err error) {
	c := conditions{args: []any{block}, parts: []string{"block_id = $1", "not deleted"}}
	return rows, v.all(&rows, stateColumns+c.part("states", p), c.args...)
}

func (v blockView) CountStates(_ context.Context, block string) (n int, err error) {
	return n, v.one(&n, `select count(*) from states where block_id = $1 and not deleted`, block)
}

func (t blockTx) HoldState(_ context.Context, block string) error { return t.hold("state " + block) }

func (t blockTx) ForgetStates(_ context.Context, block string, upTo, limit int) error {
	return t.later(false, `delete from states where id in
		(select id from states where block_id = $1 and number <= $2 order by number limit cast($3 as bigint))`, block, upTo, limit)
}

func (t blockTx) ReleaseLock(_ context.Context, run string) error {
	return t.later(false, `delete from state_locks where run_id = $1`, run)
}

func (t blockTx) ForgetPlans(_ context.Context, block string) error {
	return t.later(false, `delete from plans where block_id = $1`, block)
}

func (t blockTx) ForgetOldPlans(_ context.Context, before control.Micros) (int64, error) {
	return t.exec(`delete from plans where id in (select id from plans where created_at < $1 order by created_at limit 64)`, before)
}
