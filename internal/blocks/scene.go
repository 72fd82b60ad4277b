package blocks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/remuda-dev/remuda"
)

// scene is a block with all that its inputs come from.
type scene struct {
	block      BlockView
	definition DefinitionView
	versionRow VersionView
	version    remuda.Version
	presets    map[string]string // secrets of the version
	given      map[string]remuda.Value
	secrets    map[string]string // of the block
	tenant     TenantRow
	parents    []parent
}

// parent is one of a block's parents, as far as its children need it.
type parent struct {
	BlockRow
	outputs map[string]remuda.Value
	secrets map[string]string
}

// scene reads all of it.
func (r *Rules) scene(ctx context.Context, v View, id string) (*scene, error) {
	block, err := v.BlockView(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read block %s: %w", id, err)
	}
	s := &scene{block: block}
	if s.given, err = readObject[remuda.Value](block.Given); err != nil {
		return nil, err
	}
	if s.secrets, err = r.openSecrets("blocks", id, block.Secrets); err != nil {
		return nil, err
	}
	if err := r.stage(ctx, v, s); err != nil {
		return nil, err
	}
	parents, err := v.Parents(ctx, id)
	if err != nil {
		return nil, err
	}
	return s, r.join(ctx, v, s, parents)
}

// stage reads what stands around a block: its definition, version and tenant.
func (r *Rules) stage(ctx context.Context, v View, s *scene) (err error) {
	if s.definition, err = v.DefinitionView(ctx, s.block.DefinitionID); err != nil {
		return fmt.Errorf("read definition %s: %w", s.block.DefinitionID, err)
	}
	if s.versionRow, err = v.VersionView(ctx, s.block.VersionID); err != nil {
		return fmt.Errorf("read version %s: %w", s.block.VersionID, err)
	}
	if s.version, err = readVersion(s.versionRow.VersionRow); err != nil {
		return err
	}
	if s.presets, err = r.openSecrets("versions", s.versionRow.ID, s.versionRow.Secrets); err != nil {
		return err
	}
	if s.block.TenantID != "" {
		err = v.Get(ctx, &s.tenant, s.block.TenantID)
		if errors.Is(err, remuda.NotFound) {
			return nil // it was deleted; what comes from it is missing
		}
	}
	return err
}

// join reads the parents.
func (r *Rules) join(ctx context.Context, v View, s *scene, ids []string) error {
	s.parents = nil
	for _, id := range ids {
		var p parent
		if err := v.Get(ctx, &p.BlockRow, id); err != nil {
			return fmt.Errorf("read parent %s: %w", id, err)
		}
		var err error
		if p.outputs, err = readObject[remuda.Value](p.Outputs); err != nil {
			return err
		}
		if p.secrets, err = r.openSecrets("blocks", id, p.Secrets); err != nil {
			return err
		}
		s.parents = append(s.parents, p)
	}
	return nil
}

// resolved is what a block's inputs come to.
type resolved struct {
	values  map[string]remuda.Value // a hash for each secret
	secrets map[string]string       // by key
	missing map[remuda.BlockStatus][]string
	waits   []string // what its parents lack, in words
}

// complete says whether a run can begin.
func (v resolved) complete() bool { return len(v.missing) == 0 && len(v.waits) == 0 }

// status is what the block waits for: what its orderer can give first, then its operators, then its parents.
func (v resolved) status() (status remuda.BlockStatus, missing []string, detail string) {
	for _, status := range []remuda.BlockStatus{remuda.BlockWaitsForUser, remuda.BlockWaitsForOperator, remuda.BlockWaitsForParent} {
		missing = append(missing, v.missing[status]...)
	}
	switch {
	case len(v.missing[remuda.BlockWaitsForUser]) > 0:
		return remuda.BlockWaitsForUser, missing, "waits for the inputs " + join(v.missing[remuda.BlockWaitsForUser])
	case len(v.missing[remuda.BlockWaitsForOperator]) > 0:
		return remuda.BlockWaitsForOperator, missing,
			"waits for inputs that the definition's owner gives: " + join(v.missing[remuda.BlockWaitsForOperator])
	case len(v.waits) > 0:
		return remuda.BlockWaitsForParent, missing, join(v.waits)
	default:
		return remuda.BlockWaitsForParent, missing, "waits for values of " + join(missing)
	}
}

// resolve looks all inputs up.
func (r *Rules) resolve(s *scene, author remuda.RunAuthor) (resolved, error) {
	v := resolved{values: map[string]remuda.Value{}, secrets: map[string]string{}, missing: map[remuda.BlockStatus][]string{}}
	for _, key := range slices.Sorted(maps.Keys(s.version.Inputs)) {
		in := s.version.Inputs[key]
		value, secret, waits, err := r.lookUp(s, key, in, author)
		if err != nil {
			return v, err
		}
		if secret != nil {
			v.secrets[key] = *secret
			value = remuda.Value{Hash: r.hash(s.block.ID, *secret)}
		}
		if none(value) {
			value = remuda.Value{Value: json.RawMessage("null")}
			if !in.Optional {
				v.missing[waits] = append(v.missing[waits], key)
			}
		}
		v.values[key] = value
	}
	v.waits = s.unready()
	return v, nil
}

