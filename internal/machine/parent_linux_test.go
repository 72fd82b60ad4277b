package machine

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// asChild is what the test binary does when a test starts it as another process.
func asChild(what string, arguments []string) error {
	switch what {
	case "remove":
		return removeTree(arguments[0])
	case "remove with few files":
		return removeWithFewFiles(arguments[0])
	case "run":
		return runUntilKilled(arguments[0], arguments[1], arguments[2] == "true")
	}
	return fmt.Errorf("nothing is called %q", what)
}

// runUntilKilled is a runner with one task, which tells its and its agent's pid in a file of the folder's.
func runUntilKilled(dir, shared string, dieWithParent bool) error {
	e, err := New(Config{Dir: dir, Agent: []string{agentBinary}, DieWithParent: dieWithParent}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	tk := newTask(&testing.T{}, "c1", "echo $PPID $$ > "+shared+"/pids.partial; mv "+shared+"/pids.partial "+shared+"/pids; exec sleep 300")
	_, err = e.Execute(context.Background(), tk.Work)
	return err
}

// child prepares the test binary to do one thing as another process.
func child(t *testing.T, what string, arguments ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	reachable := filepath.Join(sharedDir(t), "child") // go test keeps its binary where others do not get
	if err := copyBinary(self, reachable); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), reachable, arguments...)
	cmd.Env = append(os.Environ(), "MACHINE_TEST="+what, "MACHINE_TEST_AGENT="+agentBinary)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	return cmd
}

// killedRunner starts a runner with one task, kills it with the task running, and gives the pids of agent and step.
func killedRunner(t *testing.T, dir string, dieWithParent bool) (agent, step int) {
	t.Helper()
	shared := sharedDir(t)
	parent := child(t, "run", dir, shared, strconv.FormatBool(dieWithParent))
	parent.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pids := filepath.Join(shared, "pids")
	until(t, "the task's start", func() bool { _, err := os.Stat(pids); return err == nil })
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text))
	agent, _ = strconv.Atoi(fields[0])
	step, _ = strconv.Atoi(fields[1])
	if agent == 0 || step == 0 {
		t.Fatalf("the task's pids are %q", text)
	}
	return agent, step
}

func TestAnAgentDiesWithItsParentWhereThatIsWanted(t *testing.T) {
	agent, step := killedRunner(t, openDir(t), true)
	until(t, "the step's death", func() bool { return !alive(step) })
	until(t, "the agent's death", func() bool { return !alive(agent) })
}

func TestAnAgentOutlivesItsRunnerAndIsFoundByTheNext(t *testing.T) {
	dir := openDir(t)
	agent, step := killedRunner(t, dir, false)
	if !alive(agent) || !alive(step) {
		t.Fatal("the task died with its runner")
	}
	e := opened(t, Config{Dir: dir})
	if left, err := e.Left(t.Context()); err != nil || len(left) != 1 || recordOf(t, dir, left[0]).Pid != agent {
		t.Fatalf("left are %v, %v", left, err)
	}
	if err := e.Forget(t.Context(), "c1"); err != nil {
		t.Fatal(err)
	}
	if alive(agent) || alive(step) {
		t.Error("the forgotten task lives on")
	}
}

func TestAFolderIsRemovedWhateverItsPermissions(t *testing.T) {
	dir := filepath.Join(sharedDir(t), "tree")
	make := exec.CommandContext(t.Context(), "sh", "-c", `mkdir -p "$1/a/b/c" && echo x > "$1/a/b/x" && ln -s /etc "$1/a/etc" &&
		chmod 0 "$1/a/b/c" && chmod 0500 "$1/a/b" && chmod 0 "$1/a" && chmod 0555 "$1"`, "sh", dir)
	remove := child(t, "remove", dir)
	if os.Geteuid() == 0 { // For root, permissions are none.
		for _, cmd := range []*exec.Cmd{make, remove} {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
	}
	if output, err := make.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if err := remove.Run(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}
