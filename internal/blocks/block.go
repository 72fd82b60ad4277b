package blocks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/remuda-dev/remuda"
)

// blockWords is a block as the API shows it to one who may see it.
func (d UserDoor) blockWords(b BlockView) (remuda.Block, error) {
	words := remuda.Block{
		ID: b.ID, Organization: b.Organization, Project: b.Project, Tenant: b.TenantID, Name: b.Name,
		Definition: b.DefinitionID, DefinitionName: b.DefinitionName, Version: b.Version,
		Status: b.Status, Detail: b.Detail, Lifecycle: b.Lifecycle, Drifted: b.Drifted, ForcePurge: b.ForcePurge,
		CreatedBy: b.CreatedBy, CreatedAt: b.CreatedAt.Time(), DeletionBy: b.DeletionBy,
	}
	if d.seesRuns(b.OrganizationID, b.OwnerID, b.Transparent) {
		words.LatestRun, words.LatestDryRun = b.LatestRun, b.LatestDryRun
	}
	if b.DeletionAt != 0 {
		at := b.DeletionAt.Time()
		words.DeletionAt = &at
	}
	if b.DeletedAt != 0 {
		at := b.DeletedAt.Time()
		words.DeletedAt = &at
	}
	var err error
	if words.Outputs, err = readObject[remuda.Value](b.Outputs); err != nil {
		return words, err
	}
	if words.Inputs, err = readObject[remuda.Value](b.Resolved); err != nil {
		return words, err
	}
	if b.Missing != "" {
		if err := json.Unmarshal([]byte(b.Missing), &words.Missing); err != nil {
			return words, fmt.Errorf("read block %s: %w", b.ID, err)
		}
	}
	return words, nil
}

// block finds one that the caller may see.
func (d UserDoor) block(ctx context.Context, v View, id string) (BlockView, error) {
	row, err := v.BlockView(ctx, id)
	if err != nil {
		return row, orAbsent(err, "block", id)
	}
	if !d.seesBlock(row) {
		return row, absent("block", id)
	}
	return row, nil
}

// Blocks lists those that the caller may see, the newest first.
func (d UserDoor) Blocks(ctx context.Context, f BlockFilter, s Span) (List[remuda.Block], error) {
	p, total := s.page(), 0
	var rows []BlockView
	parents := map[string][]string{}
	err := d.r.look(ctx, func(v View) error {
		query, found, err := d.blockQuery(ctx, v, f)
		if err != nil || !found {
			return err
		}
		query.Page = p
		if rows, err = v.Blocks(ctx, query); err != nil {
			return err
		}
		for _, row := range rows {
			if parents[row.ID], err = v.Parents(ctx, row.ID); err != nil {
				return err
			}
		}
		total, err = counted(ctx, s, v.CountBlocks, query)
		return err
	})
	if err != nil {
		return List[remuda.Block]{}, err
	}
	return listed(rows, p, total, func(r BlockView) string { return r.ID }, func(r BlockView) (remuda.Block, error) {
		words, err := d.blockWords(r)
		words.Parents = parents[r.ID]
		return words, err
	})
}

// blockQuery turns the names of a filter into ids, and holds it to what the caller may see. Nothing is found by the name
// of what there is not.
func (d UserDoor) blockQuery(ctx context.Context, v View, f BlockFilter) (q BlockQuery, found bool, err error) {
	q = BlockQuery{
		Platform: f.Platform, Name: f.Name, Definition: f.Definition, VersionID: f.VersionID, Tenant: f.Tenant, Search: f.Search,
		Version: f.Version, Target: f.Target, Status: f.Status, Lifecycle: f.Lifecycle, Drifted: f.Drifted,
	}
	if f.ManagedByDefinition != "" {
		if q.Definition != "" && q.Definition != f.ManagedByDefinition {
			return q, false, nil
		}
		q.Definition = f.ManagedByDefinition
	}
	if len(q.Lifecycle) == 0 {
		q.Lifecycle = []remuda.Lifecycle{remuda.LifecycleActive, remuda.LifecycleDeleting}
	}
	if !d.user.May(remuda.Everywhere(remuda.PermitBlockList), "") {
		q.VisibleTo = d.user.OrganizationID
		q.Own = d.user.May(remuda.PermitBlockList, q.VisibleTo)
		q.Managed = d.user.May(remuda.PermitManagedBlockList, q.VisibleTo)
		if !q.Own && !q.Managed {
			_, err := d.user.Sees(remuda.PermitBlockList)
			return q, false, err
		}
	}
	for _, one := range []struct {
		name string
		id   *string
	}{{f.Organization, &q.Organization}, {f.ManagedBy, &q.ManagedBy}} {
		if one.name == "" {
			continue
		}
		row, err := v.OrganizationByName(ctx, one.name)
		if err != nil {
			return q, false, ignoreAbsent(err)
		}
		*one.id = row.ID
	}
	if f.Project != "" {
		owner := q.Organization
		if owner == "" {
			owner = d.user.OrganizationID
		}
		project, err := v.ProjectByName(ctx, owner, f.Project)
		if err != nil {
			return q, false, ignoreAbsent(err)
		}
		q.Project = project.ID
	}
	return q, true, nil
}

// Block is one of them.
func (d UserDoor) Block(ctx context.Context, id string) (remuda.Block, error) {
	var words remuda.Block
	err := d.r.look(ctx, func(v View) error {
		row, err := d.block(ctx, v, id)
		if err != nil {
			return err
		}
		if words, err = d.blockWords(row); err != nil {
			return err
		}
		if words.Parents, err = v.Parents(ctx, id); err != nil {
			return err
		}
		if words.Children, err = v.Children(ctx, id); err != nil {
			return err
		}
		version, err := v.VersionView(ctx, row.VersionID)
		if errors.Is(err, remuda.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		said, err := readVersion(version.VersionRow)
		if err != nil {
			return err
		}
		words.Types = make(map[string]remuda.InputKind, len(said.Inputs))
		for key, in := range said.Inputs {
			words.Types[key] = remuda.InputKind{Type: in.Type, Assignment: in.Assignment, Sensitive: in.Sensitive}
		}
		return nil
	})
	return words, err
}
