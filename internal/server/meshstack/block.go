package meshstack

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

// block is a building block in version v2-preview.
type block = object[blockMetadata, blockSpec, blockStatus]

type blockMetadata struct {
	UUID                string  `json:"uuid,omitempty"`
	OwnedByWorkspace    string  `json:"ownedByWorkspace"`
	CreatedOn           string  `json:"createdOn,omitempty"`
	MarkedForDeletionOn *string `json:"markedForDeletionOn,omitempty"`
	MarkedForDeletionBy *string `json:"markedForDeletionBy,omitempty"`
}

type blockSpec struct {
	BuildingBlockDefinitionVersionRef *ref                  `json:"buildingBlockDefinitionVersionRef,omitempty"`
	TargetRef                         *ref                  `json:"targetRef,omitempty"`
	DisplayName                       string                `json:"displayName"`
	Inputs                            map[string]blockValue `json:"inputs"`
	ParentBuildingBlockRefs           *[]ref                `json:"parentBuildingBlockRefs,omitempty"`
	ParentBuildingBlocks              *[]parent             `json:"parentBuildingBlocks,omitempty"`
}

type parent struct {
	BuildingBlockUUID string `json:"buildingBlockUuid"`
	DefinitionUUID    string `json:"definitionUuid"`
}

type blockValue struct {
	Value          json.RawMessage `json:"value"`
	ValueType      string          `json:"valueType,omitempty"`
	AssignmentType string          `json:"assignmentType,omitempty"`
	IsSensitive    bool            `json:"isSensitive"`
}

type blockStatus struct {
	Status           string                `json:"status"`
	Outputs          map[string]blockValue `json:"outputs"`
	ForcePurge       bool                  `json:"forcePurge"`
	Lifecycle        lifecycle             `json:"lifecycle"`
	LatestRunUUID    *string               `json:"latestRunUuid"`
	LatestDryRunUUID *string               `json:"latestDryRunUuid"`
}

type lifecycle struct {
	State string `json:"state"`
}

func (c *call) block(id string) (block, error) {
	o, err := c.blocks().Outline(c.ctx, id)
	if err != nil {
		return block{}, err
	}
	owner, err := c.namespace(o.Organization)
	if err != nil {
		return block{}, err
	}
	m := blockMetadata{
		UUID: o.ID, OwnedByWorkspace: owner, CreatedOn: at(o.CreatedAt), MarkedForDeletionOn: when(o.DeletionAt),
		MarkedForDeletionBy: optional(o.DeletionBy),
	}
	refs, parents := []ref{}, parentsOf(o)
	for _, p := range parents {
		refs = append(refs, ref{UUID: p.BuildingBlockUUID, Kind: "meshBuildingBlock"})
	}
	s := blockSpec{
		BuildingBlockDefinitionVersionRef: &ref{UUID: o.VersionID, Kind: "meshBuildingBlockDefinitionVersion"},
		TargetRef:                         &ref{Name: owner, Kind: "meshWorkspace"}, DisplayName: o.Name, Inputs: map[string]blockValue{},
		ParentBuildingBlockRefs: &refs, ParentBuildingBlocks: &parents,
	}
	if o.Block.Tenant != "" {
		s.TargetRef = &ref{UUID: o.Block.Tenant, Kind: "meshTenant"}
	}
	for key, in := range o.Given {
		s.Inputs[key] = blockValue{shown(o.Inputs[key]), shout(in.Type), assignmentWord(in.Assignment), in.Sensitive}
	}
	status := &blockStatus{
		Status: shout(o.Status), Outputs: map[string]blockValue{}, ForcePurge: o.ForcePurge, Lifecycle: lifecycle{shout(o.Lifecycle)},
		LatestRunUUID: optional(o.LatestRun), LatestDryRunUUID: optional(o.LatestDryRun),
	}
	for key, value := range o.Outputs {
		status.Outputs[key] = blockValue{shown(value), outputType(o, key, value), outputWord(o.Gives[key].Assignment), value.Hash != ""}
	}
	return envelope(c, m, s, status), nil
}

