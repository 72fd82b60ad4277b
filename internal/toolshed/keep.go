package toolshed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/remuda-dev/remuda"
)

const (
	// newsEvery is for how long the newest version that fits is taken to be the newest. A task that comes meanwhile and
	// finds a newer one downloads that itself.
	newsEvery = time.Minute
	// keptAtOnce is how many providers of one task are got beside each other.
	keptAtOnce = 4
	// downloadTries is how often a provider is downloaded that does not arrive as it was signed.
	downloadTries = 3
	// turns is how many providers may be got beside each other at most: each has one of so many lock files.
	turns = 64
)

// asked is a need of a program: which versions a program can use differs.
type asked struct {
	program string
	need    Need
}

// look is how the last look for a need ended.
type look struct {
	began, ended time.Time
	err          error
}

// keepAll keeps what a task's module needs: for it, and for those that come after it.
func (s *Shed) keepAll(ctx context.Context, p Program, needs []Need) error {
	program, found := s.find(p)
	if !found {
		return remuda.Fail(remuda.NotFound, "this machine does not have "+p.String())
	}
	var group errgroup.Group // one that cannot be had does not keep the others from coming
	group.SetLimit(keptAtOnce)
	for _, need := range needs {
		group.Go(func() error { return s.KeepProvider(ctx, program, need) })
	}
	return group.Wait()
}

// KeepProvider gets the newest version of a provider that fits, unless it is here: once for all who need it meanwhile,
// also in other runners of this machine. The program, which is known to be good, downloads it and checks its signature:
// from where it would get it for a task, and without anything of the task's.
func (s *Shed) KeepProvider(ctx context.Context, program string, n Need) error {
	if err := n.check(); err != nil {
		return err
	}
	if !n.isPublic() && s.config.Providers == (Installation{}) {
		return nil
	}
	came := time.Now()
	if known, err := s.known(program, n, came); known {
		return err
	}
	if err := makeAll(s.shared()); err != nil {
		return err
	}
	turn := fmt.Sprintf("providers-%02d", sha256.Sum256([]byte(n.Source))[0]%turns)
	end, err := Turn(ctx, s.config.Dir, turn)
	if err != nil {
		return err
	}
	defer end()
	if known, err := s.known(program, n, came); known {
		return err
	}
	began := time.Now()
	if err := s.keep(ctx, program, n, turn); err != nil {
		err = fmt.Errorf("keep provider %s %s: %w", n.Source, n.Versions, err)
		if ctx.Err() == nil { // whoever waits may be luckier than one that was cancelled
			s.note(program, n, look{began, time.Now(), err})
		}
		return err
	}
	s.note(program, n, look{began, time.Now(), nil})
	return nil
}

