package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
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

// agentCommand finds remuda-agent: in the folder that is named, or beside this binary. Without one this binary stands
// in for it, which costs each task some time and memory, so that is said.
func agentCommand(folder string, log *slog.Logger) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	name := "remuda-agent"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if folder != "" {
		path, err := filepath.Abs(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); err != nil {
			return nil, wrong("there is no task-agent: %w", err)
		}
		return []string{path}, nil
	}
	beside := filepath.Join(filepath.Dir(self), name)
	if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
		return []string{beside}, nil
	}
	log.Info("there is no remuda-agent beside remuda: remuda itself stands in for it, which makes each task a little slower", "looked_for", beside)
	return []string{self, agentWord}, nil
}
