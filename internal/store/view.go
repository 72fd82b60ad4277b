package store

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/remuda-dev/remuda/internal/control"
)

// view implements control.View. Lists are in descending order of id, which is the newest first.
type view struct{ *query }

// conditions joins the parts of a where clause, numbering their arguments.
type conditions struct {
	parts []string
	args  []any
}

// where adds a condition with one argument, written as $?, unless the argument is empty.
func (c *conditions) where(text string, argument any) {
	if argument == "" || argument == control.Micros(0) {
		return
	}
	c.args = append(c.args, argument)
	c.parts = append(c.parts, strings.ReplaceAll(text, "$?", fmt.Sprintf("$%d", len(c.args))))
}

// in adds a condition that a column has one of some values.
func in[T ~string](c *conditions, column string, values []T) {
	if len(values) == 0 {
		return
	}
	marks := make([]string, len(values))
	for i, value := range values {
		c.args = append(c.args, string(value))
		marks[i] = fmt.Sprintf("$%d", len(c.args))
	}
	c.parts = append(c.parts, column+" in ("+strings.Join(marks, ", ")+")")
}

// page ends the clause: after an id, in descending order of it, so many.
func (c *conditions) page(table string, span control.Span) string {
	c.where(table+".id < $?", span.After)
	c.args = append(c.args, span.Limit)
	return c.clause() + fmt.Sprintf(" order by %s.id desc limit cast($%d as bigint)", table, len(c.args))
}

// last is the number of the last argument.
func (c *conditions) last() string { return fmt.Sprintf("$%d", len(c.args)) }

func (c *conditions) clause() string {
	if len(c.parts) == 0 {
		return ""
	}
	return " where " + strings.Join(c.parts, " and ")
}

func (v view) Get(_ context.Context, row control.Row, id string) error {
	if _, counts := v.shapes.of(reflect.Indirect(reflect.ValueOf(row)).Type()).fields["running"]; counts {
		if err := v.counts(); err != nil { // what was counted so far is part of it
			return err
		}
	}
	return v.row(row, v.locked(`select * from `+row.Table()+` where id = $1`, ""), id)
}

func (v view) OrganizationByName(_ context.Context, name string) (row control.OrganizationRow, err error) {
	return row, v.one(&row, `select * from organizations where name = $1`, name)
}

func (v view) Organizations(_ context.Context, only string, p control.Span) (rows []control.OrganizationView, err error) {
	var c conditions
	c.where("o.id = $?", only)
	return rows, v.all(&rows, `select o.*, coalesce(n.name, '') as namespace
		from organizations o left join namespaces n on n.organization_id = o.id`+c.page("o", p), c.args...)
}

func (v view) NamespaceByName(_ context.Context, name string) (row control.NamespaceRow, err error) {
	return row, v.one(&row, `select * from namespaces where name = $1`, name)
}

func (v view) Namespaces(_ context.Context, only string, p control.Span) (rows []control.NamespaceView, err error) {
	var c conditions
	c.where("n.organization_id = $?", only)
	return rows, v.all(&rows, `select n.*, o.name as organization
		from namespaces n join organizations o on o.id = n.organization_id`+c.page("n", p), c.args...)
}

func (v view) ProjectByName(_ context.Context, organization, name string) (row control.ProjectRow, err error) {
	return row, v.one(&row, `select * from projects where organization_id = $1 and name = $2`, organization, name)
}

func (v view) Projects(_ context.Context, organization string, p control.Span) (rows []control.ProjectRow, err error) {
	var c conditions
	c.where("p.organization_id = $?", organization)
	return rows, v.all(&rows, `select p.* from projects p`+c.page("p", p), c.args...)
}

