package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/remuda-dev/remuda/internal/taskagent"
)

// agentWord is the hidden command by which this binary stands in for remuda-agent.
const agentWord = "agent"

// agent carries out one task, or says that it could. Whatever would end it with its runner is caught: the agent outlives
// it.
func (p *program) agent(args []string) int {
	if slices.Equal(args, []string{"--version"}) {
		_, _ = fmt.Fprintln(p.stdout, "remuda-agent", version)
		return 0
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE, syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	return taskagent.Main(ctx, p.stdin, p.stderr)
}
