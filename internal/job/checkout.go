package job

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/internal/git"
)

// checkout puts the task's source into a folder: cloned when it is empty, brought up to date and cleaned of all else
// when it holds a work tree from before.
//
// Git's environment is that of a step without the secrets; of the user's configuration it reads what earlier steps of
// the task wrote to their HOME.
func (r *run) checkout(ctx context.Context, said *agent.Step, c remuda.Checkout) outcome {
	source := r.task.Claim.Task.Source
	origin, err := parseSource(source)
	if err != nil {
		tell(said, "%s", err)
		return failed(remuda.ReasonConfig, "cannot be carried out: %s", err)
	}
	access, err := r.access(origin, c)
	if err != nil {
		tell(said, "%s", err)
		return failed(remuda.ReasonConfig, "cannot be carried out: %s", err)
	}
	defer access.Remove()
	environment := r.unprivileged()
	program, found := find("git", environment["PATH"], "")
	if !found {
		const none = "there is no git on this machine: install it on the runner"
		tell(said, none)
		return failed(remuda.ReasonStep, "cannot check out: %s", none)
	}
	err = git.Checkout{
		Program:     program,
		Dir:         r.resolve(r.directory, c.Path),
		Origin:      origin,
		Ref:         source.Ref,
		Depth:       c.Depth,
		Access:      access,
		Environment: environment,
		Tmp:         r.task.Folder.Tmp(),
		Output:      said.Output(),
		Start:       r.startGit,
		Grace:       r.task.Claim.CancelGrace.Std(),
	}.Run(ctx)
	return checkedOut(ctx, said, origin, err)
}

func (r *run) startGit(cmd *exec.Cmd) (git.Process, error) {
	process, err := r.task.Start(cmd)
	if err != nil {
		return nil, err
	}
	return process, nil
}

func parseSource(source remuda.Source) (git.Origin, error) {
	origin, err := git.ParseOrigin(source.Repository)
	if err != nil {
		return origin, fmt.Errorf("source.repository %w", err)
	}
	if err := git.CheckRef(source.Ref); err != nil {
		return origin, fmt.Errorf("source.ref %w", err)
	}
	return origin, nil
}

// unprivileged is the environment of a step of the job without the secrets.
func (r *run) unprivileged() variables {
	all := variables{}
	all.set(r.base)
	all.set(r.job.Environment)
	r.mu.Lock()
	defer r.mu.Unlock()
	all.set(r.additions)
	return all
}

// checkedOut tells how a checkout ended.
func checkedOut(ctx context.Context, said *agent.Step, origin git.Origin, err error) outcome {
	var failure *git.Failure
	var refused git.Refusal
	switch {
	case err == nil:
		return outcome{state: remuda.StepSucceeded}
	case ctx.Err() != nil:
		return outcome{state: remuda.StepCanceled}
	case errors.As(err, &failure):
		code, signal := exitOf(failure.State)
		end := failed(remuda.ReasonStep, "cannot check out %s: git %s %s; its output says why", origin.Address, failure.Command, describe(code, signal))
		end.exitCode = &code
		return end
	case errors.As(err, &refused):
		tell(said, "%s", refused)
		return failed(remuda.ReasonStep, "cannot check out: %s", refused)
	default:
		return outcome{fault: fmt.Errorf("check out: %w", err)}
	}
}

// access prepares what a checkout is let in with.
func (r *run) access(o git.Origin, c remuda.Checkout) (*git.Access, error) {
	var keys git.Keys
	var err error
	switch o.Scheme {
	case "https", "http":
		keys.Credentials, err = r.credentials(o, c)
	case "ssh":
		keys.KnownHosts = c.KnownHosts
		if c.SSHKey != "" {
			keys.SSHKey, err = r.secret(c.SSHKey)
		}
	}
	if err != nil {
		return nil, err
	}
	return keys.Access(r.task.Folder.Tmp())
}

// credentials are a user and a password for the origin's host alone, should it ask.
func (r *run) credentials(o git.Origin, c remuda.Checkout) ([]git.Credential, error) {
	user := c.Username
	if o.User != nil {
		user = firstOf(user, o.User.Username())
	}
	password, _ := o.Password()
	if c.Token != "" {
		token, err := r.secret(c.Token)
		if err != nil {
			return nil, err
		}
		password = strings.TrimSpace(token)
	}
	if password == "" {
		return nil, nil
	}
	if err := r.task.Mask(password); err != nil {
		return nil, err
	}
	return []git.Credential{{Scheme: o.Scheme, Host: o.Host, Username: user, Password: password}}, nil
}

func (r *run) secret(name string) (string, error) {
	value, ok := r.task.Secrets[name]
	if !ok && r.task.Claim.Task.Source.Fork {
		return "", fmt.Errorf("it needs the secret %s, and a task of a fork gets none", name)
	}
	if !ok {
		return "", fmt.Errorf("it needs the secret %s, which this task was not given", name)
	}
	return value, nil
}
