package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda/internal/machinerunner"
)

func (p *program) runnerCommand() *cobra.Command {
	given := machinerunner.Usual()
	var s *settings
	c := command(page{
		use: "runner", short: "Run a machine runner, or manage runners",
		long: "Run a machine runner: it opens one outbound connection, claims tasks of its resource class, and carries them out on this machine, " +
			"each as a task-agent of its own. Started by root it runs them as another user. Its commands manage runners that run already.\n\n" +
			"The first TERM or ^C drains: nothing new is taken, what runs may end. The second cancels what runs, the third leaves at once. " +
			"A runner that gets HUP, or is killed, leaves its tasks running; started again on the same --dir it takes them up.\n\n" +
			"A runner on which tasks cannot be started, or whose disk is full, takes nothing new and says why; 'remuda runner resume' lets it try at once.\n\n" +
			"Settings come from flags, from REMUDA_RUNNER_… (and CIRCLECI_RUNNER_…) variables, and from a YAML file with the members of CircleCI's machine runner. " +
			"Its folder, --dir, is $XDG_STATE_HOME/remuda/runner when nothing is said, else /var/lib/remuda-runner for root and ./remuda-runner for others.",
		example: "remuda runner --url https://remuda.example.com --token-file class-token\nremuda runner --config runner.yml --slots 4\nremuda runner list",
		exits:   "0 drained, or told by HUP to make room for its successor, 1 it failed while it ran, 2 it could not start: wrong settings, token or folder",
		signals: true,
	}, cobra.NoArgs, func(ctx context.Context, _ []string) error {
		if err := s.load(); err != nil {
			return err
		}
		if given.Runner.Dir == "" {
			given.Runner.Dir = p.runnerFolder()
		}
		log, done, err := p.logger(given.Logging)
		if err != nil {
			return err
		}
		defer done()
		p.becomeRunner(ctx, given, log)
		arrived, stop := listen(syscall.SIGHUP)
		defer stop()
		return ofRunner(machinerunner.Serve(ctx, given, p.asRunner(), arrived, log))
	})
	s = p.settings(c, &given, "REMUDA_RUNNER_", "CIRCLECI_RUNNER_").configFile("REMUDA_RUNNER_CONFIG")
	c.AddCommand(p.runnerVerbs()...)
	return c
}

// becomeRunner makes this process remuda-agent, which then is the runner: apart from the control plane, which shares
// this binary, it rests in a third of the memory. It returns when that does not go.
func (p *program) becomeRunner(ctx context.Context, given machinerunner.Settings, log *slog.Logger) {
	if !p.whole {
		return
	}
	path, err := machinerunner.Apart(ctx, version)
	if err == nil {
		err = machinerunner.Handover{Settings: given, Coloured: p.colours(p.stderr), Fetch: p.asRunner().Fetch}.Become(path, os.Environ())
	}
	log.Info("the runner shares this binary with the control plane, and takes more memory for it", "because", err)
}

// asRunner is this process as a runner knows it.
func (p *program) asRunner() machinerunner.Program {
	as := machinerunner.Program{Version: version}
	if self, err := os.Executable(); err == nil {
		as.StandIn = []string{self, agentWord}
		as.Fetch = []string{self, fetchWord}
	}
	return as
}

// ofRunner is an error of a runner as a command's.
func ofRunner(err error) error {
	var failed machinerunner.Failure
	if errors.As(err, &failed) {
		return failure{failed.Code, failed.Err}
	}
	return err
}
