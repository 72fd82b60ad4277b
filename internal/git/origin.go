package git

import (
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
)

// Origin is where a repository is cloned from.
type Origin struct {
	Address string        // for git, without a password; fit to be shown
	Scheme  string        // http, https, ssh or file
	Host    string        // with its port, of http and https
	User    *url.Userinfo // that the address named

	protocols string // which git may use: this one, and no other that a repository names
}

// Password is what the address named beside a user, over HTTP.
func (o Origin) Password() (password string, given bool) {
	if o.User == nil || o.Scheme != "http" && o.Scheme != "https" {
		return "", false
	}
	return o.User.Password()
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

// ParseOrigin reads a clone address. An error completes a sentence whose subject is the address. Other roads than HTTP, SSH and a folder of this machine are refused: git has some
// that run commands (ext::) or read what they should not.
func ParseOrigin(repository string) (Origin, error) {
	wrong := func(why string) (Origin, error) {
		return Origin{}, fmt.Errorf("%s: use https://host/path, ssh://user@host/path, user@host:path or an absolute path", why)
	}
	switch {
	case repository == "":
		return wrong("is empty, so there is nothing to check out")
	case strings.ContainsFunc(repository, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return wrong("holds a control character")
	case filepath.IsAbs(repository):
		return Origin{Address: repository, Scheme: "file", protocols: "file"}, nil
	case isShortSSH(repository):
		return Origin{Address: repository, Scheme: "ssh", protocols: "ssh"}, nil
	}
	u, err := url.Parse(repository)
	if err != nil {
		return wrong("cannot be read") // the error would quote it, password included
	}
	o := Origin{Scheme: u.Scheme, Host: u.Host, User: u.User, protocols: u.Scheme}
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
	o.Address = u.String()
	return o, nil
}

// CheckRef refuses what git would take for an option or for more than one ref. Its rules are those of
// git-check-ref-format(1).
func CheckRef(ref string) error {
	bad := strings.HasPrefix(ref, "-") || strings.HasPrefix(ref, "/") || strings.HasSuffix(ref, "/") ||
		strings.HasSuffix(ref, ".") || strings.HasSuffix(ref, ".lock") || strings.Contains(ref, "..") ||
		strings.Contains(ref, "@{") || strings.Contains(ref, "//") || strings.ContainsAny(ref, " ~^:?*[\\+\x7f")
	for _, c := range ref {
		bad = bad || c < ' '
	}
	if bad {
		return fmt.Errorf("%q is no name of a branch, tag or commit", ref)
	}
	return nil
}

func isLoopback(host string) bool {
	u := url.URL{Host: host}
	address, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && address.IsLoopback()
}
