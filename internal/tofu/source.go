package tofu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/git"
)

// fetchSources puts the module in its place and reads what it says of itself.
func (r *run) fetchSources(ctx context.Context) error {
	if err := os.MkdirAll(r.root(), 0o700); err != nil {
		return fmt.Errorf("make the module's folder: %w", err)
	}
	var err error
	if r.order.tofu.Repository != "" {
		err = r.clone(ctx)
	} else {
		err = r.writeFiles()
	}
	if err != nil {
		return err
	}
	if err := r.checkFolder(); err != nil {
		return err
	}
	r.module, err = scan(r.folder(), r.order.program)
	return err
}

// writeFiles writes the module that came with the definition.
func (r *run) writeFiles() error {
	if err := r.letIn(git.Origin{}); err != nil {
		return err
	}
	for name, text := range r.order.tofu.Files {
		path := filepath.Join(r.root(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return refuse("the file %s cannot be written: a part of its path is another file", name)
		}
		if err := create(path, []byte(text)); err != nil {
			return refuse("the file %s cannot be written: another one stands in its place", name)
		}
	}
	r.tell("files of the definition: %d", len(r.order.tofu.Files))
	return nil
}

// checkFolder refuses a module that is not there, or to which a link leads out of the repository: what is written there
// would outlive the run.
func (r *run) checkFolder() error {
	where := r.order.tofu.Path
	folder, err := filepath.EvalSymlinks(r.folder())
	if err != nil {
		return refuse("the repository has no folder %q", where)
	}
	root, err := filepath.EvalSymlinks(r.root())
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	below, err := filepath.Rel(root, folder)
	if err != nil || !filepath.IsLocal(below) {
		return refuse("the folder %q leads out of the repository", where)
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return refuse("%q is no folder of the repository", where)
	}
	return nil
}

// clone checks the repository out.
func (r *run) clone(ctx context.Context) error {
	source := r.order.tofu
	origin, err := git.ParseOrigin(source.Repository)
	if err != nil {
		return refuse("the repository's address %s", err)
	}
	if err := git.CheckRef(source.Ref); err != nil {
		return refuse("the ref %s", err)
	}
	if err := r.letIn(origin); err != nil {
		return err
	}
	environment := r.environment()
	program, found := look("git", environment["PATH"])
	if !found {
		return refuse("there is no git on this machine: install it on the runner")
	}
	err = git.Checkout{
		Program:     program,
		Dir:         r.root(),
		Origin:      origin,
		Ref:         source.Ref,
		Depth:       depthFor(source.Ref),
		Access:      r.access,
		Environment: environment,
		Tmp:         r.task.Folder.Tmp(),
		Output:      r.now.Output(),
		Start:       r.startGit,
		Grace:       r.grace(),
	}.Run(ctx)
	return cloned(origin, err)
}

// depthFor is how much of the history is fetched: all where the ref may be a commit, of which a server gives no short
// name and not every one a whole one.
func depthFor(ref string) int {
	if len(ref) >= 7 && strings.Trim(ref, "0123456789abcdef") == "" {
		return 0
	}
	return 1
}

func (r *run) startGit(cmd *exec.Cmd) (git.Process, error) {
	process, err := r.task.Start(cmd)
	if err != nil {
		return nil, err
	}
	return process, nil
}

// cloned tells how a checkout failed.
func cloned(origin git.Origin, err error) error {
	var failed *git.Failure
	var refused git.Refusal
	switch {
	case errors.As(err, &failed):
		end := exitOf("git "+failed.Command, failed.State)
		return &failure{reason: remuda.ReasonStep, code: &end.code, detail: fmt.Sprintf("cannot check out %s: %s; its output says why", origin.Address, end)}
	case errors.As(err, &refused):
		return refuse("cannot check out: %s", refused)
	}
	return err
}

// letIn prepares what git is let in with, here and where tofu fetches modules.
func (r *run) letIn(origin git.Origin) error {
	keys, err := r.keys(origin)
	if err != nil {
		return err
	}
	if r.access, err = keys.Access(r.task.Folder.Tmp()); err != nil {
		return refuse("%s", err)
	}
	return nil
}

func (r *run) keys(origin git.Origin) (git.Keys, error) {
	var keys git.Keys
	if password, given := origin.Password(); given {
		if err := r.task.Mask(password); err != nil {
			return keys, fmt.Errorf("hide the address's password: %w", err)
		}
		keys.Credentials = append(keys.Credentials, git.Credential{Scheme: origin.Scheme, Host: origin.Host, Username: origin.User.Username(), Password: password})
	}
	for _, c := range r.order.tofu.Credentials {
		token, err := r.secret(c.Token)
		if err != nil {
			return keys, refuse("the token for %s: %s", c.Host, err)
		}
		scheme := "https"
		if origin.Scheme == "http" && origin.Host == c.Host {
			scheme = "http" // on the loopback alone: see git.Keys
		}
		keys.Credentials = append(keys.Credentials, git.Credential{Scheme: scheme, Host: c.Host, Username: c.Username, Password: strings.TrimSpace(token)})
	}
	if r.order.tofu.SSHKey != nil {
		var err error
		if keys.SSHKey, err = r.secret(r.order.tofu.SSHKey); err != nil {
			return keys, refuse("the SSH key: %s", err)
		}
	}
	if host := r.order.tofu.KnownHost; host != nil {
		line := hostName(host.Host) + " " + host.KeyType + " " + host.Key
		if strings.ContainsAny(line, "\r\n") {
			return keys, refuse("the known host is more than one line")
		}
		keys.KnownHosts = line
	}
	return keys, nil
}

// hostName is a host as known_hosts has it: one with a port in brackets. See sshd(8).
func hostName(host string) string {
	name, port, found := strings.Cut(host, ":")
	if !found || strings.HasPrefix(host, "[") || strings.Contains(port, ":") {
		return host
	}
	return "[" + name + "]:" + port
}

// secret is the value of a secret in the blueprint, whose hash is its name among the claim's.
func (r *run) secret(v *remuda.Value) (string, error) {
	if v == nil {
		return "", errors.New("there is none")
	}
	secret, found := r.task.Secrets[v.Hash]
	if !found {
		return "", errors.New("this run was not given it")
	}
	return secret, nil
}
