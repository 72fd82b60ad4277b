package blocks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// frozen is what a released version answers to every change.
const frozen = "Updating a version_spec in non-draft state is not allowed"

// readVersion is what a version says, with a hash for each secret.
func readVersion(row VersionRow) (v remuda.Version, err error) {
	if err := json.Unmarshal([]byte(row.Spec), &v); err != nil {
		return v, fmt.Errorf("read version %s: %w", row.ID, err)
	}
	v.ID, v.Definition, v.Number, v.State, v.CreatedAt = row.ID, row.DefinitionID, row.Number, row.State, row.CreatedAt.Time()
	if row.ReleasedAt != 0 {
		at := row.ReleasedAt.Time()
		v.ReleasedAt = &at
	}
	return v, nil
}

func versionWords(row VersionView) (remuda.Version, error) {
	v, err := readVersion(row.VersionRow)
	v.ResourceClass, v.Blocks = row.Class, row.Blocks
	return v, err
}

// versionFor is a version as one who does not own it sees it: what it takes and gives, not how it is carried out.
func versionFor(owns bool) func(VersionView) (remuda.Version, error) {
	return func(row VersionView) (remuda.Version, error) {
		v, err := versionWords(row)
		if err != nil || owns {
			return v, err
		}
		v.Implementation = remuda.Blueprint{Type: v.Implementation.Type}
		v.ResourceClass, v.Extra, v.Blocks = "", nil, 0
		return v, nil
	}
}

// Versions lists a definition's versions that the caller may see, the newest first.
func (d UserDoor) Versions(ctx context.Context, definition string, s Span) (List[remuda.Version], error) {
	var rows []VersionView
	var owns bool
	p, total := s.page(), 0
	err := d.r.look(ctx, func(v View) (err error) {
		if _, owns, err = d.definition(ctx, v, definition); err != nil {
			return err
		}
		query := VersionQuery{Definition: definition, Released: !owns, Page: p}
		if rows, err = v.Versions(ctx, query); err != nil {
			return err
		}
		total, err = counted(ctx, s, v.CountVersions, query)
		return err
	})
	if err != nil {
		return List[remuda.Version]{}, err
	}
	return listed(rows, p, total, func(r VersionView) string { return r.ID }, versionFor(owns))
}

// Version is one of them, by its number.
func (d UserDoor) Version(ctx context.Context, definition string, number int) (remuda.Version, error) {
	return d.version(ctx, func(v View) (VersionView, error) {
		row, err := v.VersionByNumber(ctx, definition, number)
		return row, orAbsent(err, "version", fmt.Sprintf("%d of definition %s", number, definition))
	})
}

// VersionByID is one of them.
func (d UserDoor) VersionByID(ctx context.Context, id string) (remuda.Version, error) {
	return d.version(ctx, func(v View) (VersionView, error) {
		row, err := v.VersionView(ctx, id)
		return row, orAbsent(err, "version", id)
	})
}

func (d UserDoor) version(ctx context.Context, find func(View) (VersionView, error)) (words remuda.Version, err error) {
	err = d.r.look(ctx, func(v View) error {
		row, err := find(v)
		if err != nil {
			return err
		}
		_, owns, err := d.definition(ctx, v, row.DefinitionID)
		if err != nil {
			return err
		}
		if !owns && row.State != remuda.VersionReleased {
			return absent("version", row.ID)
		}
		words, err = versionFor(owns)(row)
		return err
	})
	return words, err
}

// CreateVersion makes the next version, a draft. A secret that is given by the hash that the newest one has stays as it
// is there.
func (d UserDoor) CreateVersion(ctx context.Context, definition string, v remuda.Version) (remuda.Version, error) {
	id := control.NewID()
	err := d.change(ctx, func(t *change) error {
		owner, err := d.ownDefinition(ctx, t.tx, definition, remuda.PermitDefinitionSave)
		if err != nil {
			return err
		}
		known := map[string]string{}
		newest, err := t.tx.VersionByNumber(ctx, definition, owner.Latest)
		if err == nil {
			known, err = d.r.openSecrets("versions", newest.ID, newest.Secrets)
		}
		if err != nil && !errors.Is(err, remuda.NotFound) {
			return err
		}
		row := VersionRow{ID: id, DefinitionID: definition, Number: owner.Latest + 1, State: remuda.VersionDraft, CreatedAt: t.Now()}
		if err := t.write(ctx, owner, &row, v, known); err != nil {
			return err
		}
		if err := t.Insert(ctx, &row); err != nil {
			return err
		}
		return t.Note(ctx, "version.created", owner.OrganizationID, id, fmt.Sprintf("%d of %s", row.Number, owner.Name))
	})
	if err != nil {
		return remuda.Version{}, err
	}
	return d.VersionByID(ctx, id)
}

// draft finds a version that may still be changed.
func (d UserDoor) draft(ctx context.Context, t *change, definition string, number int, permission string) (DefinitionView, VersionView, error) {
	owner, err := d.ownDefinition(ctx, t.tx, definition, permission)
	if err != nil {
		return owner, VersionView{}, err
	}
	row, err := t.tx.VersionByNumber(ctx, definition, number)
	return owner, row, orAbsent(err, "version", fmt.Sprintf("%d of definition %s", number, definition))
}

