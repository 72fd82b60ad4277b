package blocks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/control"
)

// Other systems' formats name things otherwise than ours: organizations by their namespace, classes and versions by ids
// that ours does not show. To turn one name into another gives nothing away that whoever knows the one is not told;
// what the names stand for is looked up by the doors that hold callers to what they may.

// OrganizationOf is the name of the organization that owns a namespace; one that owns none goes by its own name.
func (r *Rules) OrganizationOf(ctx context.Context, namespace string) (name string, err error) {
	err = r.look(ctx, func(v View) error {
		row, err := v.NamespaceByName(ctx, namespace)
		if errors.Is(err, remuda.NotFound) {
			name = namespace
			return nil
		}
		if err != nil {
			return err
		}
		var owner control.OrganizationRow
		err = v.Get(ctx, &owner, row.OrganizationID)
		name = owner.Name
		return err
	})
	return name, err
}

// NamespaceOf is the namespace of an organization; its name when it has none.
func (r *Rules) NamespaceOf(ctx context.Context, organization string) (name string, err error) {
	name = organization
	if organization == "" {
		return name, nil
	}
	err = r.look(ctx, func(v View) error {
		row, err := v.OrganizationByName(ctx, organization)
		if err != nil {
			return ignoreAbsent(err)
		}
		views, err := v.Organizations(ctx, row.ID, control.Span{Limit: 1})
		if err == nil && len(views) == 1 && views[0].Namespace != "" {
			name = views[0].Namespace
		}
		return err
	})
	return name, err
}

// ClassID is the id of a resource class; empty when there is none.
func (r *Rules) ClassID(ctx context.Context, name string) (id string, err error) {
	if name == "" {
		return "", nil
	}
	err = r.look(ctx, func(v View) error {
		row, err := v.ClassByName(ctx, name)
		id = row.ID
		return ignoreAbsent(err)
	})
	return id, err
}

// ClassName is the name of the resource class with this id.
func (r *Rules) ClassName(ctx context.Context, id string) (name string, err error) {
	if id == "" {
		return "", nil
	}
	err = r.look(ctx, func(v View) error {
		row, err := v.ClassView(ctx, id)
		name = row.FullName
		return orAbsent(err, "runner", id)
	})
	return name, err
}

// NumberOf is which version of which definition has this id.
func (r *Rules) NumberOf(ctx context.Context, version string) (definition string, number int, err error) {
	err = r.look(ctx, func(v View) error {
		row, err := v.VersionView(ctx, version)
		definition, number = row.DefinitionID, row.Number
		return orAbsent(err, "version", version)
	})
	return definition, number, err
}

// OwnerOfTenant is the name of the organization whose tenant it is.
func (r *Rules) OwnerOfTenant(ctx context.Context, id string) (organization string, err error) {
	err = r.look(ctx, func(v View) error {
		row, err := v.TenantView(ctx, id)
		organization = row.Organization
		return orAbsent(err, "tenant", id)
	})
	return organization, err
}

// Outline is a block with what formats show of it that ours tells elsewhere.
type Outline struct {
	remuda.Block
	VersionID string
	Given     map[string]remuda.Input // what its version says of its inputs
	Gives     map[string]remuda.Output
	ParentOf  map[string]string // the definition of each of its parents
	Tenant    remuda.Tenant     // empty for none
}

// Outline is a block whole.
func (d UserDoor) Outline(ctx context.Context, id string) (Outline, error) {
	o := Outline{ParentOf: map[string]string{}}
	err := d.r.look(ctx, func(v View) error {
		row, err := d.block(ctx, v, id)
		if err != nil {
			return err
		}
		if o.Block, err = d.blockWords(row); err != nil {
			return err
		}
		o.VersionID = row.VersionID
		if o.Parents, err = v.Parents(ctx, id); err != nil {
			return err
		}
		for _, parent := range o.Parents {
			var p BlockRow
			if err := v.Get(ctx, &p, parent); err != nil {
				return fmt.Errorf("read parent %s: %w", parent, err)
			}
			o.ParentOf[parent] = p.DefinitionID
		}
		if row.TenantID != "" {
			tenant, err := v.TenantView(ctx, row.TenantID)
			if err := ignoreAbsent(err); err != nil {
				return err
			}
			o.Tenant = tenant.words()
		}
		version, err := v.VersionView(ctx, row.VersionID)
		if err != nil {
			return ignoreAbsent(err)
		}
		said, err := readVersion(version.VersionRow)
		o.Given, o.Gives = said.Inputs, said.Outputs
		return err
	})
	return o, err
}

// RunPlace says what a claim is of.
type RunPlace struct {
	Run, Block   string // ids
	Organization string // the name of the block's
}

// Place says which run the door is of, whether it has ended or not.
func (d RunDoor) Place(ctx context.Context) (RunPlace, error) {
	var place RunPlace
	err := d.r.look(ctx, func(v View) error {
		attempt, err := v.Attempt(ctx, d.claim)
		if err != nil {
			return orAbsent(err, "claim", d.claim)
		}
		run, err := v.RunOfTask(ctx, attempt.TaskID)
		if err != nil {
			return orAbsent(err, "run of claim", d.claim)
		}
		var owner control.OrganizationRow
		err = v.Get(ctx, &owner, run.OrganizationID)
		place = RunPlace{run.ID, run.BlockID, owner.Name}
		return err
	})
	return place, err
}

// Told is what whoever carries out the run may read of it: where it stands, and why it was queued.
func (d RunDoor) Told(ctx context.Context) (remuda.BlockRun, error) {
	var run RunView
	err := d.r.look(ctx, func(v View) error {
		attempt, err := v.Attempt(ctx, d.claim)
		if err != nil {
			return orAbsent(err, "claim", d.claim)
		}
		run, err = v.RunOfTask(ctx, attempt.TaskID)
		return orAbsent(err, "run of claim", d.claim)
	})
	if err != nil {
		return remuda.BlockRun{}, err
	}
	words := remuda.BlockRun{
		ID: run.ID, Block: run.BlockID, Number: run.Number, Version: run.Version, Behavior: run.Behavior, Trigger: run.Trigger,
		Status: run.Status, CreatedAt: run.CreatedAt.Time(),
	}
	if err := json.Unmarshal([]byte(run.Author), &words.Author); err != nil {
		return words, fmt.Errorf("read run %s: %w", run.ID, err)
	}
	return words, nil
}

// mostRefused bounds how many runs that its format cannot say are passed over for one question of a node.
const mostRefused = 5

// ClaimRun gives a node of another system's pool a run to carry out; nil when there is none. What the node's format
// cannot say fails with the sentence that refuse gives.
func (d UserDoor) ClaimRun(ctx context.Context, entry, node, name, version string, refuse func(*remuda.Claim) string) (*remuda.Claim, error) {
	err := d.r.look(ctx, func(v View) error {
		_, err := d.entry(ctx, v, entry, remuda.PermitRunSave)
		return err
	})
	if err != nil {
		return nil, err
	}
	door, err := d.r.plane.Node(ctx, entry, node, name, version)
	if err != nil {
		return nil, err
	}
	for range mostRefused {
		claim, err := door.ClaimOne(ctx)
		if err != nil || claim == nil {
			return nil, err
		}
		reason := refuse(claim)
		if reason == "" {
			return claim, nil
		}
		if err := door.Finish(ctx, claim.ID, remuda.Result{State: remuda.Failed, Reason: remuda.ReasonConfig, Detail: reason}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
