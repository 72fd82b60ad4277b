package store

import (
	"context"

	"github.com/remuda-dev/remuda/internal/control"
)

func (t tx) SeeRunner(_ context.Context, id string, at, silent control.Micros) error {
	return t.later(false, `update runners set last_seen_at = $2, silent_at = $3 where id = $1 and last_seen_at < $2 and gone_at = 0`, id, at, silent)
}

// ForgetRunners goes by ids, which are in the order of registration: those that have gone are mostly the first.
func (t tx) ForgetRunners(_ context.Context, idle, used control.Micros) (int64, error) {
	return t.exec(`delete from runners where id in (select r.id from runners r where r.gone_at <> 0
		and (r.last_used_at = 0 and r.gone_at < $1 or r.gone_at < $2) order by r.id limit 64)`, idle, used)
}

func (v view) RunnerCounts(_ context.Context, since, now control.Micros) (rows []control.RunnerCount, err error) {
	return rows, v.all(&rows, `select silent, draining, paused, quarantined, busy, count(*) as n from (
			select r.silent_at < $2 as silent, r.draining or r.drain_asked as draining, r.paused, r.quarantined,
				exists (select 1 from live_attempts a where a.runner_id = r.id) as busy
			from runners r where r.gone_at = 0 and r.last_seen_at > $1) x
		group by silent, draining, paused, quarantined, busy`, since, now)
}
