package machinerunner

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/meshstackplane"
	"github.com/remuda-dev/remuda/internal/seal"
	"github.com/remuda-dev/remuda/internal/secretfile"
	"github.com/remuda-dev/remuda/runner"
)

// MeshStack is a meshStack whose runs the runner carries out, in place of a control plane's tasks.
type MeshStack struct {
	URL        string          `yaml:"url" flag:"meshstack" help:"address of a meshStack: carry out runs of one of its building block runners, in place of a control plane's tasks"`
	Runner     string          `yaml:"runner" flag:"meshstack-runner" help:"UUID of the building block runner there"`
	ClientID   string          `yaml:"client_id" flag:"meshstack-client-id" help:"client id of the API key by which it signs in there"`
	SecretFile string          `yaml:"client_secret_file" flag:"meshstack-client-secret-file" help:"file that holds that key's client secret"`
	KeyFile    string          `yaml:"private_key_file" flag:"meshstack-private-key-file" help:"file with the RSA private key, PEM, whose public half the building block runner has: opens the secrets of its runs"`
	Poll       remuda.Duration `yaml:"poll" flag:"meshstack-poll" help:"how often to ask for a run while a slot is free"`
}

// shortestPoll is the most often that a meshStack may be asked.
const shortestPoll = remuda.Duration(1e9)

func (m MeshStack) check() error {
	for flag, value := range map[string]string{
		"--meshstack-runner": m.Runner, "--meshstack-client-id": m.ClientID, "--meshstack-client-secret-file": m.SecretFile,
	} {
		if value == "" {
			return wrong("to work for a meshStack, a runner needs %s", flag)
		}
	}
	if len(m.Runner) != len("00000000-0000-0000-0000-000000000000") || strings.Trim(m.Runner, "0123456789abcdefABCDEF-") != "" {
		return wrong("--meshstack-runner is the UUID of a building block runner, not %q", m.Runner)
	}
	if m.Poll != 0 && m.Poll < shortestPoll {
		return wrong("--meshstack-poll is %s or longer", shortestPoll)
	}
	return nil
}

// post is who a runner is at a meshStack: it lies in the runner's folder.
type post struct {
	Node string `json:"node"` // tells this machine of the pool from others
	Key  []byte `json:"key"`  // the runner's own: what it keeps of its claims is sealed to it
}

// postFile is where it lies; postDir has what is kept of claims.
const (
	postFile = "meshstack.json"
	postDir  = "meshstack"
)

// posting keeps a runner at a meshStack.
type posting struct {
	stack *meshstackplane.Plane
	url   string
	key   *seal.Key
	log   *slog.Logger
}

// posted is the runner at a meshStack.
func (s Settings) posted(program Program, log *slog.Logger) (*posting, error) {
	known, key, err := readPost(filepath.Join(s.Runner.Dir, postFile))
	if err != nil {
		return nil, err
	}
	secret, err := os.ReadFile(s.MeshStack.SecretFile)
	if err != nil {
		return nil, wrong("read the client secret: %w", err)
	}
	var opens *seal.RSAKey
	if s.MeshStack.KeyFile != "" {
		text, err := os.ReadFile(s.MeshStack.KeyFile)
		if err != nil {
			return nil, wrong("read the private key: %w", err)
		}
		if opens, err = seal.ParseRSAKey(text); err != nil {
			return nil, wrong("read the private key in %s: %w", s.MeshStack.KeyFile, err)
		}
	}
	transport, err := client.NewTransport(s.API.options(program))
	if err != nil {
		return nil, Failure{ExitUsage, err}
	}
	stack, err := meshstackplane.New(meshstackplane.Options{
		URL: s.MeshStack.URL, Pool: s.MeshStack.Runner, ClientID: s.MeshStack.ClientID, ClientSecret: remuda.NewSecret(strings.TrimSpace(string(secret))),
		Opens: opens, Key: key, Dir: filepath.Join(s.Runner.Dir, postDir), Node: known.Node,
		Name: s.registration(program.Version, nil, nil).Name, Version: program.Version, Slots: s.slots(), Poll: s.MeshStack.Poll.Std(),
		Transport: transport, Insecure: s.API.Insecure, Log: log,
	})
	if err != nil {
		return nil, Failure{ExitUsage, err}
	}
	return &posting{stack: stack, url: s.MeshStack.URL, key: key, log: log}, nil
}

// readPost reads who the runner is, and makes it up the first time.
func readPost(path string) (known post, key *seal.Key, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if key, err = seal.NewKey(); err != nil {
			return known, nil, err
		}
		known = post{Node: rand.Text(), Key: key.Bytes()}
		if data, err = json.Marshal(known); err == nil {
			err = secretfile.Write(path, data)
		}
		if err != nil {
			return known, nil, fmt.Errorf("keep who the runner is: %w", err)
		}
		return known, key, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &known)
	}
	if err == nil {
		key, err = seal.ParseKey(known.Key)
	}
	if err != nil {
		return known, nil, wrong("who the runner is cannot be read in %s; remove the file to begin anew", path)
	}
	return known, key, nil
}

// plane implements employer. A meshStack that does not answer is tried on; one that knows no such pool or key is not.
func (p *posting) plane(ctx context.Context, _ bool) (runner.ControlPlane, error) {
	err := p.stack.Check(ctx)
	switch remuda.KindOf(err) {
	case remuda.Unauthenticated, remuda.NotFound, remuda.Invalid:
		return nil, p.explain(err)
	}
	if err != nil {
		p.log.Warn("meshStack does not answer; trying on", "error", err)
		return p.stack, nil
	}
	p.log.Info("signed in at meshStack", "url", p.url)
	return p.stack, nil
}

// join implements employer.
func (p *posting) join(config *runner.Config) { config.Key = p.key }

// attend implements employer.
func (p *posting) attend(ctx context.Context) { p.stack.Run(ctx) }

// explain implements employer.
func (p *posting) explain(err error) error {
	var known *remuda.Error
	if !errors.As(err, &known) {
		return err
	}
	switch known.Kind {
	case remuda.Unauthenticated:
		return wrong("meshStack at %s does not accept the API key: %s", p.url, known.Detail)
	case remuda.Forbidden:
		return wrong("the API key may not claim runs at %s: %s; it needs BUILDINGBLOCKRUN_SAVE", p.url, known.Detail)
	case remuda.NotFound, remuda.Invalid:
		return Failure{ExitUsage, errors.New(known.Detail)}
	}
	return err
}

// forget implements employer: the machine stays the same one of its pool.
func (p *posting) forget() error { return nil }
