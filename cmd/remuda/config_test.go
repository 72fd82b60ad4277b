package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/internal/machinerunner"
)

// loaded reads a runner's settings from a file, an environment and flags.
func loaded(t *testing.T, file string, env map[string]string, flags ...string) (machinerunner.Settings, error) {
	t.Helper()
	p := &program{env: func(name string) (string, bool) { value, set := env[name]; return value, set }}
	into := machinerunner.Usual()
	c := &cobra.Command{}
	s := p.settings(c, &into, "REMUDA_RUNNER_", "CIRCLECI_RUNNER_").configFile("REMUDA_RUNNER_CONFIG")
	if file != "" {
		s.file = filepath.Join(t.TempDir(), "runner.yml")
		if err := os.WriteFile(s.file, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.ParseFlags(flags); err != nil {
		t.Fatal(err)
	}
	err := s.load()
	return into, err
}

func TestFlagsWinOverEnvironmentAndThatOverTheFile(t *testing.T) {
	file := "runner: {name: file, slots: 2, mode: single-task, max_run_time: 1h}\nlogging: {level: debug}\n"
	env := map[string]string{"REMUDA_RUNNER_NAME": "environment", "REMUDA_RUNNER_SLOTS": "3", "REMUDA_RUNNER_COMMAND_PREFIX": "nice, -n,10"}
	got, err := loaded(t, file, env, "--name", "flag", "--idle-timeout", "90s")
	if err != nil {
		t.Fatal(err)
	}
	want := machinerunner.Usual()
	want.Runner.Name, want.Runner.Slots, want.Runner.Mode = "flag", 3, "single-task"
	want.Runner.MaxRun, want.Runner.Idle = remuda.Duration(time.Hour), remuda.Duration(90*time.Second)
	want.Runner.Prefix, want.Logging.Level = []string{"nice", "-n", "10"}, "debug"
	same := cmp.Comparer(func(a, b remuda.Secret) bool { return a.Reveal() == b.Reveal() })
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAFileOfCircleCIsRunnerIsUnderstood(t *testing.T) {
	file := `
api:
  auth_token: "from-the-file"
  url: https://remuda.example.com
runner:
  name: herd-1
  working_directory: /srv/work/%s
  cleanup_working_directory: true
  mode: continuous
  max_run_time: 5h
  idle_timeout: 30m
  command_prefix: [sudo, -niHu, ci, --]
  task_agent_directory: /opt/remuda
  ssh: {advertise_addr: 10.0.0.1}
logging: {level: warn, format: json, file: /var/log/runner.log}
`
	got, err := loaded(t, file, map[string]string{"CIRCLECI_RUNNER_API_AUTH_TOKEN": "from-the-environment", "CIRCLECI_RUNNER_MAX_RUN_TIME": "2h"})
	if err != nil {
		t.Fatal(err)
	}
	if got.API.Token.Reveal() != "from-the-environment" || got.Runner.MaxRun.Std() != 2*time.Hour {
		t.Errorf("its variables do not count: %v, %v", got.API.Token.Reveal(), got.Runner.MaxRun)
	}
	if !got.Runner.Cleanup || got.Runner.Working != "/srv/work/%s" || len(got.Runner.Prefix) != 4 || got.Logging.Format != "json" {
		t.Errorf("its members do not count: %+v", got.Runner)
	}
}

func TestAWrongSettingNamesItsPlace(t *testing.T) {
	for name, test := range map[string]struct {
		file string
		env  map[string]string
		want string
	}{
		"key":      {file: "runner: {slot: 2}", want: `runner.yml:1:10: runner: unknown key "slot"; did you mean "slots"?`},
		"type":     {file: "runner: {slots: many}", want: "runner.yml:1:17: runner.slots: expected a whole number"},
		"duration": {file: "runner:\n  max_run_time: 5", want: "runner.yml:2:17: runner.max_run_time: expected a duration"},
		"variable": {env: map[string]string{"REMUDA_RUNNER_SLOTS": "many"}, want: `REMUDA_RUNNER_SLOTS: expected a whole number, got "many"`},
		"no file":  {env: map[string]string{"REMUDA_RUNNER_CONFIG": "/nowhere.yml"}, want: "the file /nowhere.yml is not there"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loaded(t, test.file, test.env)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestTheContextIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deeper", "context.yml")
	p := &program{env: func(name string) (string, bool) { return path, name == "REMUDA_CONTEXT" }}
	if kept, err := p.readContext(); err != nil || kept.URL != "" {
		t.Fatalf("without a file: %v, %v", kept, err)
	}
	want := contextFile{URL: "https://remuda.example.com", Token: "rmd_org_x", ResourceClass: "acme/linux"}
	if _, err := p.writeContext(want); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if got, err := p.readContext(); err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("beside it lies %v, %v", left, err)
	}
}

func TestTheTokenThatIsKeptGoesToItsOwnAddressOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "context.yml")
	p := &program{env: func(name string) (string, bool) { return path, name == "REMUDA_CONTEXT" }}
	if _, err := p.writeContext(contextFile{URL: "https://remuda.example.com", Token: "kept"}); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{"": "kept", "https://remuda.example.com": "kept", "https://elsewhere.example.com": ""} {
		c := &cobra.Command{}
		l := p.connection(c)
		if err := c.ParseFlags([]string{"--url", url}); err != nil {
			t.Fatal(err)
		}
		if _, err := l.user(); err != nil {
			t.Fatal(err)
		}
		if token, err := l.token(); err != nil || token != want {
			t.Errorf("to %q goes %q, %v; want %q", url, token, err, want)
		}
	}
}
