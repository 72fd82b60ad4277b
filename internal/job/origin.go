package job

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/remuda-dev/remuda"
)

// origin is where a source comes from.
type origin struct {
	address   string // for git, without a password
	shown     string // for people
	protocols string // which git may use: this one, and no other that a repository names
	scheme    string // http, https, ssh or file
	host      string // with its port, of http and https
	user      *url.Userinfo
}

// isShortSSH is whether address has the short form user@host:path. ssh would take a user or host that begins with a
// dash for an option.
func isShortSSH(address string) bool {
	user, rest, found := strings.Cut(address, "@")
	host, path, colon := strings.Cut(rest, ":")
	return found && colon && isHostName(user) && isHostName(host) && path != "" && path[0] != ':'
}

func isHostName(text string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return text != "" && text[0] != '-' && strings.Trim(text, letters) == ""
}

// parseOrigin reads a clone address. Other roads than HTTP, SSH and a folder of this machine are refused: git has some
// that run commands (ext::) or read what they should not.
func parseOrigin(repository string) (origin, error) {
	wrong := func(why string) (origin, error) {
		return origin{}, fmt.Errorf("source.repository %s: use https://host/path, ssh://user@host/path, user@host:path or an absolute path", why)
	}
	switch {
	case repository == "":
		return wrong("is empty, so there is nothing to check out")
	case strings.ContainsFunc(repository, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return wrong("holds a control character")
	case filepath.IsAbs(repository):
		return origin{address: repository, shown: repository, protocols: "file", scheme: "file"}, nil
	case isShortSSH(repository):
		return origin{address: repository, shown: repository, protocols: "ssh", scheme: "ssh"}, nil
	}
	u, err := url.Parse(repository)
	if err != nil {
		return wrong("cannot be read") // the error would quote it, password included
	}
	o := origin{scheme: u.Scheme, protocols: u.Scheme, host: u.Host, user: u.User}
	switch {
	case u.Scheme == "https" || u.Scheme == "http":
		o.protocols = "http:https" // a host may send its guests on to https
		u.User = nil
	case u.Scheme == "ssh" && u.User != nil:
		u.User = url.User(u.User.Username())
	case u.Scheme == "ssh":
	case u.Scheme == "file" && u.Host == "" && filepath.IsAbs(u.Path):
		o.protocols = "file"
	default:
		return wrong("is of a kind that is not allowed")
	}
	if u.Scheme != "file" && (u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-")) {
		return wrong("names no host")
	}
	o.address = u.String()
	o.shown = o.address
	return o, nil
}

// access is what git needs to be let in. It is for one checkout: nothing of it stays in the repository's configuration
// or in the environment of later steps, and no secret is in arguments.
type access struct {
	settings    []string
	environment variables
	folder      string // of files; none when empty
}

func (a *access) remove() {
	if a.folder != "" {
		_ = os.RemoveAll(a.folder)
	}
}

// access prepares what a checkout is let in with.
func (r *run) access(o origin, c remuda.Checkout) (*access, error) {
	a := &access{environment: variables{}}
	switch o.scheme {
	case "https", "http":
		return a, r.allowHTTP(a, o, c)
	case "ssh":
		if err := r.allowSSH(a, c); err != nil {
			a.remove()
			return nil, err
		}
	case "file":
		// The task's user has no repository of its own on this machine, and git reads no other's unasked. This speaks of
		// the one process that reads the origin; what it may read is what its permissions let everybody read.
		a.settings = []string{"-c", "remote.origin.uploadpack=git -c 'safe.directory=*' upload-pack"}
	}
	return a, nil
}

// credentialHelper is a command that git asks for a user and a password. Both come in its environment; git tells it to
// get, store or erase.
const credentialHelper = `!f() { test "$1" = get || return 0; printf 'username=%s\npassword=%s\n' "$REMUDA_GIT_USERNAME" "$REMUDA_GIT_PASSWORD"; }; f`

// allowHTTP gives git a user and a password for this one host, should it ask.
func (r *run) allowHTTP(a *access, o origin, c remuda.Checkout) error {
	// Without the empty one, helpers that are configured elsewhere would be asked too, and told what to store.
	a.settings = []string{"-c", "credential.helper="}
	user, password := c.Username, ""
	if o.user != nil {
		user = firstOf(user, o.user.Username())
		password, _ = o.user.Password()
	}
	if c.Token != "" {
		token, err := r.secret(c.Token)
		if err != nil {
			return err
		}
		password = strings.TrimSpace(token)
	}
	if password == "" {
		return nil
	}
	if o.scheme == "http" && !isLoopback(o.host) {
		return errors.New("a token does not travel over http, where everybody on the way can read it: use https")
	}
	if err := r.task.Mask(password); err != nil {
		return err
	}
	a.settings = append(a.settings, "-c", "credential."+o.scheme+"://"+o.host+".helper="+credentialHelper)
	a.environment.set(variables{
		"REMUDA_GIT_USERNAME": firstOf(user, "x-access-token"),
		"REMUDA_GIT_PASSWORD": password,
	})
	return nil
}

// allowSSH gives ssh a key and the hosts that it may speak to.
func (r *run) allowSSH(a *access, c remuda.Checkout) error {
	command := "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes"
	if c.SSHKey == "" && c.KnownHosts == "" {
		a.environment["GIT_SSH_COMMAND"] = command
		return nil
	}
	folder, err := os.MkdirTemp(r.task.Folder.Tmp(), "ssh-") // made for its owner alone
	if err != nil {
		return fmt.Errorf("prepare ssh: %w", rootOf(err))
	}
	a.folder = folder
	if c.SSHKey != "" {
		key, err := r.secret(c.SSHKey)
		if err != nil {
			return err
		}
		file := filepath.Join(folder, "key")
		// ssh refuses a key without its last line's end, which is lost where secrets are pasted.
		if err := os.WriteFile(file, []byte(strings.TrimSpace(key)+"\n"), 0o600); err != nil {
			return fmt.Errorf("prepare ssh: %w", rootOf(err))
		}
		command += " -o IdentitiesOnly=yes -i " + quote(file)
	}
	if c.KnownHosts != "" {
		file := filepath.Join(folder, "known_hosts")
		if err := os.WriteFile(file, []byte(strings.TrimSpace(c.KnownHosts)+"\n"), 0o600); err != nil {
			return fmt.Errorf("prepare ssh: %w", rootOf(err))
		}
		command += " -o GlobalKnownHostsFile=" + os.DevNull + " -o UserKnownHostsFile=" + quote(`"`+file+`"`)
	}
	a.environment["GIT_SSH_COMMAND"] = command
	return nil
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

// quote makes one word of text for the shell that git starts ssh with.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func isLoopback(host string) bool {
	u := url.URL{Host: host}
	address, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && address.IsLoopback()
}
