package blocks

import (
	"context"
	"errors"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// TenantRow is a project's place on a platform.
type TenantRow struct {
	ID             string         `db:"id"`
	OrganizationID string         `db:"organization_id"`
	ProjectID      string         `db:"project_id"`
	Platform       string         `db:"platform"`
	PlatformID     string         `db:"platform_id"` // what the platform calls it; empty when nobody knows
	CreatedAt      control.Micros `db:"created_at"`
}

// Table names it.
func (TenantRow) Table() string { return "tenants" }

// TenantView is a tenant with the names beside its ids.
type TenantView struct {
	TenantRow
	Organization string `db:"organization"`
	Project      string `db:"project"`
}

// TenantQuery asks for tenants, by ids.
type TenantQuery struct {
	Organization, Project string
	Page
}

func (t TenantView) words() remuda.Tenant {
	return remuda.Tenant{
		ID: t.ID, Organization: t.Organization, Project: t.Project, Platform: t.Platform, PlatformID: t.PlatformID, CreatedAt: t.CreatedAt.Time(),
	}
}

// Tenants lists those of an organization, or of one of its projects.
func (d UserDoor) Tenants(ctx context.Context, organization, project string, s Span) (List[remuda.Tenant], error) {
	q, total := TenantQuery{Page: s.page()}, 0
	var rows []TenantView
	err := d.r.look(ctx, func(v View) (err error) {
		if q.Organization, err = d.of(ctx, v, organization, remuda.PermitTenantList); err != nil {
			return err
		}
		if project != "" {
			if q.Organization == "" {
				return remuda.Fail(remuda.Invalid, "to filter by project, name its organization, too")
			}
			found, err := v.ProjectByName(ctx, q.Organization, project)
			if err != nil {
				return orAbsent(err, "project", project)
			}
			q.Project = found.ID
		}
		if rows, err = v.Tenants(ctx, q); err != nil {
			return err
		}
		total, err = counted(ctx, s, v.CountTenants, q)
		return err
	})
	if err != nil {
		return List[remuda.Tenant]{}, err
	}
	return listed(rows, q.Page, total, func(t TenantView) string { return t.ID },
		func(t TenantView) (remuda.Tenant, error) { return t.words(), nil })
}

// tenant finds one for a caller with a permission.
func (d UserDoor) tenant(ctx context.Context, v View, id, permission string) (TenantView, error) {
	row, err := v.TenantView(ctx, id)
	if errors.Is(err, remuda.NotFound) ||
		err == nil && row.OrganizationID != d.user.OrganizationID && !d.user.May(remuda.PermitTenantList, row.OrganizationID) {
		return row, absent("tenant", id)
	}
	if err == nil && !d.user.May(permission, row.OrganizationID) {
		err = control.Lacks(d.user, permission)
	}
	return row, err
}

// Tenant is one of them.
func (d UserDoor) Tenant(ctx context.Context, id string) (remuda.Tenant, error) {
	var row TenantView
	err := d.r.look(ctx, func(v View) (err error) {
		row, err = d.tenant(ctx, v, id, remuda.PermitTenantList)
		return err
	})
	return row.words(), err
}

// CreateTenant makes one. A project has at most one on a platform.
func (d UserDoor) CreateTenant(ctx context.Context, asked remuda.Tenant) (remuda.Tenant, error) {
	var wrong problems
	if asked.Platform == "" || len(asked.Platform) > 200 {
		wrong.add("body.platform", "a tenant names its platform with 1 to 200 bytes")
	}
	if asked.Project == "" {
		wrong.add("body.project", "a tenant belongs to a project")
	}
	if len(asked.PlatformID) > 1000 {
		wrong.add("body.platform_id", "this has at most 1000 bytes")
	}
	if err := wrong.err("the tenant is not made"); err != nil {
		return remuda.Tenant{}, err
	}
	row := TenantView{TenantRow: TenantRow{ID: control.NewID(), Platform: asked.Platform, PlatformID: asked.PlatformID}, Project: asked.Project}
	err := d.change(ctx, func(t *change) error {
		owner, err := d.owner(ctx, t.tx, asked.Organization, remuda.PermitTenantSave)
		if err != nil {
			return err
		}
		project, err := t.tx.ProjectByName(ctx, owner.ID, asked.Project)
		if err != nil {
			return orAbsent(err, "project", asked.Project)
		}
		row.OrganizationID, row.Organization, row.ProjectID, row.CreatedAt = owner.ID, owner.Name, project.ID, t.Now()
		err = t.tx.Insert(ctx, &row.TenantRow)
		if errors.Is(err, remuda.Conflict) {
			return remuda.Fail(remuda.Conflict, "project "+asked.Project+" has a tenant on platform "+asked.Platform+" already")
		}
		if err != nil {
			return err
		}
		return t.Note(ctx, "tenant.created", owner.ID, row.ID, asked.Project+" on "+asked.Platform)
	})
	return row.words(), err
}

// DeleteTenant forgets one that has no blocks.
func (d UserDoor) DeleteTenant(ctx context.Context, id string) error {
	return d.change(ctx, func(t *change) error {
		row, err := d.tenant(ctx, t.tx, id, remuda.PermitTenantDelete)
		if err != nil {
			return err
		}
		n, err := t.tx.CountBlocks(ctx, BlockQuery{Tenant: id, Lifecycle: []remuda.Lifecycle{remuda.LifecycleActive, remuda.LifecycleDeleting}})
		if err != nil {
			return err
		}
		if n > 0 {
			return remuda.Fail(remuda.Conflict, "the tenant has blocks; delete them first")
		}
		if err := t.tx.Delete(ctx, &row.TenantRow); err != nil {
			return err
		}
		return t.Note(ctx, "tenant.deleted", row.OrganizationID, id, row.Project+" on "+row.Platform)
	})
}
