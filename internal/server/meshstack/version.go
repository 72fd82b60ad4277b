package meshstack

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

type version = object[owned, versionSpec, versionStatus]

type versionSpec struct {
	BuildingBlockDefinitionRef *ref              `json:"buildingBlockDefinitionRef"`
	OnlyApplyOncePerTenant     bool              `json:"onlyApplyOncePerTenant"`
	DeletionMode               string            `json:"deletionMode"`
	Permissions                []string          `json:"permissions,omitempty"`
	Inputs                     map[string]input  `json:"inputs"`
	Outputs                    map[string]output `json:"outputs"`
	VersionNumber              int               `json:"versionNumber,omitempty"`
	State                      string            `json:"state,omitempty"`
	RunnerRef                  *ref              `json:"runnerRef,omitempty"`
	DependencyDefinitionRefs   []ref             `json:"dependencyDefinitionRefs,omitempty"`
	Implementation             implementation    `json:"implementation"`
}

type versionStatus struct {
	State      string `json:"state"`
	UsageCount int    `json:"usageCount"`
}

type input struct {
	DisplayName                 string          `json:"displayName"`
	Type                        string          `json:"type"`
	AssignmentType              string          `json:"assignmentType"`
	IsEnvironment               bool            `json:"isEnvironment"`
	IsSensitive                 bool            `json:"isSensitive"`
	Argument                    json.RawMessage `json:"argument,omitempty"`
	DefaultValue                json.RawMessage `json:"defaultValue,omitempty"`
	UpdateableByConsumer        bool            `json:"updateableByConsumer"`
	SelectableValues            []string        `json:"selectableValues,omitempty"`
	Description                 *string         `json:"description,omitempty"`
	ValueValidationRegex        *string         `json:"valueValidationRegex,omitempty"`
	ValidationRegexErrorMessage *string         `json:"validationRegexErrorMessage,omitempty"`
	DisplayOrder                int             `json:"displayOrder"`
}

type output struct {
	DisplayName    string `json:"displayName"`
	Type           string `json:"type"`
	AssignmentType string `json:"assignmentType"`
	DisplayOrder   int    `json:"displayOrder"`
}

// assignments are this format's words for where an input's value comes from.
func assignments() map[string]remuda.Assignment {
	return map[string]remuda.Assignment{
		"USER_INPUT": remuda.AssignUser, "PLATFORM_OPERATOR_MANUAL_INPUT": remuda.AssignOperator, "STATIC": remuda.AssignStatic,
		"BUILDING_BLOCK_OUTPUT": remuda.AssignOutput, "WORKSPACE_IDENTIFIER": remuda.AssignWorkspace,
		"PROJECT_IDENTIFIER": remuda.AssignProject, "FULL_PLATFORM_IDENTIFIER": remuda.AssignPlatform,
		"PLATFORM_TENANT_ID": remuda.AssignPlatformTenant, "MESHSTACK_TENANT_UUID": remuda.AssignTenant,
		"TENANT_BUILDING_BLOCK_UUID": remuda.AssignTenantBlock, "USER_PERMISSIONS": remuda.AssignUserPermissions,
		"AUTHOR": remuda.AssignAuthor,
	}
}

func assignmentWord(a remuda.Assignment) string {
	for word, native := range assignments() {
		if native == a {
			return word
		}
	}
	return shout(a)
}

// outputWord is this format's word for what is done with an output.
func outputWord(a remuda.Assignment) string {
	if a == remuda.AssignNone {
		return "NONE"
	}
	return shout(a)
}

// native is an input in our words. What the format has no word for is as it was.
func (in input) native(was remuda.Input) remuda.Input {
	assignment, known := assignments()[in.AssignmentType]
	if !known {
		assignment = remuda.Assignment(strings.ToLower(in.AssignmentType)) // which the rules refuse by name
	}
	n := remuda.Input{
		Name: in.DisplayName, Description: text(in.Description), Type: remuda.ValueType(strings.ToLower(in.Type)), Assignment: assignment,
		Optional: was.Optional, Sensitive: in.IsSensitive, Environment: in.IsEnvironment, Locked: !in.UpdateableByConsumer,
		Choices: in.SelectableValues, Pattern: text(in.ValueValidationRegex), PatternError: text(in.ValidationRegexErrorMessage),
		Order: in.DisplayOrder,
	}
	if !isNull(in.Argument) {
		v := valueOf(in.Argument, in.IsSensitive)
		n.Argument = &v
	}
	if !isNull(in.DefaultValue) {
		v := valueOf(in.DefaultValue, in.IsSensitive)
		n.Default = &v
	}
	return n
}

func inputWords(n remuda.Input) input {
	in := input{
		DisplayName: n.Name, Type: shout(n.Type), AssignmentType: assignmentWord(n.Assignment), IsEnvironment: n.Environment,
		IsSensitive: n.Sensitive, UpdateableByConsumer: !n.Locked, SelectableValues: n.Choices, Description: optional(n.Description),
		ValueValidationRegex: optional(n.Pattern), ValidationRegexErrorMessage: optional(n.PatternError), DisplayOrder: n.Order,
	}
	if n.Argument != nil {
		in.Argument = shown(*n.Argument)
	}
	if n.Default != nil {
		in.DefaultValue = shown(*n.Default)
	}
	return in
}

func (o output) native(was remuda.Output) remuda.Output {
	n := remuda.Output{Name: o.DisplayName, Type: remuda.ValueType(strings.ToLower(o.Type)), Sensitive: was.Sensitive, Order: o.DisplayOrder}
	if o.AssignmentType != "NONE" {
		n.Assignment = remuda.Assignment(strings.ToLower(o.AssignmentType))
	}
	return n
}

