package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/runner"
	"github.com/remuda-dev/remuda/runner/runnertest"
)

// task is a claim with one step, and the control plane that it speaks to.
type task struct {
	runner.Work
	plane *runnertest.Plane
}

func newTask(t testing.TB, id, command string) task {
	t.Helper()
	payload, err := json.Marshal(remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: command}}}})
	if err != nil {
		t.Fatal(err)
	}
	plane := runnertest.NewPlane(id)
	return task{plane: plane, Work: runner.Work{Plane: plane, Claim: remuda.Claim{
		ID: id, Attempt: 1, Payload: payload, Timeout: remuda.Duration(time.Minute), CancelGrace: remuda.Duration(time.Second),
		OutputLimit: 1 << 20, Task: remuda.ClaimTask{ID: "task", Implementation: "job", Total: 1},
	}}}
}

// output runs a task that is to succeed, and gives what it wrote.
func (tk task) output(t *testing.T, e *Executor) string {
	t.Helper()
	result, err := e.Execute(t.Context(), tk.Work)
	if err != nil || result.State != remuda.Succeeded {
		t.Fatalf("ended with %+v, %v", result, err)
	}
	text, _ := tk.plane.Output(0)
	if err := e.Forget(t.Context(), tk.Claim.ID); err != nil {
		t.Fatal(err)
	}
	return text
}

// during runs a task that waits for the file go, calls look while it waits, and lets it go on.
func during(t *testing.T, e *Executor, tk task, ready string, look func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := e.Execute(t.Context(), tk.Work)
		done <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	is := func() bool { text, _ := tk.plane.Output(0); return strings.Contains(text, ready) }
	if !tk.plane.Await(ctx, is) {
		t.Fatalf("the task never said %q: %v", ready, <-done)
	}
	look()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := e.Forget(t.Context(), tk.Claim.ID); err != nil {
		t.Fatal(err)
	}
}

