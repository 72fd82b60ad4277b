package meshstack

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

// blockV1 is a building block in version v1.
type blockV1 = object[blockMetadataV1, blockSpecV1, blockStatusV1]

type blockMetadataV1 struct {
	UUID                string  `json:"uuid,omitempty"`
	DefinitionUUID      string  `json:"definitionUuid"`
	DefinitionVersion   int     `json:"definitionVersion"`
	TenantIdentifier    string  `json:"tenantIdentifier"`
	ForcePurge          bool    `json:"forcePurge"`
	CreatedOn           string  `json:"createdOn,omitempty"`
	MarkedForDeletionOn *string `json:"markedForDeletionOn"`
	MarkedForDeletionBy *string `json:"markedForDeletionBy"`
}

type blockSpecV1 struct {
	DisplayName          string    `json:"displayName"`
	Inputs               []keyed   `json:"inputs"`
	ParentBuildingBlocks *[]parent `json:"parentBuildingBlocks"`
}

type blockStatusV1 struct {
	Status  string  `json:"status"`
	Outputs []keyed `json:"outputs"`
}

type keyed struct {
	Key       string          `json:"key"`
	Value     json.RawMessage `json:"value"`
	ValueType string          `json:"valueType"`
}

// tenantIdentifier is <workspace>.<project>.<platform>; of a block that belongs to its workspace, the workspace.
func (c *call) tenantIdentifier(o blocks.Outline) (string, error) {
	owner, err := c.namespace(o.Organization)
	if err != nil || o.Tenant.ID == "" {
		return owner, err
	}
	return owner + "." + o.Tenant.Project + "." + o.Tenant.Platform, nil
}

func (c *call) blockV1(id string) (blockV1, error) {
	o, err := c.blocks().Outline(c.ctx, id)
	if err != nil {
		return blockV1{}, err
	}
	m := blockMetadataV1{
		UUID: o.ID, DefinitionUUID: o.Definition, DefinitionVersion: o.Version, ForcePurge: o.ForcePurge, CreatedOn: at(o.CreatedAt),
		MarkedForDeletionOn: when(o.DeletionAt), MarkedForDeletionBy: optional(o.DeletionBy),
	}
	if m.TenantIdentifier, err = c.tenantIdentifier(o); err != nil {
		return blockV1{}, err
	}
	parents := parentsOf(o)
	s := blockSpecV1{DisplayName: o.Name, Inputs: []keyed{}, ParentBuildingBlocks: &parents}
	for _, key := range slices.SortedFunc(maps.Keys(o.Given), func(a, b string) int {
		return cmp.Or(o.Given[a].Order-o.Given[b].Order, cmp.Compare(a, b))
	}) {
		s.Inputs = append(s.Inputs, keyed{key, shown(o.Inputs[key]), shout(o.Given[key].Type)})
	}
	status := &blockStatusV1{Status: shout(o.Status), Outputs: []keyed{}}
	for _, key := range slices.Sorted(maps.Keys(o.Outputs)) {
		status.Outputs = append(status.Outputs, keyed{key, shown(o.Outputs[key]), outputType(o, key, o.Outputs[key])})
	}
	return envelope(c, m, s, status), nil
}

func (s blockSpecV1) values() map[string]remuda.Value {
	given := map[string]remuda.Value{}
	for _, in := range s.Inputs {
		given[in.Key] = valueOf(in.Value, true)
	}
	return given
}

func (s blockSpecV1) parentIDs() *[]string {
	return blockSpec{ParentBuildingBlocks: s.ParentBuildingBlocks}.parentIDs()
}

func (c *call) orderV1() (order remuda.Block, err error) {
	var in blockV1
	if err := c.body(&in, mostBody); err != nil {
		return order, err
	}
	order = remuda.Block{
		Name: in.Spec.DisplayName, Definition: in.Metadata.DefinitionUUID, Version: in.Metadata.DefinitionVersion, Inputs: in.Spec.values(),
	}
	if ids := in.Spec.parentIDs(); ids != nil {
		order.Parents = *ids
	}
	parts := strings.SplitN(in.Metadata.TenantIdentifier, ".", 3)
	if order.Organization, err = c.organization(parts[0]); err != nil || len(parts) < 3 {
		return order, err
	}
	order.Tenant, err = c.tenantNamed(order.Organization, parts[1], parts[2])
	return order, err
}

// tenantNamed finds a tenant by its project and platform.
func (c *call) tenantNamed(organization, project, platform string) (string, error) {
	found, err := c.blocks().Tenants(c.ctx, organization, project, blocks.Span{Limit: 500})
	if err != nil {
		return "", err
	}
	for _, t := range found.Items {
		if t.Platform == platform {
			return t.ID, nil
		}
	}
	return "", remuda.Fail(remuda.Invalid, "metadata.tenantIdentifier: project "+project+" has no tenant on platform "+platform)
}

func (c *call) changeV1() (change remuda.BlockChange, err error) {
	var in blockV1
	if err := c.body(&in, mostBody); err != nil {
		return change, err
	}
	change = remuda.BlockChange{Name: optional(in.Spec.DisplayName), Inputs: in.Spec.values(), Parents: in.Spec.parentIDs()}
	if in.Metadata.DefinitionVersion != 0 {
		change.Version = &in.Metadata.DefinitionVersion
	}
	return change, nil
}
