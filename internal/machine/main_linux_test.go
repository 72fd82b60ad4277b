package machine

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/remuda-dev/remuda/runner"
	"github.com/remuda-dev/remuda/runner/runnertest"
)

// agentBinary is what TestMain built.
var agentBinary string

func TestMain(m *testing.M) {
	if what := os.Getenv("MACHINE_TEST"); what != "" {
		agentBinary = os.Getenv("MACHINE_TEST_AGENT")
		if err := asChild(what, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "remuda-agent-")
	if err == nil {
		agentBinary, err = filepath.Join(dir, "remuda-agent"), buildAgent(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		_ = os.RemoveAll(dir)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

func buildAgent(dir string) error {
	build := exec.CommandContext(context.Background(), "go", "build", "-o", dir+"/", "github.com/remuda-dev/remuda/cmd/remuda-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // As it is delivered.
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the agent: %w\n%s", err, output)
	}
	return nil
}

func TestTheMachineExecutorPassesTheSuite(t *testing.T) { suite(nil).Run(t) }

// The same where the host has no cgroup that the runner may write.
func TestTheMachineExecutorPassesTheSuiteWithoutGroups(t *testing.T) {
	suite(func(e *Executor) {
		e.groups = groups{}
		if err := becomeSubreaper(); err != nil {
			panic(err)
		}
	}).Run(t)
}

// suite is the suite of Executors; change may change one before it is used.
func suite(change func(*Executor)) runnertest.Suite {
	return runnertest.Suite{
		Open: func(t *testing.T, dir string) (runner.Executor, func()) {
			e := open(t, Config{Dir: dir})
			if change != nil {
				change(e)
			}
			closed := false
			return e, func() {
				if closed {
					return
				}
				closed = true
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}
		},
		Dir:    openDir,
		Shared: sharedDir,
		Alive:  alive,
		KillAgent: func(t *testing.T, dir, claimID string) {
			t.Helper()
			r := recordOf(t, dir, claimID)
			if err := syscall.Kill(r.Pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			until(t, "the agent's death", func() bool { return findProcess(r) == nil })
		},
		AwaitResult: func(t *testing.T, dir, claimID string) {
			t.Helper()
			until(t, "the agent's result", func() bool {
				_, found, err := place{dir: filepath.Join(dir, "claims", claimID)}.folder().Result()
				return found && err == nil
			})
		},
		Clean: func(t *testing.T, dir, claimID string) {
			t.Helper()
			if _, err := os.Lstat(filepath.Join(dir, "claims", claimID, "task")); !os.IsNotExist(err) {
				t.Errorf("the claim folder is still there: %v", err)
			}
		},
	}
}

// open starts an Executor; what config does not say is as the tests need it.
func open(t *testing.T, config Config) *Executor {
	t.Helper()
	if config.Agent == nil {
		config.Agent = []string{agentBinary}
	}
	if config.ReadyFor == 0 {
		config.ReadyFor = time.Minute // as a runner has it; less than nothing for none
	}
	e, err := New(config, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// openDir is a folder that others may pass through: tasks run as another user when the tests run as root.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, at := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(at, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func sharedDir(t *testing.T) string {
	t.Helper()
	dir := openDir(t)
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func recordOf(t *testing.T, dir, claimID string) record {
	t.Helper()
	r, err := place{dir: filepath.Join(dir, "claims", claimID), id: claimID}.read()
	if err != nil || r.Pid == 0 {
		t.Fatalf("the claim's record is %+v, %v", r, err)
	}
	return r
}

// alive is true while a process runs; one that has ended and that nobody waited for does not.
func alive(pid int) bool {
	_, running := startOf(pid, bootID())
	return running
}

// until polls is, for what gives no sign of itself.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(30 * time.Second); !is(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s never came true", what)
		}
	}
}
