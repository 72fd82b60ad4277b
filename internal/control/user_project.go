package control

import (
	"context"
	"regexp"
	"time"

	"github.com/remuda-dev/remuda"
)

// ProjectChange changes what is not nil.
type ProjectChange struct {
	Visibility        *string
	BuildsForks       *bool
	TaskLimit, Weight *int
}

// The visibilities of a project.
const (
	private = "private"
	public  = "public"
)

func wordsOfProject(organization string) func(ProjectRow) remuda.Project {
	return func(p ProjectRow) remuda.Project {
		return remuda.Project{
			Name: p.Name, Organization: organization, Visibility: p.Visibility, BuildsForks: p.BuildsForks,
			TaskLimit: p.TaskLimit, Weight: p.Weight, Running: p.Running, CreatedAt: p.CreatedAt.Time(),
		}
	}
}

var projectName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9_-])?$`)

func validProject(p ProjectRow) error {
	if len(p.Name) > 200 || !projectName.MatchString(p.Name) {
		return remuda.Fail(remuda.Invalid, "a project's name has 1 to 200 of letters, digits and '._/-', and begins with a letter or digit")
	}
	if p.Visibility != private && p.Visibility != public {
		return remuda.Fail(remuda.Invalid, "a project's visibility is private or public")
	}
	if p.TaskLimit < 0 || p.Weight < 1 || p.Weight > 1000 {
		return remuda.Fail(remuda.Invalid, "a project's task_limit is 0 for no limit, or more; its weight is from 1 to 1000")
	}
	return nil
}

// newProject is a project as it is when nothing was said about it: private, no forks.
func newProject(organization, name string, now Micros) ProjectRow {
	return ProjectRow{
		ID: newID(), OrganizationID: organization, Name: name, Visibility: private, Weight: 1, CreatedAt: now,
	}
}

// CreateProject makes one. Submitting to a name that is new makes one, too.
func (d UserDoor) CreateProject(ctx context.Context, p remuda.Project) (remuda.Project, error) {
	row := newProject("", p.Name, micros(time.Now()))
	row.BuildsForks, row.TaskLimit = p.BuildsForks, p.TaskLimit
	if p.Visibility != "" {
		row.Visibility = p.Visibility
	}
	if p.Weight != 0 {
		row.Weight = p.Weight
	}
	if err := validProject(row); err != nil {
		return remuda.Project{}, err
	}
	err := d.write(ctx, func(t *transition) error {
		owner, err := d.organizationFor(ctx, t, "project", p.Organization, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		row.OrganizationID = owner.ID
		if err := t.Insert(ctx, &row); err != nil {
			return orTaken(err, "project", p.Name)
		}
		return t.event(ctx, "project.created", owner.ID, p.Name, "")
	})
	if err != nil {
		return remuda.Project{}, err
	}
	return wordsOfProject(p.Organization)(row), nil
}

// Projects lists an organization's.
func (d UserDoor) Projects(ctx context.Context, organization string, q PageQuery) (remuda.Page[remuda.Project], error) {
	var rows []ProjectRow
	span := q.span()
	err := d.p.store.Read(ctx, func(v View) error {
		owner, err := d.organizationFor(ctx, v, "project", organization, remuda.RoleViewer)
		if err != nil {
			return err
		}
		rows, err = v.Projects(ctx, owner.ID, span)
		return err
	})
	if err != nil {
		return remuda.Page[remuda.Project]{}, err
	}
	return page(rows, span, func(r ProjectRow) string { return r.ID }, wordsOfProject(organization)), nil
}

func (d UserDoor) project(ctx context.Context, v View, organization, name string, role remuda.Role) (ProjectRow, error) {
	owner, err := d.organizationFor(ctx, v, "project", organization, role)
	if err != nil {
		return ProjectRow{}, err
	}
	row, err := v.ProjectByName(ctx, owner.ID, name)
	return row, orAbsent(err, "project", name)
}

// Project shows one.
func (d UserDoor) Project(ctx context.Context, organization, name string) (remuda.Project, error) {
	var row ProjectRow
	err := d.p.store.Read(ctx, func(v View) (err error) {
		row, err = d.project(ctx, v, organization, name, remuda.RoleViewer)
		return err
	})
	if err != nil {
		return remuda.Project{}, err
	}
	return wordsOfProject(organization)(row), nil
}

// ChangeProject changes what it is held to.
func (d UserDoor) ChangeProject(ctx context.Context, organization, name string, c ProjectChange) (remuda.Project, error) {
	var row ProjectRow
	err := d.write(ctx, func(t *transition) (err error) {
		if row, err = d.project(ctx, t, organization, name, remuda.RoleAdmin); err != nil {
			return err
		}
		set(&row.Visibility, c.Visibility)
		set(&row.BuildsForks, c.BuildsForks)
		set(&row.TaskLimit, c.TaskLimit)
		set(&row.Weight, c.Weight)
		if err := validProject(row); err != nil {
			return err
		}
		if err := t.Update(ctx, &row, "visibility", "builds_forks", "task_limit", "weight"); err != nil {
			return err
		}
		if c.Weight != nil {
			if err := t.Weigh(ctx, row.ID, row.Weight); err != nil {
				return err
			}
		}
		if err := t.wakeQueued(ctx, row.OrganizationID); err != nil {
			return err
		}
		return t.event(ctx, "project.changed", row.OrganizationID, row.Name, "")
	})
	if err != nil {
		return remuda.Project{}, err
	}
	return wordsOfProject(organization)(row), nil
}

// DeleteProject refuses while tasks were submitted to it: they are its history.
func (d UserDoor) DeleteProject(ctx context.Context, organization, name string) error {
	d.deletes = true
	return d.write(ctx, func(t *transition) error {
		row, err := d.project(ctx, t, organization, name, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		tasks, err := t.Tasks(ctx, TaskQuery{Project: row.ID, Span: Span{Limit: 1}})
		if err != nil {
			return err
		}
		if len(tasks) > 0 {
			return remuda.Fail(remuda.Conflict, "project "+name+" has tasks; they are kept as its history")
		}
		if err := t.event(ctx, "project.deleted", row.OrganizationID, name, ""); err != nil {
			return err
		}
		return t.Delete(ctx, &row)
	})
}
