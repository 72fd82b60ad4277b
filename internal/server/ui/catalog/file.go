package catalog

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/yaml"
)

// rest is what a definition says beside what the form has fields for, in the shape of the API.
type rest struct {
	Organizations   []string     `json:"organizations,omitempty"`
	Platforms       []string     `json:"platforms,omitempty"`
	RunTransparency bool         `json:"run_transparency,omitempty"`
	Symbol          string       `json:"symbol,omitempty"`
	SupportURL      string       `json:"support_url,omitempty"`
	DocsURL         string       `json:"docs_url,omitempty"`
	Notify          []string     `json:"notify,omitempty"`
	Extra           remuda.Extra `json:"extra,omitempty"`
	Version         *versionFile `json:"version,omitempty"`
	Readme          string       `json:"readme,omitempty"`
}

// versionFile is what one may say of a version.
type versionFile struct {
	ResourceClass  string                   `json:"resource_class,omitempty"`
	Implementation remuda.Blueprint         `json:"implementation"`
	Inputs         map[string]remuda.Input  `json:"inputs,omitempty"`
	Outputs        map[string]remuda.Output `json:"outputs,omitempty"`
	Dependencies   []string                 `json:"dependencies,omitempty"`
	Permissions    []string                 `json:"permissions,omitempty"`
	Deletion       remuda.Deletion          `json:"deletion,omitempty"`
	OncePerTenant  bool                     `json:"once_per_tenant,omitempty"`
	Approval       bool                     `json:"approval,omitempty"`
	DriftEvery     remuda.Duration          `json:"drift_every,omitzero"`
	Timeout        remuda.Duration          `json:"timeout,omitzero"`
	Extra          remuda.Extra             `json:"extra,omitempty"`
}

// definitionFile is the whole, as the command line reads it.
type definitionFile struct {
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Target      remuda.Target `json:"target,omitempty"`
	Access      remuda.Access `json:"access,omitempty"`
	rest
}

// restOf is what the form's text says of a definition and a version.
func restOf(d remuda.Definition, v remuda.Version) rest {
	return rest{
		Organizations: d.Organizations, Platforms: d.Platforms, RunTransparency: d.RunTransparency, Symbol: d.Symbol,
		SupportURL: d.SupportURL, DocsURL: d.DocsURL, Notify: d.Notify, Extra: d.Extra, Readme: d.Readme,
		Version: &versionFile{
			ResourceClass: v.ResourceClass, Implementation: v.Implementation, Inputs: v.Inputs, Outputs: v.Outputs,
			Dependencies: v.Dependencies, Permissions: v.Permissions, Deletion: v.Deletion, OncePerTenant: v.OncePerTenant,
			Approval: v.Approval, DriftEvery: v.DriftEvery, Timeout: v.Timeout, Extra: v.Extra,
		},
	}
}

// into says it of a definition.
func (r rest) into(d *remuda.Definition) {
	d.Organizations, d.Platforms, d.RunTransparency, d.Symbol = r.Organizations, r.Platforms, r.RunTransparency, r.Symbol
	d.SupportURL, d.DocsURL, d.Notify, d.Extra, d.Readme = r.SupportURL, r.DocsURL, r.Notify, r.Extra, r.Readme
}

// words are those of the API for it.
func (f versionFile) words() remuda.Version {
	v := remuda.Version{
		ResourceClass: f.ResourceClass, Implementation: f.Implementation, Inputs: f.Inputs, Outputs: f.Outputs,
		Dependencies: f.Dependencies, Permissions: f.Permissions, Deletion: f.Deletion, OncePerTenant: f.OncePerTenant,
		Approval: f.Approval, DriftEvery: f.DriftEvery, Timeout: f.Timeout, Extra: f.Extra,
	}
	b := &v.Implementation
	switch {
	case b.Type != "": // it is said
	case b.OpenTofu != nil:
		b.Type = remuda.BlueprintOpenTofu
	case b.GitHub != nil:
		b.Type = remuda.BlueprintGitHub
	case b.GitLab != nil:
		b.Type = remuda.BlueprintGitLab
	case b.AzureDevOps != nil:
		b.Type = remuda.BlueprintAzureDevOps
	}
	return v
}

// wholeFile is a definition with a version, as the command line reads it.
func wholeFile(d remuda.Definition, v remuda.Version) (string, error) {
	text, err := yaml.Encode(definitionFile{Name: d.Name, Description: d.Description, Target: d.Target, Access: d.Access, rest: restOf(d, v)})
	if err != nil {
		return "", fmt.Errorf("write definition %s as a file: %w", d.ID, err)
	}
	return string(text), nil
}

// read reads the form's text, and says at which lines it is wrong.
func read(text string) (rest, []string) {
	var r rest
	err := yaml.Decode("", []byte(text), &r)
	var wrong yaml.Problems
	switch {
	case errors.As(err, &wrong):
		lines := make([]string, len(wrong))
		for i, p := range wrong {
			lines[i] = sentence(atLine(p.Line) + ", column " + strconv.Itoa(p.Column) + ": " + only(p.Path != "", p.Path+": ") + p.Message)
		}
		return r, lines
	case err != nil:
		return r, []string{err.Error()}
	}
	return r, nil
}

// located says where in the text something is that the rules name by its place in a request.
func located(text, prefix string, f remuda.Field) string {
	place := prefix + strings.TrimPrefix(strings.TrimPrefix(f.Location, "body"), ".")
	pointer := "/" + strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(place)
	line, _ := yaml.Position([]byte(text), pointer)
	return sentence(atLine(line) + ": " + place + ": " + f.Message)
}

// secretMember is where a line begins to say a secret.
var secretMember = regexp.MustCompile(`(['"]?\bsecret['"]?\s*:).*`)

// withoutSecrets is a text without what stands behind each member "secret", be it on the lines below: a text that was
// sent is shown again, secrets are not. It holds for texts that cannot be read, too.
func withoutSecrets(text string) string {
	var kept strings.Builder
	below := -1 // how deep the secret's line is indented whose other lines are left out
	for line := range strings.Lines(text) {
		depth := len(line) - len(strings.TrimLeft(line, " \t"))
		if below >= 0 && (depth > below || strings.TrimSpace(line) == "") {
			continue
		}
		below = -1
		if secretMember.MatchString(line) {
			below = depth
			line = secretMember.ReplaceAllString(strings.TrimRight(line, "\r\n"), "$1") + "\n"
		}
		kept.WriteString(line)
	}
	return kept.String()
}
