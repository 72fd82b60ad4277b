package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/remuda-dev/remuda/internal/machinerunner"
	"github.com/remuda-dev/remuda/internal/postgrestest"
)

func TestMain(m *testing.M) {
	// Help is as wide as the terminal, of which tests have none of their own.
	_ = os.Setenv("__FANG_TEST_WIDTH", "100")
	testscript.Main(watched{m}, map[string]func(){
		"remuda": main,
		// What stands beside remuda when it is installed.
		"remuda-agent": func() {
			if len(os.Args) > 1 && os.Args[1] == machinerunner.Word {
				arrived, _ := listen(syscall.SIGHUP)
				os.Exit(machinerunner.Main(context.Background(), version, os.Args[2:], machinerunner.Process{
					Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Arrived: arrived,
				}))
			}
			p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
			os.Exit(p.agent(os.Args[1:]))
		},
	})
}

// TestScripts runs testdata/script, which read like a tutorial. Beside testscript's own commands they have
//
//	start NAME PATTERN COMMAND...   starts a command and waits for a line that matches; its first group becomes $NAME
//	term NAME                       sends TERM and waits for its end, which must be a good one
//	kill9 NAME                      kills it
//	from NAME PATTERN               waits for another line of it that matches
//	holds BACKUP TEXT               looks for a text in a backup, without its compression
func TestScripts(t *testing.T) { runScripts(t, "testdata/script", nil) }

// TestScriptsOverPostgres runs testdata/postgres. There $DATABASE and $OTHER_DATABASE are the addresses of two that
// are empty.
func TestScriptsOverPostgres(t *testing.T) {
	runScripts(t, "testdata/postgres", map[string]string{
		"DATABASE": postgrestest.Fresh(t), "OTHER_DATABASE": postgrestest.Fresh(t),
	})
}

func runScripts(t *testing.T, dir string, variables map[string]string) {
	// Root's tasks run as another user, who must pass through.
	root, err := os.MkdirTemp("", "rs")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	tofu := lendTofu(t, root)
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: dir, WorkdirRoot: root, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			running := &background{dir: e.WorkDir, of: map[string]*started{}}
			e.Values[backgroundKey{}] = running
			e.Defer(running.end)
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("NO_COLOR", "1")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // otherwise each command of a test with -race ends a second later
			e.Setenv("__FANG_TEST_WIDTH", "100")
			e.Setenv(tofuVariable, tofu)
			e.Setenv("EXAMPLES", examples)
			for name, value := range variables {
				e.Setenv(name, value)
			}
			return os.Mkdir(filepath.Join(e.WorkDir, "home"), 0o700)
		},
		Condition: func(name string) (bool, error) {
			if name != "tofu" {
				return false, fmt.Errorf("there is no condition %q", name)
			}
			return tofu != "", nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": cmdStart, "term": cmdTerm, "kill9": cmdKill, "from": cmdFrom, "holds": cmdHolds,
		},
	})
}

// tofuVariable tells runners of a folder with OpenTofu.
const tofuVariable = "REMUDA_RUNNER_TOFU_BINARY_DIR"

// lendTofu puts the OpenTofu that 'make tools' built where tasks may read it, and gives that folder; nothing when it was
// not built.
func lendTofu(t *testing.T, root string) string {
	const binary = "opentofu-1.10.10/tofu"
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	data, err := os.ReadFile(filepath.Join(cache, "remuda", "tools", binary))
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	lent := filepath.Join(root, "tools")
	if err == nil {
		err = os.MkdirAll(filepath.Join(lent, filepath.Dir(binary)), 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(lent, binary), data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return lent
}

type backgroundKey struct{}

// background is what a script started, and the folder in which it did.
type background struct {
	dir string
	mu  sync.Mutex
	of  map[string]*started
}

type started struct {
	command *exec.Cmd
	lines   chan string // closed at its end
	ended   chan error
}

// lineTime is how long a line may take: only a broken program reaches it.
const lineTime = time.Minute

func (b *background) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.of {
		_ = s.command.Process.Kill()
		for range s.lines {
			continue
		}
		_ = <-s.ended
	}
	b.endTasks()
}

// endTasks ends what a runner that was killed has left: nobody adopts it any more, and it would go on for ever. Their
// command lines name files in the script's folder.
func (b *background) endTasks() {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return
	}
	for _, line := range lines {
		text, _ := os.ReadFile(line)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(line)))
		if pid > 1 && pid != os.Getpid() && bytes.Contains(text, []byte(b.dir+"/")) {
			if left, err := os.FindProcess(pid); err == nil {
				_ = left.Kill()
			}
		}
	}
}

func (b *background) get(ts *testscript.TestScript, args []string, want int) *started {
	if len(args) != want {
		ts.Fatalf("expected %d words", want)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.of[args[0]]
	if s == nil {
		ts.Fatalf("%s was not started", args[0])
	}
	return s
}

func of(ts *testscript.TestScript) *background {
	return ts.Value(backgroundKey{}).(*background)
}

func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: start NAME PATTERN COMMAND...")
	}
	path, err := exec.LookPath(args[2])
	ts.Check(err)
	command := exec.Command(path, args[3:]...)
	command.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "NO_COLOR", "TMPDIR", "REMUDA_URL", "REMUDA_TOKEN_FILE", "REMUDA_CONTEXT", "GORACE", "KEY", "DATABASE", "OTHER_DATABASE", "server", tofuVariable} {
		if value := ts.Getenv(name); value != "" {
			command.Env = append(command.Env, name+"="+value)
		}
	}
	out, in := io.Pipe()
	command.Stdout, command.Stderr = in, in
	ts.Check(command.Start())
	s := &started{command: command, lines: make(chan string, 10000), ended: make(chan error, 1)}
	go func() {
		s.ended <- command.Wait()
		_ = in.Close()
	}()
	go func() {
		defer close(s.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			s.lines <- lines.Text()
		}
	}()
	running := of(ts)
	running.mu.Lock()
	running.of[args[0]] = s
	running.mu.Unlock()
	ts.Setenv(args[0], s.await(ts, args[0], args[1]))
}

// await reads lines until one matches, and gives the first group.
func (s *started) await(ts *testscript.TestScript, name, pattern string) string {
	wanted, err := regexp.Compile(pattern)
	ts.Check(err)
	late := time.NewTimer(lineTime)
	defer late.Stop()
	for {
		select {
		case line, more := <-s.lines:
			if !more {
				ts.Fatalf("%s ended without a line that matches %s", name, pattern)
			}
			ts.Logf("[%s] %s", name, line)
			if found := wanted.FindStringSubmatch(line); found != nil {
				return found[len(found)-1]
			}
		case <-late.C:
			ts.Fatalf("%s said nothing that matches %s", name, pattern)
		}
	}
}

func cmdFrom(ts *testscript.TestScript, _ bool, args []string) {
	of(ts).get(ts, args, 2).await(ts, args[0], args[1])
}

func cmdTerm(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts).get(ts, args, 1)
	ts.Check(s.command.Process.Signal(syscall.SIGTERM))
	for line := range s.lines {
		ts.Logf("[%s] %s", args[0], line)
	}
	err := <-s.ended
	s.ended <- nil
	if (err != nil) != neg {
		ts.Fatalf("%s ended with %v", args[0], err)
	}
}

func cmdKill(ts *testscript.TestScript, _ bool, args []string) {
	s := of(ts).get(ts, args, 1)
	ts.Check(s.command.Process.Kill())
	err := <-s.ended
	s.ended <- nil
	if err == nil {
		ts.Fatalf("%s had ended", args[0])
	}
	ts.Logf("%s", fmt.Sprint(err))
}
