package proof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// bin is the folder with remuda and remuda-agent as they are delivered. Whoever carries out a task may read it.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "remuda-proof-bin-")
	if err == nil {
		bin, err = dir, build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// build makes the programs. With REMUDA_PROOF_RACE they look for races of their own, which ends them.
func build(dir string) error {
	args, cgo := []string{"build", "-trimpath", "-o", dir + "/"}, "CGO_ENABLED=0"
	if os.Getenv("REMUDA_PROOF_RACE") != "" {
		args, cgo = append(args, "-race"), "CGO_ENABLED=1"
	}
	command := exec.CommandContext(context.Background(), "go", append(args, "./cmd/remuda", "./cmd/remuda-agent")...)
	command.Dir = filepath.Join("..", "..")
	command.Env = append(os.Environ(), cgo)
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build what is to be killed: %w\n%s", err, said)
	}
	return os.Chmod(dir, 0o755)
}

// length is for how long things are killed.
func length(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("REMUDA_PROOF")
	switch {
	case text == "" && testing.Short():
		return 5 * time.Second
	case text == "":
		return 12 * time.Second
	}
	long, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("REMUDA_PROOF=%s: expected a length of time, such as 60s", text)
	}
	return long
}

// dice decide what happens when. What they decide can be repeated; what the machine makes of it cannot.
func dice(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("REMUDA_PROOF_SEED"); text != "" {
		given, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("REMUDA_PROOF_SEED=%s: expected a number", text)
		}
		seed = given
	}
	t.Logf("REMUDA_PROOF_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// until asks every moment whether something is so, and fails the test when it is not in time.
func until(t *testing.T, long time.Duration, what string, is func() error) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	late := time.NewTimer(long)
	defer late.Stop()
	for {
		err := is()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-late.C:
			t.Fatalf("after %s %s is not so: %v", long, what, err)
		case <-t.Context().Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}
