package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/control"
)

// blockView implements blocks.View, blockTx blocks.Tx.
type blockView struct{ view }

type blockTx struct{ blockView }

func (t blockTx) Insert(ctx context.Context, row control.Row) error {
	return tx{t.view}.Insert(ctx, row)
}

func (t blockTx) Update(ctx context.Context, row control.Row, columns ...string) error {
	return tx{t.view}.Update(ctx, row, columns...)
}

func (t blockTx) Delete(ctx context.Context, row control.Row) error {
	return tx{t.view}.Delete(ctx, row)
}

// BlockView reads building blocks as v reads tasks, which this store gave.
func (s *Store) BlockView(v control.View) blocks.View {
	if t, is := v.(tx); is {
		return blockView(t)
	}
	return blockView{v.(view)}
}

// BlockTx changes building blocks in the transaction of t, which this store gave.
func (s *Store) BlockTx(t control.Tx) blocks.Tx { return blockTx{blockView{t.(tx).view}} }

// part ends the clause: after an id, or after so many, in descending order of id, so many.
func (c *conditions) part(table string, p blocks.Page) string {
	text := c.page(table, control.Span{After: p.After, Limit: p.Limit})
	if p.Offset == 0 {
		return text
	}
	c.args = append(c.args, p.Offset)
	return text + fmt.Sprintf(" offset cast($%d as bigint)", len(c.args))
}

// like is a pattern for texts that contain part, whatever its case.
func like(part string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(part)) + "%"
}

const (
	definitionColumns = `select d.*, o.name as organization,
		(select coalesce(max(v.number), 0) from versions v where v.definition_id = d.id) as latest,
		(select coalesce(max(v.number), 0) from versions v where v.definition_id = d.id and v.state = 'released') as released,
		(select count(*) from blocks b where b.definition_id = d.id and b.lifecycle <> 'deleted') as blocks`
	definitionTables = ` from definitions d join organizations o on o.id = d.organization_id`
)

func (v blockView) DefinitionView(_ context.Context, id string) (row blocks.DefinitionView, err error) {
	return row, v.one(&row, definitionColumns+definitionTables+` where d.id = $1`, id)
}

func definitionClause(q blocks.DefinitionQuery) *conditions {
	c := &conditions{}
	const released = `exists (select 1 from versions v where v.definition_id = d.id and v.state = 'released')`
	const ordered = `(d.access = 'all' or d.access = 'some' and exists
		(select 1 from definition_access a where a.definition_id = d.id and a.organization_id = $?))`
	c.where("d.organization_id = $?", q.Organization)
	c.where(`(d.organization_id = $? or `+released+` and `+ordered+`)`, q.VisibleTo)
	if q.Released {
		c.parts = append(c.parts, released)
	}
	if q.Search != "" {
		c.where(`lower(d.name) like $? escape '\'`, like(q.Search))
	}
	return c
}

func (v blockView) Definitions(_ context.Context, q blocks.DefinitionQuery) (rows []blocks.DefinitionView, err error) {
	c := definitionClause(q)
	return rows, v.all(&rows, definitionColumns+definitionTables+c.part("d", q.Page), c.args...)
}

func (v blockView) CountDefinitions(_ context.Context, q blocks.DefinitionQuery) (n int, err error) {
	c := definitionClause(q)
	return n, v.one(&n, `select count(*)`+definitionTables+c.clause(), c.args...)
}

func (v blockView) DefinitionAccess(_ context.Context, definition string) (rows []control.OrganizationRow, err error) {
	return rows, v.all(&rows, `select o.* from organizations o join definition_access a on a.organization_id = o.id
		where a.definition_id = $1 order by o.name`, definition)
}

const versionsOf = `select v.*, coalesce(n.name || '/' || c.name, '') as class,
	(select count(*) from blocks b where b.version_id = v.id and b.lifecycle <> 'deleted') as blocks
	from versions v left join resource_classes c on c.id = v.class_id left join namespaces n on n.id = c.namespace_id`

func (v blockView) VersionView(_ context.Context, id string) (row blocks.VersionView, err error) {
	return row, v.one(&row, versionsOf+` where v.id = $1`, id)
}

func (v blockView) VersionByNumber(_ context.Context, definition string, number int) (row blocks.VersionView, err error) {
	return row, v.one(&row, versionsOf+` where v.definition_id = $1 and v.number = $2`, definition, number)
}

