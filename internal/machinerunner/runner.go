// Package machinerunner puts the machine runner together: its settings, who it is at the control plane, its loop and
// the executor of this machine. It is the life of 'remuda runner', in whichever process that is: see Handover.
package machinerunner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/machine"
	"github.com/remuda-dev/remuda/runner"
)

// The exit codes of a runner, as the help of 'remuda runner' says them.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitInterrupted = 130
)

// Failure is an error with the exit code that it means. One without Err was said already.
type Failure struct {
	Code int
	Err  error
}

// Error implements error.
func (f Failure) Error() string {
	if f.Err == nil {
		return ""
	}
	return f.Err.Error()
}

// Unwrap gives what went wrong.
func (f Failure) Unwrap() error { return f.Err }

// wrong is an error of whoever set the runner up.
func wrong(format string, args ...any) error {
	return Failure{ExitUsage, fmt.Errorf(format, args...)}
}

// Program is what the runner has to know of the process that it is.
type Program struct {
	Version string
	// StandIn is the command that carries tasks out where no remuda-agent is found; empty when there is none.
	StandIn []string
	// Fetch is the command that fetches OpenTofu; empty when there is none.
	Fetch []string
	// DieWithParent ends tasks with this process, however that ends.
	DieWithParent bool
}

var (
	// errRelieved ends a runner that makes room for its successor.
	errRelieved = errors.New("the runner makes room for its successor")
	// ErrForced ends a runner that was told to stop three times.
	ErrForced = errors.New("told to stop again and again")
)

// Serve is the life of a runner that stands alone. The signals that arrive drain it, cancel what it runs, and end it at
// once; HUP lets it make room for its successor.
func Serve(ctx context.Context, s Settings, program Program, arrived <-chan os.Signal, log *slog.Logger) error {
	var c *client.Client
	if s.MeshStack.URL == "" {
		var err error
		if c, err = s.API.client(program); err != nil {
			return err
		}
	}
	if s.Runner.SSH.AdvertiseAddr != "" {
		log.Warn("runner.ssh.advertise_addr has no effect: this runner has no debugging over SSH")
	}
	r, err := Hire(ctx, c, s, program, log)
	if err != nil {
		return err
	}
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	for signals := 0; ; {
		select {
		case s := <-arrived:
			if s == syscall.SIGHUP {
				log.Info("leaves at once: what runs goes on, and the runner that is started next on this folder takes it up", "dir", r.dir)
				leave(errRelieved)
				continue
			}
			signals++
			r.End(signals, leave)
		case err := <-ended:
			switch {
			case errors.Is(err, ErrForced):
				return Failure{ExitInterrupted, nil}
			case errors.Is(err, errRelieved):
				return nil
			}
			return r.employer.explain(err)
		}
	}
}

// Runner is a runner with what it needs on this machine.
type Runner struct {
	dir      string
	loop     *runner.Runner
	executor *machine.Executor
	works    runner.Executor // the same, as the loop has it
	employer employer
	log      *slog.Logger
}

// employer is whom a runner works for, and who it is there.
type employer interface {
	// plane is the control plane as the runner that is known there already; nil when it must register first. left says
	// whether tasks of an earlier runner are still here.
	plane(ctx context.Context, left bool) (runner.ControlPlane, error)
	// join gives the runner's loop its key, and how to register.
	join(config *runner.Config)
	// attend does what is to be done beside the loop, until ctx ends.
	attend(ctx context.Context)
	// explain says what an error that ended the loop means for whoever runs the runner.
	explain(err error) error
	// forget removes who the runner was, when it has drained.
	forget() error
}

// Hire takes hold of the runner's folder, and makes the runner that lives in it. Run is to be called then. There is no
// client where the settings name a meshStack.
func Hire(ctx context.Context, c *client.Client, s Settings, program Program, log *slog.Logger) (*Runner, error) {
	dir, err := filepath.Abs(s.Runner.Dir)
	if err != nil {
		return nil, err
	}
	s.Runner.Dir = dir
	if err := s.check(log); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, wrong("make the runner's folder: %w", err)
	}
	executor, err := s.executor(program, log)
	if err != nil {
		return nil, err
	}
	r := &Runner{dir: dir, executor: executor, works: executor, log: log}
	if program.DieWithParent {
		r.works = struct{ runner.Executor }{executor} // Without its self-check: whoever waits for a job sees how it ends.
	}
	if err := r.prepare(ctx, c, s, program); err != nil {
		return nil, errors.Join(err, executor.Close())
	}
	return r, nil
}

func (r *Runner) prepare(ctx context.Context, c *client.Client, s Settings, program Program) (err error) {
	if c == nil {
		r.employer, err = s.posted(program, r.log)
	} else {
		r.employer, err = s.enrolled(c, program, r.log)
	}
	if err != nil {
		return err
	}
	left, err := r.executor.Left(ctx)
	if err != nil {
		return err
	}
	plane, err := r.employer.plane(ctx, len(left) > 0)
	if err != nil {
		return err
	}
	config := s.loop()
	r.employer.join(&config)
	r.loop, err = runner.New(config, plane, r.works, r.log)
	if err != nil {
		return Failure{ExitUsage, err}
	}
	return nil
}

// Run is the runner's life. A runner that drained is nobody any more.
func (r *Runner) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, r.executor.Close()) }()
	var attending sync.WaitGroup
	defer attending.Wait()
	beside, over := context.WithCancel(ctx)
	defer over()
	attending.Go(func() { r.employer.attend(beside) })
	if err := r.loop.Run(ctx); err != nil {
		return err
	}
	r.log.Info("the runner has drained and ends")
	return r.employer.forget()
}

// Cancel drains it and ends what it runs.
func (r *Runner) Cancel() { r.loop.Cancel() }

// End is what the nth signal means. The third ends the context that leave belongs to.
func (r *Runner) End(signals int, leave context.CancelCauseFunc) {
	switch signals {
	case 1:
		r.loop.Drain()
	case 2:
		r.loop.Cancel()
	default:
		leave(fmt.Errorf("%w: told to stop %d times", ErrForced, signals))
	}
}
