package blocks

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/remuda-dev/remuda"
)

// ChangeBlock changes what is said, and queues an APPLY when that is more than its name.
func (d UserDoor) ChangeBlock(ctx context.Context, id string, c remuda.BlockChange) (remuda.Block, error) {
	if c.Name != nil && (*c.Name == "" || len(*c.Name) > 200) {
		return remuda.Block{}, &remuda.Error{Kind: remuda.Invalid, Detail: "a block has a name of 1 to 200 bytes",
			Fields: []remuda.Field{{Location: "body.name", Message: "this has 1 to 200 bytes"}}}
	}
	err := d.change(ctx, func(t *change) error {
		block, err := d.block(ctx, t.tx, id)
		if err != nil {
			return err
		}
		if err := d.mayChange(block); err != nil {
			return err
		}
		if block.Lifecycle != remuda.LifecycleActive {
			return remuda.Fail(remuda.Conflict, "block "+block.Name+" is deleted, or about to be, and is not changed any more")
		}
		return d.changeBlock(ctx, t, id, c)
	})
	if err != nil {
		return remuda.Block{}, err
	}
	return d.Block(ctx, id)
}

func (d UserDoor) changeBlock(ctx context.Context, t *change, id string, c remuda.BlockChange) error {
	s, err := t.r.scene(ctx, t.tx, id)
	if err != nil {
		return err
	}
	a := ask{behavior: remuda.Apply, trigger: remuda.TriggerInputs, author: d.author()}
	g := giver{r: d.r, s: s, operator: d.manages(s.block.OwnerID)}
	upgraded, err := d.upgrade(ctx, t, s, c, &g)
	if err != nil {
		return err
	}
	if upgraded {
		a.trigger = remuda.TriggerUpgrade
	}
	g.give(c.Inputs)
	g.presets()
	moved, err := d.adopt(ctx, t, s, c.Parents, &g.wrong)
	if err != nil {
		return err
	}
	if err := g.err("the block is not changed"); err != nil {
		return err
	}
	if c.Name != nil {
		s.block.Name = *c.Name
	}
	if err := t.seal(s); err != nil {
		return err
	}
	if err := t.Update(ctx, &s.block.BlockRow, "name", "version_id", "given", "secrets"); err != nil {
		return err
	}
	if err := t.Note(ctx, "block.changed", s.block.OrganizationID, id, s.block.Name); err != nil {
		return err
	}
	if !upgraded && !moved && !g.changed {
		return nil
	}
	if err := t.stale(ctx, s); err != nil {
		return err
	}
	return t.proceed(ctx, s, a)
}

// upgrade puts a block on another version of its definition.
func (d UserDoor) upgrade(ctx context.Context, t *change, s *scene, c remuda.BlockChange, g *giver) (bool, error) {
	if c.Version == nil || *c.Version == s.versionRow.Number {
		return false, nil
	}
	number := *c.Version
	version, err := t.tx.VersionByNumber(ctx, s.block.DefinitionID, number)
	owns := s.block.OwnerID == s.block.OrganizationID || g.operator
	if errors.Is(err, remuda.NotFound) || err == nil && version.State != remuda.VersionReleased && !owns {
		g.wrong.add("body.version", fmt.Sprintf("definition %s has no released version %d", s.definition.Name, number))
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s.block.VersionID, s.block.Version = version.ID, number
	if err := d.r.stage(ctx, t.tx, s); err != nil {
		return false, err
	}
	if s.version.Implementation.Type != remuda.BlueprintManual && version.ClassID == "" {
		g.wrong.add("body.version", fmt.Sprintf("version %d names no resource class that its runs could be queued for", number))
	}
	g.fit(c.Inputs)
	return true, nil
}

// adopt gives a block other parents.
func (d UserDoor) adopt(ctx context.Context, t *change, s *scene, parents *[]string, wrong *problems) (bool, error) {
	if parents == nil {
		return false, nil
	}
	old := make([]string, len(s.parents))
	for i, p := range s.parents {
		old[i] = p.ID
	}
	if slices.Equal(old, *parents) {
		return false, nil
	}
	ids, err := d.parents(ctx, t.tx, s, *parents, wrong)
	if err != nil || len(*wrong) > 0 {
		return false, err
	}
	if err := t.tx.ReplaceParents(ctx, s.block.ID, ids); err != nil {
		return false, err
	}
	return true, d.r.join(ctx, t.tx, s, ids)
}

// keepMissing names what a block lacks while its live run goes on; when that ends, the block waits for it.
func (t *change) keepMissing(ctx context.Context, s *scene, values resolved) error {
	_, missing, detail := values.status()
	text, err := encode(missing)
	if err != nil {
		return err
	}
	s.block.Missing, s.block.Detail = text, detail
	if err := t.Update(ctx, &s.block.BlockRow, "missing", "detail"); err != nil {
		return err
	}
	return t.keepResolved(ctx, s, values)
}

// stale marks the plans of a block that wait for approval: what they were made from has changed.
func (t *change) stale(ctx context.Context, s *scene) error {
	waiting, err := t.tx.Runs(ctx, RunQuery{Block: s.block.ID, Approval: remuda.ApprovalWaiting, Page: Page{Limit: 100}})
	if err != nil {
		return err
	}
	for _, run := range waiting {
		run.Approval = remuda.ApprovalStale
		if err := t.Update(ctx, &run.RunRow, "approval"); err != nil {
			return err
		}
	}
	return nil
}
