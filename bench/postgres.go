package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// river is how many jobs that do nothing River works off on the same server, and beside it what Remuda reached there.
func river(ctx context.Context, s *site, n sizes) ([]figure, error) {
	binary := filepath.Join(s.dir, "river")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	build.Dir = filepath.Join("bench", "river")
	if said, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, said)
	}
	url, err := s.server.fresh(ctx)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, binary, "-database", url, "-jobs", strconv.Itoa(n.claims))
	command.Stderr = os.Stderr
	said, err := command.Output()
	if err != nil {
		return nil, err
	}
	rate, err := strconv.ParseFloat(strings.TrimSpace(string(said)), 64)
	if err != nil {
		return nil, err
	}
	if s.claimed == 0 {
		return nil, errors.New("river is compared with claims, which were not measured")
	}
	return []figure{{"Remuda's claims beside River's jobs", fmt.Sprintf("%.0f %%", 100*s.claimed/rate), "≥ 50 %",
		fmt.Sprintf("River works off %.0f/s in one process, without HTTP", rate)}}, nil
}

// postgresServer is a PostgreSQL of our own, reached by a socket in its folder.
type postgresServer struct {
	dir, bin  string
	databases int // made so far
}

// binaries is where Debian keeps the programs of PostgreSQL's server.
const binaries = "/usr/lib/postgresql/*/bin"

// startPostgres starts a server with its usual settings: fsync is on.
func startPostgres(ctx context.Context) (*postgresServer, error) {
	found, err := filepath.Glob(filepath.Join(binaries, "pg_ctl"))
	if err != nil || len(found) == 0 {
		return nil, errors.New("no server is installed (Debian: postgresql)")
	}
	dir, err := os.MkdirTemp("", "remuda-bench-postgres-")
	if err != nil {
		return nil, err
	}
	p := &postgresServer{dir: dir, bin: filepath.Dir(found[len(found)-1])}
	if err := exec.CommandContext(ctx, "chown", "postgres", dir).Run(); err != nil {
		return nil, errors.Join(fmt.Errorf("give a folder to user postgres: %w", err), os.RemoveAll(dir))
	}
	data := filepath.Join(dir, "data")
	for _, args := range [][]string{
		{"initdb", "-D", data, "-A", "trust", "-U", "postgres"},
		{"pg_ctl", "-D", data, "-w", "-l", filepath.Join(dir, "log"), "-o", "-c listen_addresses= -c unix_socket_directories=" + dir, "start"},
	} {
		if err := p.run(ctx, args...); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	return p, nil
}

// run runs a program of the server as user postgres, since it refuses root.
func (p *postgresServer) run(ctx context.Context, args ...string) error {
	args[0] = filepath.Join(p.bin, args[0])
	command := exec.CommandContext(ctx, "setpriv", append([]string{"--reuid", "postgres", "--regid", "postgres", "--clear-groups"}, args...)...)
	command.Dir = p.dir
	said := &output{}
	command.Stdout, command.Stderr = said, said
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", args[0], err, said.text.String())
	}
	return nil
}

// fresh makes an empty database and gives its URL.
func (p *postgresServer) fresh(ctx context.Context) (string, error) {
	p.databases++
	name := "bench" + strconv.Itoa(p.databases)
	if err := p.run(ctx, "createdb", "-h", p.dir, "-U", "postgres", name); err != nil {
		return "", err
	}
	return "postgres://postgres@/" + name + "?host=" + p.dir, nil
}

// cpu is the processor time of the server so far, with all its processes.
func (p *postgresServer) cpu() (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join(p.dir, "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return 0, fmt.Errorf("read postmaster.pid: %w", err)
	}
	own, ended, err := processorTime(pid)
	if err != nil {
		return 0, err
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, err
	}
	sum := own + ended
	for child := range strings.FieldsSeq(string(children)) {
		pid, err := strconv.Atoi(child)
		if err != nil {
			return 0, err
		}
		if own, _, err := processorTime(pid); err == nil { // it may have ended just now
			sum += own
		}
	}
	return sum, nil
}

func (p *postgresServer) stop() {
	_ = p.run(context.Background(), "pg_ctl", "-D", filepath.Join(p.dir, "data"), "-m", "immediate", "-w", "stop")
	_ = os.RemoveAll(p.dir) // a folder of ours below the temporary one
}
