package tofu

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/toolshed"
)

// order is a run's payload, checked.
type order struct {
	remuda.RunOrder
	tofu    remuda.OpenTofuBlueprint
	program toolshed.Program
}

// parse reads a payload. The control plane has checked it; what is checked here is what a newer one may send, and what
// this machine must not be told to do.
func parse(payload remuda.Payload) (order, error) {
	var o order
	if err := json.Unmarshal(payload, &o.RunOrder); err != nil {
		return o, fmt.Errorf("the run cannot be read: %w", err)
	}
	if o.Implementation.OpenTofu == nil {
		return o, errors.New("the run has no opentofu member")
	}
	o.tofu = *o.Implementation.OpenTofu
	known := []remuda.Behavior{remuda.Apply, remuda.Detect, remuda.Destroy, remuda.Maintenance}
	if !slices.Contains(known, o.Behavior) {
		return o, fmt.Errorf("this task-agent does not know the behavior %q; is the runner older than the control plane?", o.Behavior)
	}
	var err error
	if o.program, err = toolshed.ProgramOf(o.tofu.Version); err != nil {
		return o, err
	}
	if err := o.checkModule(); err != nil {
		return o, err
	}
	for _, input := range o.Inputs {
		if err := checkInput(input); err != nil {
			return o, fmt.Errorf("the input %q: %w", input.Key, err)
		}
	}
	return o, nil
}

func (o order) checkModule() error {
	switch {
	case o.tofu.Repository == "" && len(o.tofu.Files) == 0:
		return errors.New("the definition has neither a repository nor files")
	case o.tofu.Repository != "" && len(o.tofu.Files) > 0:
		return errors.New("the definition has both a repository and files")
	case o.tofu.Path != "" && !filepath.IsLocal(o.tofu.Path):
		return fmt.Errorf("the path %q leads out of the repository", o.tofu.Path)
	case o.Behavior == remuda.Maintenance && strings.TrimSpace(o.Script) == "":
		return errors.New("a maintenance run needs a script")
	}
	for name := range o.tofu.Files {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("the file %q leads out of the module", name)
		}
	}
	return nil
}

// longestKey bounds an input's name, which may become that of a file.
const longestKey = 200

func checkInput(input remuda.RunInput) error {
	switch {
	case input.Key == "" || len(input.Key) > longestKey:
		return fmt.Errorf("its key has between 1 and %d characters", longestKey)
	case input.Environment && !isVariable(input.Key):
		return errors.New("no environment variable can be called so: use letters, digits and _")
	case input.Type == remuda.TypeFile && (input.Key != filepath.Base(input.Key) || !filepath.IsLocal(input.Key) || strings.ContainsAny(input.Key, "/\\:")):
		return errors.New("no file can be called so")
	}
	return nil
}

func isVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