const (
	classColumns = `select c.*, n.name || '/' || c.name as full_name, o.id as organization_id, o.name as organization`
	classTables  = ` from resource_classes c join namespaces n on n.id = c.namespace_id join organizations o on o.id = n.organization_id`

	// Counted from the runners that were heard of lately, not from all that ever served the class: cross join holds
	// SQLite to that order.
	classCounts = `, (select coalesce(sum(l.queued), 0) from lanes l where l.class_id = c.id and l.queued > 0) as queued,
	(select count(*) from runners r cross join runner_classes rc cross join tokens t
		where r.gone_at = 0 and r.silent_at >= $1 and rc.runner_id = r.id and rc.class_id = c.id
			and t.id = rc.token_id and t.revoked_at = 0) as runners`
)

func (v view) ClassByName(_ context.Context, full string) (row control.ClassView, err error) {
	namespace, name, _ := strings.Cut(full, "/")
	return row, v.one(&row, classColumns+classTables+` where n.name = $1 and c.name = $2`, namespace, name)
}

func (v view) ClassView(_ context.Context, id string) (row control.ClassView, err error) {
	return row, v.one(&row, classColumns+classTables+` where c.id = $1`, id)
}

func (v view) CountedClass(_ context.Context, id string) (row control.ClassView, err error) {
	return row, v.one(&row, classColumns+classCounts+classTables+` where c.id = $2`, control.Now(), id)
}

func (v view) Classes(_ context.Context, f control.ClassQuery) (rows []control.ClassView, err error) {
	c := conditions{args: []any{control.Now()}}
	c.where("n.name = $?", f.Namespace)
	c.where("o.name = $?", f.Organization)
	c.where(`(o.id = $? or c.access = 'all' or c.access = 'some' and exists
		(select 1 from class_access a where a.class_id = c.id and a.organization_id = $?))`, f.VisibleTo)
	return rows, v.all(&rows, classColumns+classCounts+classTables+c.page("c", f.Span), c.args...)
}

func (v view) ClassAccess(_ context.Context, class string) (rows []control.OrganizationRow, err error) {
	return rows, v.all(&rows, `select o.* from organizations o join class_access a on a.organization_id = o.id
		where a.class_id = $1 order by o.name`, class)
}

const tokens = `select t.*, coalesce(n.name || '/' || c.name, '') as class, coalesce(o.name, co.name, '') as organization
	from tokens t left join resource_classes c on c.id = t.class_id left join namespaces n on n.id = c.namespace_id
	left join organizations o on o.id = t.organization_id left join organizations co on co.id = n.organization_id`

func (v view) TokenByHash(_ context.Context, hash []byte) (row control.TokenView, err error) {
	return row, v.row(&row, tokens+` where t.hash = $1`, hash)
}

func (v view) Tokens(_ context.Context, f control.TokenQuery) (rows []control.TokenView, err error) {
	var c conditions
	c.parts = []string{"t.revoked_at = 0"}
	c.where("t.kind = $?", string(f.Kind))
	c.where("t.class_id = $?", f.ClassID)
	c.where("(t.organization_id = $? or n.organization_id = $?)", f.Organization)
	return rows, v.all(&rows, tokens+c.page("t", f.Span), c.args...)
}

func (v view) RunnerByTokenHash(_ context.Context, hash []byte) (row control.RunnerRow, err error) {
	return row, v.row(&row, `select * from runners where token_hash = $1`, hash)
}

func (v view) Runners(_ context.Context, f control.RunnerQuery) (rows []control.RunnerView, err error) {
	var c conditions
	c.where("r.id = $?", f.ID)
	c.where("r.last_seen_at > $?", f.Since)
	if f.Since != 0 {
		c.parts = append(c.parts, "r.gone_at = 0")
	}
	c.where(`exists (select 1 from runner_classes x join tokens t on t.id = x.token_id
		where x.runner_id = r.id and x.class_id = $? and t.revoked_at = 0)`, f.ClassID)
	c.where(`exists (select 1 from runner_classes x where x.runner_id = r.id and x.token_id = $?)`, f.TokenID)
	c.where(`exists (select 1 from runner_classes x join resource_classes k on k.id = x.class_id
		join namespaces m on m.id = k.namespace_id where x.runner_id = r.id and m.organization_id = $?)`, f.Organization)
	return rows, v.all(&rows, `select r.*,
		coalesce((select string_agg(n.name || '/' || k.name, ' ') from runner_classes x join resource_classes k on k.id = x.class_id
			join namespaces n on n.id = k.namespace_id join tokens t on t.id = x.token_id
			where x.runner_id = r.id and t.revoked_at = 0), '') as classes,
		(select count(*) from live_attempts a where a.runner_id = r.id) as busy
		from runners r`+c.page("r", f.Span), c.args...)
}

