package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/journal"
	"github.com/remuda-dev/remuda/internal/store"
)

// serverSettings are what an operator of a control plane decides.
type serverSettings struct {
	listenSettings `yaml:",inline"`
	keepSettings   `yaml:",inline"`
	Dir            string           `yaml:"dir" flag:"dir" help:"data folder, made when it is not there; $XDG_DATA_HOME/remuda or ./remuda-data when left out"`
	Database       string           `yaml:"database" flag:"database" help:"postgres://… to keep everything but the key in PostgreSQL, where any number of control planes may use it; in the data folder when left out"`
	DatabaseWait   remuda.Duration  `yaml:"database_wait" flag:"database-wait" help:"how long to wait at the start for a database that does not answer yet; a wrong password is not waited for"`
	Bucket         string           `yaml:"bucket" flag:"bucket" help:"where output goes that is no longer written: file:///a/folder or s3://name?region=…; the folder output in the data folder when left out"`
	OpenMetrics    bool             `yaml:"open_metrics" flag:"open-metrics" help:"show /metrics to everybody; otherwise an admin token is asked for"`
	SecureCookies  bool             `yaml:"secure_cookies" flag:"secure-cookies" help:"browsers reach it over TLS, though a proxy takes that off"`
	Limits         limits           `yaml:"limits"`
	Logging        journal.Settings `yaml:"logging"`
}

func (p *program) serverCommand() *cobra.Command {
	given := serverSettings{keepSettings: usualKeep(), Limits: usualLimits(), Logging: journal.Usual(), listenSettings: listenSettings{Listen: "127.0.0.1:8080"}, DatabaseWait: remuda.Duration(time.Minute)}
	var s *settings
	c := command(page{
		use: "server", short: "Run a control plane",
		long: "Run a control plane on a data folder. The administrator's token lies in the folder, in admin-token, for its owner's eyes only.\n\n" +
			"TERM or ^C: nothing new is accepted, requests under way are answered, then it ends. Tasks run on with their runners.",
		example: "remuda server --dir /var/lib/remuda\nremuda server --database postgres://remuda@db.example.com/remuda --bucket 's3://remuda-output?region=eu-central-1'\nremuda server --listen :443 --tls-cert cert.pem --tls-key key.pem\nREMUDA_SERVER_LISTEN=127.0.0.1:9000 remuda server --config server.yml",
		exits:   "0 ended as it was told to, 1 it failed while it ran, 2 it could not start: wrong settings, folder or port",
	}, cobra.NoArgs, func(ctx context.Context, _ []string) (err error) {
		p.restTimers()
		if err := s.load(); err != nil {
			return err
		}
		if err := errors.Join(given.check(), given.Limits.check()); err != nil {
			return err
		}
		if given.Dir == "" {
			given.Dir = p.dataFolder()
		}
		log, done, err := p.logger(given.Logging)
		if err != nil {
			return err
		}
		defer done()
		return serve(ctx, given, log)
	})
	s = p.settings(c, &given, "REMUDA_SERVER_").configFile("REMUDA_SERVER_CONFIG")
	return c
}

func serve(ctx context.Context, given serverSettings, log *slog.Logger) (err error) {
	listener, url, err := given.listen(ctx)
	if err != nil {
		return err
	}
	if err := store.Await(ctx, given.Database, given.DatabaseWait.Std(), log); err != nil {
		return failure{exitUsage, errors.Join(err, listener.Close())}
	}
	plane, err := openPlane(ctx, given.plane(), log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, plane.close()) }()
	given.Limits.warn(log)
	log.Info("the control plane answers", "url", url, "dir", given.Dir, "version", version)
	err = plane.run(ctx, listener)
	log.Info("the control plane has ended")
	return err
}

func (s serverSettings) plane() planeOptions {
	return planeOptions{dir: s.Dir, database: s.Database, bucket: s.Bucket, openMetrics: s.OpenMetrics, secureCookies: s.SecureCookies, keep: s.keepSettings, limits: s.Limits}
}
