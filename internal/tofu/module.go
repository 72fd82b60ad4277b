package tofu

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"

	"github.com/remuda-dev/remuda/internal/toolshed"
)

// module is what the root module says of itself, as far as a run has to know.
type module struct {
	variables map[string]bool // that it declares
	outputs   map[string]bool
	backend   bool // it brings a backend, or is one of a cloud
	calls     bool // other modules
	providers requirements
}

// scan reads the files of a module's folder. What it cannot read tofu will complain about, in its own words.
func scan(dir string, program toolshed.Program) (module, error) {
	found := module{variables: map[string]bool{}, outputs: map[string]bool{}, providers: newRequirements()}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return found, fmt.Errorf("read the module: %w", err)
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		source, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return found, fmt.Errorf("read the module: %w", err)
		}
		if body := bodyOf(entry.Name(), source, program); body != nil {
			found.take(body)
		}
	}
	return found, nil
}

// bodyOf parses a file if it is one of the module's.
func bodyOf(name string, source []byte, program toolshed.Program) hcl.Body {
	var file *hcl.File
	own := program.Product == toolshed.OpenTofu && !program.Before(1, 8) // which brought OpenTofu suffixes of its own
	switch {
	case strings.HasSuffix(name, ".tf"), own && strings.HasSuffix(name, ".tofu"):
		file, _ = hclsyntax.ParseConfig(source, name, hcl.InitialPos)
	case strings.HasSuffix(name, ".tf.json"), own && strings.HasSuffix(name, ".tofu.json"):
		file, _ = json.Parse(source, name)
	}
	if file == nil {
		return nil
	}
	return file.Body
}

func (m *module) take(body hcl.Body) {
	content, _, _ := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "variable", LabelNames: []string{"name"}},
		{Type: "output", LabelNames: []string{"name"}},
		{Type: "terraform"},
		{Type: "module", LabelNames: []string{"name"}},
		{Type: "provider", LabelNames: []string{"name"}},
		{Type: "resource", LabelNames: []string{"type", "name"}},
		{Type: "data", LabelNames: []string{"type", "name"}},
		{Type: "ephemeral", LabelNames: []string{"type", "name"}},
	}})
	if content == nil {
		return
	}
	for _, block := range content.Blocks {
		switch block.Type {
		case "variable":
			m.variables[block.Labels[0]] = true
		case "output":
			m.outputs[block.Labels[0]] = true
		case "terraform":
			m.takeSettings(block.Body)
		case "module":
			m.calls = true
		case "provider":
			m.providers.configure(block.Labels[0], block.Body)
		default:
			m.providers.manage(block.Labels[0], block.Body)
		}
	}
}

// takeSettings takes a terraform block.
func (m *module) takeSettings(body hcl.Body) {
	content, _, _ := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "backend", LabelNames: []string{"type"}},
		{Type: "cloud"},
		{Type: "required_providers"},
	}})
	if content == nil {
		return
	}
	for _, block := range content.Blocks {
		if block.Type == "required_providers" {
			m.providers.require(block.Body)
		} else {
			m.backend = true
		}
	}
}