func (v view) RunnerStates(_ context.Context, class string, since, now control.Micros) (rows []control.RunnerState, err error) {
	return rows, v.all(&rows, `select version, capabilities, reason, ready, draining, paused, quarantined, revoked, silent, busy, count(*) as n from (
			select r.version, r.capabilities, case when r.ready then '' else r.reason end as reason, r.ready, r.draining or r.drain_asked as draining,
				r.paused, r.quarantined, t.revoked_at <> 0 as revoked, r.silent_at < $3 as silent,
				(select count(*) from live_attempts a where a.runner_id = r.id) >= r.slots as busy
			from runner_classes rc join runners r on r.id = rc.runner_id join tokens t on t.id = rc.token_id
			where rc.class_id = $1 and r.gone_at = 0 and r.last_seen_at > $2) x
		group by version, capabilities, reason, ready, draining, paused, quarantined, revoked, silent, busy
		order by n desc, version, capabilities, reason`, class, since, now)
}

func (v view) RunnerClasses(_ context.Context, runner string) (ids []string, err error) {
	return ids, v.rows(&ids, `select x.class_id from runner_classes x join tokens t on t.id = x.token_id
		where x.runner_id = $1 and t.revoked_at = 0 order by x.class_id`, runner)
}

func (v view) RunnerOwners(_ context.Context, runner string) (ids []string, err error) {
	return ids, v.all(&ids, `select distinct n.organization_id from runner_classes rc join resource_classes c on c.id = rc.class_id
		join namespaces n on n.id = c.namespace_id where rc.runner_id = $1 order by n.organization_id`, runner)
}

func (v view) Events(_ context.Context, f control.EventFilter, organization string) (rows []control.EventView, err error) {
	c := conditions{args: []any{f.After}, parts: []string{"e.id > $1"}}
	c.where("e.organization_id = $?", organization)
	c.where("e.subject = $?", f.Subject)
	if prefix, wild := strings.CutSuffix(f.Type, "*"); wild {
		c.where("substr(e.type, 1, length($?)) = $?", prefix)
	} else {
		c.where("e.type = $?", f.Type)
	}
	if v.postgres != nil {
		c.args = append(c.args, v.postgres.store.shift)
		c.parts = append(c.parts, fmt.Sprintf("e.id < %s + $%d", unsettled, len(c.args)))
	}
	c.args = append(c.args, f.Limit)
	err = v.all(&rows, `select e.id, e.type, e.organization_id, e.subject, e.actor, e.detail, e.at, e.address, coalesce(o.name, '') as organization
		from events e left join organizations o on o.id = e.organization_id`+c.clause()+
		fmt.Sprintf(" order by e.id limit cast($%d as bigint)", len(c.args)), c.args...)
	if v.postgres != nil && len(rows) > 0 {
		v.postgres.shown = max(v.postgres.shown, rows[len(rows)-1].ID)
	}
	return rows, err
}

func (v view) LastEvent(_ context.Context) (id int64, held bool, err error) {
	if v.postgres == nil {
		return id, false, v.one(&id, `select coalesce(max(id), 0) from events`)
	}
	var found struct {
		Last int64 `db:"last"`
		Held bool  `db:"held"`
	}
	err = v.one(&found, `select coalesce((select max(id) from events where id < `+unsettled+` + $1), 0) as last,
		exists (select 1 from events where id >= `+unsettled+` + $1) as held`, v.postgres.store.shift)
	v.postgres.shown = max(v.postgres.shown, found.Last)
	return found.Last, found.Held, err
}