func parentsOf(o blocks.Outline) []parent {
	parents := []parent{}
	for _, id := range o.Parents {
		parents = append(parents, parent{id, o.ParentOf[id]})
	}
	return parents
}

// outputType is the type of an output: as its version declares it, else as its value looks.
func outputType(o blocks.Outline, key string, value remuda.Value) string {
	if out, declared := o.Gives[key]; declared {
		return shout(out.Type)
	}
	var v any
	if json.Unmarshal(value.Value, &v) != nil {
		return shout(remuda.TypeString)
	}
	switch v.(type) {
	case bool:
		return shout(remuda.TypeBoolean)
	case float64:
		return shout(remuda.TypeInteger)
	case string:
		return shout(remuda.TypeString)
	}
	return shout(remuda.TypeCode)
}

// values are the inputs that a body gives. One with a secret's shape is a secret.
func values(given map[string]blockValue) map[string]remuda.Value {
	inputs := map[string]remuda.Value{}
	for key, v := range given {
		inputs[key] = valueOf(v.Value, true)
	}
	return inputs
}

// parentIDs are the parents that a body names; nil when it says nothing of them.
func (s blockSpec) parentIDs() *[]string {
	ids := []string{}
	switch {
	case s.ParentBuildingBlockRefs != nil:
		for _, r := range *s.ParentBuildingBlockRefs {
			ids = append(ids, r.UUID)
		}
	case s.ParentBuildingBlocks != nil:
		for _, p := range *s.ParentBuildingBlocks {
			ids = append(ids, p.BuildingBlockUUID)
		}
	default:
		return nil
	}
	return &ids
}

func (c *call) shownBlock(id string, status int) (answer, error) {
	if c.edition == "v1" {
		words, err := c.blockV1(id)
		return answer{status, words}, err
	}
	words, err := c.block(id)
	return answer{status, words}, err
}

func showBlock(c *call) (answer, error) { return c.shownBlock(c.id(), http.StatusOK) }

func orderBlock(c *call) (answer, error) {
	order, err := c.order()
	if err != nil {
		return answer{}, err
	}
	made, err := c.blocks().OrderBlock(c.ctx, order, c.request.Header.Get("Idempotency-Key"))
	if err != nil {
		return answer{}, err
	}
	return c.shownBlock(made.ID, http.StatusCreated)
}

// order reads an order from a body.
func (c *call) order() (remuda.Block, error) {
	if c.edition == "v1" {
		return c.orderV1()
	}
	var in block
	if err := c.body(&in, mostBody); err != nil {
		return remuda.Block{}, err
	}
	order := remuda.Block{Name: in.Spec.DisplayName, Inputs: values(in.Spec.Inputs)}
	if ids := in.Spec.parentIDs(); ids != nil {
		order.Parents = *ids
	}
	var err error
	if order.Definition, order.Version, err = c.rules().NumberOf(c.ctx, uuidOf(in.Spec.BuildingBlockDefinitionVersionRef)); err != nil {
		return order, remuda.Fail(remuda.Invalid, "spec.buildingBlockDefinitionVersionRef: "+err.Error())
	}
	target := in.Spec.TargetRef
	switch {
	case target != nil && target.Kind == "meshTenant":
		order.Tenant = target.UUID
		order.Organization, err = c.rules().OwnerOfTenant(c.ctx, target.UUID)
	case target != nil && target.Name != "":
		order.Organization, err = c.organization(target.Name)
	default:
		order.Organization, err = c.organization(in.Metadata.OwnedByWorkspace)
	}
	return order, err
}

func changeBlock(c *call) (answer, error) {
	change, err := c.change()
	if err != nil {
		return answer{}, err
	}
	if _, err := c.blocks().ChangeBlock(c.ctx, c.id(), change); err != nil {
		return answer{}, err
	}
	return c.shownBlock(c.id(), http.StatusOK)
}