func opened(t *testing.T, config Config) *Executor {
	t.Helper()
	if config.Dir == "" {
		config.Dir = openDir(t)
	}
	e := open(t, config)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestSecretsAreNeitherInArgumentsNorInTheEnvironmentNorOnDisk(t *testing.T) {
	e, shared := opened(t, Config{}), sharedDir(t)
	tk := newTask(t, "c1", `test "${#PASSWORD}" = 21; echo ready; while [ ! -e `+shared+`/go ]; do sleep 0.01; done`)
	tk.Secrets = map[string]string{"PASSWORD": "correct-horse-battery"}
	during(t, e, tk, "ready", func() {
		pid := recordOf(t, e.config.Dir, "c1").Pid
		for _, file := range []string{"cmdline", "environ"} {
			data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), file))
			if err != nil || bytes.Contains(data, []byte("horse")) {
				t.Errorf("%s of the agent: %q, %v", file, data, err)
			}
			if file == "environ" && len(bytes.Split(bytes.Trim(data, "\x00"), []byte{0})) != 3 {
				t.Errorf("the agent's environment is %q", data)
			}
		}
		err := filepath.WalkDir(e.config.Dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			if bytes.Contains(data, []byte("correct-horse-battery")) {
				t.Errorf("%s holds a secret", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(filepath.Join(shared, "go"), nil, 0o644); err != nil {
			t.Error(err)
		}
	})
}

func TestATaskHasNoPrivilegesAndItsFilesAreItsOwn(t *testing.T) {
	e := opened(t, Config{Environment: map[string]string{"GREETING": "hello"}})
	text := newTask(t, "c1", `id -u; umask; grep NoNewPrivs /proc/self/status; echo "$GREETING"; stat -c %a:%u "$HOME" .`).output(t, e)
	uid, _, _ := strings.Cut(text, "\n")
	if number, err := strconv.Atoi(uid); err != nil || number != os.Geteuid() && !isTaskUser(uint32(number)) || number == 0 {
		t.Errorf("tasks run as user %q", uid)
	}
	want := uid + "\n0077\nNoNewPrivs:\t1\nhello\n700:" + uid + "\n700:" + uid + "\n"
	if text != want {
		t.Errorf("it says %q, want %q", text, want)
	}
}

func TestOnlyTheAgentsUserReachesItsSocket(t *testing.T) {
	e, shared := opened(t, Config{}), sharedDir(t)
	tk := newTask(t, "c1", `echo ready; while [ ! -e `+shared+`/go ]; do sleep 0.01; done`)
	during(t, e, tk, "ready", func() {
		r := recordOf(t, e.config.Dir, "c1")
		info, err := os.Stat(r.Socket)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != max(r.UID, uint32(os.Geteuid())) || info.Mode().Perm() != 0o600 {
			t.Errorf("the socket is of user %d with mode %s", owner, info.Mode())
		}
		if err := os.WriteFile(filepath.Join(shared, "go"), nil, 0o644); err != nil {
			t.Error(err)
		}
	})
}

func TestAFolderWithALongNameIsNoHindrance(t *testing.T) {
	dir := filepath.Join(openDir(t), strings.Repeat("long", 30))
	e := opened(t, Config{Dir: dir})
	if text := newTask(t, "c1", "echo hello").output(t, e); text != "hello\n" {
		t.Errorf("it says %q", text)
	}
}

func TestAnAgentThatDoesNotStartSaysWhy(t *testing.T) {
	script := filepath.Join(openDir(t), "agent")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"out of order, $(cat)\" >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	e := opened(t, Config{Agent: []string{script}})
	tk := newTask(t, "c1", "true")
	tk.Secrets = map[string]string{"PASSWORD": "correct-horse-battery"}
	_, err := e.Execute(t.Context(), tk.Work)
	if err == nil || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("ended with %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "horse") {
		t.Errorf("it tells a secret: %v", err)
	}
	if err := os.WriteFile(script, []byte("#!/absent\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := e.Forget(t.Context(), "c1"); err != nil {
		t.Fatal(err)
	}
	if result, err := e.Execute(t.Context(), tk.Work); err == nil {
		t.Errorf("ended with %+v", result)
	}
	if left, err := e.Left(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestAWorkingDirectoryOfTheOperatorsIsKeptUnlessHeSaysSo(t *testing.T) {
	for _, test := range []struct {
		name    string
		cleanup bool
		kept    bool
	}{{"kept", false, true}, {"cleaned", true, false}} {
		t.Run(test.name, func(t *testing.T) {
			above := sharedDir(t)
			e := opened(t, Config{WorkingDirectory: filepath.Join(above, "of-%s"), CleanupWorkingDirectory: test.cleanup})
			dir := filepath.Join(above, "of-c1")
			if text := newTask(t, "c1", "pwd; mkdir x; echo y > x/y; chmod 0500 x").output(t, e); text != dir+"\n" {
				t.Errorf("steps start in %q", text)
			}
			if _, err := os.Stat(dir); os.IsNotExist(err) == test.kept {
				t.Errorf("afterwards: %v", err)
			}
			if err := removeTree(dir); err != nil { // The test's own folders are not removed where they are read-only.
				t.Error(err)
			}
		})
	}
}

func TestACommandPrefixWrapsTheAgent(t *testing.T) {
	nice, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0) // 20 less what people call it
	if err != nil {
		t.Fatal(err)
	}
	e := opened(t, Config{CommandPrefix: []string{"nice", "-n", "1"}})
	if text, want := newTask(t, "c1", "nice").output(t, e), min(20-nice+1, 19); text != strconv.Itoa(want)+"\n" {
		t.Errorf("it says %q, not %d", text, want)
	}
}

// The hardest moment: the step has written and ended, and its agent, which stands still, has not looked yet.
func TestAnAgentThatIsKilledTakesNothingWithItOfAStepThatHasEnded(t *testing.T) {
	dir := openDir(t)
	e := opened(t, Config{Dir: dir})
	step := filepath.Join(sharedDir(t), "go")
	tk := newTask(t, "c1", "echo $$; until [ -e "+step+" ]; do sleep 0.01; done; seq 1000")
	done := make(chan error, 1)
	go func() {
		_, err := e.Execute(t.Context(), tk.Work)
		done <- err
	}()
	var shell int
	until(t, "the step's first line", func() bool {
		text, _ := tk.plane.Output(0)
		pid, err := strconv.Atoi(strings.TrimSpace(text))
		shell = pid
		return err == nil
	})
	agent := recordOf(t, dir, "c1").Pid
	if err := syscall.Kill(agent, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(step, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the step's end", func() bool { return !alive(shell) })
	if err := syscall.Kill(agent, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("it ended with a result")
	}
	text, closed := tk.plane.Output(0)
	if _, after, _ := strings.Cut(text, "\n"); !closed || strings.Count(after, "\n") != 1000 {
		t.Errorf("closed is %t, %d lines arrived", closed, strings.Count(after, "\n"))
	}
}

func TestACommandPrefixMayBeWhatMakesTheAgentAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	if _, err := exec.LookPath("runuser"); err != nil {
		t.Skip("needs runuser of util-linux")
	}
	e := opened(t, Config{CommandPrefix: []string{"runuser", "-u", "nobody", "--"}})
	tk := newTask(t, "c1", "id -un; grep NoNewPrivs /proc/self/status; trap 'echo told' TERM; echo ready; while :; do sleep 0.05; done")
	ctx, end := context.WithCancelCause(t.Context())
	go func() {
		tk.plane.Await(t.Context(), func() bool { text, _ := tk.plane.Output(0); return strings.Contains(text, "ready") })
		end(runner.ErrCanceled)
	}()
	result, err := e.Execute(ctx, tk.Work)
	if err != nil || result.State != remuda.Canceled {
		t.Errorf("ended with %+v, %v", result, err)
	}
	text, _ := tk.plane.Output(0)
	if !strings.HasPrefix(text, "nobody\nNoNewPrivs:\t1\nready\n") || !strings.Contains(text, "told\n") {
		t.Errorf("it says %q", text)
	}
}

func TestTwoRunnersDoNotShareAFolder(t *testing.T) {
	e := opened(t, Config{})
	_, err := New(Config{Dir: e.config.Dir, Agent: []string{agentBinary}}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "another runner uses it") {
		t.Errorf("a second one: %v", err)
	}
}

func TestAProcessWithAReusedPidIsLeftAlone(t *testing.T) {
	e := opened(t, Config{})
	other := exec.CommandContext(t.Context(), "sleep", "300")
	other.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	p, err := e.place("c1")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.make(e.account); err != nil {
		t.Fatal(err)
	}
	if err := p.write(record{Pid: other.Process.Pid, Started: "12@another boot", Folder: string(p.folder())}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Execute(t.Context(), newTask(t, "c1", "true").Work); err == nil {
		t.Error("it was taken for the agent")
	}
	if err := e.Forget(t.Context(), "c1"); err != nil {
		t.Fatal(err)
	}
	if !alive(other.Process.Pid) {
		t.Error("it was killed")
	}
}

func TestWhatARunnerLeftBeforeItsAgentHadTheClaimIsStartedAnew(t *testing.T) {
	e := opened(t, Config{})
	p, err := e.place("c1")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.make(e.account); err != nil {
		t.Fatal(err)
	}
	if text := newTask(t, "c1", "echo hello").output(t, e); text != "hello\n" {
		t.Errorf("it says %q", text)
	}
}

func TestAClaimsIdIsNoWayOutOfTheFolder(t *testing.T) {
	e := opened(t, Config{})
	for _, id := range []string{"", ".", "..", "../x", "a/b", "/etc", strings.Repeat("x", 200)} {
		if err := e.Forget(t.Context(), id); err == nil {
			t.Errorf("%q is taken for an id", id)
		}
		if _, err := e.Execute(t.Context(), runner.Work{Claim: remuda.Claim{ID: id}}); err == nil {
			t.Errorf("%q is carried out", id)
		}
	}
}

// A thousandth of a second more here is one for each task: see docs/performance.md.
func BenchmarkTrue(b *testing.B) {
	dir := b.TempDir()
	for _, at := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(at, 0o711); err != nil {
			b.Fatal(err)
		}
	}
	e, err := New(Config{Dir: dir, Agent: []string{agentBinary}}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	n := 0
	for b.Loop() {
		n++
		tk := newTask(b, "c"+strconv.Itoa(n), "true")
		result, err := e.Execute(b.Context(), tk.Work)
		if err != nil || result.State != remuda.Succeeded {
			b.Fatalf("ended with %+v, %v", result, err)
		}
		if err := e.Forget(b.Context(), tk.Claim.ID); err != nil {
			b.Fatal(err)
		}
	}
}
