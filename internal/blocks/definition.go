package blocks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// definitionWords is a definition as the API shows it.
func definitionWords(row DefinitionView) (remuda.Definition, error) {
	var d remuda.Definition
	if err := json.Unmarshal([]byte(row.Spec), &d); err != nil {
		return d, fmt.Errorf("read definition %s: %w", row.ID, err)
	}
	d.ID, d.Organization, d.Name, d.CreatedAt = row.ID, row.Organization, row.Name, row.CreatedAt.Time()
	d.Access, d.Target, d.RunTransparency = row.Access, row.Target, row.Transparent
	d.Latest, d.Released, d.Blocks = row.Latest, row.Released, row.Blocks
	return d, nil
}

// fill writes what a definition says into its row.
func fill(row *DefinitionRow, d remuda.Definition) error {
	row.Name, row.Access, row.Target, row.Transparent = d.Name, d.Access, d.Target, d.RunTransparency
	d.ID, d.Organization, d.Organizations, d.Latest, d.Released, d.Blocks = "", "", nil, 0, 0, 0
	var err error
	row.Spec, err = encode(d)
	return err
}

// completeDefinition fills in what a definition left out, and refuses what it must not say.
func completeDefinition(d *remuda.Definition) error {
	if d.Target == "" {
		d.Target = remuda.TargetWorkspace
	}
	if d.Access == "" {
		d.Access = remuda.AccessOwner
	}
	var wrong problems
	if d.Name == "" || len(d.Name) > 200 {
		wrong.add("body.name", "a definition has a name of 1 to 200 bytes")
	}
	if d.Target != remuda.TargetWorkspace && d.Target != remuda.TargetTenant {
		wrong.add("body.target", "this is workspace or tenant")
	}
	switch d.Access {
	case remuda.AccessOwner, remuda.AccessAll:
		if len(d.Organizations) > 0 {
			wrong.add("body.organizations", "organizations are named when access is 'some'")
		}
	case remuda.AccessSome:
	default:
		wrong.add("body.access", "this is owner, some or all")
	}
	if len(d.Readme) > 1<<20 || len(d.Symbol) > 100000 || len(d.Description) > 10000 {
		wrong.add("body", "a description has at most 10000 bytes, a symbol 100000, a readme 1 MiB")
	}
	return wrong.err("the definition is not made")
}

// owner finds the organization that a request names, or the caller's own.
func (d UserDoor) owner(ctx context.Context, v View, name, permission string) (control.OrganizationRow, error) {
	if name == "" {
		name = d.user.Organization
	}
	if name == "" {
		return control.OrganizationRow{}, remuda.Fail(remuda.Invalid, "name the organization: the instance's administrator belongs to none")
	}
	row, err := v.OrganizationByName(ctx, name)
	switch {
	case errors.Is(err, remuda.NotFound):
		return row, absent("organization", name)
	case err != nil:
		return row, err
	case d.user.May(permission, row.ID):
		return row, nil
	case row.ID != d.user.OrganizationID:
		return row, absent("organization", name)
	}
	return row, control.Lacks(d.user, permission)
}

// mayOrder says whether an organization may order blocks of a definition.
func mayOrder(ctx context.Context, v View, row DefinitionView, organizationID string) (bool, error) {
	switch {
	case row.OrganizationID == organizationID || row.Access == remuda.AccessAll:
		return true, nil
	case row.Access != remuda.AccessSome:
		return false, nil
	}
	allowed, err := v.DefinitionAccess(ctx, row.ID)
	for _, o := range allowed {
		if o.ID == organizationID {
			return true, err
		}
	}
	return false, err
}

// definition finds one that the caller may see: its owner's all of it, others once a version is released that they may
// order.
func (d UserDoor) definition(ctx context.Context, v View, id string) (row DefinitionView, owns bool, err error) {
	row, err = v.DefinitionView(ctx, id)
	if err != nil {
		return row, false, orAbsent(err, "definition", id)
	}
	if d.user.May(remuda.PermitDefinitionList, row.OrganizationID) {
		return row, true, nil
	}
	allowed, err := mayOrder(ctx, v, row, d.user.OrganizationID)
	if err != nil {
		return row, false, err
	}
	if row.Released == 0 || !allowed || row.OrganizationID == d.user.OrganizationID || !d.user.May(remuda.PermitDefinitionList, d.user.OrganizationID) {
		return row, false, absent("definition", id)
	}
	return row, false, nil
}

// ownDefinition finds one that the caller may change.
func (d UserDoor) ownDefinition(ctx context.Context, v View, id, permission string) (DefinitionView, error) {
	row, owns, err := d.definition(ctx, v, id)
	switch {
	case err != nil:
		return row, err
	case d.user.May(permission, row.OrganizationID):
		return row, nil
	case owns:
		return row, control.Lacks(d.user, permission)
	}
	return row, remuda.Fail(remuda.Forbidden, "definition "+row.Name+" belongs to "+row.Organization+", which alone may change it")
}

func orAbsent(err error, noun, id string) error {
	if errors.Is(err, remuda.NotFound) {
		return absent(noun, id)
	}
	return err
}

// Definitions lists those that the caller may see, the newest first.
func (d UserDoor) Definitions(ctx context.Context, f DefinitionFilter, s Span) (List[remuda.Definition], error) {
	p := s.page()
	query := DefinitionQuery{Released: f.Released, Search: f.Search, Page: p}
	var err error
	if query.VisibleTo, err = d.user.Sees(remuda.PermitDefinitionList); err != nil {
		return List[remuda.Definition]{}, err
	}
	var rows []DefinitionView
	total := 0
	err = d.r.look(ctx, func(v View) error {
		if f.Organization != "" {
			owner, err := v.OrganizationByName(ctx, f.Organization)
			if err != nil {
				return orAbsent(err, "organization", f.Organization)
			}
			query.Organization = owner.ID
		}
		if rows, err = v.Definitions(ctx, query); err != nil {
			return err
		}
		total, err = counted(ctx, s, v.CountDefinitions, query)
		return err
	})
	if err != nil {
		return List[remuda.Definition]{}, err
	}
	return listed(rows, p, total, func(r DefinitionView) string { return r.ID }, definitionWords)
}