// change reads a change from a body: what it does not carry stays as it is.
func (c *call) change() (change remuda.BlockChange, err error) {
	if c.edition == "v1" {
		return c.changeV1()
	}
	var in block
	if err := c.body(&in, mostBody); err != nil {
		return change, err
	}
	change = remuda.BlockChange{Name: optional(in.Spec.DisplayName), Inputs: values(in.Spec.Inputs), Parents: in.Spec.parentIDs()}
	id := uuidOf(in.Spec.BuildingBlockDefinitionVersionRef)
	if id == "" {
		return change, nil
	}
	o, err := c.blocks().Block(c.ctx, c.id())
	if err != nil {
		return change, err
	}
	definition, number, err := c.rules().NumberOf(c.ctx, id)
	if err != nil || definition != o.Definition {
		return change, remuda.Fail(remuda.Invalid, "spec.buildingBlockDefinitionVersionRef: there is no version "+id+" of this block's definition")
	}
	change.Version = &number
	return change, nil
}

func deleteBlock(c *call) (answer, error) {
	if _, err := c.blocks().DeleteBlock(c.ctx, c.id(), false); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusAccepted}, nil
}

func purgeBlock(c *call) (answer, error) {
	if _, err := c.blocks().DeleteBlock(c.ctx, c.id(), true); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusAccepted}, nil
}

func triggerRun(c *call) (answer, error) {
	var in struct {
		DryRun bool `json:"dryRun"`
	}
	if err := c.body(&in, mostBody); err != nil {
		return answer{}, err
	}
	request := remuda.RunRequest{Behavior: remuda.Apply}
	if in.DryRun {
		request.Behavior = remuda.Detect
	}
	if _, err := c.blocks().RunBlock(c.ctx, c.id(), request); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusAccepted}, nil
}

// listBlocks lists those that the filters of the query leave.
func listBlocks(c *call) (answer, error) {
	f, found, err := c.blockFilter()
	if err != nil {
		return answer{}, err
	}
	read := func(s blocks.Span) (blocks.List[remuda.Block], error) {
		if !found {
			return blocks.List[remuda.Block]{}, nil
		}
		return c.blocks().Blocks(c.ctx, f, s)
	}
	if c.edition == "v1" {
		return listed(c, read, func(b remuda.Block) (blockV1, error) { return c.blockV1(b.ID) })
	}
	return listed(c, read, func(b remuda.Block) (block, error) { return c.block(b.ID) })
}

// blockFilter reads the filters; found is false when they leave nothing.
func (c *call) blockFilter() (f blocks.BlockFilter, found bool, err error) {
	f = blocks.BlockFilter{
		Project: c.query("projectIdentifier"), Platform: c.query("platformIdentifier"), Name: c.query("name"),
		Definition: c.query("definitionUuid"), VersionID: c.query("versionUuid"), Tenant: c.query("tenantUuid"),
		ManagedByDefinition: c.query("managedByDefinitionUuid"),
	}
	if f.Organization, err = c.organization(c.query("workspaceIdentifier")); err != nil {
		return f, false, err
	}
	if f.ManagedBy, err = c.organization(c.query("managedByWorkspaceIdentifier")); err != nil {
		return f, false, err
	}
	if number := c.query("versionNumber"); number != "" {
		if f.Version, err = strconv.Atoi(strings.TrimPrefix(number, "v")); err != nil {
			return f, false, remuda.Fail(remuda.Invalid, "versionNumber is a number such as 1 or v1")
		}
	}
	switch c.query("targetRefKind") {
	case "":
	case "meshWorkspace":
		f.Target = remuda.TargetWorkspace
	case "meshTenant":
		f.Target = remuda.TargetTenant
	default:
		return f, false, nil
	}
	for _, text := range c.request.URL.Query()["status"] {
		for word := range strings.SplitSeq(text, ",") {
			f.Status = append(f.Status, remuda.BlockStatus(strings.ToLower(word)))
		}
	}
	return f, true, nil
}
