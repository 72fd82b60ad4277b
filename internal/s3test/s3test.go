// Package s3test gives tests a bucket that speaks S3, by a versitygw of their own. It is for tests only.
package s3test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// version is the one that `make tools` builds.
const version = "v1.8.0"

// Server holds one bucket in a folder, and outlives its own process: Stop and Start play an outage.
type Server struct {
	Address string // of the bucket
	Folder  string // where its objects lie

	program, dir, port string
	command            *exec.Cmd
}

// Start starts a server that ends with the test, and has AWS's variables name its credentials meanwhile: a test that
// runs beside others cannot use it. Without versitygw on this machine the test is skipped; in CI it fails.
func Start(t testing.TB) *Server {
	t.Helper()
	program, err := find()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	s := &Server{program: program, dir: t.TempDir()}
	s.Folder = filepath.Join(s.dir, "data", "output")
	for _, dir := range []string{s.Folder, filepath.Join(s.dir, "sidecar")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if s.port, err = freePort(); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret", "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	s.Address = fmt.Sprintf("s3://output?endpoint=http://127.0.0.1:%s&use_path_style=true&region=us-east-1", s.port)
	s.Start(t)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// find looks where `make tools` puts it, then in the PATH.
func find() (string, error) {
	cache, err := os.UserCacheDir()
	if err == nil {
		program := filepath.Join(cache, "remuda", "tools", "versitygw-"+version, "versitygw")
		if _, err := os.Stat(program); err == nil {
			return program, nil
		}
	}
	if program, err := exec.LookPath("versitygw"); err == nil {
		return program, nil
	}
	return "", errors.New("no versitygw on this machine: run 'make tools', or put it into the PATH")
}

// Start starts it again after Stop, and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.command = exec.Command(s.program, "--quiet", "--access", "test", "--secret", "test-secret", "--port", "127.0.0.1:"+s.port,
		"posix", "--sidecar", filepath.Join(s.dir, "sidecar"), filepath.Join(s.dir, "data"))
	s.command.Stdout, s.command.Stderr = io.Discard, io.Discard
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	tries := time.NewTicker(20 * time.Millisecond)
	defer tries.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tries.C {
		answer, err := http.Get("http://127.0.0.1:" + s.port + "/") // refused, which is an answer
		if err == nil {
			_ = answer.Body.Close()
			http.DefaultClient.CloseIdleConnections()
			return
		}
	}
	s.Stop(t)
	t.Fatal("versitygw does not answer")
}

// Stop ends it at once.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if s.command == nil {
		return
	}
	if err := s.command.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = s.command.Wait() // it was killed
	s.command = nil
}

func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}
