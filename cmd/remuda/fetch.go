package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/remuda-dev/remuda/internal/machinerunner"
	"github.com/remuda-dev/remuda/internal/toolshed/fetch"
)

// fetchWord is the hidden command by which a runner fetches OpenTofu: what checks signatures is larger than it is.
const fetchWord = "fetch-tofu"

func (p *program) fetch() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := fetch.Main(ctx, p.stdin, p.stdout); err != nil {
		_, _ = fmt.Fprintln(p.stderr, "remuda:", err)
		return exitFailed
	}
	return 0
}

// tofuVariables begins the names of the variables that say where OpenTofu comes from.
const tofuVariables = "REMUDA_RUNNER_TOFU_"

// localTofu is where a runner in this process gets OpenTofu from: as the same variables tell 'remuda runner'.
func (p *program) localTofu() machinerunner.Tofu {
	read := func(name string) string {
		value, _ := p.env(tofuVariables + name)
		return value
	}
	return machinerunner.Tofu{
		Mirror: read("MIRROR"), KeyFile: read("KEY_FILE"),
		TerraformMirror: read("TERRAFORM_MIRROR"), TerraformKey: read("TERRAFORM_KEY_FILE"),
		Binaries: read("BINARY_DIR"), ProviderDir: read("PROVIDER_DIR"), ProviderMirror: read("PROVIDER_MIRROR"), Cache: read("CACHE_DIR"),
	}
}
