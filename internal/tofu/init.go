package tofu

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/toolshed"
)

// init finds the program, gives the module a backend where it brings none, and lets tofu initialise it.
func (r *run) init(ctx context.Context) error {
	if err := r.findProgram(ctx); err != nil {
		return err
	}
	if r.order.Plan {
		if err := r.fetchPlan(ctx); err != nil {
			return err
		}
	}
	if err := r.provide(ctx); err != nil {
		return err
	}
	switch {
	case r.module.backend:
	case r.order.tofu.OwnBackend:
		return refuse("the definition says that the module brings a backend, and it does not: its state would be lost with this run")
	default:
		if err := r.openBackend(); err != nil {
			return err
		}
	}
	if err := r.initialise(ctx); err != nil {
		return err
	}
	if !r.module.backend {
		return nil
	}
	workspace, err := r.workspace(ctx)
	if err != nil {
		return err
	}
	return r.choose(ctx, workspace)
}

// workspace is the block's workspace: the one that is there, whatever the block was called when it was made, and whoever
// made it; else one of our own naming.
func (r *run) workspace(ctx context.Context) (string, error) {
	listed, err := r.ask(ctx, "workspace", "list")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(listed)) {
		if name := strings.Trim(line, "* \r\n"); strings.HasSuffix(name, r.order.Block.ID) {
			return name, nil
		}
	}
	return workspaceOf(r.order.Block), nil
}

// initialise lets tofu fetch modules and providers.
func (r *run) initialise(ctx context.Context) error {
	end, err := r.fetching(ctx, "init", "-input=false")
	if err == nil && end != nil {
		err = end.failure()
	}
	r.access.Remove()
	if err == nil {
		r.keepProviders(ctx)
	}
	return err
}

// fetching runs the program where it fetches modules: then alone it is lent what git is let in with.
func (r *run) fetching(ctx context.Context, arguments ...string) (*exited, error) {
	r.lent = r.access.Environment()
	defer func() { r.lent = nil }()
	return r.tofu(ctx, nil, arguments...)
}

func (r *run) findProgram(ctx context.Context) error {
	found, err := r.shed.Program(ctx, r.order.program, r.now.Output())
	var known *remuda.Error
	switch {
	case errors.As(err, &known) && (known.Kind == remuda.Invalid || known.Kind == remuda.NotFound):
		return refuse("%s", known.Detail)
	case errors.As(err, &known):
		r.tell("%s", known.Detail)
		return fmt.Errorf("get %s: %w", r.order.program, err)
	case err != nil:
		return fmt.Errorf("get %s: %w", r.order.program, err)
	}
	r.program, r.providers = found.Path, found.Providers
	r.tell("%s", r.order.program)
	return nil
}

// openBackend serves the block's state to tofu, and writes the file that names this kind of backend. Where it is and
// who may use it is in tofu's environment: a saved plan keeps what is in the file, and is applied by another run.
func (r *run) openBackend() error {
	served, err := serve(r.plane, r.task)
	if err != nil {
		return err
	}
	r.backend = served
	return r.generate(backendName, ".tf.json", []byte(`{"terraform": {"backend": {"http": {}}}}`+"\n"))
}

// workspaceOf is the tofu workspace of a block whose module has a backend of its own.
func workspaceOf(block remuda.RunOrderBlock) string {
	name := strings.Map(func(c rune) rune {
		if c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '-'
	}, block.Name)
	return strings.Trim(name[:min(len(name), 40)]+"-"+block.ID, "-")
}

// choose selects a workspace, or makes it.
func (r *run) choose(ctx context.Context, workspace string) error {
	if p := r.order.program; p.Product == toolshed.OpenTofu || !p.Before(1, 4) { // which brought -or-create
		return r.must(ctx, "workspace", "select", "-or-create", workspace)
	}
	end, err := r.tofu(ctx, nil, "workspace", "select", workspace)
	if err == nil && end != nil {
		err = r.must(ctx, "workspace", "new", workspace)
	}
	return err
}
