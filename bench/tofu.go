package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// tofuVersion is the OpenTofu that is measured. `make tools` builds it.
const tofuVersion = "1.10.10"

// benchModule does what a small real one does: twenty resources, one of which takes its time, and an output.
const benchModule = `
variable "name" { type = string }

resource "terraform_data" "quick" {
  count = 20
  input = "${var.name} ${count.index}"
}

resource "terraform_data" "slow" {
  provisioner "local-exec" { command = "sleep 3" }
}

output "said" { value = terraform_data.quick[19].output }
`

// errEnded ends the following of a block whose run has ended.
var errEnded = errors.New("the run has ended")

// tofus compares a run of a building block, from its order to its end, with init and apply of the same module.
func tofus(ctx context.Context, s *site, n sizes) ([]figure, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	binaries := filepath.Join(cache, "remuda", "tools")
	tofu := filepath.Join(binaries, "opentofu-"+tofuVersion, "tofu")
	if _, err := os.Stat(tofu); err != nil {
		return []figure{{"a run of a building block", "not measured", "", "there is no OpenTofu: make tools"}}, nil
	}
	runner, err := s.startRunner(ctx, 1, "REMUDA_RUNNER_TOFU_BINARY_DIR="+binaries, "REMUDA_RUNNER_TOFU_CACHE_DIR="+filepath.Join(s.dir, "tofu"))
	if err != nil {
		return nil, err
	}
	defer runner.stop()
	definition, err := s.benchDefinition(ctx)
	if err != nil {
		return nil, err
	}
	var ours, bare []time.Duration
	for i := range max(3, n.cancels/3) + 1 {
		took, err := s.orderOne(ctx, definition)
		if err != nil {
			return nil, err
		}
		alone, err := applyAlone(ctx, tofu)
		if err != nil {
			return nil, err
		}
		if i > 0 { // the first brings the program to the machine
			ours, bare = append(ours, took), append(bare, alone)
		}
	}
	slices.Sort(ours)
	slices.Sort(bare)
	mine, theirs := percentile(ours, 0.5), percentile(bare, 0.5)
	return []figure{{
		"order of a building block → its end, over init and apply alone",
		fmt.Sprintf("%s more, %.1f %%", milliseconds(mine-theirs), 100*float64(mine-theirs)/float64(theirs)),
		"≤ 300 ms, ≤ 10 %",
		"init and apply alone take " + milliseconds(theirs),
	}}, nil
}

func (s *site) benchDefinition(ctx context.Context) (string, error) {
	d, err := s.user.CreateDefinition(ctx, remuda.Definition{Organization: "bench", Name: "Bench"})
	if err != nil {
		return "", err
	}
	_, err = s.user.ChangeVersion(ctx, d.ID, 1, remuda.Version{
		ResourceClass: s.class,
		Implementation: remuda.Blueprint{Type: remuda.BlueprintOpenTofu, OpenTofu: &remuda.OpenTofuBlueprint{
			Version: tofuVersion, Files: map[string]string{"main.tf": benchModule},
		}},
		Inputs:  map[string]remuda.Input{"name": {Type: remuda.TypeString, Assignment: remuda.AssignUser}},
		Outputs: map[string]remuda.Output{"said": {Type: remuda.TypeString}},
	})
	if err == nil {
		_, err = s.user.ReleaseVersion(ctx, d.ID, 1)
	}
	return d.ID, err
}

// orderOne orders a block and waits until it is there.
func (s *site) orderOne(ctx context.Context, definition string) (time.Duration, error) {
	start := time.Now()
	block, err := s.user.OrderBlock(ctx, remuda.Block{
		Organization: "bench", Name: "bench", Definition: definition,
		Inputs: map[string]remuda.Value{"name": {Value: json.RawMessage(`"bench"`)}},
	}, "")
	if err != nil {
		return 0, err
	}
	err = s.user.FollowBlock(ctx, block.ID, func(f client.FollowedBlock) error {
		if f.Block == nil || f.Block.Status == remuda.BlockPending || f.Block.Status == remuda.BlockInProgress {
			return nil
		}
		if f.Block.Status != remuda.BlockSucceeded {
			return fmt.Errorf("the block is %s: %s", f.Block.Status, f.Block.Detail)
		}
		return errEnded
	})
	if !errors.Is(err, errEnded) {
		return 0, errors.Join(err, fmt.Errorf("block %s did not end", block.ID))
	}
	return time.Since(start), nil
}

// applyAlone is what a person does who has the module in a folder.
func applyAlone(ctx context.Context, tofu string) (time.Duration, error) {
	dir, err := os.MkdirTemp("", "remuda-bench-tofu-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	start := time.Now()
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "main.tf"), []byte(benchModule), 0o600),
		os.WriteFile(filepath.Join(dir, "bench.auto.tfvars"), []byte(`name = "bench"`), 0o600),
		os.WriteFile(filepath.Join(dir, "tofurc"), nil, 0o600),
	)
	if err != nil {
		return 0, err
	}
	for _, arguments := range []string{"init -input=false", "apply -input=false -auto-approve"} {
		command := exec.CommandContext(ctx, tofu, strings.Fields(arguments)...)
		command.Dir = dir
		command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=" + filepath.Join(dir, "tofurc")}
		if said, err := command.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("tofu %s: %w\n%s", arguments, err, said)
		}
	}
	return time.Since(start), nil
}
