// Package postgrestest gives tests a PostgreSQL of their own: one server for a test process, an empty database for
// whoever asks. It is for tests only.
package postgrestest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL for tests. It ends, and its folder goes, when the process ends that started it, however that
// comes about.
type Server struct {
	bin, dir string
	port     int
	alive    io.Closer // ends the server when it is closed, as the end of this process does
	made     atomic.Int64
}

// Fresh is the address of an empty database on the one server of this process, which waits for no disk. Without
// PostgreSQL on this machine the test is skipped; in CI it fails.
func Fresh(t testing.TB) string {
	t.Helper()
	skipWithout(t)
	server, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return server.Fresh(t)
}

var shared = sync.OnceValues(func() (*Server, error) { return start("fsync=off") })

// Start starts a server of its own for a test, with settings such as "fsync=on"; it ends with the test.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	skipWithout(t)
	server, err := start(settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.alive.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func skipWithout(t testing.TB) {
	t.Helper()
	_, err := binaries()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// Fresh is the address of an empty database on this server.
func (s *Server) Fresh(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("fresh%d", s.made.Add(1))
	s.Do(t, "create database "+name)
	return s.Address(name)
}

// Copy is the address of a database like another one, of which nobody has a connection open.
func Copy(t testing.TB, address string) string {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("copy%d", server.made.Add(1))
	server.Do(t, "create database "+name+" template "+config.Database+" strategy file_copy")
	return server.Address(name)
}

// Dump is all that a database holds, the bytes of binary columns as they are.
func Dump(t testing.TB, address string) []byte {
	t.Helper()
	program, err := exec.LookPath("pg_dump")
	if err != nil {
		bin, err := binaries()
		if err != nil {
			t.Fatal(err)
		}
		program = filepath.Join(bin, "pg_dump")
	}
	text, err := exec.Command(program, "--data-only", address).Output()
	if err != nil {
		t.Fatalf("dump the database: %v", err)
	}
	all := text
	for _, binary := range regexp.MustCompile(`\\\\x([0-9a-f]+)`).FindAllSubmatch(text, -1) {
		plain, err := hex.DecodeString(string(binary[1]))
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, '\n'), plain...)
	}
	return all
}

// Address is that of one of its databases.
func (s *Server) Address(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// Do runs a statement as its administrator.
func (s *Server) Do(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.Address("postgres"))
	if err == nil {
		_, err = conn.Exec(ctx, statement)
		err = errors.Join(err, conn.Close(ctx))
	}
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// binaries finds where PostgreSQL's programs are: in the PATH, or where Debian puts them.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("no PostgreSQL on this machine: install postgresql, or put its programs into the PATH")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

func start(settings ...string) (_ *Server, err error) {
	s := &Server{}
	if s.bin, err = binaries(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "remuda-postgres-"); err != nil {
		return nil, err
	}
	if err := s.watch(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if err := s.launch(settings); err != nil {
		return nil, errors.Join(err, s.alive.Close())
	}
	return s, nil
}

// watch starts a program that waits for the end of this one, and then ends the server. It keeps nothing of this
// process open, in which others may wait for the end of its output.
func (s *Server) watch() error {
	watcher := exec.Command("/bin/sh", "-c",
		`trap '' TERM INT HUP; read -r end; pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid"; sleep 0.2; rm -rf "$0"`, s.dir)
	watcher.Dir = "/"
	pipe, err := watcher.StdinPipe()
	if err != nil {
		return err
	}
	s.alive = pipe
	return watcher.Start() // nobody waits for it: it outlives this process
}

func (s *Server) launch(settings []string) (err error) {
	if err := s.give(); err != nil {
		return err
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	err = s.run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C")
	if err != nil {
		return err
	}
	var configuration strings.Builder
	for _, setting := range append([]string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(s.port), "unix_socket_directories=" + s.dir, "max_connections=200",
	}, settings...) {
		name, value, _ := strings.Cut(setting, "=")
		fmt.Fprintf(&configuration, "%s = '%s'\n", name, value)
	}
	if err := appendTo(filepath.Join(data, "postgresql.conf"), configuration.String()); err != nil {
		return err
	}
	return s.run("pg_ctl", "-D", data, "-w", "-t", "60", "-l", filepath.Join(s.dir, "log"), "start")
}

// Crash ends the server at once, as the loss of its process would; Again starts it once more.
func (s *Server) Crash(t testing.TB) {
	t.Helper()
	if err := s.run("pg_ctl", "-D", filepath.Join(s.dir, "data"), "-m", "immediate", "-w", "stop"); err != nil {
		t.Fatal(err)
	}
}

// Again starts a server that was ended.
func (s *Server) Again(t testing.TB) {
	t.Helper()
	if err := s.run("pg_ctl", "-D", filepath.Join(s.dir, "data"), "-w", "-t", "60", "-l", filepath.Join(s.dir, "log"), "start"); err != nil {
		t.Fatal(err)
	}
}

// give lets the user that PostgreSQL runs as write into the server's folder: it refuses to run as root.
func (s *Server) give() error {
	if runtime.GOOS == "windows" || os.Geteuid() != 0 {
		return nil
	}
	other, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("PostgreSQL refuses to run as root, and there is no user for it: %w", err)
	}
	uid, errUID := strconv.Atoi(other.Uid)
	gid, errGID := strconv.Atoi(other.Gid)
	return errors.Join(errUID, errGID, os.Chown(s.dir, uid, gid))
}

// run runs one of PostgreSQL's programs, as a user that it takes.
func (s *Server) run(name string, args ...string) error {
	command := append([]string{filepath.Join(s.bin, name)}, args...)
	if os.Geteuid() == 0 {
		command = append([]string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}, command...)
	}
	run := exec.Command(command[0], command[1:]...)
	run.Dir = s.dir
	log, err := os.CreateTemp(s.dir, "said-") // a pipe would stay open for as long as the server runs
	if err != nil {
		return err
	}
	run.Stdout, run.Stderr = log, log
	failed := run.Run()
	said, err := os.ReadFile(log.Name())
	if err := errors.Join(err, log.Close(), os.Remove(log.Name())); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("%s: %w\n%s", name, failed, said)
	}
	return nil
}

func appendTo(path, text string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}
