package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/machine"
	"github.com/remuda-dev/remuda/runner"
)

func (p *program) runnerCommand() *cobra.Command {
	given := usualRunner()
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
		return p.serveTasks(ctx, given, log)
	})
	s = p.settings(c, &given, "REMUDA_RUNNER_", "CIRCLECI_RUNNER_").configFile("REMUDA_RUNNER_CONFIG")
	c.AddCommand(p.runnerVerbs()...)
	return c
}

// serveTasks is the life of a runner that stands alone.
func (p *program) serveTasks(ctx context.Context, given runnerSettings, log *slog.Logger) error {
	c, err := given.API.client()
	if err != nil {
		return err
	}
	if given.Runner.SSH.AdvertiseAddr != "" {
		log.Warn("runner.ssh.advertise_addr has no effect: this runner has no debugging over SSH")
	}
	h, err := hire(ctx, c, given, false, log)
	if err != nil {
		return err
	}
	arrived, stop := listen(syscall.SIGHUP)
	defer stop()
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	ended := make(chan error, 1)
	go func() { ended <- h.run(ctx) }()
	for signals := 0; ; {
		select {
		case s := <-arrived:
			if s == syscall.SIGHUP {
				log.Info("leaves at once: what runs goes on, and the runner that is started next on this folder takes it up", "dir", given.Runner.Dir)
				leave(errRelieved)
				continue
			}
			signals++
			h.end(signals, leave)
		case err := <-ended:
			switch {
			case errors.Is(err, errForced):
				return failure{exitInterrupted, nil}
			case errors.Is(err, errRelieved):
				return nil
			}
			return h.enrolment.explain(err)
		}
	}
}

// errRelieved ends a runner that makes room for its successor.
var errRelieved = errors.New("the runner makes room for its successor")

// hired is a runner with what it needs on this machine.
type hired struct {
	loop      *runner.Runner
	executor  *machine.Executor
	works     runner.Executor // the same, as the loop has it
	enrolment *enrolment
	log       *slog.Logger
}

// hire takes hold of the runner's folder, and makes the runner that lives in it.
func hire(ctx context.Context, c *client.Client, given runnerSettings, dieWithParent bool, log *slog.Logger) (*hired, error) {
	dir, err := filepath.Abs(given.Runner.Dir)
	if err != nil {
		return nil, err
	}
	given.Runner.Dir = dir
	if err := given.check(log); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, wrong("make the runner's folder: %w", err)
	}
	executor, err := given.executor(dieWithParent, log)
	if err != nil {
		return nil, err
	}
	h := &hired{executor: executor, works: executor, log: log}
	if dieWithParent {
		h.works = struct{ runner.Executor }{executor} // Without its self-check: whoever waits for a job sees how it ends.
	}
	if err := h.prepare(ctx, c, given); err != nil {
		return nil, errors.Join(err, executor.Close())
	}
	return h, nil
}

func (h *hired) prepare(ctx context.Context, c *client.Client, given runnerSettings) error {
	tokens, err := given.API.tokens()
	if err != nil {
		return err
	}
	if h.enrolment, err = enrol(c, given, tokens, h.log); err != nil {
		return err
	}
	left, err := h.executor.Left(ctx)
	if err != nil {
		return err
	}
	plane, err := h.enrolment.plane(ctx, len(left) > 0)
	if err != nil {
		return err
	}
	config := given.loop()
	config.Key, config.Register = h.enrolment.key, h.enrolment.register
	h.loop, err = runner.New(config, plane, h.works, h.log)
	if err != nil {
		return failure{exitUsage, err}
	}
	return nil
}

// run is the runner's life. A runner that drained is nobody any more.
func (h *hired) run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, h.executor.Close()) }()
	if err := h.loop.Run(ctx); err != nil {
		return err
	}
	h.log.Info("the runner has drained and ends")
	return h.enrolment.forget()
}

// end is what the nth signal means.
func (h *hired) end(signals int, leave context.CancelCauseFunc) {
	switch signals {
	case 1:
		h.loop.Drain()
	case 2:
		h.loop.Cancel()
	default:
		leave(fmt.Errorf("%w: told to stop %d times", errForced, signals))
	}
}
