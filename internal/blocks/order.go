package blocks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// OrderBlock makes a block, and queues its APPLY as soon as every input has a value. The same idempotency key with the
// same order answers as the first time; with another one it is a conflict.
func (d UserDoor) OrderBlock(ctx context.Context, order remuda.Block, idempotencyKey string) (remuda.Block, error) {
	if order.Name == "" || len(order.Name) > 200 {
		return remuda.Block{}, &remuda.Error{Kind: remuda.Invalid, Detail: "a block has a name of 1 to 200 bytes",
			Fields: []remuda.Field{{Location: "body.name", Message: "this has 1 to 200 bytes"}}}
	}
	if len(idempotencyKey) > 200 {
		return remuda.Block{}, remuda.Fail(remuda.Invalid, "an idempotency key has at most 200 bytes")
	}
	made := control.NewID()
	id := made
	err := d.change(ctx, func(t *change) error {
		owner, err := d.owner(ctx, t.tx, order.Organization, remuda.PermitBlockSave)
		if err != nil {
			return err
		}
		if id, err = d.repeated(ctx, t, order, owner.ID, idempotencyKey, made); err != nil || id != made {
			return err
		}
		s, err := d.ordered(ctx, t, order, owner, made)
		if err != nil {
			return err
		}
		if err := t.insert(ctx, s, d.author()); err != nil {
			return err
		}
		return t.proceed(ctx, s, ask{behavior: remuda.Apply, trigger: remuda.TriggerCreation, author: d.author()})
	})
	if err != nil {
		return remuda.Block{}, err
	}
	return d.Block(ctx, id)
}

// repeated answers the block that the same key made before, or remembers the key for this one.
func (d UserDoor) repeated(ctx context.Context, t *change, order remuda.Block, organization, key, id string) (string, error) {
	if key == "" {
		return id, nil
	}
	order.ID = ""
	text, err := encode(order)
	if err != nil {
		return "", err
	}
	secrets := map[string]string{} // the encoding tells nothing of them
	for key, v := range order.Inputs {
		if v.Secret != nil {
			secrets[key] = v.Secret.Reveal()
		}
	}
	more, err := encode(secrets)
	if err != nil {
		return "", err
	}
	request := d.r.keys.MAC("order", text+more)
	row := control.SubmissionKeyRow{
		ID: fmt.Sprintf("%x", sha256.Sum256([]byte("block\x00"+organization+"\x00"+d.user.Token+"\x00"+d.user.Name+"\x00"+key))),
	}
	first := row
	err = t.Get(ctx, &first, row.ID)
	if errors.Is(err, remuda.NotFound) {
		row.Request, row.JobID, row.CreatedAt = request, id, t.Now()
		return id, t.Insert(ctx, &row)
	}
	if err == nil && !bytes.Equal(first.Request, request) {
		err = remuda.Fail(remuda.Conflict, "this idempotency key was used for another order; take a new key")
	}
	return first.JobID, err
}

