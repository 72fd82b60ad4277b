package toolshed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/remuda-dev/remuda"
)

// Provider is a plugin of tofu's, of exactly one version.
type Provider struct {
	Source  string `json:"source"` // such as registry.opentofu.org/hashicorp/random
	Version string `json:"version"`
}

// check refuses what is no name of a provider: it becomes part of paths.
func (p Provider) check() error {
	source := regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*(:[0-9]+)?/[a-z0-9][a-z0-9_-]*/[a-z0-9][a-z0-9_-]*$`)
	version := regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	if !source.MatchString(p.Source) || !version.MatchString(p.Version) || strings.Contains(p.Source, "..") {
		return remuda.Fail(remuda.Invalid, fmt.Sprintf("%q of version %q is no provider", p.Source, p.Version))
	}
	return nil
}

// isPublic is whether it comes from one of the registries that everybody uses. Others may be names that only a task's
// author knows: the runner, who may reach more than the task, asks none of them.
func (p Provider) isPublic() bool {
	host, _, _ := strings.Cut(p.Source, "/")
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

// HasUnpacked is whether the operator's folder has a provider in the form that tofu takes as it is.
func (i Installation) HasUnpacked(p Provider) bool {
	if i.Folder == "" || p.check() != nil {
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

// KeepProvider gets a provider for this machine, unless it is here. The program, which is known to be good, downloads it
// and checks its signature: from where it would get it for a task, and without anything of the task's.
func (s *Shed) KeepProvider(ctx context.Context, program string, p Provider) error {
	if err := p.check(); err != nil {
		return err
	}
	if !p.isPublic() && s.config.Providers == (Installation{}) {
		return nil
	}
	select {
	case s.keeping <- struct{}{}:
		defer func() { <-s.keeping }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if _, err := os.Stat(s.placeOf(p)); err == nil {
		return nil
	}
	if err := makeAll(s.shared()); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(s.config.Dir, ".new-")
	if err != nil {
		return fmt.Errorf("keep provider %s: %w", p.Source, err)
	}
	defer os.RemoveAll(scratch)
	unpacked, hash, err := s.download(ctx, program, scratch, p)
	if err == nil {
		err = s.shelve(unpacked, hash, p)
	}
	if err != nil {
		return fmt.Errorf("keep provider %s %s: %w", p.Source, p.Version, err)
	}
	s.log.Info("kept a provider", "source", p.Source, "version", p.Version)
	return nil
}

// download lets the program initialise a module in scratch that needs nothing but the provider. That runs nothing of it.
func (s *Shed) download(ctx context.Context, program, scratch string, p Provider) (unpacked, hash string, err error) {
	module := fmt.Sprintf("terraform {\n  required_providers {\n    it = {\n      source  = %s\n      version = %s\n    }\n  }\n}\n", quote(p.Source), quote("= "+p.Version))
	settings := filepath.Join(scratch, "tofurc")
	err = errors.Join(
		os.WriteFile(filepath.Join(scratch, "main.tf"), []byte(module), 0o600),
		os.WriteFile(settings, s.config.Providers.Settings(nil), 0o600),
	)
	if err != nil {
		return "", "", err
	}
	command := exec.CommandContext(ctx, program, "init", "-input=false", "-backend=false", "-no-color")
	command.Dir = scratch
	// Of the runner's own environment it needs what leads to the registries, and no more.
	passed := []string{"PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"}
	ours := slices.DeleteFunc(command.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !slices.Contains(passed, name)
	})
	command.Env = append(ours, "HOME="+scratch, "TMPDIR="+scratch, "TF_CLI_CONFIG_FILE="+settings, "CHECKPOINT_DISABLE=1", "TF_INPUT=0")
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Run(); err != nil {
		return "", "", fmt.Errorf("%w: %s", err, lastLine(said.String()))
	}
	locks, err := os.ReadFile(filepath.Join(scratch, ".terraform.lock.hcl"))
	if err != nil {
		return "", "", err
	}
	hash = regexp.MustCompile(`h1:[A-Za-z0-9+/=]+`).FindString(string(locks)) // of what was unpacked
	unpacked = filepath.Join(scratch, ".terraform", "providers", filepath.FromSlash(p.Source), p.Version, Platform())
	info, err := os.Lstat(unpacked)
	if err != nil {
		return "", "", err
	}
	if !info.IsDir() {
		return "", "", errors.New("it lies unpacked in the operator's folder, and is taken from there")
	}
	return unpacked, hash, nil
}

// shelve puts an unpacked provider into its place, whole or not at all.
func (s *Shed) shelve(unpacked, hash string, p Provider) error {
	place, known := s.placeOf(p), hashPath(s.shared(), p)
	for _, dir := range []string{filepath.Dir(place), filepath.Dir(known)} {
		if err := makeAll(dir); err != nil {
			return err
		}
	}
	err := filepath.WalkDir(unpacked, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() && !entry.Type().IsRegular() {
			return err
		}
		return os.Chmod(path, 0o755) //nolint:gosec // providers are no secrets
	})
	err = errors.Join(err, os.WriteFile(known, []byte(hash+"\n"), 0o644), os.Chmod(known, 0o644), os.Chmod(unpacked, 0o755)) //nolint:gosec // hashes are no secrets
	if err != nil {
		return err
	}
	err = os.Rename(unpacked, place)
	if _, there := os.Stat(place); err != nil && there == nil {
		return nil // Another runner was faster.
	}
	return err
}