func versionClause(q blocks.VersionQuery) *conditions {
	c := &conditions{}
	c.where("v.definition_id = $?", q.Definition)
	if q.Released {
		c.parts = append(c.parts, "v.state = 'released'")
	}
	return c
}

func (v blockView) Versions(_ context.Context, q blocks.VersionQuery) (rows []blocks.VersionView, err error) {
	c := versionClause(q)
	return rows, v.all(&rows, versionsOf+c.part("v", q.Page), c.args...)
}

func (v blockView) CountVersions(_ context.Context, q blocks.VersionQuery) (n int, err error) {
	c := versionClause(q)
	return n, v.one(&n, `select count(*) from versions v`+c.clause(), c.args...)
}

const (
	blockColumns = `select b.*, o.name as organization, coalesce(p.name, '') as project, d.name as definition_name,
		d.organization_id as owner_id, d.transparent, v.number as version`
	blockTables = ` from blocks b join organizations o on o.id = b.organization_id left join projects p on p.id = b.project_id
		join definitions d on d.id = b.definition_id join versions v on v.id = b.version_id`
)

func (v blockView) BlockView(_ context.Context, id string) (row blocks.BlockView, err error) {
	return row, v.one(&row, blockColumns+blockTables+` where b.id = $1`, id)
}

func blockClause(q blocks.BlockQuery) *conditions {
	c := &conditions{}
	switch {
	case q.Own && q.Managed:
		c.where("(b.organization_id = $? or d.organization_id = $?)", q.VisibleTo)
	case q.Managed:
		c.where("d.organization_id = $?", q.VisibleTo)
	default:
		c.where("b.organization_id = $?", q.VisibleTo)
	}
	c.where("b.organization_id = $?", q.Organization)
	c.where("b.project_id = $?", q.Project)
	c.where("exists (select 1 from tenants t where t.id = b.tenant_id and t.platform = $?)", q.Platform)
	c.where("b.name = $?", q.Name)
	c.where("b.definition_id = $?", q.Definition)
	c.where("b.version_id = $?", q.VersionID)
	c.where("b.tenant_id = $?", q.Tenant)
	c.where("d.organization_id = $?", q.ManagedBy)
	if q.Version != 0 {
		c.where("v.number = $?", q.Version)
	}
	switch q.Target {
	case remuda.TargetTenant:
		c.parts = append(c.parts, "b.tenant_id <> ''")
	case remuda.TargetWorkspace:
		c.parts = append(c.parts, "b.tenant_id = ''")
	}
	if q.Drifted {
		c.parts = append(c.parts, "b.drifted")
	}
	in(c, "b.status", q.Status)
	in(c, "b.lifecycle", q.Lifecycle)
	if q.Search != "" {
		c.where(`lower(b.name) like $? escape '\'`, like(q.Search))
	}
	return c
}

func (v blockView) Blocks(_ context.Context, q blocks.BlockQuery) (rows []blocks.BlockView, err error) {
	c := blockClause(q)
	return rows, v.all(&rows, blockColumns+blockTables+c.part("b", q.Page), c.args...)
}

func (v blockView) CountBlocks(_ context.Context, q blocks.BlockQuery) (n int, err error) {
	c := blockClause(q)
	return n, v.one(&n, `select count(*)`+blockTables+c.clause(), c.args...)
}

func (v blockView) Parents(_ context.Context, block string) (ids []string, err error) {
	return ids, v.all(&ids, `select parent_id from block_parents where block_id = $1 order by position`, block)
}

func (v blockView) Children(_ context.Context, block string) (ids []string, err error) {
	return ids, v.all(&ids, `select x.block_id from block_parents x join blocks b on b.id = x.block_id
		where x.parent_id = $1 and b.lifecycle <> 'deleted' order by x.block_id`, block)
}

func (t blockTx) ReplaceDefinitionAccess(_ context.Context, definition string, organizations []string) error {
	if _, err := t.exec(`delete from definition_access where definition_id = $1`, definition); err != nil {
		return err
	}
	for _, organization := range organizations {
		_, err := t.exec(`insert into definition_access (definition_id, organization_id) values ($1, $2)
			on conflict (definition_id, organization_id) do nothing`, definition, organization)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t blockTx) ReplaceParents(_ context.Context, block string, parents []string) error {
	if _, err := t.exec(`delete from block_parents where block_id = $1`, block); err != nil {
		return err
	}
	for i, parent := range parents {
		_, err := t.exec(`insert into block_parents (block_id, parent_id, position) values ($1, $2, $3)`, block, parent, i)
		if err != nil {
			return err
		}
	}
	return nil
}
