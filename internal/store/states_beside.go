package store

import (
	"context"

	"github.com/remuda-dev/remuda/internal/blocks"
)

const (
	integrationColumns = `select i.*, o.name as organization, coalesce(n.name || '/' || c.name, '') as class`
	integrationTables  = ` from integrations i join organizations o on o.id = i.organization_id
		left join resource_classes c on c.id = i.class_id left join namespaces n on n.id = c.namespace_id`

	tenantColumns = `select t.*, o.name as organization, p.name as project`
	tenantTables  = ` from tenants t join organizations o on o.id = t.organization_id join projects p on p.id = t.project_id`

	entryColumns = `select e.*, n.name || '/' || c.name as class, o.id as organization_id, o.name as organization, c.access,
		(select coalesce(max(r.last_seen_at), 0) from runner_classes x join runners r on r.id = x.runner_id where x.class_id = e.id) as seen_at`
	entryTables = ` from runner_entries e join resource_classes c on c.id = e.id join namespaces n on n.id = c.namespace_id
		join organizations o on o.id = n.organization_id`
)

func (v blockView) IntegrationView(_ context.Context, id string) (row blocks.IntegrationView, err error) {
	return row, v.one(&row, integrationColumns+integrationTables+` where i.id = $1`, id)
}

func (v blockView) Integrations(_ context.Context, organization string, p blocks.Page) (rows []blocks.IntegrationView, err error) {
	var c conditions
	c.where("i.organization_id = $?", organization)
	return rows, v.all(&rows, integrationColumns+integrationTables+c.part("i", p), c.args...)
}

func (v blockView) CountIntegrations(_ context.Context, organization string) (n int, err error) {
	var c conditions
	c.where("i.organization_id = $?", organization)
	return n, v.one(&n, `select count(*) from integrations i`+c.clause(), c.args...)
}

func (v blockView) IntegrationUsed(_ context.Context, organization, id string) (used bool, err error) {
	return used, v.one(&used, `select exists (select 1 from versions v join definitions d on d.id = v.definition_id
		where d.organization_id = $1 and v.spec like $2)`, organization, `%"integration":"`+id+`"%`)
}

func (v blockView) TenantView(_ context.Context, id string) (row blocks.TenantView, err error) {
	return row, v.one(&row, tenantColumns+tenantTables+` where t.id = $1`, id)
}

func tenantClause(q blocks.TenantQuery) *conditions {
	c := &conditions{}
	c.where("t.organization_id = $?", q.Organization)
	c.where("t.project_id = $?", q.Project)
	return c
}

func (v blockView) Tenants(_ context.Context, q blocks.TenantQuery) (rows []blocks.TenantView, err error) {
	c := tenantClause(q)
	return rows, v.all(&rows, tenantColumns+tenantTables+c.part("t", q.Page), c.args...)
}

func (v blockView) CountTenants(_ context.Context, q blocks.TenantQuery) (n int, err error) {
	c := tenantClause(q)
	return n, v.one(&n, `select count(*) from tenants t`+c.clause(), c.args...)
}

func (v blockView) EntryView(_ context.Context, id string) (row blocks.EntryView, err error) {
	return row, v.one(&row, entryColumns+entryTables+` where e.id = $1`, id)
}

func entryClause(q blocks.EntryQuery) *conditions {
	c := &conditions{}
	c.where("n.organization_id = $?", q.Organization)
	c.where(`(n.organization_id = $? or c.access = 'all' or c.access = 'some' and exists
		(select 1 from class_access a where a.class_id = c.id and a.organization_id = $?))`, q.VisibleTo)
	return c
}

func (v blockView) Entries(_ context.Context, q blocks.EntryQuery) (rows []blocks.EntryView, err error) {
	c := entryClause(q)
	return rows, v.all(&rows, entryColumns+entryTables+c.part("e", q.Page), c.args...)
}

func (v blockView) CountEntries(_ context.Context, q blocks.EntryQuery) (n int, err error) {
	c := entryClause(q)
	return n, v.one(&n, `select count(*)`+entryTables+c.clause(), c.args...)
}

func (v blockView) ClassUsed(_ context.Context, class string) (used bool, err error) {
	return used, v.one(&used, `select exists (select 1 from tasks where class_id = $1) or exists (select 1 from versions where class_id = $1)
		or exists (select 1 from integrations where class_id = $1)`, class)
}