// known is whether nothing has to be looked for: the very version is here; or somebody has just looked, or did while the
// caller waited, whose luck is shared.
func (s *Shed) known(program string, n Need, came time.Time) (bool, error) {
	if p, found := n.exact(); found {
		if _, err := os.Stat(s.placeOf(p)); err == nil || s.config.Providers.hasUnpacked(p) {
			return true, nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last, found := s.looks[asked{program, n}]
	switch {
	case !found:
		return false, nil
	case last.ended.After(came):
		return true, last.err
	}
	return last.err == nil && time.Since(last.began) < newsEvery, nil
}

// note notes how a look ended, and forgets old ones: tasks ask for what they like.
func (s *Shed) note(program string, n Need, l look) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a, old := range s.looks {
		if time.Since(old.ended) > newsEvery {
			delete(s.looks, a)
		}
	}
	s.looks[asked{program, n}] = l
}

// keep looks for a provider, and keeps it if it was not here. The turn is ours: what lies about under its name was left
// by one that died.
func (s *Shed) keep(ctx context.Context, program string, n Need, turn string) error {
	left, err := filepath.Glob(filepath.Join(s.config.Dir, ".new-"+turn+"-*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			s.log.Warn("what a dead runner left cannot be removed", "dir", dir, "error", err)
		}
	}
	for try := 1; ; try++ {
		err := s.keepOnce(ctx, program, n, turn)
		var broken *brokenDownload
		if err == nil || try == downloadTries || ctx.Err() != nil || !errors.As(err, &broken) {
			return err
		}
		s.log.Warn("a provider is downloaded again", "source", n.Source, "error", err)
	}
}

func (s *Shed) keepOnce(ctx context.Context, program string, n Need, turn string) error {
	scratch, err := os.MkdirTemp(s.config.Dir, ".new-"+turn+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	if err := s.initialise(ctx, program, scratch, n); err != nil {
		return err
	}
	p, hash, err := chosen(scratch, n.Source)
	if err != nil {
		return err
	}
	unpacked := filepath.Join(scratch, ".terraform", "providers", filepath.FromSlash(p.Source), p.Version, Platform())
	info, err := os.Lstat(unpacked)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return nil // It is a link: into what is kept here, or into the operator's folder.
	}
	if err := s.shelve(unpacked, hash, p); err != nil {
		return err
	}
	s.log.Info("kept a provider", "source", p.Source, "version", p.Version)
	return nil
}

// brokenDownload is one that did not arrive as it was signed.
type brokenDownload struct{ said string }

func (e *brokenDownload) Error() string { return e.said }

// initialise lets the program initialise a module in scratch that needs nothing but the provider. That runs nothing of
// it.
func (s *Shed) initialise(ctx context.Context, program, scratch string, n Need) error {
	versions := ""
	if n.Versions != "" {
		versions = "\n      version = " + quote(n.Versions)
	}
	module := fmt.Sprintf("terraform {\n  required_providers {\n    it = {\n      source  = %s%s\n    }\n  }\n}\n", quote(n.Source), versions)
	settings := filepath.Join(scratch, "tofurc")
	err := errors.Join(
		os.WriteFile(filepath.Join(scratch, "main.tf"), []byte(module), 0o600),
		os.WriteFile(settings, s.installation().Settings(nil), 0o600),
	)
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, program, "init", "-input=false", "-backend=false", "-no-color")
	command.Dir = scratch
	// Of the runner's own environment it needs what leads to the registries, and no more.
	passed := []string{"PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"}
	ours := slices.DeleteFunc(command.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !slices.Contains(passed, name)
	})
	command.Env = append(ours, "HOME="+scratch, "TMPDIR="+scratch, "TF_CLI_CONFIG_FILE="+settings, "CHECKPOINT_DISABLE=1", "TF_INPUT=0")
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		text := fmt.Sprintf("%v: %s", err, lastLine(said.String()))
		if strings.Contains(said.String(), "Failed to install provider") { // said of what was found, and did not arrive
			return &brokenDownload{text}
		}
		return errors.New(text)
	}
	return nil
}

// chosen is what init chose in a module that needs but one provider, with the hash of what it unpacked.
func chosen(dir, source string) (p Provider, hash string, err error) {
	locks, err := os.ReadFile(filepath.Join(dir, ".terraform.lock.hcl"))
	if err != nil {
		return p, "", err
	}
	version := regexp.MustCompile(`(?m)^\s*version\s*=\s*"([^"]+)"`).FindSubmatch(locks)
	if version == nil {
		return p, "", errors.New("init chose no version")
	}
	return Provider{source, string(version[1])}, string(regexp.MustCompile(`h1:[A-Za-z0-9+/=]+`).Find(locks)), nil
}

// shelve puts an unpacked provider into its place, whole or not at all.
func (s *Shed) shelve(unpacked, hash string, p Provider) error {
	place, known := s.placeOf(p), hashPath(s.shared(), p)
	for _, dir := range []string{filepath.Dir(place), filepath.Dir(known)} {
		if err := makeAll(dir); err != nil {
			return err
		}
	}
	err := filepath.WalkDir(unpacked, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() && !entry.Type().IsRegular() {
			return err
		}
		return os.Chmod(path, 0o755) //nolint:gosec // providers are no secrets
	})
	err = errors.Join(err, os.WriteFile(known, []byte(hash+"\n"), 0o644), os.Chmod(known, 0o644), os.Chmod(unpacked, 0o755)) //nolint:gosec // hashes are no secrets
	if err != nil {
		return err
	}
	return os.Rename(unpacked, place)
}
