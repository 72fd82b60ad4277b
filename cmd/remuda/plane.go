package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/internal/blocks"
	"github.com/remuda-dev/remuda/internal/bucket"
	"github.com/remuda-dev/remuda/internal/control"
	"github.com/remuda-dev/remuda/internal/seal/vault"
	"github.com/remuda-dev/remuda/internal/secretfile"
	"github.com/remuda-dev/remuda/internal/server"
	"github.com/remuda-dev/remuda/internal/server/meshstack"
	"github.com/remuda-dev/remuda/internal/server/ui"
	"github.com/remuda-dev/remuda/internal/store"
)

// plane is a whole control plane over one data folder: store, rules, HTTP.
type plane struct {
	store      *store.Store
	bucket     *bucket.Bucket
	rules      *control.Plane
	blocks     *blocks.Rules
	server     *server.Server
	adminToken string
	release    func() error // of the data folder
}

// planeOptions are what 'remuda server' lets its operator choose.
type planeOptions struct {
	dir           string
	database      string // the address of PostgreSQL; empty for the data folder
	bucket        string // the address of the bucket for output; empty for a folder in the data folder
	openMetrics   bool
	secureCookies bool
	keep          keepSettings
	limits        limits
}

// restTimers has a control plane's timers rest as those of its runners do. The monitor of Go's runtime began before any
// code of ours, so the process becomes itself once more, under the same id. Where that does not go, it stays as it was.
func (p *program) restTimers() {
	self, err := os.Executable()
	if err != nil || !p.whole {
		return
	}
	runtime.LockOSThread() // Whatever becomes another program inherits from the thread that does it.
	defer runtime.UnlockOSThread()
	if agent.RestTimers() {
		_ = syscall.Exec(self, os.Args, p.environ)
	}
}

// openPlane opens the data folder, and makes it what it must be when it is new. What is wrong with the folder is an
// error of whoever named it.
func openPlane(ctx context.Context, o planeOptions, log *slog.Logger) (*plane, error) {
	hold := holdFolder
	if o.database != "" {
		hold = shareFolder
	}
	release, err := hold(o.dir)
	if err != nil {
		return nil, failure{exitUsage, err}
	}
	p, err := openIn(ctx, o, log)
	if err != nil {
		return nil, failure{exitUsage, errors.Join(err, release())}
	}
	p.release = release
	return p, nil
}

// openIn opens a plane in a folder that is held.
func openIn(ctx context.Context, o planeOptions, log *slog.Logger) (*plane, error) {
	address := o.database
	if address == "" {
		if err := settled(o.dir); err != nil {
			return nil, err
		}
		address = o.dir
	} else if !strings.Contains(address, "://") {
		return nil, errors.New("--database: expected postgres://user@host/database, not a folder")
	}
	if o.bucket == "" {
		if o.database != "" {
			log.Warn("output goes into the data folder: other control planes on this database need the same one, or all a --bucket", "dir", o.dir)
		}
		var err error
		if o.bucket, err = bucket.FolderAddress(filepath.Join(o.dir, outputFolder)); err != nil {
			return nil, err
		}
	}
	objects, err := bucket.Open(ctx, o.bucket)
	if err != nil {
		return nil, err
	}
	kept, err := store.Open(ctx, address)
	if err != nil {
		return nil, errors.Join(err, objects.Close())
	}
	kept.KeepOutputIn(objects)
	p, err := assemble(ctx, o, kept, log)
	if err != nil {
		return nil, errors.Join(err, kept.Close(), objects.Close())
	}
	p.bucket = objects
	return p, nil
}

// settled refuses a folder whose installation is not whole, or not there any more: a new one would begin in its place.
func settled(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, store.Unfinished)); err == nil {
		return fmt.Errorf("a restore into %s was interrupted: repeat it", dir)
	}
	if _, err := os.Stat(filepath.Join(dir, "remuda.db")); err == nil {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "remuda.db"+moved)); err == nil {
		return fmt.Errorf("the installation in %s was moved to another database: say which by --database", dir)
	}
	return nil
}

// shareFolder makes the data folder. What is in it beside the databases any number of control planes may use.
func shareFolder(dir string) (release func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be made: %w", dir, err)
	}
	return func() error { return nil }, nil
}

