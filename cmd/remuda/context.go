package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/remuda-dev/remuda/internal/secretfile"
	"github.com/remuda-dev/remuda/internal/yaml"
)

// contextFile remembers where the control plane is and who one is there, so that commands need not be told each time.
// It holds a token, so only its owner may read it.
type contextFile struct {
	URL           string `json:"url"`
	Token         string `json:"token"`
	CAFile        string `json:"ca_file,omitempty"`
	ResourceClass string `json:"resource_class,omitempty"` // for submissions that name none
	// WrittenBy is the data folder of the 'remuda up' that wrote it, so that it may write it again.
	WrittenBy string `json:"written_by,omitempty"`
}

// contextPath is $REMUDA_CONTEXT, else below the user's configuration.
func (p *program) contextPath() (string, error) {
	if path, set := p.env("REMUDA_CONTEXT"); set && path != "" {
		return path, nil
	}
	base, _ := p.env("XDG_CONFIG_HOME")
	if base == "" && runtime.GOOS == "windows" {
		base, _ = p.env("AppData")
	}
	if base == "" {
		home, _ := p.env("HOME")
		if home == "" {
			return "", errors.New("there is no home folder to keep a context in; set REMUDA_CONTEXT to a file")
		}
		base = filepath.Join(home, ".config")
	}
	return filepath.Join(base, "remuda", "context.yml"), nil
}

// readContext gives an empty context where there is none.
func (p *program) readContext() (contextFile, error) {
	var c contextFile
	path, err := p.contextPath()
	if err != nil {
		return c, nil //nolint:nilerr // no place for a context means that there is none
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read the context: %w", err)
	}
	return c, yaml.Decode(path, data, &c)
}

// writeContext keeps a context and says where.
func (p *program) writeContext(c contextFile) (string, error) {
	path, err := p.contextPath()
	if err != nil {
		return "", err
	}
	data, err := yaml.Encode(c)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("keep the context: %w", err)
	}
	if err := secretfile.Write(path, data); err != nil {
		return "", fmt.Errorf("keep the context: %w", err)
	}
	return path, nil
}
