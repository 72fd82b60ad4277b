package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/yaml"
)

// blockFile is what a folder with a module says of its definition.
const blockFile = "block.yml"

// What a module may have, as the native API bounds it.
const (
	mostModuleFiles = 500
	mostModuleBytes = 1 << 20
)

// readDefinition reads a definition with its version: from a file in the shape of the API, where - is standard input, or
// from a folder with a module and block.yml.
func (p *program) readDefinition(name string) (shownDefinition, error) {
	if about, err := os.Stat(name); err == nil && about.IsDir() {
		return readModule(name)
	}
	if name == "-" {
		data, err := io.ReadAll(io.LimitReader(p.stdin, 16<<20))
		if err != nil {
			return shownDefinition{}, fmt.Errorf("read the definition from standard input: %w", err)
		}
		return parseDefinition("stdin", data)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return shownDefinition{}, err
	}
	return parseDefinition(name, data)
}

func parseDefinition(name string, data []byte) (shownDefinition, error) {
	var d shownDefinition
	if err := yaml.Decode(name, data, &d); err != nil {
		return d, err
	}
	if d.Name == "" {
		return d, fmt.Errorf("%s: a definition needs a name, such as name: Object storage", name)
	}
	return d, nil
}

// readModule makes a definition of a folder: its files are the module, but for block.yml, which says the rest.
func readModule(dir string) (shownDefinition, error) {
	about := filepath.Join(dir, blockFile)
	data, err := os.ReadFile(about)
	if errors.Is(err, fs.ErrNotExist) {
		return shownDefinition{}, fmt.Errorf("the folder %s has no %s, which says at least name, and version with implementation and inputs; see examples/block", dir, blockFile)
	}
	if err != nil {
		return shownDefinition{}, err
	}
	d, err := parseDefinition(about, data)
	if err != nil {
		return d, err
	}
	if d.Version == nil {
		d.Version = &remuda.Version{}
	}
	blueprint := &d.Version.Implementation
	if blueprint.Type == "" {
		blueprint.Type = remuda.BlueprintOpenTofu
	}
	if blueprint.OpenTofu == nil || blueprint.OpenTofu.Version == "" {
		return d, fmt.Errorf("%s: which OpenTofu? Say version.implementation.opentofu.version, such as 1.10.10", about)
	}
	if len(blueprint.OpenTofu.Files) > 0 || blueprint.OpenTofu.Repository != "" {
		return d, fmt.Errorf("%s: the module is this folder; leave out files and repository", about)
	}
	blueprint.OpenTofu.Files, err = moduleFiles(dir)
	return d, err
}

// moduleFiles are all files of a module's folder, but for what OpenTofu and git leave there.
func moduleFiles(dir string) (map[string]string, error) {
	files, size := map[string]string{}, 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil || relative == "." {
			return err
		}
		switch {
		case entry.IsDir() && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || relative == blockFile || !ofModule(entry.Name()):
			return nil
		case !entry.Type().IsRegular():
			return fmt.Errorf("the module's file %s is no regular file; copy what it points to", path)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !utf8.Valid(data) {
			return fmt.Errorf("the module's file %s is no text; keep it in a repository and name that instead", path)
		}
		if size += len(data); size > mostModuleBytes || len(files) == mostModuleFiles {
			return fmt.Errorf("the module in %s has more than %d files or %d KiB; keep it in a repository and name that instead", dir, mostModuleFiles, mostModuleBytes>>10)
		}
		files[filepath.ToSlash(relative)] = string(data)
		return nil
	})
	if err == nil && !slices.ContainsFunc(slices.Collect(maps.Keys(files)), isModuleFile) {
		err = fmt.Errorf("the folder %s has no .tf or .tofu file", dir)
	}
	return files, err
}

// ofModule leaves out what belongs to one machine: hidden files but the lock of providers, and states.
func ofModule(name string) bool {
	if name == ".terraform.lock.hcl" {
		return true
	}
	return !strings.HasPrefix(name, ".") && !strings.Contains(name, ".tfstate")
}

func isModuleFile(name string) bool {
	for _, ending := range []string{".tf", ".tofu", ".tf.json", ".tofu.json"} {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// placeSecret puts a secret into a version, at a path such as inputs.password.argument.
func placeSecret(v *remuda.Version, path string, secret remuda.Secret) error {
	value := &remuda.Value{Secret: &secret}
	step := strings.Split(path, ".")
	if len(step) == 3 && step[0] == "inputs" {
		if in, known := v.Inputs[step[1]]; known && step[2] == "argument" {
			in.Argument = value
			v.Inputs[step[1]] = in
			return nil
		} else if known && step[2] == "default" {
			in.Default = value
			v.Inputs[step[1]] = in
			return nil
		}
	}
	switch tofu, gitlab := v.Implementation.OpenTofu, v.Implementation.GitLab; {
	case path == "implementation.opentofu.ssh_key" && tofu != nil:
		tofu.SSHKey = value
		return nil
	case path == "implementation.gitlab.token" && gitlab != nil:
		gitlab.Token = value
		return nil
	case tofu != nil && strings.HasPrefix(path, "implementation.opentofu.credentials."):
		for i := range tofu.Credentials {
			if host := tofu.Credentials[i].Host; path == "implementation.opentofu.credentials."+host {
				tofu.Credentials[i].Token = value
				return nil
			}
		}
	}
	return wrong("--secret %s: the file has no such place; it is inputs.KEY.argument, inputs.KEY.default, implementation.opentofu.ssh_key, implementation.opentofu.credentials.HOST or implementation.gitlab.token", path)
}