// holdFolder makes the data folder, and refuses one that another control plane uses: wake-ups do not pass between
// processes over one SQLite.
func holdFolder(dir string) (release func() error, err error) {
	if _, err := shareFolder(dir); err != nil {
		return nil, err
	}
	lock, taken, err := lockFile(filepath.Join(dir, "lock"))
	if taken {
		return nil, fmt.Errorf("the data folder %s: another control plane uses it; stop that one, or choose another folder with --dir", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be used: %w", dir, err)
	}
	return lock.Close, nil
}

func assemble(ctx context.Context, o planeOptions, kept *store.Store, log *slog.Logger) (*plane, error) {
	if err := sameKey(ctx, o, kept); err != nil {
		return nil, err
	}
	keys, err := vault.Open(filepath.Join(o.dir, keyFile))
	if err != nil {
		return nil, err
	}
	rules := control.New(control.Options{Store: kept, Keys: keys, Log: log, OutputLimit: int64(o.keep.OutputLimit) << 20, Retention: o.keep.retention(), Version: version})
	token, err := ensureAdminToken(ctx, rules, filepath.Join(o.dir, adminTokenFile))
	if err != nil {
		return nil, err
	}
	building := blocks.New(blocks.Options{Plane: rules, Store: kept, Keys: keys, Log: log, Redact: meshstack.Redact})
	pages, err := ui.New(ui.Options{Plane: rules, Blocks: building, Log: log, Version: version, SecureCookies: o.secureCookies})
	if err != nil {
		return nil, err
	}
	served := server.New(server.Options{Plane: rules, Blocks: building, Log: log, Version: version, Home: pages, OpenMetrics: o.openMetrics, Limits: o.limits.server()})
	served.Mount(meshstack.New(meshstack.Options{Plane: rules, Blocks: building, Door: served, Log: log, Ignored: served.Ignored}), meshstack.Patterns()...)
	return &plane{store: kept, rules: rules, blocks: building, adminToken: token, server: served}, nil
}

// sameKey refuses to make a key where the installation has one that is elsewhere: in PostgreSQL the folder is another
// for each control plane.
func sameKey(ctx context.Context, o planeOptions, kept *store.Store) error {
	_, err := os.Stat(filepath.Join(o.dir, keyFile))
	if o.database == "" || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var tokens []control.TokenView
	err = kept.Read(ctx, func(v control.View) (err error) {
		tokens, err = v.Tokens(ctx, control.TokenQuery{Span: control.Span{Limit: 1}})
		return err
	})
	if err == nil && len(tokens) > 0 {
		err = fmt.Errorf("the database holds an installation whose key is not in %s: copy the files %s and %s from where it was begun", o.dir, keyFile, adminTokenFile)
	}
	return err
}

// ensureAdminToken makes the token in the file the administrator's; a new one when there is none. Whoever may read the
// data folder may do everything anyway.
func ensureAdminToken(ctx context.Context, rules *control.Plane, path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the admin token: %w", err)
	}
	token, err := rules.EnsureAdminToken(ctx, strings.TrimSpace(string(data)))
	if err != nil {
		return "", fmt.Errorf("the admin token in %s: %w", path, err)
	}
	if len(data) == 0 {
		if err := secretfile.Write(path, []byte(token+"\n")); err != nil {
			return "", fmt.Errorf("keep the admin token: %w", err)
		}
	}
	return token, nil
}

// run serves until ctx ends: then nothing new is accepted, held requests are answered, and what sweeps ends.
func (p *plane) run(ctx context.Context, listener net.Listener) error {
	// What a control plane holds is little, so its garbage would be collected after every few MB, for a seventh of its
	// processor time. Memory that is never touched is never there, but counts for when the next collection is due.
	ballast := make([]byte, ballastSize)
	defer runtime.KeepAlive(ballast)
	sweeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group errgroup.Group
	group.Go(func() error { return p.rules.Run(sweeping) })
	group.Go(func() error { return p.blocks.Run(sweeping) })
	err := p.server.Serve(ctx, listener)
	stop()
	return errors.Join(err, group.Wait())
}

// ballastSize is how much more garbage there may be than what is held.
const ballastSize = 32 << 20

// close ends the store, after the last request.
func (p *plane) close() error { return errors.Join(p.store.Close(), p.bucket.Close(), p.release()) }
