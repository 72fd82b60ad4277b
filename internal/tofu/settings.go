package tofu

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/remuda-dev/remuda/internal/toolshed"
)

// settingsPath is where tofu finds its own configuration, which a module cannot change.
func (r *run) settingsPath() string { return r.task.Folder.Beside("tofurc") }

func (r *run) writeSettings() error {
	locked, err := readLocks(filepath.Join(r.folder(), lockFile))
	if err != nil {
		return err
	}
	var exclude []string
	for _, l := range locked {
		hash := toolshed.HashOf(r.providers.Shared, l.Provider)
		if hash != "" && l.knowsUnpacked() && !slices.Contains(l.hashes, hash) {
			exclude = append(exclude, l.Source) // Tofu would refuse what this machine has, though it is the same.
		}
	}
	if err := os.WriteFile(r.settingsPath(), r.providers.Settings(exclude), 0o600); err != nil {
		return fmt.Errorf("write tofu's own configuration: %w", err)
	}
	return nil
}

// lockFile is where a module says which providers it was made with, and init which it has chosen.
const lockFile = ".terraform.lock.hcl"

// locked is a provider in a lock file.
type locked struct {
	toolshed.Provider
	hashes []string
}

// knowsUnpacked is whether it has hashes of unpacked providers, of whatever platform. Tofu then takes no other.
func (l locked) knowsUnpacked() bool {
	return slices.ContainsFunc(l.hashes, func(hash string) bool { return strings.HasPrefix(hash, "h1:") })
}

// readLocks reads a lock file; one that is not there locks nothing, and about one that is broken tofu complains.
func readLocks(path string) ([]locked, error) {
	source, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the module's lock file: %w", err)
	}
	file, _ := hclsyntax.ParseConfig(source, lockFile, hcl.InitialPos)
	if file == nil {
		return nil, nil
	}
	content, _, _ := file.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "provider", LabelNames: []string{"source"}}}})
	var found []locked
	for _, block := range content.Blocks {
		attributes, _ := block.Body.JustAttributes()
		l := locked{Provider: toolshed.Provider{Source: block.Labels[0]}}
		if version := texts(attributes["version"]); len(version) == 1 {
			l.Version = version[0]
		}
		l.hashes = texts(attributes["hashes"])
		found = append(found, l)
	}
	return found, nil
}

// texts are the strings in an attribute: one, or a list of them.
func texts(attribute *hcl.Attribute) []string {
	if attribute == nil {
		return nil
	}
	value, problems := attribute.Expr.Value(nil)
	if problems.HasErrors() || !value.IsWhollyKnown() || value.IsNull() {
		return nil
	}
	if value.Type() == cty.String {
		return []string{value.AsString()}
	}
	var all []string
	if value.CanIterateElements() {
		for _, element := range value.Elements() {
			if element.Type() == cty.String && !element.IsNull() {
				all = append(all, element.AsString())
			}
		}
	}
	return all
}
