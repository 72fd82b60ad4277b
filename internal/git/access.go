package git

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Credential is a user and a password for repositories of one host.
type Credential struct {
	Scheme   string // https, or http on this machine's loopback
	Host     string // with its port, if it is not the usual one
	Username string // x-access-token when empty
	Password string
}

// Keys are what somebody was given to be let in. Nothing but Credentials means anything over HTTP, and nothing but
// the others over SSH.
type Keys struct {
	Credentials []Credential
	SSHKey      string // a private key; those of the machine when empty
	KnownHosts  string // lines of known_hosts; the machine's own when empty
}

// Access is what git needs to be let in: for the commands that it is given to and for no others. Nothing of it stays
// in a repository's configuration, and no secret is in arguments.
type Access struct {
	settings    map[string][]string // of git's configuration, by name
	environment map[string]string
	folder      string // of files; none when empty
}

// Access prepares what commands are let in with, files of which lie in a folder below tmp. The caller calls Remove.
func (k Keys) Access(tmp string) (*Access, error) {
	// Without the empty one, helpers that are configured elsewhere would be asked too, and told what to store.
	a := &Access{settings: map[string][]string{"credential.helper": {""}}, environment: map[string]string{}}
	for n, credential := range k.Credentials {
		if err := a.allow(n, credential); err != nil {
			return nil, err
		}
	}
	if err := a.allowSSH(k, tmp); err != nil {
		a.Remove()
		return nil, fmt.Errorf("prepare ssh: %w", err)
	}
	return a, nil
}

// Remove takes the files away again.
func (a *Access) Remove() {
	if a.folder != "" {
		_ = os.RemoveAll(a.folder)
	}
}

// credentialHelper is a command that git asks for a user and a password. Both come in its environment; git tells it to
// get, store or erase.
const credentialHelper = `!f() { test "$1" = get || return 0; printf 'username=%%s\npassword=%%s\n' "$REMUDA_GIT_USERNAME%[1]s" "$REMUDA_GIT_PASSWORD%[1]s"; }; f`

// allow gives git a user and a password for this one host, should it ask.
func (a *Access) allow(n int, c Credential) error {
	if c.Scheme == "http" && !isLoopback(c.Host) {
		return errors.New("a token does not travel over http, where everybody on the way can read it: use https")
	}
	suffix := ""
	if n > 0 {
		suffix = "_" + strconv.Itoa(n)
	}
	name := "credential." + c.Scheme + "://" + c.Host + ".helper"
	a.settings[name] = []string{fmt.Sprintf(credentialHelper, suffix)}
	username := c.Username
	if username == "" {
		username = "x-access-token"
	}
	a.environment["REMUDA_GIT_USERNAME"+suffix] = username
	a.environment["REMUDA_GIT_PASSWORD"+suffix] = c.Password
	return nil
}

// allowSSH gives ssh a key and the hosts that it may speak to.
func (a *Access) allowSSH(k Keys, tmp string) error {
	command := "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes"
	defer func() { a.environment["GIT_SSH_COMMAND"] = command }()
	if k.SSHKey == "" && k.KnownHosts == "" {
		return nil
	}
	var err error
	if a.folder, err = os.MkdirTemp(tmp, "ssh-"); err != nil { // made for its owner alone
		return err
	}
	if k.SSHKey != "" {
		file := filepath.Join(a.folder, "key")
		// ssh refuses a key without its last line's end, which is lost where secrets are pasted.
		if err := os.WriteFile(file, []byte(strings.TrimSpace(k.SSHKey)+"\n"), 0o600); err != nil {
			return err
		}
		command += " -o IdentitiesOnly=yes -i " + quote(file)
	}
	if k.KnownHosts != "" {
		file := filepath.Join(a.folder, "known_hosts")
		if err := os.WriteFile(file, []byte(strings.TrimSpace(k.KnownHosts)+"\n"), 0o600); err != nil {
			return err
		}
		command += " -o GlobalKnownHostsFile=" + os.DevNull + " -o UserKnownHostsFile=" + quote(`"`+file+`"`)
	}
	return nil
}

// arguments are the settings as a command of git takes them.
func (a *Access) arguments() []string {
	var all []string
	a.each(func(name, value string) { all = append(all, "-c", name+"="+value) })
	return all
}

// Environment lets in a git that somebody else starts, such as tofu for the modules that it fetches: the settings are
// in it, too. See git-config(1).
func (a *Access) Environment() map[string]string {
	all := maps.Clone(a.environment)
	count := 0
	a.each(func(name, value string) {
		all["GIT_CONFIG_KEY_"+strconv.Itoa(count)] = name
		all["GIT_CONFIG_VALUE_"+strconv.Itoa(count)] = value
		count++
	})
	all["GIT_CONFIG_COUNT"] = strconv.Itoa(count)
	maps.Copy(all, quiet())
	all["GIT_ALLOW_PROTOCOL"] = "https:http:ssh"
	return all
}

func (a *Access) each(visit func(name, value string)) {
	for _, name := range slices.Sorted(maps.Keys(a.settings)) {
		for _, value := range a.settings[name] {
			visit(name, value)
		}
	}
}

// quote makes one word of text for the shell that git starts ssh with.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
