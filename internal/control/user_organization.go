package control

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// OrganizationChange changes what is not nil.
type OrganizationChange struct {
	TaskLimit *int
	VCSName   *string
}

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// validName holds names of organizations and namespaces to what is safe in an address and in a host name.
func validName(noun, name string) error {
	if hostName.MatchString(name) {
		return nil
	}
	return remuda.Fail(remuda.Invalid, "a name of "+noun+" has 1 to 63 of a-z, 0-9 and '-', and does not begin or end with '-'")
}

func wordsOfOrganization(o OrganizationView) remuda.Organization {
	return remuda.Organization{
		Name: o.Name, VCSName: o.VCSName, Namespace: o.Namespace, TaskLimit: o.TaskLimit, Running: o.Running,
		CreatedAt: o.CreatedAt.Time(),
	}
}

// CreateOrganization makes one; only the instance's administrator may.
func (d UserDoor) CreateOrganization(ctx context.Context, o remuda.Organization) (remuda.Organization, error) {
	if err := d.onlyAdmin("making an organization", remuda.Everywhere(remuda.PermitOrganizationSave)); err != nil {
		return remuda.Organization{}, err
	}
	if err := validName("an organization", o.Name); err != nil {
		return remuda.Organization{}, err
	}
	if o.TaskLimit < 0 {
		return remuda.Organization{}, remuda.Fail(remuda.Invalid, "task_limit is 0 for no limit, or more")
	}
	row := OrganizationRow{
		ID: newID(), Name: o.Name, VCSName: o.VCSName, TaskLimit: o.TaskLimit, CreatedAt: micros(time.Now()),
	}
	err := d.write(ctx, func(t *transition) error {
		if err := t.Insert(ctx, &row); err != nil {
			return orTaken(err, "organization", o.Name)
		}
		return t.event(ctx, "organization.created", row.ID, row.Name, "")
	})
	if err != nil {
		return remuda.Organization{}, err
	}
	return wordsOfOrganization(OrganizationView{OrganizationRow: row}), nil
}

// Organizations lists those that the user sees: all for the administrator, else its own.
func (d UserDoor) Organizations(ctx context.Context, q PageQuery) (remuda.Page[remuda.Organization], error) {
	only, err := d.only("organization")
	if err != nil {
		return remuda.Page[remuda.Organization]{}, err
	}
	var rows []OrganizationView
	span := q.span()
	err = d.p.store.Read(ctx, func(v View) (err error) {
		rows, err = v.Organizations(ctx, only, span)
		return err
	})
	if err != nil {
		return remuda.Page[remuda.Organization]{}, err
	}
	return page(rows, span, func(r OrganizationView) string { return r.ID }, wordsOfOrganization), nil
}

// organization finds one by name for a user with a role in it.
func (d UserDoor) organization(ctx context.Context, v View, name string, role remuda.Role) (OrganizationRow, error) {
	row, err := v.OrganizationByName(ctx, name)
	if err != nil {
		return row, orAbsent(err, "organization", name)
	}
	return row, d.may(row.ID, role, "organization", name)
}

// organizationFor finds one by name as the owner of something else.
func (d UserDoor) organizationFor(ctx context.Context, v View, noun, name string, role remuda.Role) (OrganizationRow, error) {
	if d.user.Permissions == nil {
		return d.organization(ctx, v, name, role)
	}
	row, err := v.OrganizationByName(ctx, name)
	if err != nil {
		return row, orAbsent(err, "organization", name)
	}
	return row, d.keyMay(row.ID, role, noun, name)
}

// Organization shows one.
func (d UserDoor) Organization(ctx context.Context, name string) (remuda.Organization, error) {
	var view OrganizationView
	err := d.p.store.Read(ctx, func(v View) error {
		row, err := d.organization(ctx, v, name, remuda.RoleViewer)
		if err != nil {
			return err
		}
		rows, err := v.Organizations(ctx, row.ID, Span{Limit: 1})
		if err == nil && len(rows) == 1 {
			view = rows[0]
		}
		return err
	})
	if err != nil {
		return remuda.Organization{}, err
	}
	return wordsOfOrganization(view), nil
}

