package toolshed

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/remuda-dev/remuda"
)

// Provider is a plugin of tofu's, of exactly one version.
type Provider struct {
	Source  string `json:"source"` // such as registry.opentofu.org/hashicorp/random
	Version string `json:"version"`
}

// Need is this provider, of no other version.
func (p Provider) Need() Need { return Need{Source: p.Source, Versions: "= " + p.Version} }

// Need is a provider as a module asks for it.
type Need struct {
	Source   string `json:"source"`
	Versions string `json:"versions,omitempty"` // constraints, such as "~> 3.1, != 3.1.4"; any version when empty
}

// check refuses what is no name of a provider: it becomes part of paths.
func (n Need) check() error {
	source := regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*(:[0-9]+)?/[a-z0-9][a-z0-9_-]*/[a-z0-9][a-z0-9_-]*$`)
	versions := regexp.MustCompile(`^[0-9A-Za-z.+~><=!, -]{0,1000}$`)
	if !source.MatchString(n.Source) || !versions.MatchString(n.Versions) || strings.Contains(n.Source, "..") {
		return remuda.Fail(remuda.Invalid, fmt.Sprintf("%q of versions %q is no provider", n.Source, n.Versions))
	}
	return nil
}

// exact is the one version that is asked for; none when others would do.
func (n Need) exact() (p Provider, found bool) {
	version := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(n.Versions), "="))
	whole := regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	return Provider{n.Source, version}, whole.MatchString(version)
}

// isPublic is whether it comes from one of the registries that everybody uses. Others may be names that only a task's
// author knows: the runner, who may reach more than the task, asks none of them.
func (n Need) isPublic() bool {
	host, _, _ := strings.Cut(n.Source, "/")
	return host == "registry.opentofu.org" || host == "registry.terraform.io"
}

// Installation is where tofu gets providers from. Which version it takes is decided by what all parts have; the first
// that has it gives it. Where there is neither Folder nor Mirror, each provider's own registry comes last.
type Installation struct {
	Shared string `json:"shared,omitempty"` // what this machine has kept: read by all tasks, written by none
	Folder string `json:"folder,omitempty"` // of the operator's, in one of the forms of a filesystem_mirror
	Mirror string `json:"mirror,omitempty"` // address of a network_mirror
}

// Settings are tofu's own configuration for it. exclude are providers that must not come from Shared.
func (i Installation) Settings(exclude []string) []byte {
	var text strings.Builder
	text.WriteString("disable_checkpoint = true\n\nprovider_installation {\n")
	if i.Shared != "" {
		fmt.Fprintf(&text, "  filesystem_mirror {\n    path = %s\n", quote(i.Shared))
		if len(exclude) > 0 {
			quoted := make([]string, len(exclude))
			for n, source := range exclude {
				quoted[n] = quote(source)
			}
			fmt.Fprintf(&text, "    exclude = [%s]\n", strings.Join(quoted, ", "))
		}
		text.WriteString("  }\n")
	}
	if i.Folder != "" {
		fmt.Fprintf(&text, "  filesystem_mirror {\n    path = %s\n  }\n", quote(i.Folder))
	}
	switch {
	case i.Mirror != "":
		fmt.Fprintf(&text, "  network_mirror {\n    url = %s\n  }\n", quote(i.Mirror))
	case i.Folder == "":
		text.WriteString("  direct {}\n")
	}
	text.WriteString("}\n")
	return []byte(text.String())
}

// hasUnpacked is whether the operator's folder has a provider in the form that tofu takes as it is.
func (i Installation) hasUnpacked(p Provider) bool {
	if i.Folder == "" {
		return false
	}
	info, err := os.Stat(filepath.Join(i.Folder, filepath.FromSlash(p.Source), p.Version, Platform()))
	return err == nil && info.IsDir()
}

// quote is text as HCL has it.
func quote(text string) string {
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(strconv.Quote(text))
}

// Platform is what providers call this machine.
func Platform() string { return runtime.GOOS + "_" + runtime.GOARCH }

func (s *Shed) shared() string { return filepath.Join(s.config.Dir, "providers") }

// installation is where this machine's tasks get providers from.
func (s *Shed) installation() Installation {
	i := s.config.Providers
	if err := makeAll(s.shared()); err == nil {
		i.Shared = s.shared()
	}
	return i
}

// HashOf is the hash by which a module's lock file knows a provider that is kept in an Installation's Shared; empty when
// there is none.
func HashOf(shared string, p Provider) string {
	text, err := os.ReadFile(hashPath(shared, p))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// hashPath lies beside the mirror, in which tofu wants to find nothing else.
func hashPath(shared string, p Provider) string {
	return filepath.Join(filepath.Dir(shared), "hashes", filepath.FromSlash(p.Source), p.Version, Platform())
}

func (s *Shed) placeOf(p Provider) string {
	return filepath.Join(s.shared(), filepath.FromSlash(p.Source), p.Version, Platform())
}