// Definition is one of them.
func (d UserDoor) Definition(ctx context.Context, id string) (remuda.Definition, error) {
	var words remuda.Definition
	err := d.r.look(ctx, func(v View) error {
		row, owns, err := d.definition(ctx, v, id)
		if err != nil {
			return err
		}
		if words, err = definitionWords(row); err != nil || !owns {
			return err
		}
		allowed, err := v.DefinitionAccess(ctx, id)
		for _, o := range allowed {
			words.Organizations = append(words.Organizations, o.Name)
		}
		return err
	})
	return words, err
}

// CreateDefinition makes a definition with its version 1, an empty draft.
func (d UserDoor) CreateDefinition(ctx context.Context, definition remuda.Definition) (remuda.Definition, error) {
	if err := completeDefinition(&definition); err != nil {
		return remuda.Definition{}, err
	}
	id, versionID := control.NewID(), control.NewID()
	err := d.change(ctx, func(t *change) error {
		owner, err := d.owner(ctx, t.tx, definition.Organization, remuda.PermitDefinitionSave)
		if err != nil {
			return err
		}
		row := DefinitionRow{ID: id, OrganizationID: owner.ID, CreatedAt: t.Now()}
		if err := fill(&row, definition); err != nil {
			return err
		}
		if err := t.Insert(ctx, &row); err != nil {
			return err
		}
		if err := t.allow(ctx, id, definition); err != nil {
			return err
		}
		draft := VersionRow{ID: versionID, DefinitionID: id, Number: 1, State: remuda.VersionDraft, CreatedAt: t.Now()}
		if draft.Spec, err = encode(remuda.Version{Implementation: remuda.Blueprint{Type: remuda.BlueprintManual}}); err != nil {
			return err
		}
		if err := t.Insert(ctx, &draft); err != nil {
			return err
		}
		return t.Note(ctx, "definition.created", owner.ID, id, definition.Name)
	})
	if err != nil {
		return remuda.Definition{}, err
	}
	return d.Definition(ctx, id)
}

// allow says who else may order a definition.
func (t *change) allow(ctx context.Context, id string, d remuda.Definition) error {
	ids := make([]string, 0, len(d.Organizations))
	var wrong problems
	for i, name := range d.Organizations {
		row, err := t.OrganizationByName(ctx, name)
		if errors.Is(err, remuda.NotFound) {
			wrong.add(fmt.Sprintf("body.organizations[%d]", i), "there is no organization "+name)
			continue
		}
		if err != nil {
			return err
		}
		ids = append(ids, row.ID)
	}
	if err := wrong.err("the definition is not changed"); err != nil {
		return err
	}
	return t.tx.ReplaceDefinitionAccess(ctx, id, ids)
}

// ChangeDefinition replaces what it says.
func (d UserDoor) ChangeDefinition(ctx context.Context, id string, definition remuda.Definition) (remuda.Definition, error) {
	if err := completeDefinition(&definition); err != nil {
		return remuda.Definition{}, err
	}
	err := d.change(ctx, func(t *change) error {
		old, err := d.ownDefinition(ctx, t.tx, id, remuda.PermitDefinitionSave)
		if err != nil {
			return err
		}
		if definition.Organization != "" && !strings.EqualFold(definition.Organization, old.Organization) {
			return remuda.Fail(remuda.Conflict, "definition "+old.Name+" stays with "+old.Organization)
		}
		if definition.Target != old.Target && old.Blocks > 0 {
			return remuda.Fail(remuda.Conflict, fmt.Sprintf("definition %s has %s; its target stays as it is", old.Name, counting(old.Blocks, "block", "blocks")))
		}
		row := old.DefinitionRow
		if err := fill(&row, definition); err != nil {
			return err
		}
		if err := t.Update(ctx, &row, "name", "access", "target", "transparent", "spec"); err != nil {
			return err
		}
		if err := t.allow(ctx, id, definition); err != nil {
			return err
		}
		if row.Transparent != old.Transparent {
			if err := t.tx.ShareRuns(ctx, id, row.Transparent); err != nil {
				return err
			}
		}
		return t.Note(ctx, "definition.changed", old.OrganizationID, id, row.Name)
	})
	if err != nil {
		return remuda.Definition{}, err
	}
	return d.Definition(ctx, id)
}

// DeleteDefinition forgets one that no block is left of. Blocks that were deleted go with it.
func (d UserDoor) DeleteDefinition(ctx context.Context, id string) error {
	return d.change(ctx, func(t *change) error {
		row, err := d.ownDefinition(ctx, t.tx, id, remuda.PermitDefinitionDelete)
		if err != nil {
			return err
		}
		if row.Blocks > 0 {
			return remuda.Fail(remuda.Conflict, fmt.Sprintf("definition %s has %s, to be deleted first", row.Name, counting(row.Blocks, "block", "blocks")))
		}
		if err := t.tx.ForgetBlocks(ctx, id, ""); err != nil {
			return err
		}
		if err := t.Delete(ctx, &row.DefinitionRow); err != nil {
			return err
		}
		return t.Note(ctx, "definition.deleted", row.OrganizationID, id, row.Name)
	})
}
