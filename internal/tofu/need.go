package tofu

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/remuda-dev/remuda/internal/toolshed"
)

// requirements are the providers of one module, by the names that it has for them.
type requirements struct {
	sources  map[string]string   // what required_providers says where a provider comes from
	versions map[string][]string // constraints, wherever they stand; an entry without any for what is only used
}

func newRequirements() requirements {
	return requirements{sources: map[string]string{}, versions: map[string][]string{}}
}

func (n requirements) use(name string, constraints ...string) {
	if name != "" {
		n.versions[name] = append(n.versions[name], constraints...)
	}
}

// require takes a required_providers block: of each name an object with source and version, or only the latter.
func (n requirements) require(body hcl.Body) {
	attributes, _ := body.JustAttributes()
	for name, attribute := range attributes {
		n.use(name)
		if version := textOf(attribute.Expr); version != "" {
			n.use(name, version)
			continue
		}
		pairs, problems := hcl.ExprMap(attribute.Expr)
		if problems.HasErrors() {
			continue
		}
		for _, pair := range pairs { // one by one: aliases among them are no values
			switch textOf(pair.Key) {
			case "source":
				n.sources[name] = textOf(pair.Value)
			case "version":
				if version := textOf(pair.Value); version != "" {
					n.use(name, version)
				}
			}
		}
	}
}

// configure takes a provider block, which may say a version as well.
func (n requirements) configure(name string, body hcl.Body) {
	content, _, _ := body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "version"}}})
	n.use(name)
	if content != nil && content.Attributes["version"] != nil {
		n.use(name, texts(content.Attributes["version"])...)
	}
}

// manage takes a resource: its provider is the one that it names, else the one of which its type says the name.
func (n requirements) manage(kind string, body hcl.Body) {
	name, _, _ := strings.Cut(kind, "_")
	content, _, _ := body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "provider"}}})
	if content != nil && content.Attributes["provider"] != nil {
		if way, problems := hcl.AbsTraversalForExpr(content.Attributes["provider"].Expr); !problems.HasErrors() {
			name = way.RootName()
		}
	}
	n.use(name)
}

// textOf is an expression that is a text by itself; empty for others.
func textOf(expression hcl.Expression) string {
	value, problems := expression.Value(nil)
	if problems.HasErrors() || !value.IsWhollyKnown() || value.IsNull() || value.Type() != cty.String {
		return ""
	}
	return value.AsString()
}

// needs are the whole names of the providers, with what is said of their versions. What is built in is none.
func (n requirements) needs(product toolshed.Product) map[string][]string {
	registry := "registry.opentofu.org"
	if product == toolshed.Terraform {
		registry = "registry.terraform.io"
	}
	needs := map[string][]string{}
	for name, versions := range n.versions {
		source := n.sources[name]
		switch strings.Count(source, "/") {
		case 0:
			if source == "" {
				source = name
			}
			source = registry + "/hashicorp/" + source
		case 1:
			source = registry + "/" + source
		}
		source = strings.ToLower(source)
		if strings.HasPrefix(source, "terraform.io/builtin/") || source == registry+"/hashicorp/terraform" {
			continue
		}
		needs[source] = append(needs[source], versions...)
	}
	return needs
}
