package store

import (
	"context"

	"github.com/remuda-dev/remuda/internal/control"
)

const sessions = `select s.*, t.kind, t.nickname, t.role, t.organization_id, t.revoked_at, t.expires_at, coalesce(o.name, '') as organization
	from sessions s join tokens t on t.id = s.token_id left join organizations o on o.id = t.organization_id`

func (v view) SessionByHash(_ context.Context, hash []byte) (row control.SessionView, err error) {
	return row, v.row(&row, sessions+` where s.hash = $1 or s.old_hash = $1`, hash)
}

func (v view) SessionView(_ context.Context, id string) (row control.SessionView, err error) {
	return row, v.row(&row, sessions+` where s.id = $1`, id)
}

func (v view) Sessions(_ context.Context, q control.SessionQuery) (rows []control.SessionView, err error) {
	var c conditions
	c.where("s.token_id = $?", q.Token)
	c.where("t.organization_id = $?", q.Organization)
	return rows, v.all(&rows, sessions+c.page("s", q.Span), c.args...)
}

func (v view) SessionsOver(_ context.Context, now, idle control.Micros) (rows []control.SessionView, err error) {
	return rows, v.all(&rows, sessions+` where s.ends_at <= $1 or s.last_used_at <= $2 order by s.id limit 64`, now, idle)
}
