package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/agent/agenttest"
)

// build builds the command as it is released.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "remuda-agent")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=1.2.3", "-o", binary, ".")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return binary
}

func claim(command string) agent.Handoff {
	return agent.Handoff{Claim: agenttest.Claim("job", remuda.Payload(`{"steps": [{"run": {"command": "`+command+`"}}]}`))}
}

func TestTheCommand(t *testing.T) {
	binary := build(t)

	t.Run("carries out a claim", func(t *testing.T) {
		a := agenttest.StartCommand(t, agenttest.NewPlane(), claim("echo hello; grep NoNewPrivs /proc/self/status"), exec.Command(binary))
		if code := a.Wait(); code != agent.ExitDone || a.Result().State != remuda.Succeeded {
			t.Errorf("it ended with %d", code)
		}
		if got := a.Plane.Output(0); got != "hello\nNoNewPrivs:\t1\n" {
			t.Errorf("the output is %q", got)
		}
	})

	t.Run("outlives its runner, and with it its standard error", func(t *testing.T) {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer write.Close()
		cmd := exec.Command(binary)
		cmd.Stderr = write
		plane := agenttest.NewPlane()
		a := agenttest.StartCommand(t, plane, claim("until [ -e go ]; do sleep 0.01; done; echo hello"), cmd)
		plane.Until(t, "begin", func(seen agenttest.Seen) bool { return seen.Begun })
		_ = read.Close()
		plane.Away(true) // which is a reason to write to standard error
		if err := os.WriteFile(filepath.Join(a.Handoff.WorkPath(), "go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		a.UntilResult()
		plane.Away(false)
		if code := a.Wait(); code != agent.ExitDone || plane.Output(0) != "hello\n" {
			t.Errorf("it ended with %d; output %q", code, plane.Output(0))
		}
	})

	t.Run("hands a task back whose implementation it does not know", func(t *testing.T) {
		handoff := claim("true")
		handoff.Claim.Task.Implementation = "levitation"
		a := agenttest.StartCommand(t, agenttest.NewPlane(), handoff, exec.Command(binary))
		if code := a.Wait(); code != agent.ExitError {
			t.Errorf("it ended with %d", code)
		}
	})

	for name, test := range map[string]struct {
		arguments []string
		stdin     string
		code      int
		says      string
	}{
		"says its version":         {[]string{"--version"}, "", agent.ExitDone, "remuda-agent 1.2.3\n"},
		"says what it is":          {[]string{"--help"}, "", agent.ExitDone, "carries out one task for a Remuda runner"},
		"takes no other arguments": {[]string{"--claim", "1"}, "", agent.ExitUsage, "It is not for typing"},
		"needs a claim":            {nil, "hello", agent.ExitUsage, "remuda-agent: read the handoff: no JSON at byte 1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(binary, test.arguments...)
			cmd.Stdin = strings.NewReader(test.stdin)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			var exit *exec.ExitError
			if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if code := cmd.ProcessState.ExitCode(); code != test.code || !strings.Contains(out.String(), test.says) {
				t.Errorf("it ended with %d and %q", code, out.String())
			}
		})
	}
}
