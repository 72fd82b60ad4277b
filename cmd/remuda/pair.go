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
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/machinerunner"
	"github.com/remuda-dev/remuda/internal/secretfile"
	"github.com/remuda-dev/remuda/runner"
)

// localName is the organization and namespace of a pair, localClass what its runner serves.
const (
	localName  = "local"
	localClass = "local/default"
)

// pair is a control plane and a runner in one process, which speak over HTTP as if they were apart.
type pair struct {
	plane  *plane
	user   *client.User
	runner *machinerunner.Runner

	stopPlane, stopRunner context.CancelCauseFunc
	planeGroup            errgroup.Group
	runnerEnded           chan error
}

// pairOptions say where a pair lives.
type pairOptions struct {
	planeDir, runnerDir string
	database            string // of the plane; empty for its folder
	slots               int
	program             machinerunner.Program
	environment         map[string]string
	tofu                machinerunner.Tofu
}

// startPair starts both on a listener of this machine. The caller stops it.
func startPair(ctx context.Context, o pairOptions, listener net.Listener, url string, log *slog.Logger) (_ *pair, err error) {
	x := &pair{runnerEnded: make(chan error, 1)}
	x.plane, err = openPlane(ctx, planeOptions{dir: o.planeDir, database: o.database, keep: usualKeep()}, log)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	serving, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	x.stopPlane = stop
	x.planeGroup.Go(func() error { return x.plane.run(serving, listener) })
	defer func() {
		if err != nil {
			err = errors.Join(err, x.endPlane())
		}
	}()

	c, err := client.New(url, client.Options{UserAgent: userAgent()})
	if err != nil {
		return nil, failure{exitUsage, err}
	}
	x.user = c.User(x.plane.adminToken)
	tokenFile := filepath.Join(o.planeDir, "class-token")
	if err := ensurePool(ctx, x.user, tokenFile); err != nil {
		return nil, fmt.Errorf("prepare the class %s: %w", localClass, err)
	}
	given := machinerunner.Settings{Runner: machinerunner.Machine{Dir: o.runnerDir, Slots: o.slots, Environment: o.environment, Tofu: o.tofu}}
	given.API.TokenFile = tokenFile
	if !o.program.DieWithParent {
		given.Runner.Confine = runner.DefaultQuarantineAfter
	}
	if x.runner, err = machinerunner.Hire(ctx, c, given, o.program, log); err != nil {
		return nil, ofRunner(err)
	}
	working, leave := context.WithCancelCause(context.WithoutCancel(ctx))
	x.stopRunner = leave
	go func() { x.runnerEnded <- x.runner.Run(working) }()
	return x, nil
}

// ensurePool makes organization, namespace, class and class token, unless they are there.
func ensurePool(ctx context.Context, u *client.User, tokenFile string) error {
	_, err := u.ResourceClass(ctx, localClass)
	if errors.Is(err, remuda.NotFound) {
		_, err = u.CreateOrganization(ctx, remuda.Organization{Name: localName})
		if err == nil || errors.Is(err, remuda.Conflict) {
			_, err = u.ClaimNamespace(ctx, localName, localName)
		}
		if err == nil || errors.Is(err, remuda.Conflict) {
			_, err = u.CreateResourceClass(ctx, remuda.ResourceClass{Name: localClass, Description: "the machine that runs this control plane"})
		}
	}
	if err != nil {
		return err
	}
	data, err := os.ReadFile(tokenFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if strings.TrimSpace(string(data)) != "" {
		return nil
	}
	token, err := u.CreateToken(ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "this machine", ResourceClass: localClass})
	if err != nil {
		return err
	}
	return secretfile.Write(tokenFile, []byte(token.Token+"\n"))
}

// stop ends both: the runner first, which cancels what it runs, unless it has ended already.
func (x *pair) stop() error {
	x.runner.Cancel()
	return errors.Join(<-x.runnerEnded, x.endPlane())
}

// leave ends both at once; the tasks are left alone.
func (x *pair) leave(why error) error {
	x.stopRunner(why)
	err := <-x.runnerEnded
	if errors.Is(err, why) {
		err = nil
	}
	return errors.Join(err, x.endPlane())
}

func (x *pair) endPlane() error {
	if x.user != nil {
		x.user.Client().CloseIdle() // a server that ends waits 5 s for connections that were made and never used
	}
	x.stopPlane(nil)
	return errors.Join(x.planeGroup.Wait(), x.plane.close())
}