// ordered makes the scene of a new block, and refuses what is wrong with its order: all of it in one answer.
func (d UserDoor) ordered(ctx context.Context, t *change, order remuda.Block, owner control.OrganizationRow, id string) (*scene, error) {
	definition, err := d.orderable(ctx, t.tx, order.Definition, owner)
	if err != nil {
		return nil, err
	}
	number := order.Version
	if number == 0 {
		number = definition.Released
	}
	if number == 0 {
		return nil, remuda.Fail(remuda.Conflict, "definition "+definition.Name+" has no released version; its owner may order a draft by its number")
	}
	version, err := t.tx.VersionByNumber(ctx, definition.ID, number)
	owns := definition.OrganizationID == owner.ID || d.manages(definition.OrganizationID)
	if errors.Is(err, remuda.NotFound) || err == nil && version.State != remuda.VersionReleased && !owns {
		return nil, absent("version", fmt.Sprintf("%d of definition %s", number, definition.Name))
	}
	if err != nil {
		return nil, err
	}
	s := &scene{
		block: BlockView{
			BlockRow: BlockRow{
				ID: id, OrganizationID: owner.ID, Name: order.Name, DefinitionID: definition.ID, VersionID: version.ID,
				Lifecycle: remuda.LifecycleActive, CreatedBy: d.user.Name, CreatedAt: t.Now(),
			},
			Organization: owner.Name, DefinitionName: definition.Name, OwnerID: definition.OrganizationID,
			Transparent: definition.Transparent, Version: number,
		},
		given: map[string]remuda.Value{}, secrets: map[string]string{},
	}
	g := giver{r: d.r, s: s, operator: owns && d.manages(definition.OrganizationID), fresh: true}
	if err := d.aim(ctx, t, s, order, definition, &g.wrong); err != nil {
		return nil, err
	}
	if err := d.r.stage(ctx, t.tx, s); err != nil {
		return nil, err
	}
	if s.version.Implementation.Type != remuda.BlueprintManual && version.ClassID == "" {
		return nil, remuda.Fail(remuda.Conflict, fmt.Sprintf("version %d of %s names no resource class that its runs could be queued for", number, definition.Name))
	}
	g.give(order.Inputs)
	g.presets()
	parents, err := d.parents(ctx, t.tx, s, order.Parents, &g.wrong)
	if err != nil {
		return nil, err
	}
	if err := g.err("the block is not ordered"); err != nil {
		return nil, err
	}
	if err := t.onlyOne(ctx, s); err != nil {
		return nil, err
	}
	return s, d.r.join(ctx, t.tx, s, parents)
}

// orderable finds a definition of which an organization may order blocks.
func (d UserDoor) orderable(ctx context.Context, v View, id string, owner control.OrganizationRow) (DefinitionView, error) {
	row, err := v.DefinitionView(ctx, id)
	if err != nil {
		return row, orAbsent(err, "definition", id)
	}
	allowed, err := mayOrder(ctx, v, row, owner.ID)
	if err != nil {
		return row, err
	}
	if !allowed || row.Released == 0 && row.OrganizationID != owner.ID && !d.manages(row.OrganizationID) {
		return row, absent("definition", id)
	}
	return row, nil
}

// aim finds what the block belongs to: a project, or a tenant of one.
func (d UserDoor) aim(ctx context.Context, t *change, s *scene, order remuda.Block, definition DefinitionView, wrong *problems) error {
	switch {
	case definition.Target == remuda.TargetTenant && order.Tenant == "":
		wrong.add("body.tenant", "a block of this definition belongs to a tenant; name it")
		return nil
	case definition.Target == remuda.TargetWorkspace && order.Tenant != "":
		wrong.add("body.tenant", "a block of this definition belongs to its organization, not to a tenant")
		return nil
	case order.Tenant != "":
		return d.aimAtTenant(ctx, t, s, order.Tenant, definition, wrong)
	case order.Project == "":
		return nil
	}
	project, err := t.FindProject(ctx, s.block.OrganizationID, order.Project)
	if remuda.KindOf(err) == remuda.Invalid {
		wrong.add("body.project", err.Error())
		return nil
	}
	s.block.ProjectID, s.block.Project = project.ID, project.Name
	return err
}

func (d UserDoor) aimAtTenant(ctx context.Context, t *change, s *scene, id string, definition DefinitionView, wrong *problems) error {
	var tenant TenantRow
	err := t.Get(ctx, &tenant, id)
	if errors.Is(err, remuda.NotFound) || err == nil && tenant.OrganizationID != s.block.OrganizationID {
		wrong.add("body.tenant", "there is no tenant "+id+" of "+s.block.Organization)
		return nil
	}
	if err != nil {
		return err
	}
	words, err := definitionWords(definition)
	if err != nil {
		return err
	}
	if len(words.Platforms) > 0 && !slices.Contains(words.Platforms, tenant.Platform) {
		wrong.add("body.tenant", "definition "+definition.Name+" is not for tenants of "+tenant.Platform)
	}
	var project control.ProjectRow
	if err := t.Get(ctx, &project, tenant.ProjectID); err != nil {
		return err
	}
	s.block.TenantID, s.block.ProjectID, s.block.Project = id, project.ID, project.Name
	return nil
}

