package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/journal"
	"github.com/remuda-dev/remuda/internal/yaml"
)

// The exit codes; each command's help says which of them it has.
const (
	exitDone        = 0
	exitFailed      = 1   // refused, or a task failed
	exitUsage       = 2   // wrong flags, files or configuration; nothing was done
	exitInterrupted = 130 // by ^C, as shells have it
)

// program is one run of the command line, with its surroundings: nothing below it touches the process's own.
type program struct {
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
	env            func(string) (string, bool)
	environ        []string
	whole          bool // it is a process of its own, which may become another
}

// failure is an error of a command that was understood, with the exit code that it means.
type failure struct {
	code int
	err  error // nil when everything was said already
}

func (f failure) Error() string {
	if f.err == nil {
		return ""
	}
	return f.err.Error()
}

func (f failure) Unwrap() error { return f.err }

// wrong is an error of whoever typed: exit code 2.
func wrong(format string, args ...any) error {
	return failure{exitUsage, fmt.Errorf(format, args...)}
}

// run carries out the command line and gives the exit code.
func (p *program) run(ctx context.Context) int {
	root := p.root()
	root.SetArgs(p.args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(flagError)
	err := fang.Execute(ctx, root, fang.WithoutManpage(), fang.WithVersion(version),
		fang.WithErrorHandler(func(io.Writer, fang.Styles, error) {}))
	if err == nil {
		return exitDone
	}
	var failed failure
	if !errors.As(err, &failed) {
		failed = failure{exitUsage, err} // cobra's: an unknown command or flag, or too many words
		err = fmt.Errorf("%w; try --help", err)
	}
	if failed.err != nil {
		p.complain(err)
	}
	return failed.code
}

// complain says what went wrong, in as few lines as that takes.
func (p *program) complain(err error) {
	text := strings.TrimRight(err.Error(), "\n")
	var problems yaml.Problems
	if errors.As(err, &problems) { // Each line begins with its place, which editors look for.
		fmt.Fprintln(p.stderr, text)
		return
	}
	journal.Complain(p.stderr, err)
	if hint := hint(err); hint != "" {
		fmt.Fprintf(p.stderr, "  %s\n", hint)
	}
}

// hint says what to do where the control plane cannot know it.
func hint(err error) string {
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return "if its certificate comes from a CA of your own, name that with --ca-file"
	case errors.Is(err, remuda.Unauthenticated):
		return "give a token by --token-file or REMUDA_TOKEN_FILE, or keep one with 'remuda login'"
	}
	return ""
}

// page is what a command's help says.
type page struct {
	use     string
	short   string
	long    string
	example string
	exits   string // "" for the usual ones
	aliases []string
	hidden  bool
	// signals says that the command listens to signals itself, since it ends in more than one way.
	signals bool
}

// The usual exit codes.
const usualExits = "0 done, 1 refused or failed, 2 wrong use"

// group is a command that only has others.
func group(p page, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: p.use, Short: p.short, Long: long(p), Example: p.example, Aliases: p.aliases, Args: noWord,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(commands...)
	return c
}

// command is one that does something. Its errors mean exit code 1 unless they say another.
func command(p page, args cobra.PositionalArgs, do func(ctx context.Context, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: p.use, Short: p.short, Long: long(p), Example: p.example, Aliases: p.aliases, Hidden: p.hidden, Args: sayingWhich(args),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			if !p.signals {
				interrupted, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
				defer stop()
				ctx = interrupted
			}
			err := do(ctx, args)
			var failed failure
			switch {
			case err == nil || errors.As(err, &failed):
				return err
			case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
				return failure{exitInterrupted, nil}
			}
			return failure{exitFailed, err}
		},
	}
}

func long(p page) string {
	text := p.short + "."
	if p.long != "" {
		text = p.long
	}
	exits := p.exits
	if exits == "" {
		exits = usualExits
	}
	return text + "\n\nExit codes: " + exits + "."
}

// listen gives the signals that tell a command to end, until stop is called.
func listen(more ...os.Signal) (arrived <-chan os.Signal, stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, append(more, os.Interrupt, syscall.SIGTERM)...)
	return signals, func() { signal.Stop(signals) }
}

// listenLocal is listen for a command that leaves nothing behind when its terminal is closed, or when what it prints
// is not read to the end.
func listenLocal() (arrived <-chan os.Signal, stop func()) {
	var more []os.Signal
	if !signal.Ignored(syscall.SIGHUP) { // by nohup
		more = append(more, syscall.SIGHUP)
	}
	// Whoever listens to it is told by the write that fails, instead of being ended there.
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	arrived, deaf := listen(more...)
	return arrived, func() { deaf(); signal.Stop(pipes) }
}
