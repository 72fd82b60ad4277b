package control

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
)

// ResourceClassChange changes what is not nil.
type ResourceClassChange struct {
	Description   *string
	Access        *remuda.Access
	Organizations *[]string
	TaskLimit     *int
	AllowForks    *bool
	LostAfter     *remuda.Duration
}

// ResourceClassFilter asks for the classes of a namespace or an organization.
type ResourceClassFilter struct{ Namespace, Organization string }

func wordsOfClass(c ClassView) remuda.ResourceClass {
	return remuda.ResourceClass{
		Name: c.FullName, Organization: c.Organization, Description: c.Description, Access: c.Access,
		TaskLimit: c.TaskLimit, AllowForks: c.AllowForks, LostAfter: c.LostAfter,
		Queued: c.Queued, Running: c.Running, Runners: c.Runners, CreatedAt: c.CreatedAt.Time(),
	}
}

var className = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

func validClass(c ClassRow) error {
	if !className.MatchString(c.Name) {
		return remuda.Fail(remuda.Invalid, "a resource class is namespace/name; the name has 1 to 64 of a-z, 0-9 and '._-', and begins with a letter or digit")
	}
	if c.Access != remuda.AccessOwner && c.Access != remuda.AccessSome && c.Access != remuda.AccessAll {
		return remuda.Fail(remuda.Invalid, "a resource class's access is owner, some or all")
	}
	if c.TaskLimit < 0 {
		return remuda.Fail(remuda.Invalid, "task_limit is 0 for no limit, or more")
	}
	if c.LostAfter != 0 && c.LostAfter < remuda.Duration(silentAfter) {
		return remuda.Fail(remuda.Invalid, "lost_after is at least "+remuda.Duration(silentAfter).String()+": before that a runner is only silent")
	}
	if c.LostAfter > maxTimeout {
		return remuda.Fail(remuda.Invalid, "lost_after is at most "+maxTimeout.String())
	}
	return nil
}

