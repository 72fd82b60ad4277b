package runner_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/runner"
)

func TestTheOperatorsRefusalFailsTheTaskBeforeItStarts(t *testing.T) {
	tests := map[string]struct {
		config  runner.Config
		change  func(*remuda.ClaimTask)
		refused string // part of the sentence; empty when allowed
	}{
		"nothing said":         {},
		"an implementation":    {config: runner.Config{Allow: runner.Allow{Implementations: []string{"opentofu"}}}, refused: "implementation job, only opentofu"},
		"its implementation":   {config: runner.Config{Allow: runner.Allow{Implementations: []string{"opentofu", "job"}}}},
		"an organization":      {config: runner.Config{Allow: runner.Allow{Organizations: []string{"other"}}}, refused: "organization acme"},
		"its organization":     {config: runner.Config{Allow: runner.Allow{Organizations: []string{"acme"}}}},
		"no repository":        {config: allowRepositories("https://git.example.test/acme/*"), refused: "names none"},
		"its repository":       {config: allowRepositories("https://git.example.test/acme/*"), change: repository("https://git.example.test/acme/app.git")},
		"its repository .git":  {config: allowRepositories("https://git.example.test/acme/app"), change: repository("https://git.example.test/acme/app.git")},
		"a deeper repository":  {config: allowRepositories("https://git.example.test/*"), change: repository("https://git.example.test/acme/app"), refused: "repository https"},
		"a host in disguise":   {config: allowRepositories("https://git.example.test/acme/*"), change: repository("https://git.example.test@evil.test/acme/app"), refused: "repository https"},
		"a road out of a path": {config: allowRepositories("https://git.example.test/acme/*"), change: repository("https://git.example.test/acme/../evil/app"), refused: "repository https"},
		"a veto":               {config: runner.Config{Veto: func(context.Context, remuda.Claim) error { return runner.Refusal("not on Sundays") }}, refused: "not on Sundays"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
				claim := plane.claim("c1")
				if test.change != nil {
					test.change(&claim.Task)
				}
				plane.submit(claim)
				test.config.Mode = runner.SingleTask
				start(t, test.config, plane, executor).ends()
				got := plane.results("c1")
				if len(got) != 1 {
					t.Fatalf("said %v", got)
				}
				if test.refused == "" {
					if got[0].State != remuda.Succeeded {
						t.Errorf("said %v", got[0])
					}
					return
				}
				if got[0].State != remuda.Failed || got[0].Reason != remuda.ReasonPolicy || !strings.Contains(got[0].Detail, test.refused) {
					t.Errorf("said %v", got[0])
				}
				if len(executor.executed()) != 0 {
					t.Error("it was started")
				}
			})
		})
	}
}

func allowRepositories(patterns ...string) runner.Config {
	return runner.Config{Allow: runner.Allow{Repositories: patterns}}
}

func repository(address string) func(*remuda.ClaimTask) {
	return func(task *remuda.ClaimTask) { task.Source.Repository = address }
}

func TestAVetoHookDecidesByItsExitCode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs a shell")
	}
	claim := remuda.Claim{ID: "c1", Token: "token of c1", Sealed: []byte("sealed"), Task: remuda.ClaimTask{Organization: "acme"}}
	seen := filepath.Join(t.TempDir(), "claim.json")
	ask := func(script string) error {
		return runner.VetoCommand([]string{"sh", "-c", script, "hook", seen})(t.Context(), claim)
	}
	if err := ask(`cat > "$1"`); err != nil {
		t.Errorf("exit code 0 refuses: %v", err)
	}
	document, err := os.ReadFile(seen)
	if err != nil || !strings.Contains(string(document), `"organization":"acme"`) ||
		strings.Contains(string(document), "sealed") || strings.Contains(string(document), "token") {
		t.Errorf("the hook was told %s, %v", document, err)
	}
	err = ask("echo 'not on Sundays'; exit 1")
	if refusal, ok := errors.AsType[runner.Refusal](err); !ok || !strings.HasSuffix(string(refusal), ": not on Sundays") {
		t.Errorf("a hook that exits with 1: %v", err)
	}
	err = ask("exit 3")
	if refusal, ok := errors.AsType[runner.Refusal](err); !ok || !strings.Contains(string(refusal), "exit code 3") {
		t.Errorf("a hook that says nothing: %v", err)
	}
	err = ask("kill -KILL $$")
	if _, refused := errors.AsType[runner.Refusal](err); err == nil || refused {
		t.Errorf("a hook that was killed: %v", err)
	}
	err = runner.VetoCommand([]string{filepath.Join(t.TempDir(), "absent")})(t.Context(), claim)
	if _, refused := errors.AsType[runner.Refusal](err); err == nil || refused {
		t.Errorf("a hook that is absent: %v", err)
	}
}

func TestAVetoHookThatCannotBeAskedHandsTheClaimBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plane, executor := newPlane(), &fakeExecutor{do: succeeds(time.Second)}
		plane.submit(plane.claim("c1"))
		veto := func(context.Context, remuda.Claim) error { return os.ErrNotExist }
		start(t, runner.Config{Mode: runner.SingleTask, Veto: veto}, plane, executor).ends()
		if back := plane.returns("c1"); len(back) != 1 || back[0].Draining || len(executor.executed()) != 0 {
			t.Errorf("handed back %+v, executed %d", back, len(executor.executed()))
		}
	})
}

func TestAConfigurationThatCannotBeMeantIsRefused(t *testing.T) {
	plane := newPlane()
	for name, config := range map[string]runner.Config{
		"mode":    {Key: plane.key, Mode: "twice"},
		"slots":   {Key: plane.key, Slots: -1},
		"key":     {},
		"pattern": {Key: plane.key, Allow: runner.Allow{Repositories: []string{"["}}},
		"length":  {Key: plane.key, IdleTimeout: -1},
	} {
		if _, err := runner.New(config, plane, &fakeExecutor{}, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := runner.New(runner.Config{Key: plane.key}, nil, &fakeExecutor{}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a runner that has nobody to speak to was made")
	}
}
