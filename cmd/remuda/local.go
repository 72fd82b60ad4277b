package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/journal"
)

// runLocal carries a job out on this machine.
func (p *program) runLocal(ctx context.Context, data string, s remuda.Submission) error {
	s.Organization, s.ResourceClass = localName, localClass
	return p.locally(ctx, data, max(1, s.Parallelism), func(x *pair, signals <-chan os.Signal) error {
		return p.carryOut(ctx, x, s, signals)
	})
}

// locally lets do have a control plane and a runner on this machine that last no longer than it. Their data folder is a
// temporary one where none is named.
func (p *program) locally(ctx context.Context, data string, slots int, do func(x *pair, signals <-chan os.Signal) error) (err error) {
	signals, stop := listenLocal()
	defer stop()
	planeDir, runnerDir, clean, err := localFolders(data)
	if err != nil {
		return failure{exitUsage, err}
	}
	defer func() { err = errors.Join(err, clean()) }()
	log, done, err := p.localLogger()
	if err != nil {
		return err
	}
	defer done()
	listener, url, err := listenSettings{Listen: "127.0.0.1:0"}.listen(ctx)
	if err != nil {
		return err
	}
	program := p.asRunner()
	program.DieWithParent = true
	x, err := startPair(ctx, pairOptions{
		planeDir: planeDir, runnerDir: runnerDir, slots: slots, program: program, environment: p.localEnvironment(), tofu: p.localTofu(),
	}, listener, url, log)
	if err != nil {
		return err
	}
	err = do(x, signals)
	if errors.Is(err, errForced) {
		return errors.Join(failure{exitInterrupted, nil}, x.leave(errForced))
	}
	return errors.Join(err, x.stop())
}

// localFolders are where plane and runner live: as 'remuda up' has them, or in a folder that clean removes.
func localFolders(data string) (plane, runner string, clean func() error, err error) {
	if data != "" {
		if data, err = filepath.Abs(data); err != nil {
			return "", "", nil, err
		}
		return data, filepath.Join(data, "runner"), func() error { return nil }, passable(data)
	}
	dir, err := os.MkdirTemp("", "remuda-")
	if err != nil {
		return "", "", nil, err
	}
	clean = func() error { return os.RemoveAll(dir) }
	// The user that runs root's tasks must pass through.
	if err := os.Chmod(dir, 0o711); err != nil {
		return "", "", nil, errors.Join(err, clean())
	}
	return filepath.Join(dir, "plane"), filepath.Join(dir, "runner"), clean, nil
}

func (p *program) carryOut(ctx context.Context, x *pair, s remuda.Submission, signals <-chan os.Signal) error {
	job, err := x.user.Submit(ctx, s, "")
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, p.faint(p.stdout, "● "+plain(job.Name)+"  on this machine"))
	return p.watchUntil(ctx, x.user, job.Tasks, signals)
}

// localLogger says only what went wrong, unless REMUDA_LOG_LEVEL asks for more.
func (p *program) localLogger() (*slog.Logger, func(), error) {
	l := journal.Settings{Level: "error", Format: "color"}
	if level, set := p.env("REMUDA_LOG_LEVEL"); set && level != "" {
		l.Level = level
	}
	return p.logger(l)
}

// localEnvironment lets steps find the programs that whoever typed the command finds.
func (p *program) localEnvironment() map[string]string {
	environment := map[string]string{}
	for _, name := range []string{"PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if value, set := p.env(name); set {
			environment[name] = value
		}
	}
	return environment
}