// CreateResourceClass makes one in a namespace of the user's organization.
func (d UserDoor) CreateResourceClass(ctx context.Context, c remuda.ResourceClass) (remuda.ResourceClass, error) {
	namespace, name, _ := strings.Cut(c.Name, "/")
	row := ClassRow{
		ID: newID(), Name: name, Description: c.Description, Access: c.Access, TaskLimit: c.TaskLimit,
		AllowForks: c.AllowForks, LostAfter: c.LostAfter, CreatedAt: micros(time.Now()),
	}
	if row.Access == "" {
		row.Access = remuda.AccessOwner
	}
	if err := validClass(row); err != nil {
		return remuda.ResourceClass{}, err
	}
	err := d.write(ctx, func(t *transition) error {
		owner, err := d.namespaceFor(ctx, t, "resource class", namespace, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		if err := d.mayOpen(row.Access); err != nil {
			return err
		}
		row.NamespaceID = owner.ID
		if err := t.Insert(ctx, &row); err != nil {
			return orTaken(err, "resource class", c.Name)
		}
		if err := t.grant(ctx, row, c.Organizations); err != nil {
			return err
		}
		return t.event(ctx, "resource-class.created", owner.OrganizationID, c.Name, "")
	})
	if err != nil {
		return remuda.ResourceClass{}, err
	}
	return d.ResourceClass(ctx, c.Name)
}

// mayOpen keeps a hosted class, which every organization may use, to the instance's administrator.
func (d UserDoor) mayOpen(access remuda.Access) error {
	if access == remuda.AccessAll {
		return d.onlyAdmin("opening a resource class to all organizations", remuda.Everywhere(remuda.PermitRunnerSave))
	}
	return nil
}

// grant writes down the organizations that may use a class beside its owner.
func (t *transition) grant(ctx context.Context, class ClassRow, names []string) error {
	if class.Access != remuda.AccessSome && len(names) > 0 {
		return remuda.Fail(remuda.Invalid, "a resource class lists organizations only when its access is some; this one's is "+string(class.Access))
	}
	ids := make([]string, 0, len(names))
	for _, name := range names {
		organization, err := t.OrganizationByName(ctx, name)
		if err != nil {
			return orAbsent(err, "organization", name)
		}
		ids = append(ids, organization.ID)
	}
	return t.ReplaceClassAccess(ctx, class.ID, ids)
}

// ResourceClasses lists those that the user's organization owns or may use.
func (d UserDoor) ResourceClasses(ctx context.Context, f ResourceClassFilter, q PageQuery) (remuda.Page[remuda.ResourceClass], error) {
	only, err := d.only("resource class")
	if err != nil {
		return remuda.Page[remuda.ResourceClass]{}, err
	}
	var rows []ClassView
	span := q.span()
	err = d.p.store.Read(ctx, func(v View) (err error) {
		rows, err = v.Classes(ctx, ClassQuery{
			Namespace: f.Namespace, Organization: f.Organization, VisibleTo: only, Span: span,
		})
		return err
	})
	if err != nil {
		return remuda.Page[remuda.ResourceClass]{}, err
	}
	return page(rows, span, func(r ClassView) string { return r.ID }, wordsOfClass), nil
}

// usable finds a class that an organization owns or may use.
func usable(ctx context.Context, v View, full, organization string) (ClassView, error) {
	class, err := v.ClassByName(ctx, full)
	if err != nil {
		return class, orAbsent(err, "resource class", full)
	}
	allowed, err := serves(ctx, v, class, organization)
	if err == nil && !allowed {
		err = absent("resource class", full)
	}
	return class, err
}

// serves says whether an organization owns a class or may use it.
func serves(ctx context.Context, v View, class ClassView, organization string) (bool, error) {
	if class.OrganizationID == organization || class.Access == remuda.AccessAll {
		return true, nil
	}
	if class.Access != remuda.AccessSome {
		return false, nil
	}
	allowed, err := v.ClassAccess(ctx, class.ID)
	return slices.ContainsFunc(allowed, func(o OrganizationRow) bool { return o.ID == organization }), err
}

// visibleClass finds a class that the user's organization owns or may use.
func (d UserDoor) visibleClass(ctx context.Context, v View, full string) (ClassView, error) {
	if d.user.Admin {
		return d.ownClass(ctx, v, full, remuda.RoleViewer)
	}
	class, err := usable(ctx, v, full, d.user.OrganizationID)
	if err == nil && d.user.Permissions != nil {
		err = d.keyMay(d.user.OrganizationID, remuda.RoleViewer, "resource class", full)
	}
	return class, err
}

// ownClass finds a class that the user's organization owns.
func (d UserDoor) ownClass(ctx context.Context, v View, full string, role remuda.Role) (ClassView, error) {
	class, err := v.ClassByName(ctx, full)
	if err != nil {
		return class, orAbsent(err, "resource class", full)
	}
	return class, d.may(class.OrganizationID, role, "resource class", full)
}

// ResourceClass shows one that the user's organization owns or may use.
func (d UserDoor) ResourceClass(ctx context.Context, name string) (remuda.ResourceClass, error) {
	var class ClassView
	var allowed []OrganizationRow
	err := d.p.store.Read(ctx, func(v View) (err error) {
		if class, err = d.visibleClass(ctx, v, name); err != nil {
			return err
		}
		if class, err = v.CountedClass(ctx, class.ID); err != nil {
			return err
		}
		if d.user.Admin || class.OrganizationID == d.user.OrganizationID {
			allowed, err = v.ClassAccess(ctx, class.ID) // whom else it serves is its owner's business
		}
		return err
	})
	if err != nil {
		return remuda.ResourceClass{}, err
	}
	words := wordsOfClass(class)
	for _, o := range allowed {
		words.Organizations = append(words.Organizations, o.Name)
	}
	return words, nil
}

// ChangeResourceClass changes what its tasks are held to and who may use it.
func (d UserDoor) ChangeResourceClass(ctx context.Context, name string, c ResourceClassChange) (remuda.ResourceClass, error) {
	err := d.write(ctx, func(t *transition) error {
		class, err := d.ownClass(ctx, t, name, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		row := class.ClassRow
		set(&row.Description, c.Description)
		set(&row.Access, c.Access)
		set(&row.TaskLimit, c.TaskLimit)
		set(&row.AllowForks, c.AllowForks)
		set(&row.LostAfter, c.LostAfter)
		if err := validClass(row); err != nil {
			return err
		}
		if c.Access != nil {
			if err := d.mayOpen(row.Access); err != nil {
				return err
			}
		}
		if err := t.Update(ctx, &row, "description", "access", "task_limit", "allow_forks", "lost_after"); err != nil {
			return err
		}
		if c.Organizations != nil || row.Access != remuda.AccessSome {
			var names []string
			set(&names, c.Organizations)
			if err := t.grant(ctx, row, names); err != nil {
				return err
			}
		}
		t.wake(classTopic(row.ID), 1)
		return t.event(ctx, "resource-class.changed", class.OrganizationID, name, "")
	})
	if err != nil {
		return remuda.ResourceClass{}, err
	}
	return d.ResourceClass(ctx, name)
}

// DeleteResourceClass refuses while it has tokens, unless force; and always while it has tasks.
func (d UserDoor) DeleteResourceClass(ctx context.Context, name string, force bool) error {
	d.deletes = true
	return d.write(ctx, func(t *transition) error {
		class, err := d.ownClass(ctx, t, name, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		tasks, err := t.Tasks(ctx, TaskQuery{ClassID: class.ID, Span: Span{Limit: 1}})
		if err != nil {
			return err
		}
		if len(tasks) > 0 {
			return remuda.Fail(remuda.Conflict, "resource class "+name+" has tasks; they are kept as its history")
		}
		tokens, err := t.Tokens(ctx, TokenQuery{ClassID: class.ID, Span: Span{Limit: 1}})
		if err != nil {
			return err
		}
		if len(tokens) > 0 && !force {
			return remuda.Fail(remuda.Conflict, "resource class "+name+" has tokens; revoke them first, or force")
		}
		if err := t.event(ctx, "resource-class.deleted", class.OrganizationID, name, ""); err != nil {
			return err
		}
		return t.Delete(ctx, &class.ClassRow)
	})
}
