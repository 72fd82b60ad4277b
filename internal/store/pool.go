package store

import (
	"context"

	"github.com/remuda-dev/remuda/internal/control"
)

func (v view) RunnerAttempts(_ context.Context, runner string, live bool, p control.Span) (rows []control.RunnerAttemptView, err error) {
	text, args := v.runnerAttempts(runner, live, p)
	return rows, v.all(&rows, text, args...)
}

// runnerAttempts says which attempts by the words of SQLite's indexes that have them: attempts_live and attempts_over.
func (q *query) runnerAttempts(runner string, live bool, p control.Span) (text string, args []any) {
	c := conditions{args: []any{runner}, parts: []string{"a.runner_id = $1 and a.state not in ('claimed', 'begun')"}}
	from := "attempts a"
	if live {
		from, c.parts[0] = q.live("$1")
	}
	text = `select a.id, a.task_id, a.number, a.runner_id, a.state, a.reason, a.detail, a.claimed_at, a.begun_at, a.ended_at,
		a.last_sign_at, t.name as task, t.organization_id, o.name as organization, p.name as project, n.name || '/' || c.name as class
		from ` + from + ` join tasks t on t.id = a.task_id join organizations o on o.id = t.organization_id
		join projects p on p.id = t.project_id join resource_classes c on c.id = t.class_id join namespaces n on n.id = c.namespace_id` +
		c.page("a", p)
	return text, c.args
}

func (v view) ClassRunnerCounts(_ context.Context, classes []string, since, now control.Micros) (rows []control.ClassRunnerCount, err error) {
	if len(classes) == 0 {
		return nil, nil
	}
	c := conditions{args: []any{since, now}, parts: []string{"r.gone_at = 0", "r.last_seen_at > $1", "t.revoked_at = 0"}}
	in(&c, "rc.class_id", classes)
	return rows, v.all(&rows, `select class_id, silent, draining, paused, quarantined, busy, count(*) as n from (
			select rc.class_id, r.silent_at < $2 as silent, r.draining or r.drain_asked as draining, r.paused, r.quarantined,
				exists (select 1 from live_attempts a where a.runner_id = r.id) as busy
			from runner_classes rc join runners r on r.id = rc.runner_id join tokens t on t.id = rc.token_id`+c.clause()+`) x
		group by class_id, silent, draining, paused, quarantined, busy`, c.args...)
}
