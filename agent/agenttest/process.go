package agenttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/client"
)

// argument makes a test's binary an agent.
const argument = "be-the-agent-of-agenttest"

// IsAgent is whether a test's binary was started to be an agent, by its arguments.
func IsAgent(arguments []string) bool { return len(arguments) == 2 && arguments[1] == argument }

// Main is what such a binary does. It gives the exit code.
func Main(ctx context.Context, stdin io.Reader, stderr io.Writer, implementation agent.Implementation) int {
	handoff, err := agent.ReadHandoff(stdin)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return agent.ExitUsage
	}
	err = agent.Run(ctx, agent.Options{
		Handoff:        handoff,
		Plane:          client.Unix(handoff.SocketPath()).Task(handoff.Claim.ID, ""),
		Implementation: implementation,
		Log:            slog.New(slog.NewTextHandler(stderr, nil)),
		Alone:          true,
	})
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
	}
	return agent.ExitCode(err)
}

// Agent is an agent at work, as a process of its own.
type Agent struct {
	Plane   *Plane
	Handoff agent.Handoff
	t       testing.TB
	cmd     *exec.Cmd
	stderr  *bytes.Buffer
	done    chan struct{}
}

// Claim makes a claim of an implementation.
func Claim(implementation string, payload remuda.Payload) remuda.Claim {
	return remuda.Claim{
		ID:          "0190f1b2-0000-7000-8000-000000000001",
		Attempt:     1,
		Payload:     payload,
		Timeout:     remuda.Duration(time.Hour),
		CancelGrace: remuda.Duration(10 * time.Second),
		Task: remuda.ClaimTask{
			ID:             "0190f1b2-0000-7000-8000-000000000002",
			JobID:          "0190f1b2-0000-7000-8000-000000000003",
			Name:           "a task",
			Organization:   "acme",
			Project:        "app",
			SubmittedBy:    "ada",
			ResourceClass:  "acme/linux",
			Implementation: implementation,
			Total:          1,
		},
	}
}

// Start starts the test's binary as the agent of a claim. Its TestMain has to ask IsAgent. The Handoff's places are
// filled in when they are empty. When the test ends, so does the agent.
func Start(t testing.TB, plane *Plane, handoff agent.Handoff) *Agent {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return StartCommand(t, plane, handoff, exec.CommandContext(t.Context(), binary, argument))
}

// StartCommand is like Start for a command that is an agent. Its standard error is kept unless it has one.
func StartCommand(t testing.TB, plane *Plane, handoff agent.Handoff, cmd *exec.Cmd) *Agent {
	t.Helper()
	if handoff.Dir == "" {
		handoff.Dir = t.TempDir()
	}
	if handoff.Socket == "" {
		handoff.Socket = socketPlace(t)
	}
	serve(t, handoff.Socket, plane.handler(handoff.Claim.ID))
	document, err := json.Marshal(handoff)
	if err != nil {
		t.Fatal(err)
	}
	a := &Agent{Plane: plane, Handoff: handoff, t: t, cmd: cmd, stderr: &bytes.Buffer{}, done: make(chan struct{})}
	a.cmd.Env = append(a.cmd.Environ(), "GORACE=atexit_sleep_ms=0") // the race detector waits a second at each end
	a.cmd.Stdin = bytes.NewReader(document)
	if a.cmd.Stderr == nil {
		a.cmd.Stderr = a.stderr
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		defer close(a.done)
		_ = a.cmd.Wait()
		if result, found, _ := handoff.Folder().Result(); found { // as its runner would say it
			plane.finish(result)
		}
	})
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		waiting.Wait()
		if wrong := plane.Seen().Wrong; len(wrong) > 0 {
			t.Errorf("the agent said what it must not: %q", wrong)
		}
		if t.Failed() {
			t.Logf("the agent's log:\n%s", a.stderr)
		}
	})
	return a
}

// Wait waits for the agent's end and gives its exit code, -1 when it was killed.
func (a *Agent) Wait() int {
	a.t.Helper()
	select {
	case <-a.done:
		return a.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		a.t.Fatal("the agent did not end")
		return -1
	}
}

// Stop tells the agent to cancel its task, as an executor does.
func (a *Agent) Stop() {
	a.t.Helper()
	if err := a.cmd.Process.Signal(stopSignal); err != nil {
		a.t.Fatal(err)
	}
}

// Kill ends the agent where it stands.
func (a *Agent) Kill() {
	a.t.Helper()
	if err := a.cmd.Process.Kill(); err != nil {
		a.t.Fatal(err)
	}
	<-a.done
}

// Result is what the agent left, but for the steps, which the Plane has. The test fails when there is none.
func (a *Agent) Result() remuda.Result {
	a.t.Helper()
	result, found, err := a.Handoff.Folder().Result()
	if err != nil || !found {
		a.t.Fatalf("the agent left no result (%v)", err)
	}
	result.Steps = nil
	return result
}

// socketPlace is short, since the path of a socket is.
func socketPlace(t testing.TB) string {
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// serve answers on a unix socket until the test ends.
func serve(t testing.TB, socket string, handler http.Handler) {
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: patience}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
}