// onlyOne refuses a second block of a version of which a target has at most one.
func (t *change) onlyOne(ctx context.Context, s *scene) error {
	if !s.version.OncePerTenant {
		return nil
	}
	query := BlockQuery{
		Organization: s.block.OrganizationID, Definition: s.block.DefinitionID, Tenant: s.block.TenantID,
		Lifecycle: []remuda.Lifecycle{remuda.LifecycleActive, remuda.LifecycleDeleting}, Page: Page{Limit: 1},
	}
	others, err := t.tx.Blocks(ctx, query)
	if err != nil || len(others) == 0 {
		return err
	}
	return remuda.Fail(remuda.Conflict, "there is block "+others[0].Name+" ("+others[0].ID+") of definition "+s.definition.Name+
		" already, and a target has at most one of it")
}

// mostParents is how many blocks a search for a circle looks at.
const mostParents = 10000

// parents checks the parents that a request names, and refuses a circle.
func (d UserDoor) parents(ctx context.Context, v View, s *scene, ids []string, wrong *problems) ([]string, error) {
	named := map[string]bool{}
	for i, id := range ids {
		place := fmt.Sprintf("body.parents[%d]", i)
		parent, err := v.BlockView(ctx, id)
		switch {
		case errors.Is(err, remuda.NotFound) || err == nil && !d.seesBlock(parent):
			wrong.add(place, "there is no block "+id+" that you may see")
		case err != nil:
			return nil, err
		case parent.Lifecycle != remuda.LifecycleActive:
			wrong.add(place, "block "+parent.Name+" is deleted, or about to be")
		case parent.OrganizationID != s.block.OrganizationID:
			wrong.add(place, "block "+parent.Name+" is another organization's")
		case named[id]:
			wrong.add(place, "block "+parent.Name+" is named twice")
		}
		named[id] = true
	}
	if named[s.block.ID] {
		wrong.add("body.parents", "a block is no parent of its own")
		return ids, nil
	}
	circle, err := above(ctx, v, ids, s.block.ID)
	if circle {
		wrong.add("body.parents", "this would be a circle: one of these takes what this block gives")
	}
	return ids, err
}

// above says whether a block is among the parents of blocks, or their parents, and so on.
func above(ctx context.Context, v View, blocks []string, block string) (bool, error) {
	seen := map[string]bool{}
	for next := slices.Clone(blocks); len(next) > 0 && len(seen) < mostParents; {
		id := next[0]
		next = next[1:]
		if id == block {
			return true, nil
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		parents, err := v.Parents(ctx, id)
		if err != nil {
			return false, err
		}
		next = append(next, parents...)
	}
	return len(seen) >= mostParents, nil
}

// insert writes a new block.
func (t *change) insert(ctx context.Context, s *scene, by remuda.RunAuthor) error {
	b := &s.block.BlockRow
	who, err := encode(by)
	if err != nil {
		return err
	}
	b.Author, b.Status = who, remuda.BlockPending
	if err := t.seal(s); err != nil {
		return err
	}
	if err := t.Insert(ctx, b); err != nil {
		return err
	}
	parents := make([]string, len(s.parents))
	for i, p := range s.parents {
		parents[i] = p.ID
	}
	if err := t.tx.ReplaceParents(ctx, b.ID, parents); err != nil {
		return err
	}
	return t.Note(ctx, "block.ordered", b.OrganizationID, b.ID, fmt.Sprintf("%s, of version %d of %s", b.Name, s.versionRow.Number, s.definition.Name))
}

// seal puts the inputs that people gave into the block's row.
func (t *change) seal(s *scene) (err error) {
	if s.block.Given, err = encode(s.given); err != nil {
		return err
	}
	s.block.Secrets, err = t.r.closeSecrets("blocks", s.block.ID, s.secrets)
	return err
}

// proceed queues a run of a block, or parks it while something is missing.
func (t *change) proceed(ctx context.Context, s *scene, a ask) error {
	values, err := t.r.resolve(s, a.author)
	if err != nil {
		return err
	}
	if !values.complete() {
		if s.block.LiveRun != "" {
			return t.keepMissing(ctx, s, values)
		}
		return t.wait(ctx, s, values)
	}
	_, err = t.queue(ctx, s, a)
	return err
}
