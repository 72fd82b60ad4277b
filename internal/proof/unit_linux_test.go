package proof

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// unit is a program that is killed and started again as it was.
type unit struct {
	t       *testing.T
	name    string
	argv    []string
	env     []string
	log     string              // the file that gets what it says
	heard   func(line string)   // each line that it says, also those of its last moment; may be nil
	user    *syscall.Credential // who it runs as; whoever runs the test when nil
	powered bool                // it is a whole machine: TERM is no way to end it

	running *exec.Cmd
	ended   chan struct{}
}

// start starts it. It dies with the test at the latest.
func (u *unit) start() {
	u.t.Helper()
	log, err := os.OpenFile(u.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		u.t.Fatal(err)
	}
	command := exec.Command(u.argv[0], u.argv[1:]...)
	command.Dir = filepath.Dir(u.log)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(u.log), "GORACE=halt_on_error=1"}, u.env...)
	if u.heard == nil {
		command.Stdout, command.Stderr = log, log
	} else {
		listener := &lines{to: log, each: u.heard}
		command.Stdout, command.Stderr = listener, listener
	}
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: u.user}
	if u.user != nil {
		command.SysProcAttr.Pdeathsig = 0 // it is dropped with the privileges: t.Cleanup ends it
	}
	if err := command.Start(); err != nil {
		u.t.Fatalf("start %s: %v", u.name, err)
	}
	ended := make(chan struct{})
	u.running, u.ended = command, ended
	go func() {
		defer close(ended)
		_ = command.Wait() // killed, as a rule
		_ = log.Close()
	}()
}

func (u *unit) alive() bool {
	if u.running == nil {
		return false
	}
	select {
	case <-u.ended:
		return false
	default:
		return true
	}
}

// kill ends it at once, if it runs, and waits for its end.
func (u *unit) kill() {
	if u.running == nil {
		return
	}
	_ = u.running.Process.Kill()
	<-u.ended
}

// term tells it to end, and expects that it does well and soon.
func (u *unit) term(long time.Duration) error {
	if !u.alive() {
		return fmt.Errorf("%s has ended before it was told to: %s", u.name, u.running.ProcessState)
	}
	_ = u.running.Process.Signal(syscall.SIGTERM)
	select {
	case <-u.ended:
	case <-time.After(long):
		u.kill()
		return fmt.Errorf("%s does not end within %s", u.name, long)
	}
	if !u.running.ProcessState.Success() {
		return fmt.Errorf("%s: %s", u.name, u.running.ProcessState)
	}
	return nil
}

// signal reaches it if it runs.
func (u *unit) signal(s syscall.Signal) {
	if u.alive() {
		_ = u.running.Process.Signal(s)
	}
}

// complaints are the lines of its log that no killing explains.
func (u *unit) complaints() error {
	text, err := os.ReadFile(u.log)
	if err != nil {
		return err
	}
	var found []error
	for line := range strings.Lines(string(text)) {
		for _, never := range []string{"panic", "DATA RACE", "fatal error", "goroutine "} {
			if strings.Contains(line, never) {
				found = append(found, fmt.Errorf("%s said: %s", u.name, strings.TrimSpace(line)))
				break
			}
		}
	}
	return errors.Join(found[:min(len(found), 5)]...)
}

// lines passes on what is written, and each whole line of it.
type lines struct {
	mu   sync.Mutex
	to   *os.File
	each func(string)
	half string
}

func (l *lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.half += string(data)
	for {
		line, rest, found := strings.Cut(l.half, "\n")
		if !found {
			break
		}
		l.half = rest
		l.each(line)
	}
	return l.to.Write(data)
}
