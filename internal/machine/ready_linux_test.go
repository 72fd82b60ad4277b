package machine

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// readyNow is the agent that waits for a claim; nil when none does.
func readyNow(e *Executor) *ready {
	e.next.mu.Lock()
	one := e.next.one
	e.next.mu.Unlock()
	if one == nil {
		return nil
	}
	<-one.made
	return one.agent
}

// lies are the names in a folder of the runner's.
func lies(t *testing.T, e *Executor, name string) []string {
	t.Helper()
	names, err := left(e.config.Dir, name)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestTheNextTaskGetsAnAgentThatHasStarted(t *testing.T) {
	dir := openDir(t)
	e := open(t, Config{Dir: dir})
	if readyNow(e) != nil {
		t.Error("an agent waits although there was no task yet")
	}
	newTask(t, "c1", `true`).output(t, e)
	waits := readyNow(e)
	if waits == nil {
		t.Fatal("no agent waits")
	}
	shared := sharedDir(t)
	tk := newTask(t, "c2", `id -un; id -u; echo "$HOME"; awk -F: -v u="$(id -u)" '$3 == u {print $6}' /etc/passwd; pwd; echo ready; while [ ! -e `+shared+`/go ]; do sleep 0.01; done`)
	during(t, e, tk, "ready", func() {
		if r := recordOf(t, dir, "c2"); r.Pid != waits.process.pid || r.UID != waits.uid || r.Group != waits.group {
			t.Errorf("the task has the agent %+v, and %d waited", r, waits.process.pid)
		}
		if got := lies(t, e, readyDir); len(got) > 0 {
			t.Errorf("%v is still ready", got)
		}
		if err := os.WriteFile(filepath.Join(shared, "go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	text, _ := tk.plane.Output(0)
	said := strings.Fields(text)
	if len(said) != 6 {
		t.Fatalf("it says %q", text)
	}
	if e.uids != nil && (said[0] != "remuda-"+said[1] || said[2] != said[3]) {
		t.Errorf("/etc/passwd does not know the task's user and home: %q", text)
	}
	if home := filepath.Join(dir, claimsDir, "c2"); !strings.HasPrefix(said[2], home) || !strings.HasPrefix(said[4], home) {
		t.Errorf("it ran elsewhere: %q", text)
	}
	last := readyNow(e)
	if last == nil || last.process.pid == waits.process.pid || e.uids != nil && last.uid == waits.uid {
		t.Errorf("after it, %+v waits", last)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, e, last)
}

// nothingLeft holds that an agent which waited is gone with all that it had.
func nothingLeft(t *testing.T, e *Executor, was *ready) {
	t.Helper()
	if alive(was.process.pid) {
		t.Error("the agent is still there")
	}
	if got := append(lies(t, e, readyDir), lies(t, e, claimsDir)...); len(got) > 0 {
		t.Errorf("%v is left", got)
	}
	if _, err := os.Stat(was.group); was.group != "" && err == nil {
		t.Errorf("%s is left", was.group)
	}
	usersAreFree(t, e)
}

// usersAreFree holds that no task has a user: none of this runner's.
func usersAreFree(t *testing.T, e *Executor) {
	t.Helper()
	if e.uids == nil {
		return
	}
	for uid, of := range e.uids.taken {
		if of != "" {
			t.Errorf("user %d is still of %s", uid, of)
		}
	}
}

func TestAnAgentWaitsForATaskAsLongAsItMay(t *testing.T) {
	e := opened(t, Config{ReadyFor: 20 * time.Millisecond})
	newTask(t, "c1", `true`).output(t, e)
	until(t, "that nothing waits", func() bool {
		e.next.mu.Lock()
		defer e.next.mu.Unlock()
		return e.next.one == nil
	})
	e.next.work.Wait()
	if got := lies(t, e, readyDir); len(got) > 0 {
		t.Errorf("%v is left", got)
	}
	usersAreFree(t, e)
	newTask(t, "c2", `true`).output(t, e)
}

func TestAnAgentThatDiedWhileItWaitedIsReplaced(t *testing.T) {
	e := open(t, Config{Dir: openDir(t)})
	newTask(t, "c1", `true`).output(t, e)
	dead := readyNow(e)
	if err := unix.Kill(dead.process.pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "its end", func() bool { return !alive(dead.process.pid) })
	if text := newTask(t, "c2", `echo hello`).output(t, e); text != "hello\n" {
		t.Errorf("the next task says %q", text)
	}
	last := readyNow(e)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, e, last)
}

// What a runner that is killed lets go of: the pipe on which its agent waits, and its locks.
func TestAnAgentThatWaitsEndsWithItsRunner(t *testing.T) {
	dir := openDir(t)
	e := open(t, Config{Dir: dir})
	newTask(t, "c1", `true`).output(t, e)
	waits := readyNow(e)
	_ = waits.claim.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if waits.process.wait(ctx); !waits.process.ended {
		t.Fatal("it waits on")
	}
	if err := e.uids.close(); err != nil {
		t.Error(err)
	}
	if err := e.lock.Close(); err != nil {
		t.Error(err)
	}
	next := opened(t, Config{Dir: dir})
	nothingLeft(t, next, waits)
	newTask(t, "c2", `true`).output(t, next)
}

func TestNoAgentWaitsBehindAPrefixOrWhenNoneShould(t *testing.T) {
	for _, config := range []Config{{CommandPrefix: []string{"env"}}, {ReadyFor: -1}} {
		e := opened(t, config)
		newTask(t, "c1", `true`).output(t, e)
		if one := readyNow(e); one != nil {
			t.Errorf("%+v: %d waits", config, one.process.pid)
		}
	}
}
