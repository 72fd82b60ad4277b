package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda/internal/journal"
	"github.com/remuda-dev/remuda/internal/machinerunner"
)

// upSettings are what 'remuda up' lets one choose.
type upSettings struct {
	Listen   string           `yaml:"listen" flag:"listen" help:"address to listen on; port 0 takes a free one"`
	Insecure bool             `yaml:"insecure" flag:"insecure" help:"allow an address that other machines reach, without TLS"`
	Dir      string           `yaml:"dir" flag:"dir" help:"data folder, made when it is not there; $XDG_DATA_HOME/remuda or ./remuda-data when left out"`
	Database string           `yaml:"database" flag:"database" help:"postgres://… to keep everything but the key in PostgreSQL; in the data folder when left out"`
	RunDir   string           `yaml:"runner_dir" flag:"runner-dir" help:"the runner's folder; runner in the data folder when left out"`
	Slots    int              `yaml:"slots" flag:"slots" help:"how many tasks run at once"`
	Logging  journal.Settings `yaml:"logging"`
}

func (p *program) upCommand() *cobra.Command {
	given := upSettings{Listen: "127.0.0.1:8080", Slots: 2, Logging: journal.Usual()}
	var s *settings
	c := command(page{
		use: "up", short: "Run a control plane and a runner together, on a data folder that lasts",
		long: "Run a control plane and a runner together, on a data folder that lasts: all that one machine needs. " +
			"It makes the organization local and the class local/default, and tells the next commands to type.\n\n" +
			"The first ^C drains: what runs may end. The second cancels what runs, the third leaves at once.",
		example: "remuda up\nremuda up --dir /var/lib/remuda --slots 4 --listen 127.0.0.1:9000",
		exits:   "0 ended as it was told to, 1 it failed while it ran, 2 it could not start: wrong settings, folder or port",
		signals: true,
	}, cobra.NoArgs, func(ctx context.Context, _ []string) error {
		p.restTimers()
		if err := s.load(); err != nil {
			return err
		}
		log, done, err := p.logger(given.Logging)
		if err != nil {
			return err
		}
		defer done()
		return p.up(ctx, given, log)
	})
	s = p.settings(c, &given, "REMUDA_UP_").configFile("REMUDA_UP_CONFIG")
	return c
}

func (p *program) up(ctx context.Context, given upSettings, log *slog.Logger) error {
	signals, stop := listen()
	defer stop()
	if given.Dir == "" {
		given.Dir = p.dataFolder()
	}
	dir, err := filepath.Abs(given.Dir)
	if err != nil {
		return err
	}
	if given.RunDir == "" {
		given.RunDir = filepath.Join(dir, "runner")
	}
	if err := passable(dir); err != nil {
		return failure{exitUsage, err}
	}
	listener, url, err := listenSettings{Listen: given.Listen, Insecure: given.Insecure}.listen(ctx)
	if err != nil {
		return err
	}
	x, err := startPair(ctx, pairOptions{
		planeDir: dir, database: given.Database, runnerDir: given.RunDir, slots: given.Slots, environment: p.localEnvironment(), tofu: p.localTofu(), program: p.asRunner(),
	}, listener, url, log)
	if err != nil {
		return err
	}
	p.welcome(dir, url, x.plane.adminToken)
	for count := 0; ; {
		select {
		case <-signals:
			count++
			if count == 1 {
				fmt.Fprintln(p.stderr, "\nremuda: draining; interrupt again to cancel what runs")
			}
			x.runner.End(count, x.stopRunner)
		case err := <-x.runnerEnded:
			if errors.Is(err, machinerunner.ErrForced) {
				err = nil
			}
			return errors.Join(err, x.endPlane())
		}
	}
}

// passable makes the data folder one through which the user that runs root's tasks gets to the runner's folder in it.
// Everything else in it stays its owner's alone.
func passable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chmod(dir, 0o711)
}

// welcome tells what there is now and what to type next.
func (p *program) welcome(dir, url, token string) {
	tokenFile := filepath.Join(dir, "admin-token")
	keeps := ""
	environment := fmt.Sprintf("  export REMUDA_URL=%s REMUDA_TOKEN_FILE=%s\n", url, tokenFile)
	class := "--resource-class " + localClass + " "
	kept, err := p.readContext()
	if err == nil && (kept.URL == "" || kept.WrittenBy == dir) {
		if path, err := p.writeContext(contextFile{URL: url, Token: token, ResourceClass: localClass, WrittenBy: dir}); err == nil {
			environment, class, keeps = "", "", "\n  kept in      "+path+", with the token, for remuda's commands"
		}
	}
	fmt.Fprintf(p.stdout, `Remuda is up.

  page         %s/
  API          %s/api/v1/docs
  admin token  %s%s

Next, in another terminal:

%s  remuda run %s-- echo hello
  remuda task list
  remuda runner list

`, url, url, tokenFile, keeps, environment, class)
}
