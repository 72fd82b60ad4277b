// Package taskagent puts the task-agent together: which implementations there are, and how it speaks to its runner.
// It is the whole of cmd/remuda-agent, and of the fallback inside cmd/remuda.
package taskagent

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/job"
	"github.com/remuda-dev/remuda/internal/tofu"
	"github.com/remuda-dev/remuda/internal/toolshed"
)

var _ agent.Runs = (*client.Task)(nil)

// Usage is the help of the command that Main is.
const Usage = `remuda-agent carries out one task for a Remuda runner, which starts it.

It is not for typing: it reads one claim as JSON from standard input and speaks to the control plane through the
runner's unix socket. To run tasks, see: remuda run --help

  remuda-agent            read a claim and carry it out
  remuda-agent --version  print the version
  remuda-agent --help     print this

Exit codes:
  0  the task has ended; its result is in the claim folder, all output is sent
  1  this machine could not carry the task out; standard error says why
  2  no usable claim on standard input; nothing was done
  3  the claim had ended already
  4  like 0, but output is left for the runner to send
`

// implementation finds what carries out a claim's kind of task.
func implementation(handoff agent.Handoff) (agent.Implementation, bool) {
	switch handoff.Claim.Task.Implementation {
	case job.Name:
		return job.New(), true
	case tofu.Name:
		return tofu.New(toolshed.Over(handoff.SocketPath())), true
	}
	return nil, false
}

// Implementations are the names of all kinds of tasks that the agent can carry out.
func Implementations() []string { return []string{job.Name, tofu.Name} }

// Main reads a Handoff from stdin, carries it out and gives the exit code. When ctx ends (on TERM), the task is
// cancelled. The caller must survive SIGPIPE and SIGHUP: the agent outlives its runner, and with it stderr.
func Main(ctx context.Context, stdin io.Reader, stderr io.Writer) int {
	stderr = &words{to: stderr, left: mostWords}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	handoff, err := awaitHandoff(ctx, stdin)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "remuda-agent: %s\n", err)
		return agent.ExitUsage
	}
	log = log.With("claim", handoff.Claim.ID)
	carrier, ok := implementation(handoff)
	if !ok {
		log.Error("this agent does not know the task's implementation", "implementation", handoff.Claim.Task.Implementation)
		return agent.ExitError
	}
	err = carryOut(ctx, agent.Options{Handoff: handoff, Implementation: carrier, Log: log, Alone: true})
	code := agent.ExitCode(err)
	if code == agent.ExitError {
		log.Error("the task could not be carried out", "error", err)
	}
	return code
}

// carryOut runs an agent that speaks through its claim's socket.
func carryOut(ctx context.Context, o agent.Options) error {
	runner := client.Unix(o.Handoff.SocketPath())
	defer runner.CloseIdle()
	o.Plane = runner.Task(o.Handoff.Claim.ID, "")
	return agent.Run(ctx, o)
}