// lookUp finds the value of one input, or says what the block waits for.
func (r *Rules) lookUp(s *scene, key string, in remuda.Input, author remuda.RunAuthor) (value remuda.Value, secret *string, waits remuda.BlockStatus, err error) {
	switch in.Assignment {
	case remuda.AssignUser, remuda.AssignOperator:
		waits = remuda.BlockWaitsForUser
		if in.Assignment == remuda.AssignOperator {
			waits = remuda.BlockWaitsForOperator
		}
		if text, is := s.secrets[inputSecret(key)]; is {
			return value, &text, waits, nil
		}
		return s.given[key], nil, waits, nil
	case remuda.AssignStatic:
		if text, is := s.presets[argumentSecret(key)]; is {
			return value, &text, remuda.BlockWaitsForOperator, nil
		}
		if in.Argument != nil {
			value = *in.Argument
		}
		return value, nil, remuda.BlockWaitsForOperator, nil
	case remuda.AssignOutput:
		value, secret = s.output(in)
		return value, secret, remuda.BlockWaitsForParent, nil
	}
	text, err := s.known(in.Assignment, author)
	if err != nil || text == "" {
		return value, nil, remuda.BlockWaitsForParent, err
	}
	raw, err := json.Marshal(text)
	value.Value = raw
	if in.Sensitive {
		return value, &text, remuda.BlockWaitsForParent, err
	}
	return value, nil, remuda.BlockWaitsForParent, err
}

// known is what an input is filled in with from what is known of the block.
func (s *scene) known(a remuda.Assignment, author remuda.RunAuthor) (string, error) {
	switch a {
	case remuda.AssignWorkspace:
		return s.block.Organization, nil
	case remuda.AssignProject:
		return s.block.Project, nil
	case remuda.AssignPlatform:
		return s.tenant.Platform, nil
	case remuda.AssignPlatformTenant:
		return s.tenant.PlatformID, nil
	case remuda.AssignTenant:
		return s.block.TenantID, nil
	case remuda.AssignTenantBlock:
		return s.block.ID, nil
	case remuda.AssignAuthor:
		return encode(author)
	case remuda.AssignUserPermissions:
		return "[]", nil // organizations have tokens with roles, and no users
	}
	return "", nil
}

// output finds the output of a parent.
func (s *scene) output(in remuda.Input) (value remuda.Value, secret *string) {
	definition, key, ok := outputRef(in)
	if !ok {
		return value, nil
	}
	for _, p := range s.parents {
		if p.DefinitionID != definition {
			continue
		}
		if text, is := p.secrets[outputSecret(key)]; is {
			return value, &text
		}
		if in.Sensitive && !isNull(p.outputs[key].Value) {
			text := plainText(p.outputs[key].Value)
			return value, &text
		}
		return p.outputs[key], nil
	}
	return value, nil
}

// unready says in words what the parents lack before their child may run.
func (s *scene) unready() (waits []string) {
	for _, p := range s.parents {
		switch {
		case p.Lifecycle == remuda.LifecycleDeleted:
			waits = append(waits, "its parent "+p.Name+" was deleted; give it another one")
		case !p.Applied:
			waits = append(waits, "waits until its parent "+p.Name+" has succeeded")
		case p.changing():
			waits = append(waits, "waits for the run of its parent "+p.Name)
		}
	}
	for _, id := range s.version.Dependencies {
		if !slices.ContainsFunc(s.parents, func(p parent) bool { return p.DefinitionID == id }) {
			waits = append(waits, "needs a parent of definition "+id)
		}
	}
	return waits
}

// changing says whether a run is under way that may change the block's outputs.
func (b BlockRow) changing() bool {
	return b.Status == remuda.BlockPending || b.Status == remuda.BlockInProgress
}

// print is a MAC of all that a run of the block goes by: equal when nothing changed.
func (r *Rules) print(s *scene, v resolved) ([]byte, error) {
	values := maps.Clone(v.values)
	for key, in := range s.version.Inputs {
		if in.Assignment == remuda.AssignAuthor {
			delete(values, key) // another author plans the same
		}
	}
	text, err := encode(values)
	return r.keys.MAC("run", s.versionRow.ID+"\x00"+s.versionRow.Spec+"\x00"+text), err
}

// taken are the values that a block takes from its parents.
func (s *scene) taken(values map[string]remuda.Value) map[string]remuda.Value {
	taken := map[string]remuda.Value{}
	for key, in := range s.version.Inputs {
		if in.Assignment == remuda.AssignOutput {
			taken[key] = values[key]
		}
	}
	return taken
}

// sameValues compares what is kept of values.
func sameValues(a, b map[string]remuda.Value) bool {
	return maps.EqualFunc(a, b, func(x, y remuda.Value) bool {
		if isNull(x.Value) && isNull(y.Value) {
			return x.Hash == y.Hash
		}
		return x.Hash == y.Hash && string(x.Value) == string(y.Value)
	})
}