// over puts what the format says over what is known of a version: what it has no word for stays.
func (c *call) over(in versionSpec, v remuda.Version) (remuda.Version, error) {
	v.OncePerTenant, v.Permissions, v.Dependencies = in.OnlyApplyOncePerTenant, in.Permissions, nil
	switch in.DeletionMode {
	case "", "DELETE":
		v.Deletion = remuda.DeletionDestroy
	case "PURGE":
		v.Deletion = remuda.DeletionPurge
	default:
		return v, remuda.Fail(remuda.Invalid, "spec.deletionMode is DELETE or PURGE")
	}
	for _, other := range in.DependencyDefinitionRefs {
		v.Dependencies = append(v.Dependencies, other.UUID)
	}
	inputs, outputs := map[string]remuda.Input{}, map[string]remuda.Output{}
	for key, one := range in.Inputs {
		inputs[key] = one.native(v.Inputs[key])
	}
	for key, one := range in.Outputs {
		outputs[key] = one.native(v.Outputs[key])
	}
	v.Inputs, v.Outputs = inputs, outputs
	var err error
	if v.ResourceClass, err = c.rules().ClassName(c.ctx, uuidOf(in.RunnerRef)); err != nil {
		return v, remuda.Fail(remuda.Invalid, "spec.runnerRef: "+err.Error())
	}
	v.Implementation, err = in.Implementation.over(v.Implementation)
	return v, err
}

func (c *call) version(v remuda.Version) (version, error) {
	d, err := c.blocks().Definition(c.ctx, v.Definition)
	if err != nil {
		return version{}, err
	}
	owner, err := c.namespace(d.Organization)
	if err != nil {
		return version{}, err
	}
	s := versionSpec{
		BuildingBlockDefinitionRef: &ref{UUID: v.Definition, Kind: "meshBuildingBlockDefinition"}, OnlyApplyOncePerTenant: v.OncePerTenant,
		DeletionMode: "DELETE", Permissions: v.Permissions, Inputs: map[string]input{}, Outputs: map[string]output{},
		VersionNumber: v.Number, State: shout(v.State), Implementation: implementationWords(v.Implementation),
	}
	if v.Deletion == remuda.DeletionPurge {
		s.DeletionMode = "PURGE"
	}
	if s.RunnerRef, err = c.runnerRef(v.ResourceClass); err != nil {
		return version{}, err
	}
	for key, in := range v.Inputs {
		s.Inputs[key] = inputWords(in)
	}
	for key, out := range v.Outputs {
		s.Outputs[key] = output{out.Name, shout(out.Type), outputWord(out.Assignment), out.Order}
	}
	for _, id := range v.Dependencies {
		s.DependencyDefinitionRefs = append(s.DependencyDefinitionRefs, ref{UUID: id, Kind: "meshBuildingBlockDefinition"})
	}
	return envelope(c, owned{v.ID, owner, at(v.CreatedAt)}, s, &versionStatus{shout(v.State), v.Blocks}), nil
}

func (c *call) shownVersion(v remuda.Version, status int) (answer, error) {
	words, err := c.version(v)
	return answer{status, words}, err
}

// released has a version released when the format says that it is to be.
func (c *call) released(v remuda.Version, state string) (remuda.Version, error) {
	if state != shout(remuda.VersionReleased) || v.State == remuda.VersionReleased {
		return v, nil
	}
	return c.blocks().ReleaseVersion(c.ctx, v.Definition, v.Number)
}

func showVersion(c *call) (answer, error) {
	v, err := c.blocks().VersionByID(c.ctx, c.id())
	if err != nil {
		return answer{}, err
	}
	return c.shownVersion(v, http.StatusOK)
}

func createVersion(c *call) (answer, error) {
	var in version
	if err := c.body(&in, mostBody); err != nil {
		return answer{}, err
	}
	v, err := c.over(in.Spec, remuda.Version{})
	if err != nil {
		return answer{}, err
	}
	if v, err = c.blocks().CreateVersion(c.ctx, uuidOf(in.Spec.BuildingBlockDefinitionRef), v); err != nil {
		return answer{}, err
	}
	if v, err = c.released(v, in.Spec.State); err != nil {
		return answer{}, err
	}
	return c.shownVersion(v, http.StatusCreated)
}

func changeVersion(c *call) (answer, error) {
	var in version
	if err := c.body(&in, mostBody); err != nil {
		return answer{}, err
	}
	v, err := c.blocks().VersionByID(c.ctx, c.id())
	if err != nil {
		return answer{}, err
	}
	next, err := c.over(in.Spec, v)
	if err != nil {
		return answer{}, err
	}
	if next, err = c.blocks().ChangeVersion(c.ctx, v.Definition, v.Number, next); err != nil {
		return answer{}, err
	}
	if next, err = c.released(next, in.Spec.State); err != nil {
		return answer{}, err
	}
	return c.shownVersion(next, http.StatusOK)
}

func deleteVersion(c *call) (answer, error) {
	definition, number, err := c.rules().NumberOf(c.ctx, c.id())
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, c.blocks().DeleteVersion(c.ctx, definition, number)
}

func listVersions(c *call) (answer, error) {
	definition := c.query("buildingBlockDefinitionUuid")
	if definition == "" {
		return answer{}, remuda.Fail(remuda.Invalid, "say whose versions by buildingBlockDefinitionUuid")
	}
	return listed(c, func(s blocks.Span) (blocks.List[remuda.Version], error) {
		return c.blocks().Versions(c.ctx, definition, s)
	}, c.version)
}
