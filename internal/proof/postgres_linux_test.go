package proof

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func TestNothingIsLostWhenEverythingIsKilledOnPostgreSQL(t *testing.T) {
	dir := newFolder(t)
	s := openSite(t, dir, openPostgres(t, dir), 2, 2)
	slower := usual(length(t)) // it recovers, control planes find it, runners find them: that takes its time
	slower.quiet = 4 * time.Second
	killAtAnyMoment(t, s, slower)
}

// postgres is a server that can be killed, and its one database.
type postgres struct {
	t         *testing.T
	bin, data string
	server    *unit
	port      int
	user      *syscall.Credential // PostgreSQL refuses to run as root
	dice      *rand.Rand
}

func openPostgres(t *testing.T, dir string) *postgres {
	t.Helper()
	p := &postgres{t: t, data: filepath.Join(dir, "postgres"), dice: rand.New(rand.NewPCG(1, 1))}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	switch {
	case len(found) > 0:
		p.bin = filepath.Dir(found[len(found)-1])
	case os.Getenv("CI") == "true":
		t.Fatal("there is no PostgreSQL on this machine")
	default:
		t.Skip("there is no PostgreSQL on this machine: make deps installs it")
	}
	if err := errors.Join(os.Mkdir(p.data, 0o700), p.become()); err != nil {
		t.Fatal(err)
	}
	if said, err := p.command("initdb", "-D", p.data, "-U", "postgres", "-A", "trust", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("make a database: %v\n%s", err, said)
	}
	p.port = freePort(t)
	p.server = &unit{
		t: t, name: "postgres", log: filepath.Join(dir, "postgres.log"), user: p.user,
		argv: []string{filepath.Join(p.bin, "postgres"), "-D", p.data, "-p", strconv.Itoa(p.port),
			"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + p.data, "-c", "max_connections=200"},
	}
	t.Cleanup(p.killAll)
	p.start()
	return p
}

// become finds whom PostgreSQL runs as, and gives the folder to that user.
func (p *postgres) become() error {
	if os.Geteuid() != 0 {
		return nil
	}
	other, err := user.Lookup("postgres")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(other.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(other.Gid)
	if err != nil {
		return err
	}
	p.user = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(p.data, uid, gid)
}

// command is one of PostgreSQL's programs.
func (p *postgres) command(name string, args ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(p.bin, name), args...)
	command.Dir = p.data
	command.SysProcAttr = &syscall.SysProcAttr{Credential: p.user}
	return command
}

// start starts it until it runs: what a killed one left in shared memory must be gone first.
func (p *postgres) start() {
	p.t.Helper()
	until(p.t, time.Minute, "a PostgreSQL that answers", func() error {
		if !p.server.alive() {
			p.server.start()
		}
		return p.command("pg_isready", "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(p.port)).Run()
	})
}

// parts are the processes of the server.
func (p *postgres) parts() (pids []int) {
	eachProcess(func(pid int, dir string) {
		exe, _ := os.Readlink(filepath.Join(dir, "exe"))
		cwd, _ := os.Readlink(filepath.Join(dir, "cwd"))
		if filepath.Base(exe) == "postgres" && cwd == p.data {
			pids = append(pids, pid)
		}
	})
	return pids
}

// killAll is what the loss of the machine's power does to processes.
func (p *postgres) killAll() {
	for _, pid := range p.parts() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	p.server.kill()
}

func (p *postgres) arguments() []string {
	return []string{"--database", fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", p.port)}
}

func (p *postgres) victims() []victim {
	return []victim{
		{"postgres", 0.15, p.killAll, p.start},
		// The others notice that their parent is gone.
		{"postmaster", 0.1, p.server.kill, p.start},
		// The server takes any of its processes that is killed for a reason to begin anew, all of them.
		{"backend", 0.1, func() {
			if parts := p.parts(); len(parts) > 1 {
				_ = syscall.Kill(parts[1+p.dice.IntN(len(parts)-1)], syscall.SIGKILL)
			}
		}, func() {}},
	}
}

func (p *postgres) end() {
	p.killAll()
	until(p.t, time.Minute, "each process of PostgreSQL gone", func() error {
		if left := p.parts(); len(left) > 0 {
			return fmt.Errorf("%d are left", len(left))
		}
		return nil
	})
}

// check ends the server like everything else, and looks whether all its pages and indexes are as they should be.
func (p *postgres) check() error {
	p.killAll()
	p.start()
	look := p.command("pg_amcheck", "-h", "127.0.0.1", "-p", strconv.Itoa(p.port), "-U", "postgres", "-d", "postgres", "--install-missing", "--heapallindexed")
	said, err := look.CombinedOutput()
	if err != nil {
		return fmt.Errorf("the database is not whole: %w\n%s", err, said)
	}
	return nil
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}