// ChangeVersion replaces what a draft says; one that is released stays as it is.
func (d UserDoor) ChangeVersion(ctx context.Context, definition string, number int, v remuda.Version) (remuda.Version, error) {
	id := ""
	err := d.change(ctx, func(t *change) error {
		owner, row, err := d.draft(ctx, t, definition, number, remuda.PermitDefinitionSave)
		if err != nil {
			return err
		}
		id = row.ID
		known, err := d.r.openSecrets("versions", row.ID, row.Secrets)
		if err != nil {
			return err
		}
		next := row.VersionRow
		if err := t.write(ctx, owner, &next, v, known); err != nil {
			return err
		}
		if row.State != remuda.VersionDraft {
			if next.Spec == row.Spec && next.ClassID == row.ClassID {
				return nil // it says what it said
			}
			return remuda.Fail(remuda.Conflict, frozen)
		}
		if err := t.Update(ctx, &next, "class_id", "spec", "secrets"); err != nil {
			return err
		}
		return t.Note(ctx, "version.changed", owner.OrganizationID, row.ID, fmt.Sprintf("%d of %s", number, owner.Name))
	})
	if err != nil {
		return remuda.Version{}, err
	}
	return d.VersionByID(ctx, id)
}

// ReleaseVersion freezes a draft.
func (d UserDoor) ReleaseVersion(ctx context.Context, definition string, number int) (remuda.Version, error) {
	id := ""
	err := d.change(ctx, func(t *change) error {
		owner, row, err := d.draft(ctx, t, definition, number, remuda.PermitDefinitionSave)
		if err != nil {
			return err
		}
		id = row.ID
		if row.State == remuda.VersionReleased {
			return nil
		}
		v, err := readVersion(row.VersionRow)
		if err != nil {
			return err
		}
		if v.Implementation.Type != remuda.BlueprintManual && row.ClassID == "" {
			return remuda.Fail(remuda.Conflict, "a version that is released names the resource_class whose runners carry it out")
		}
		row.State, row.ReleasedAt = remuda.VersionReleased, t.Now()
		if err := t.Update(ctx, &row.VersionRow, "state", "released_at"); err != nil {
			return err
		}
		return t.Note(ctx, "version.released", owner.OrganizationID, row.ID, fmt.Sprintf("%d of %s", number, owner.Name))
	})
	if err != nil {
		return remuda.Version{}, err
	}
	return d.VersionByID(ctx, id)
}

// DeleteVersion forgets one that no block is of, and which is not the only one.
func (d UserDoor) DeleteVersion(ctx context.Context, definition string, number int) error {
	return d.change(ctx, func(t *change) error {
		owner, row, err := d.draft(ctx, t, definition, number, remuda.PermitDefinitionDelete)
		if err != nil {
			return err
		}
		if row.Blocks > 0 {
			return remuda.Fail(remuda.Conflict, fmt.Sprintf("version %d has %s, to be deleted or upgraded first", number, counting(row.Blocks, "block", "blocks")))
		}
		all, err := t.tx.CountVersions(ctx, VersionQuery{Definition: definition})
		if err != nil {
			return err
		}
		if all == 1 {
			return remuda.Fail(remuda.Conflict, "this is the only version of "+owner.Name+"; delete the definition instead")
		}
		if err := t.tx.ForgetBlocks(ctx, definition, row.ID); err != nil {
			return err
		}
		if err := t.Delete(ctx, &row.VersionRow); err != nil {
			return err
		}
		return t.Note(ctx, "version.deleted", owner.OrganizationID, row.ID, fmt.Sprintf("%d of %s", number, owner.Name))
	})
}

// write fills in a version's row from what a request says. Known are the secrets that a hash may stand for.
func (t *change) write(ctx context.Context, owner DefinitionView, row *VersionRow, v remuda.Version, known map[string]string) error {
	w := versionWriter{r: t.r, definition: row.DefinitionID, known: known, secrets: map[string]string{}}
	w.version(&v)
	if err := t.classOf(ctx, owner, row, v.ResourceClass, &w.wrong); err != nil {
		return err
	}
	for i, id := range v.Dependencies {
		if _, err := t.tx.DefinitionView(ctx, id); errors.Is(err, remuda.NotFound) {
			w.wrong.add(fmt.Sprintf("body.dependencies[%d]", i), "there is no definition "+id)
		} else if err != nil {
			return err
		}
	}
	if err := w.wrong.err("the version is not changed"); err != nil {
		return err
	}
	v.ID, v.Definition, v.Number, v.State, v.ResourceClass, v.Blocks = "", "", 0, "", "", 0
	v.CreatedAt, v.ReleasedAt = row.CreatedAt.Time(), nil
	var err error
	if row.Spec, err = encode(v); err != nil {
		return err
	}
	row.Secrets, err = t.r.closeSecrets("versions", row.ID, w.secrets)
	return err
}

// classOf finds the pool that a version names: one that its owner may use.
func (t *change) classOf(ctx context.Context, owner DefinitionView, row *VersionRow, name string, wrong *problems) error {
	row.ClassID = ""
	if name == "" {
		return nil
	}
	class, err := control.Usable(ctx, t.tx, name, owner.OrganizationID)
	if errors.Is(err, remuda.NotFound) {
		wrong.add("body.resource_class", "there is no resource class "+name+" that "+owner.Organization+" may use")
		return nil
	}
	row.ClassID = class.ID
	return err
}
