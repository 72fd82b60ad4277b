package machinerunner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
	"github.com/remuda-dev/remuda/internal/seal"
	"github.com/remuda-dev/remuda/internal/secretfile"
	"github.com/remuda-dev/remuda/runner"
)

// identity is who a runner is at a control plane. It lies in the runner's folder, so that a restarted runner is the
// same one and gets its claims back.
type identity struct {
	URL   string `json:"url"`
	ID    string `json:"id"`
	Token string `json:"token"`
	Key   []byte `json:"key"` // opens what is sealed to this runner
	// Registered is a hash of what the runner said of itself: when that changes, it registers anew.
	Registered string `json:"registered"`
}

// identityFile is where it lies.
const identityFile = "runner.json"

func errNoToken() error {
	return wrong("a runner needs a class token to register: give --token-file; 'remuda token create --resource-class CLASS NAME' makes one")
}

// enrolment keeps a runner registered.
type enrolment struct {
	client   *client.Client
	settings Settings
	version  string
	tokens   []remuda.Secret
	path     string
	key      *seal.Key
	known    identity
	log      *slog.Logger
}

// enrolled is the runner at a control plane.
func (s Settings) enrolled(c *client.Client, program Program, log *slog.Logger) (*enrolment, error) {
	tokens, err := s.API.tokens()
	if err != nil {
		return nil, err
	}
	return enrol(c, s, program, tokens, log)
}

// join implements employer.
func (e *enrolment) join(config *runner.Config) { config.Key, config.Register = e.key, e.register }

// attend implements employer: all that a control plane hears is said by the loop.
func (e *enrolment) attend(context.Context) {}

// enrol reads the identity in the runner's folder, and makes a key when there is none.
func enrol(c *client.Client, s Settings, program Program, tokens []remuda.Secret, log *slog.Logger) (*enrolment, error) {
	e := &enrolment{client: c, settings: s, version: program.Version, tokens: tokens, path: filepath.Join(s.Runner.Dir, identityFile), log: log}
	data, err := os.ReadFile(e.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.key, err = seal.NewKey()
		return e, err
	case err != nil:
		return nil, Failure{ExitUsage, fmt.Errorf("read the runner's identity: %w", err)}
	}
	if err := json.Unmarshal(data, &e.known); err == nil {
		e.key, err = seal.ParseKey(e.known.Key)
		if err == nil {
			return e, nil
		}
	}
	return nil, wrong("the runner's identity in %s cannot be read; remove the file to register anew", e.path)
}

// plane is the control plane as the runner that is known already; nil when it must register first. left says whether
// tasks of the runner that is known are still here: they are its own alone, so it stays who it is until they ended.
func (e *enrolment) plane(ctx context.Context, left bool) (runner.ControlPlane, error) {
	changed := e.known.URL != e.client.URL() || len(e.tokens) > 0 && e.known.Registered != e.digest()
	switch {
	case e.known.ID == "":
		if len(e.tokens) == 0 {
			return nil, errNoToken()
		}
		return nil, nil
	case changed && left:
		e.log.Warn("the runner's settings changed while tasks of it are still here: what it says of itself changes at the next start without any")
	case changed:
		e.goodbye(ctx)
		return nil, nil
	}
	return runner.Plane(e.client.Runner(e.known.ID, e.known.Token)), nil
}

// goodbye leaves the identity that is known, if the control plane can be told.
func (e *enrolment) goodbye(ctx context.Context) {
	if e.known.URL != e.client.URL() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := e.client.Runner(e.known.ID, e.known.Token).Goodbye(ctx); err != nil {
		e.log.Debug("the control plane does not take leave of the earlier registration", "runner", e.known.ID, "err", err)
	}
}

// register makes the runner known and keeps its identity.
func (e *enrolment) register(ctx context.Context) (runner.ControlPlane, error) {
	if len(e.tokens) == 0 {
		return nil, remuda.Fail(remuda.Unauthenticated, "the control plane does not know this runner any more, and it has no class token to register anew: give --token-file")
	}
	answer, err := e.client.Register(ctx, e.settings.registration(e.version, e.tokens, e.key.Public()))
	if err != nil {
		return nil, err // The loop says that it registers.
	}
	e.known = identity{URL: e.client.URL(), ID: answer.ID, Token: answer.Token, Key: e.key.Bytes(), Registered: e.digest()}
	data, err := json.MarshalIndent(e.known, "", "  ")
	if err == nil {
		err = secretfile.Write(e.path, data)
	}
	if err != nil {
		return nil, fmt.Errorf("keep the runner's identity: %w", err)
	}
	e.log.Info("registered", "runner", answer.ID, "classes", answer.ResourceClasses)
	return runner.Plane(e.client.Runner(answer.ID, answer.Token)), nil
}

// explain says what a refused token means for whoever runs a runner. It hides that it is about a token from those who
// advise people about theirs.
func (e *enrolment) explain(err error) error {
	switch {
	case !errors.Is(err, remuda.Unauthenticated):
		return err
	case len(e.tokens) == 0:
		return wrong("the control plane does not know this runner any more, and it has no class token to register anew: give --token-file")
	}
	var known *remuda.Error
	if errors.As(err, &known) && strings.Contains(known.Detail, "class token") {
		return wrong("the control plane at %s does not accept the class token: %s", e.client.URL(), known.Detail)
	}
	return wrong("the control plane at %s does not accept the class token: check that it is whole, of this control plane and not revoked", e.client.URL())
}

// forget removes the identity of a runner that said goodbye.
func (e *enrolment) forget() error {
	err := os.Remove(e.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// digest is a hash of what the runner says of itself when it registers, tokens included.
func (e *enrolment) digest() string {
	r := e.settings.registration(e.version, e.tokens, nil)
	tokens := make([]string, len(e.tokens))
	for i, token := range e.tokens {
		tokens[i] = token.Reveal()
	}
	slices.Sort(tokens)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%s\n%d\n%s", strings.Join(tokens, ","), r.Name, r.Hostname, r.Version, r.Slots, strings.Join(r.Capabilities, ",")))
	return hex.EncodeToString(sum[:])
}
