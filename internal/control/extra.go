package control

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/remuda-dev/remuda"
)

// What another system's format says of an organization or project beyond our words is kept as it came.

// mostExtra bounds it, in bytes of JSON.
const mostExtra = 64 << 10

func encodeExtra(extra remuda.Extra) (string, error) {
	if len(extra) == 0 {
		return "", nil
	}
	text, err := json.Marshal(extra)
	if err != nil {
		return "", remuda.Fail(remuda.Invalid, "what is said beside our own words is no JSON")
	}
	if len(text) > mostExtra {
		return "", remuda.Fail(remuda.TooLarge, fmt.Sprintf("what is said beside our own words has at most %d KiB", mostExtra>>10))
	}
	return string(text), nil
}

func decodeExtra(what, text string) (extra remuda.Extra, err error) {
	if text == "" {
		return remuda.Extra{}, nil
	}
	if err := json.Unmarshal([]byte(text), &extra); err != nil {
		return nil, fmt.Errorf("read what else is said of %s: %w", what, err)
	}
	return extra, nil
}

// FoundOrganization makes an organization that owns the namespace of its own name.
func (d UserDoor) FoundOrganization(ctx context.Context, name string, extra remuda.Extra) error {
	if err := d.onlyAdmin("making an organization", remuda.Everywhere(remuda.PermitOrganizationSave)); err != nil {
		return err
	}
	if err := validName("an organization", name); err != nil {
		return err
	}
	row := OrganizationRow{ID: newID(), Name: name, CreatedAt: micros(time.Now())}
	var err error
	if row.Extra, err = encodeExtra(extra); err != nil {
		return err
	}
	return d.write(ctx, func(t *transition) error {
		if err := t.Insert(ctx, &row); err != nil {
			return orTaken(err, "organization", name)
		}
		namespace := NamespaceRow{ID: newID(), OrganizationID: row.ID, Name: name, CreatedAt: row.CreatedAt}
		if err := t.Insert(ctx, &namespace); err != nil {
			return orTaken(err, "namespace", name)
		}
		if err := t.event(ctx, "organization.created", row.ID, name, ""); err != nil {
			return err
		}
		return t.event(ctx, "namespace.claimed", row.ID, name, "")
	})
}

// DissolveOrganization deletes an organization with its namespace. It refuses while either is used.
func (d UserDoor) DissolveOrganization(ctx context.Context, name string) error {
	return d.deleteOrganization(ctx, name, func(t *transition, namespace string) error { return t.dropNamespace(ctx, namespace) })
}

// dropNamespace deletes a namespace that has no classes.
func (t *transition) dropNamespace(ctx context.Context, name string) error {
	classes, err := t.Classes(ctx, ClassQuery{Namespace: name, Span: Span{Limit: 1}})
	if err != nil {
		return err
	}
	if len(classes) > 0 {
		return remuda.Fail(remuda.Conflict, "namespace "+name+" has resource classes; delete those first")
	}
	row, err := t.NamespaceByName(ctx, name)
	if err != nil {
		return err
	}
	if err := t.event(ctx, "namespace.deleted", row.OrganizationID, name, ""); err != nil {
		return err
	}
	return t.Delete(ctx, &row)
}

// OrganizationExtra is what else was said of an organization.
func (d UserDoor) OrganizationExtra(ctx context.Context, name string) (remuda.Extra, error) {
	var row OrganizationRow
	err := d.p.store.Read(ctx, func(v View) (err error) {
		row, err = d.organization(ctx, v, name, remuda.RoleViewer)
		return err
	})
	if err != nil {
		return nil, err
	}
	return decodeExtra("organization "+name, row.Extra)
}

// SetOrganizationExtra replaces what else is said of an organization.
func (d UserDoor) SetOrganizationExtra(ctx context.Context, name string, extra remuda.Extra) error {
	text, err := encodeExtra(extra)
	if err != nil {
		return err
	}
	return d.write(ctx, func(t *transition) error {
		row, err := d.organization(ctx, t, name, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		row.Extra = text
		if err := t.Update(ctx, &row, "extra"); err != nil {
			return err
		}
		return t.event(ctx, "organization.changed", row.ID, name, "")
	})
}

// ProjectExtra is what else was said of a project.
func (d UserDoor) ProjectExtra(ctx context.Context, organization, name string) (remuda.Extra, error) {
	var row ProjectRow
	err := d.p.store.Read(ctx, func(v View) (err error) {
		row, err = d.project(ctx, v, organization, name, remuda.RoleViewer)
		return err
	})
	if err != nil {
		return nil, err
	}
	return decodeExtra("project "+name, row.Extra)
}

// SetProjectExtra replaces what else is said of a project.
func (d UserDoor) SetProjectExtra(ctx context.Context, organization, name string, extra remuda.Extra) error {
	text, err := encodeExtra(extra)
	if err != nil {
		return err
	}
	return d.write(ctx, func(t *transition) error {
		row, err := d.project(ctx, t, organization, name, remuda.RoleAdmin)
		if err != nil {
			return err
		}
		row.Extra = text
		if err := t.Update(ctx, &row, "extra"); err != nil {
			return err
		}
		return t.event(ctx, "project.changed", row.OrganizationID, name, "")
	})
}