// ChangeOrganization sets limits, which only the instance's administrator may, and its name on its VCS.
func (d UserDoor) ChangeOrganization(ctx context.Context, name string, c OrganizationChange) (remuda.Organization, error) {
	if c.TaskLimit != nil {
		if err := d.onlyAdmin("changing an organization's limit"); err != nil {
			return remuda.Organization{}, err
		}
		if *c.TaskLimit < 0 {
			return remuda.Organization{}, remuda.Fail(remuda.Invalid, "task_limit is 0 for no limit, or more")
		}
	}
	err := d.write(ctx, func(t *transition) error {
		row, err := d.organization(ctx, t, name, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		set(&row.TaskLimit, c.TaskLimit)
		set(&row.VCSName, c.VCSName)
		if err := t.Update(ctx, &row, "task_limit", "vcs_name"); err != nil {
			return err
		}
		if err := t.wakeQueued(ctx, row.ID); err != nil {
			return err
		}
		return t.event(ctx, "organization.changed", row.ID, row.Name, "")
	})
	if err != nil {
		return remuda.Organization{}, err
	}
	return d.Organization(ctx, name)
}

// DeleteOrganization refuses while it owns a namespace or has tasks.
func (d UserDoor) DeleteOrganization(ctx context.Context, name string) error {
	return d.deleteOrganization(ctx, name, func(_ *transition, namespace string) error {
		return remuda.Fail(remuda.Conflict, "organization "+name+" owns the namespace "+namespace+"; delete or transfer that first")
	})
}

// deleteOrganization deletes one that has no tasks; drop decides what becomes of the namespace that it owns.
func (d UserDoor) deleteOrganization(ctx context.Context, name string, drop func(t *transition, namespace string) error) error {
	d.deletes = true
	if err := d.onlyAdmin("deleting an organization", remuda.Everywhere(remuda.PermitOrganizationDelete)); err != nil {
		return err
	}
	return d.write(ctx, func(t *transition) error {
		row, err := d.organization(ctx, t, name, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		views, err := t.Organizations(ctx, row.ID, Span{Limit: 1})
		if err != nil {
			return err
		}
		if len(views) == 1 && views[0].Namespace != "" {
			if err := drop(t, views[0].Namespace); err != nil {
				return err
			}
		}
		tasks, err := t.Tasks(ctx, TaskQuery{Organization: row.ID, Span: Span{Limit: 1}})
		if err != nil {
			return err
		}
		if len(tasks) > 0 {
			return remuda.Fail(remuda.Conflict, "organization "+name+" has tasks; they are kept as its history")
		}
		if err := t.event(ctx, "organization.deleted", row.ID, row.Name, ""); err != nil {
			return err
		}
		err = t.Delete(ctx, &row)
		if errors.Is(err, remuda.Conflict) {
			return remuda.Fail(remuda.Conflict, "organization "+name+" has definitions or building blocks; delete them first")
		}
		return err
	})
}

// SuggestNamespace is the organization's name on its VCS in lower case, or its own, if nobody has claimed it.
func (d UserDoor) SuggestNamespace(ctx context.Context, organization string) (string, error) {
	suggestion := ""
	err := d.p.store.Read(ctx, func(v View) error {
		row, err := d.organization(ctx, v, organization, remuda.RoleViewer)
		if err != nil {
			return err
		}
		if err := ownsNone(ctx, v, row); err != nil {
			return err
		}
		for _, name := range []string{strings.ToLower(row.VCSName), row.Name} {
			if validName("a namespace", name) != nil {
				continue
			}
			if _, err := v.NamespaceByName(ctx, name); remuda.KindOf(err) == remuda.NotFound {
				suggestion = name
				return nil
			}
		}
		return remuda.Fail(remuda.NotFound, "its usual names are taken by others; choose one")
	})
	return suggestion, err
}

// wakeQueued wakes a runner for each class in which tasks of an organization wait: a limit may have moved.
func (t *transition) wakeQueued(ctx context.Context, organization string) error {
	waiting, err := t.Waiting(ctx, organization)
	for _, lane := range waiting {
		t.wake(workTopic(lane.ClassID, lane.Capabilities), 1)
	}
	return err
}

func set[T any](into *T, value *T) {
	if value != nil {
		*into = *value
	}
}

func orTaken(err error, noun, name string) error {
	if remuda.KindOf(err) == remuda.Conflict {
		return remuda.Fail(remuda.Conflict, "there is a "+noun+" "+name+" already; choose another name")
	}
	return err
}
