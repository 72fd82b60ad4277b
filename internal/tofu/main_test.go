package tofu_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/agent/agenttest"
	"github.com/remuda-dev/remuda/internal/tofu"
	"github.com/remuda-dev/remuda/internal/toolshed"
)

func TestMain(m *testing.M) {
	if os.Getenv(holdsTurn) != "" {
		if err := holdTurn(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// The versions with which runs are tested. `make tools` builds them.
const (
	newer     = "1.10.10"
	older     = "1.9.4"
	terraform = "1.5.7"
	unknown   = "9.9.9" // which nobody has
)

// program is where a version lies on this machine. Without it the test is skipped, except in CI, where it must not be.
func program(t testing.TB, version string) string {
	t.Helper()
	p, err := toolshed.ProgramOf(version)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "remuda", "tools", string(p.Product)+"-"+version, p.Product.Command())
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("there is no %s at %s: make tools", p, path)
	}
	t.Skipf("there is no %s at %s: make tools", p, path)
	return ""
}

// providers is a folder with our own provider, which `make tools` builds.
func providers(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(cache, "remuda", "tools", "providers")
}

// shed has the programs that `make tools` built.
type shed struct {
	t         testing.TB
	providers toolshed.Installation
}

func (s shed) Program(_ context.Context, p toolshed.Program, _ io.Writer) (toolshed.Found, error) {
	if p.Version == unknown {
		return toolshed.Found{}, remuda.Fail(remuda.NotFound, fmt.Sprintf("there is no %s", p))
	}
	return toolshed.Found{Path: program(s.t, p.Version), Providers: s.providers}, nil
}

func (s shed) Keep(context.Context, []toolshed.Need) error { return nil }

// files is an order for a module of these files.
func files(behavior remuda.Behavior, version string, files map[string]string, inputs ...remuda.RunInput) remuda.RunOrder {
	return remuda.RunOrder{
		Run:        "0190f1b2-0000-7000-8000-00000000aaaa",
		Number:     1,
		Behavior:   behavior,
		Trigger:    remuda.TriggerManual,
		Author:     remuda.RunAuthor{Kind: "User", Name: "ada"},
		Block:      remuda.RunOrderBlock{ID: "0190f1b2-0000-7000-8000-00000000bbbb", Name: "a block", Organization: "acme"},
		Definition: remuda.RunOrderVersion{ID: "0190f1b2-0000-7000-8000-00000000cccc", Organization: "acme", Version: 1},
		Inputs:     inputs,
		Implementation: remuda.Blueprint{
			Type:     remuda.BlueprintOpenTofu,
			OpenTofu: &remuda.OpenTofuBlueprint{Version: version, Files: files},
		},
	}
}

// done is a run that has ended.
type done struct {
	t      *testing.T
	plane  *plane
	folder agent.Folder
	result remuda.Result
}

// begun is a run under way.
type begun struct {
	t      *testing.T
	plane  *plane
	folder agent.Folder
	cancel context.CancelFunc
	end    chan error
}

// begin begins to carry out an order.
func begin(t *testing.T, p *plane, order remuda.RunOrder, change ...func(*agent.Handoff)) *begun {
	t.Helper()
	if p, err := toolshed.ProgramOf(order.Implementation.OpenTofu.Version); err == nil && p.Version != unknown {
		program(t, p.Version)
	}
	payload, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	handoff := agent.Handoff{Claim: agenttest.Claim(tofu.Name, payload), Dir: t.TempDir()}
	handoff.Claim.CancelGrace = remuda.Duration(time.Minute)
	for _, change := range change {
		change(&handoff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b := &begun{t: t, plane: p, folder: handoff.Folder(), cancel: cancel, end: make(chan error, 1)}
	var log bytes.Buffer
	go func() {
		b.end <- agent.Run(ctx, agent.Options{
			Handoff:        handoff,
			Plane:          p,
			Implementation: tofu.New(shed{t: t, providers: toolshed.Installation{Folder: providers(t)}}),
			Log:            slog.New(slog.NewTextHandler(&log, nil)),
		})
	}()
	t.Cleanup(func() {
		cancel()
		if t.Failed() {
			t.Logf("the agent's log:\n%s", &log)
			for n, stream := range p.Seen().Streams {
				t.Logf("step %d:\n%s", n, stream.Data)
			}
		}
	})
	return b
}

// wait waits for its end.
func (b *begun) wait() done {
	b.t.Helper()
	if err := <-b.end; err != nil && !errors.Is(err, agent.ErrUnsent) {
		b.t.Fatalf("the run could not be carried out: %v", err)
	}
	result, found, err := b.folder.Result()
	if err != nil || !found {
		b.t.Fatalf("there is no result (%v)", err)
	}
	return done{b.t, b.plane, b.folder, result}
}

// carryOut carries out an order to its end.
func carryOut(t *testing.T, p *plane, order remuda.RunOrder, change ...func(*agent.Handoff)) done {
	t.Helper()
	return begin(t, p, order, change...).wait()
}

func (d done) succeeded() done {
	d.t.Helper()
	if d.result.State != remuda.Succeeded {
		d.t.Fatalf("the run ended as %+v", d.result)
	}
	return d
}

func (d done) failed(reason remuda.Reason, words ...string) done {
	d.t.Helper()
	if d.result.State != remuda.Failed || d.result.Reason != reason {
		d.t.Fatalf("the run ended as %+v, not for %s", d.result, reason)
	}
	for _, word := range words {
		if !strings.Contains(d.result.Detail, word) {
			d.t.Errorf("its detail %q says nothing of %q", d.result.Detail, word)
		}
	}
	return d
}

// output is what the step of a name wrote.
func (d done) output(name string) string {
	d.t.Helper()
	seen := d.plane.Seen()
	for _, step := range seen.Steps {
		if step.Name == name {
			return string(seen.Streams[step.Number].Data)
		}
	}
	d.t.Fatalf("no step is called %q", name)
	return ""
}

// text is an input of text.
func text(key, value string) remuda.RunInput {
	return remuda.RunInput{Key: key, Type: remuda.TypeString, Value: quoted(value)}
}

func quoted(text string) json.RawMessage {
	value, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return value
}
