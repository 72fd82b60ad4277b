package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/client"
)

// site is what is measured: a control plane and whatever runners a figure needs, as processes.
type site struct {
	dir     string
	url     string
	client  *client.Client
	user    *client.User
	class   string // a class that the site's runners serve
	plane   *process
	replica *process // a second control plane on the same PostgreSQL, to which runners go
	away    string   // its URL, or that of the only one
	runners int      // started so far
	said    *output
	figures string // the folder in which figures are kept; none when empty

	postgres string          // the database's URL; SQLite in the data folder when empty
	server   *postgresServer // where it is
	claimed  float64         // claims a second that were measured
}

// output keeps the end of what the processes log, for the case that something goes wrong.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.text.Len() > 1<<20 {
		o.text.Reset()
	}
	return o.text.Write(p)
}

func (s *site) log() string {
	s.said.mu.Lock()
	defer s.said.mu.Unlock()
	text := s.said.text.String()
	return text[max(0, len(text)-4000):]
}

// process is one of ours, running.
type process struct {
	*exec.Cmd
	done chan struct{}
}

func (s *site) start(ctx context.Context, environment []string, name string, args ...string) (*process, error) {
	command := exec.CommandContext(ctx, filepath.Join(s.dir, name), args...)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}, environment...)
	command.Stdout, command.Stderr = s.said, s.said
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{command, make(chan struct{})}
	go func() {
		_ = command.Wait() // it is told to end; how it does is of no interest here
		close(p.done)
	}()
	return p, nil
}

func (p *process) stop() {
	_ = p.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = p.Process.Kill()
		<-p.done
	}
}

// cpu is the processor time of the process, and of its children that have ended.
func (p *process) cpu() (own, children time.Duration, err error) { return processorTime(p.Process.Pid) }

func processorTime(pid int) (own, children time.Duration, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	ticks := func(i int) time.Duration {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		return time.Duration(n) * 10 * time.Millisecond // USER_HZ is 100 on Linux
	}
	return ticks(11) + ticks(12), ticks(13) + ticks(14), nil
}

// memory is what of the process rests in memory, in bytes.
func (p *process) memory() (int64, error) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.Process.Pid))
	if err != nil {
		return 0, err
	}
	pages, err := strconv.ParseInt(strings.Fields(string(statm))[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// written is how many bytes the process has caused to be written to disk.
func (p *process) written() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "write_bytes: "); found {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, errors.New("/proc/PID/io has no write_bytes")
}

// database says what the control plane keeps its tasks in.
func (s *site) database() string {
	if s.postgres != "" {
		return "PostgreSQL"
	}
	return "SQLite"
}

// openSite starts a control plane on a fresh database of the server, or on SQLite when there is none.
func openSite(ctx context.Context, server *postgresServer) (*site, error) {
	dir, err := os.MkdirTemp("", "remuda-bench-")
	if err != nil {
		return nil, err
	}
	s := &site{dir: dir, said: &output{}, class: "bench/default", server: server}
	if server != nil {
		if s.postgres, err = server.fresh(ctx); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	if err := s.open(ctx); err != nil {
		log := s.log()
		s.close()
		return nil, fmt.Errorf("%w\n%s", err, log)
	}
	return s, nil
}

func (s *site) open(ctx context.Context) error {
	if err := os.Chmod(s.dir, 0o755); err != nil { // the agents' user passes through
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", s.dir+"/", "./cmd/remuda", "./cmd/remuda-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, said)
	}
	data := filepath.Join(s.dir, "data")
	var err error
	if s.plane, s.url, err = s.startPlane(ctx, data); err != nil {
		return err
	}
	s.away = s.url
	if s.client, err = client.New(s.url, client.Options{}); err != nil {
		return err
	}
	if err := s.settle(ctx, filepath.Join(data, "admin-token")); err != nil {
		return err
	}
	if s.postgres != "" {
		s.replica, s.away, err = s.startPlane(ctx, data)
	}
	return err
}

// startPlane starts a control plane on an address of this machine.
func (s *site) startPlane(ctx context.Context, data string, more ...string) (*process, string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, "", err
	}
	args := append([]string{"server", "--dir", data, "--listen", address}, more...)
	if s.postgres != "" {
		args = append(args, "--database", s.postgres)
	}
	scheme := "http://"
	if slices.Contains(args, "--tls-cert") {
		scheme = "https://"
	}
	plane, err := s.start(ctx, nil, "remuda", args...)
	return plane, scheme + address, err
}

// settle waits for the control plane and makes a class to measure with.
func (s *site) settle(ctx context.Context, tokenFile string) error {
	for deadline := time.Now().Add(20 * time.Second); ; {
		token, err := os.ReadFile(tokenFile)
		if err == nil {
			s.user = s.client.User(strings.TrimSpace(string(token)))
			_, err = s.user.WhoAmI(ctx)
		}
		if err == nil {
			break
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("wait for the control plane: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, err := s.user.CreateOrganization(ctx, remuda.Organization{Name: "bench"}); err != nil {
		return err
	}
	if _, err := s.user.ClaimNamespace(ctx, "bench", "bench"); err != nil {
		return err
	}
	return s.makeClass(ctx, s.class)
}

func (s *site) makeClass(ctx context.Context, name string) error {
	_, err := s.user.CreateResourceClass(ctx, remuda.ResourceClass{Name: name})
	return err
}

func (s *site) classToken(ctx context.Context, class string) (string, error) {
	token, err := s.user.CreateToken(ctx, remuda.Token{Kind: remuda.ClassToken, Nickname: "bench", ResourceClass: class})
	return token.Token, err
}

// startRunner starts a machine runner for the site's class and waits until it is connected.
func (s *site) startRunner(ctx context.Context, slots int, environment ...string) (*process, error) {
	token, err := s.classToken(ctx, s.class)
	if err != nil {
		return nil, err
	}
	s.runners++
	work := filepath.Join(s.dir, "runner-"+strconv.Itoa(s.runners)) // the runner makes it, so that its agents' user passes
	runner, err := s.start(ctx, append(environment, "REMUDA_RUNNER_API_AUTH_TOKEN="+token), "remuda", "runner", "--url", s.away,
		"--slots", strconv.Itoa(slots), "--dir", work)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		class, err := s.user.ResourceClass(ctx, s.class)
		if err == nil && class.Runners > 0 {
			return runner, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			runner.stop()
			return nil, errors.Join(errors.New("the runner does not connect"), err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *site) close() {
	for _, plane := range []*process{s.replica, s.plane} {
		if plane != nil {
			plane.stop()
		}
	}
	_ = os.RemoveAll(s.dir) // a folder of ours below the temporary one
}

// shell is a submission of one step.
func (s *site) shell(command string) remuda.Submission {
	return remuda.Submission{
		ResourceClass: s.class, Organization: "bench",
		Job: &remuda.Job{Steps: []remuda.JobStep{{Run: &remuda.Run{Command: command}}}},
	}
}
