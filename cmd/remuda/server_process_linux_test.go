package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/remuda-dev/remuda/client"
)

// serverProcess is a control plane in a process of its own.
type serverProcess struct {
	t       *testing.T
	command *exec.Cmd
	address string
	url     string
	dir     string
	ended   chan error
	said    *tail
}

// tail keeps what a process logs.
type tail struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// startServer starts 'remuda server' on a folder, and waits until it answers.
func startServer(t *testing.T, dir string, args ...string) *serverProcess {
	t.Helper()
	path, err := exec.LookPath("remuda")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path, append([]string{"server", "--dir", dir, "--listen", "127.0.0.1:0"}, args...)...)
	command.Env = append(os.Environ(), "NO_COLOR=1", "HOME="+t.TempDir())
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves nothing running
	out, in := io.Pipe()
	s := &serverProcess{t: t, command: command, dir: dir, ended: make(chan error, 1), said: &tail{}}
	command.Stdout, command.Stderr = in, in
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.ended <- command.Wait()
		_ = in.Close()
	}()
	found := make(chan string, 1)
	go func() {
		address := regexp.MustCompile(`url=(https?://[0-9.:]+)`)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			_, _ = s.said.Write(append(lines.Bytes(), '\n'))
			if m := address.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case found <- m[1]:
				default:
				}
			}
		}
	}()
	t.Cleanup(s.kill)
	select {
	case s.url = <-found:
	case <-time.After(lineTime):
		t.Fatalf("the server does not answer:\n%s", s.said)
	}
	_, s.address, _ = strings.Cut(s.url, "://")
	return s
}

func (s *serverProcess) kill() {
	_ = s.command.Process.Kill()
	s.ended <- <-s.ended
}

// term ends it as an operator does, and tells how long that took.
func (s *serverProcess) term() time.Duration {
	s.t.Helper()
	asked := time.Now()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	err := <-s.ended
	s.ended <- nil
	if err != nil {
		s.t.Errorf("the server ended with %v:\n%s", err, s.said)
	}
	return time.Since(asked)
}

func (s *serverProcess) user(o client.Options) *client.User {
	s.t.Helper()
	token, err := os.ReadFile(filepath.Join(s.dir, "admin-token"))
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := client.New(s.url, o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.CloseIdle)
	return c.User(strings.TrimSpace(string(token)))
}

// resident is the memory of the process, in bytes.
func (s *serverProcess) resident() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.command.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	pages, _ := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// processor is the processor time of the process.
func (s *serverProcess) processor() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.command.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on Linux
}

// metric reads one number of /metrics.
func (s *serverProcess) metric(o *http.Client, name string) float64 {
	s.t.Helper()
	answer, err := o.Get(s.url + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	sum, found := 0.0, false
	for line := range strings.Lines(string(text)) {
		value, is := strings.CutPrefix(line, name)
		if is && (value[0] == ' ' || value[0] == '{') {
			number, err := strconv.ParseFloat(strings.TrimSpace(value[strings.LastIndex(value, " "):]), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			sum, found = sum+number, true
		}
	}
	if !found {
		s.t.Fatalf("/metrics has no %s", name)
	}
	return sum
}
