package meshstack

import (
	"encoding/json"
	"net/http"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/blocks"
)

type definition = object[definitionMetadata, definitionSpec, definitionStatus]

type definitionMetadata struct {
	UUID             string          `json:"uuid,omitempty"`
	OwnedByWorkspace string          `json:"ownedByWorkspace"`
	CreatedOn        string          `json:"createdOn,omitempty"`
	Tags             json.RawMessage `json:"tags"`
}

type definitionSpec struct {
	DisplayName                     string          `json:"displayName"`
	TargetType                      string          `json:"targetType"`
	Description                     string          `json:"description"`
	Readme                          *string         `json:"readme,omitempty"`
	RunTransparency                 bool            `json:"runTransparency"`
	UseInLandingZonesOnly           bool            `json:"useInLandingZonesOnly"`
	SupportURL                      *string         `json:"supportUrl,omitempty"`
	DocumentationURL                *string         `json:"documentationUrl,omitempty"`
	NotificationSubscriberUsernames []string        `json:"notificationSubscriberUsernames,omitempty"`
	Symbol                          *string         `json:"symbol,omitempty"`
	SupportedPlatforms              json.RawMessage `json:"supportedPlatforms"`
}

type definitionStatus struct {
	UsageCount                int              `json:"usageCount"`
	Versions                  []versionSummary `json:"versions"`
	LatestVersion             int              `json:"latestVersion"`
	LatestVersionUUID         string           `json:"latestVersionUuid"`
	LatestReleasedVersion     *int             `json:"latestReleasedVersion,omitempty"`
	LatestReleasedVersionUUID *string          `json:"latestReleasedVersionUuid,omitempty"`
}

type versionSummary struct {
	VersionUUID   string `json:"versionUuid"`
	VersionNumber int    `json:"versionNumber"`
	State         string `json:"state"`
}

// The targets of this format.
const (
	workspaceLevel = "WORKSPACE_LEVEL"
	tenantLevel    = "TENANT_LEVEL"
)

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// overDefinition puts what the format says over what is known of a definition: what it has no word for stays.
func overDefinition(in definition, d remuda.Definition) (remuda.Definition, error) {
	s := in.Spec
	switch s.TargetType {
	case workspaceLevel, "":
		d.Target = remuda.TargetWorkspace
	case tenantLevel:
		d.Target = remuda.TargetTenant
	default:
		return d, remuda.Fail(remuda.Invalid, "spec.targetType is "+workspaceLevel+" or "+tenantLevel)
	}
	d.Name, d.Description, d.Readme, d.RunTransparency = s.DisplayName, s.Description, text(s.Readme), s.RunTransparency
	d.SupportURL, d.DocsURL, d.Symbol, d.Notify = text(s.SupportURL), text(s.DocumentationURL), text(s.Symbol), s.NotificationSubscriberUsernames
	if d.Extra == nil {
		d.Extra = remuda.Extra{}
	}
	for name, value := range map[string]any{
		"tags": in.Metadata.Tags, "useInLandingZonesOnly": s.UseInLandingZonesOnly, "supportedPlatforms": s.SupportedPlatforms,
	} {
		if err := keep(d.Extra, name, value); err != nil {
			return d, err
		}
	}
	return d, nil
}

// orElse is a member that is kept, or what stands for none.
func orElse(raw json.RawMessage, other string) json.RawMessage {
	if isNull(raw) {
		return json.RawMessage(other)
	}
	return raw
}

func (c *call) definition(d remuda.Definition) (definition, error) {
	owner, err := c.namespace(d.Organization)
	if err != nil {
		return definition{}, err
	}
	m := definitionMetadata{UUID: d.ID, OwnedByWorkspace: owner, CreatedOn: at(d.CreatedAt), Tags: orElse(d.Extra["tags"], "{}")}
	s := definitionSpec{
		DisplayName: d.Name, TargetType: workspaceLevel, Description: d.Description, Readme: optional(d.Readme),
		RunTransparency: d.RunTransparency, UseInLandingZonesOnly: kept[bool](d.Extra, "useInLandingZonesOnly"),
		SupportURL: optional(d.SupportURL), DocumentationURL: optional(d.DocsURL), Symbol: optional(d.Symbol),
		NotificationSubscriberUsernames: d.Notify, SupportedPlatforms: orElse(d.Extra["supportedPlatforms"], "[]"),
	}
	if d.Target == remuda.TargetTenant {
		s.TargetType = tenantLevel
	}
	status := &definitionStatus{UsageCount: d.Blocks, Versions: []versionSummary{}}
	versions, err := c.blocks().Versions(c.ctx, d.ID, blocks.Span{Limit: 500})
	if err != nil {
		return definition{}, err
	}
	for _, v := range versions.Items { // the newest first
		status.Versions = append(status.Versions, versionSummary{v.ID, v.Number, shout(v.State)})
		if status.LatestVersion == 0 {
			status.LatestVersion, status.LatestVersionUUID = v.Number, v.ID
		}
		if v.State == remuda.VersionReleased && status.LatestReleasedVersion == nil {
			status.LatestReleasedVersion, status.LatestReleasedVersionUUID = &v.Number, &v.ID
		}
	}
	return envelope(c, m, s, status), nil
}

func (c *call) shownDefinition(d remuda.Definition, status int) (answer, error) {
	words, err := c.definition(d)
	return answer{status, words}, err
}

func showDefinition(c *call) (answer, error) {
	d, err := c.blocks().Definition(c.ctx, c.id())
	if err != nil {
		return answer{}, err
	}
	return c.shownDefinition(d, http.StatusOK)
}

// createDefinition makes one that every workspace may order from once a version is released: this format has no word for
// who may. Our own API narrows that.
func createDefinition(c *call) (answer, error) {
	var in definition
	if err := c.body(&in, mostBody); err != nil {
		return answer{}, err
	}
	d, err := overDefinition(in, remuda.Definition{Access: remuda.AccessAll})
	if err != nil {
		return answer{}, err
	}
	if d.Organization, err = c.organization(in.Metadata.OwnedByWorkspace); err != nil {
		return answer{}, err
	}
	if d, err = c.blocks().CreateDefinition(c.ctx, d); err != nil {
		return answer{}, err
	}
	return c.shownDefinition(d, http.StatusCreated)
}

func changeDefinition(c *call) (answer, error) {
	var in definition
	if err := c.body(&in, mostBody); err != nil {
		return answer{}, err
	}
	d, err := c.blocks().Definition(c.ctx, c.id())
	if err != nil {
		return answer{}, err
	}
	if d, err = overDefinition(in, d); err != nil {
		return answer{}, err
	}
	if d, err = c.blocks().ChangeDefinition(c.ctx, c.id(), d); err != nil {
		return answer{}, err
	}
	return c.shownDefinition(d, http.StatusOK)
}

func deleteDefinition(c *call) (answer, error) {
	return answer{status: http.StatusNoContent}, c.blocks().DeleteDefinition(c.ctx, c.id())
}

// listDefinitions lists those of a workspace, or all that the caller may see.
func listDefinitions(c *call) (answer, error) {
	f := blocks.DefinitionFilter{}
	if c.query("includeAllPublished") != "true" {
		var err error
		if f.Organization, err = c.organization(c.query("ownedByWorkspace")); err != nil {
			return answer{}, err
		}
	}
	return listed(c, func(s blocks.Span) (blocks.List[remuda.Definition], error) {
		return c.blocks().Definitions(c.ctx, f, s)
	}, c.definition)
}
