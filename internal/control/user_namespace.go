package control

import (
	"context"
	"time"

	"github.com/remuda-dev/remuda"
)

func wordsOfNamespace(n NamespaceView) remuda.Namespace {
	return remuda.Namespace{Name: n.Name, Organization: n.Organization, CreatedAt: n.CreatedAt.Time()}
}

// ClaimNamespace gives an organization its one namespace, for good.
func (d UserDoor) ClaimNamespace(ctx context.Context, organization, name string) (remuda.Namespace, error) {
	if err := validName("a namespace", name); err != nil {
		return remuda.Namespace{}, err
	}
	row := NamespaceRow{ID: newID(), Name: name, CreatedAt: micros(time.Now())}
	err := d.write(ctx, func(t *transition) error {
		owner, err := d.organization(ctx, t, organization, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		if err := ownsNone(ctx, t, owner); err != nil {
			return err
		}
		row.OrganizationID = owner.ID
		if err := t.Insert(ctx, &row); err != nil {
			return orTaken(err, "namespace", name)
		}
		return t.event(ctx, "namespace.claimed", owner.ID, name, "")
	})
	if err != nil {
		return remuda.Namespace{}, err
	}
	return wordsOfNamespace(NamespaceView{NamespaceRow: row, Organization: organization}), nil
}

// ownsNone holds an organization to one namespace.
func ownsNone(ctx context.Context, v View, o OrganizationRow) error {
	views, err := v.Organizations(ctx, o.ID, Span{Limit: 1})
	if err != nil {
		return err
	}
	if len(views) == 1 && views[0].Namespace != "" {
		return remuda.Fail(remuda.Conflict, "organization "+o.Name+" has the namespace "+views[0].Namespace+" already; an organization has one")
	}
	return nil
}

// Namespaces lists those that the user sees.
func (d UserDoor) Namespaces(ctx context.Context, q PageQuery) (remuda.Page[remuda.Namespace], error) {
	only, err := d.only("namespace")
	if err != nil {
		return remuda.Page[remuda.Namespace]{}, err
	}
	var rows []NamespaceView
	span := q.span()
	err = d.p.store.Read(ctx, func(v View) (err error) {
		rows, err = v.Namespaces(ctx, only, span)
		return err
	})
	if err != nil {
		return remuda.Page[remuda.Namespace]{}, err
	}
	return page(rows, span, func(r NamespaceView) string { return r.ID }, wordsOfNamespace), nil
}

// namespace finds one by name for a user with a role in its organization.
func (d UserDoor) namespace(ctx context.Context, v View, name string, role remuda.Role) (NamespaceRow, error) {
	row, err := v.NamespaceByName(ctx, name)
	if err != nil {
		return row, orAbsent(err, "namespace", name)
	}
	return row, d.may(row.OrganizationID, role, "namespace", name)
}

// namespaceFor finds a namespace for something that is to carry it.
func (d UserDoor) namespaceFor(ctx context.Context, v View, noun, name string, role remuda.Role) (NamespaceRow, error) {
	if d.user.Permissions == nil {
		return d.namespace(ctx, v, name, role)
	}
	row, err := v.NamespaceByName(ctx, name)
	if err != nil {
		return row, orAbsent(err, "namespace", name)
	}
	return row, d.keyMay(row.OrganizationID, role, noun, name)
}

// Namespace shows one.
func (d UserDoor) Namespace(ctx context.Context, name string) (remuda.Namespace, error) {
	var view NamespaceView
	err := d.p.store.Read(ctx, func(v View) error {
		row, err := d.namespace(ctx, v, name, remuda.RoleViewer)
		if err != nil {
			return err
		}
		var owner OrganizationRow
		if err := v.Get(ctx, &owner, row.OrganizationID); err != nil {
			return err
		}
		view = NamespaceView{NamespaceRow: row, Organization: owner.Name}
		return nil
	})
	if err != nil {
		return remuda.Namespace{}, err
	}
	return wordsOfNamespace(view), nil
}

// TransferNamespace gives it, with its classes, to another organization. Only the instance's administrator may. Its class
// tokens are revoked: the runners of the one shall not get what the other submits.
func (d UserDoor) TransferNamespace(ctx context.Context, name, toOrganization string) (remuda.Namespace, error) {
	if err := d.onlyAdmin("transferring a namespace"); err != nil {
		return remuda.Namespace{}, err
	}
	err := d.write(ctx, func(t *transition) error {
		row, err := d.namespace(ctx, t, name, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		to, err := d.organization(ctx, t, toOrganization, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		if row.OrganizationID == to.ID {
			return nil
		}
		if err := ownsNone(ctx, t, to); err != nil {
			return err
		}
		from := row.OrganizationID
		if err := t.revokeClassTokens(ctx, name, from, ", since namespace "+name+" goes to "+to.Name); err != nil {
			return err
		}
		row.OrganizationID = to.ID
		if err := t.Update(ctx, &row, "organization_id"); err != nil {
			return err
		}
		// Both organizations find it in their audit.
		if err := t.event(ctx, "namespace.transferred", from, name, "to "+to.Name); err != nil {
			return err
		}
		return t.event(ctx, "namespace.transferred", to.ID, name, "to "+to.Name)
	})
	if err != nil {
		return remuda.Namespace{}, err
	}
	return d.Namespace(ctx, name)
}

// RenameNamespace changes its name and so those of its classes. Only the instance's administrator may.
func (d UserDoor) RenameNamespace(ctx context.Context, name, newName string) (remuda.Namespace, error) {
	if err := d.onlyAdmin("renaming a namespace, which is immutable for its users,"); err != nil {
		return remuda.Namespace{}, err
	}
	if err := validName("a namespace", newName); err != nil {
		return remuda.Namespace{}, err
	}
	err := d.write(ctx, func(t *transition) error {
		row, err := d.namespace(ctx, t, name, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		if name == newName {
			return nil
		}
		row.Name = newName
		if err := t.Update(ctx, &row, "name"); err != nil {
			return orTaken(err, "namespace", newName)
		}
		return t.event(ctx, "namespace.renamed", row.OrganizationID, newName, "from "+name)
	})
	if err != nil {
		return remuda.Namespace{}, err
	}
	return d.Namespace(ctx, newName)
}

// DeleteNamespace refuses while it has resource classes.
func (d UserDoor) DeleteNamespace(ctx context.Context, name string) error {
	d.deletes = true
	return d.write(ctx, func(t *transition) error {
		row, err := d.namespace(ctx, t, name, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		classes, err := t.Classes(ctx, ClassQuery{Namespace: name, Span: Span{Limit: 1}})
		if err != nil {
			return err
		}
		if len(classes) > 0 {
			return remuda.Fail(remuda.Conflict, "namespace "+name+" has resource classes; delete those first")
		}
		if err := t.event(ctx, "namespace.deleted", row.OrganizationID, name, ""); err != nil {
			return err
		}
		return t.Delete(ctx, &row)
	})
}
