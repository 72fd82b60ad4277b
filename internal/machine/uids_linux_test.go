package machine

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/remuda-dev/remuda"
)

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root gives tasks users of their own")
	}
}

// neighbour starts a task that runs until its folder has a file "go", which finish makes.
func neighbour(t *testing.T, e *Executor, id string) (pid int, finish func()) {
	t.Helper()
	shared := sharedDir(t)
	tk := newTask(t, id, `echo mine > "$HOME/file"; echo $$; while [ ! -e `+shared+`/go ]; do sleep 0.01; done`)
	tk.Secrets = map[string]string{"PASSWORD": "correct-horse-battery"}
	done := make(chan error, 1)
	go func() {
		result, err := e.Execute(t.Context(), tk.Work)
		if err == nil && result.State != remuda.Succeeded {
			t.Errorf("the neighbour ended with %+v", result)
		}
		done <- err
	}()
	until(t, "the neighbour's first line", func() bool {
		text, _ := tk.plane.Output(0)
		var err error
		pid, err = strconv.Atoi(strings.TrimSpace(text))
		return err == nil
	})
	return pid, func() {
		t.Helper()
		if err := os.WriteFile(filepath.Join(shared, "go"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := e.Forget(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
}

func TestATaskReachesNothingOfItsNeighbours(t *testing.T) {
	needsRoot(t)
	e := opened(t, Config{})
	pid, finish := neighbour(t, e, "c1")
	r := recordOf(t, e.config.Dir, "c1")
	for what, command := range map[string]string{
		"reads its environment": "cat /proc/" + strconv.Itoa(pid) + "/environ",
		"lists its folder":      "ls " + r.Folder,
		"reads its file":        "cat " + r.Folder + "/home/file",
		"opens its output":      "cat " + r.Folder + "/steps/0.out",
		"writes to its socket":  "test -w " + r.Socket,
		"kills it":              "kill -0 " + strconv.Itoa(pid),
		"kills its agent":       "kill -0 " + strconv.Itoa(r.Pid),
	} {
		if text := newTask(t, "c2", "if "+command+" 2>/dev/null; then echo yes; else echo no; fi").output(t, e); text != "no\n" {
			t.Errorf("a task %s: %q", what, text)
		}
	}
	finish()
}

func TestAUserIsNoOthersUntilItsClaimIsForgotten(t *testing.T) {
	needsRoot(t)
	e := opened(t, Config{ReadyFor: -1})
	seen := map[string]bool{}
	for _, id := range []string{"c1", "c2", "c3"} {
		tk := newTask(t, id, "id -u; id -g; id -G")
		if _, err := e.Execute(t.Context(), tk.Work); err != nil {
			t.Fatal(err)
		}
		text, _ := tk.plane.Output(0)
		ids := strings.Fields(text)
		if len(ids) != 3 || ids[0] != ids[1] || ids[0] != ids[2] || seen[ids[0]] {
			t.Errorf("%s has the ids %q; had before: %v", id, ids, seen)
		}
		seen[ids[0]] = true
	}
	if len(e.uids.taken) < 3 {
		t.Errorf("taken are %v", e.uids.taken)
	}
	for _, id := range []string{"c1", "c2", "c3"} {
		if err := e.Forget(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	usersAreFree(t, e)
}

func TestWhenAllUsersAreTakenTheNextClaimIsRefused(t *testing.T) {
	u := &uids{first: firstUID, taken: map[uint32]string{}, next: 7}
	for i := range uidsOfRunner {
		if _, err := u.take(strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	if uid, err := u.take("more"); err == nil {
		t.Errorf("got %d", uid)
	}
	u.release("5")
	if uid, err := u.take("more"); err != nil || uid != firstUID+12 {
		t.Errorf("got %d, %v", uid, err)
	}
}

func TestRunnersOfOneMachineShareNoUsers(t *testing.T) {
	needsRoot(t)
	one, other := opened(t, Config{}), opened(t, Config{})
	if one.uids.first == other.uids.first {
		t.Errorf("both begin at %d", one.uids.first)
	}
	dir := openDir(t)
	before := open(t, Config{Dir: dir})
	first := before.uids.first
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	if after := opened(t, Config{Dir: dir}); after.uids.first != first {
		t.Errorf("it began at %d, and now at %d", first, after.uids.first)
	}
}

func TestAUserThatIsChosenIsThatOfAllTasks(t *testing.T) {
	needsRoot(t)
	for _, config := range []Config{{User: "nobody"}, {WorkingDirectory: sharedDir(t)}, {CommandPrefix: []string{"sudo", "-u", "nobody"}}} {
		if ownUsers(config) {
			t.Errorf("%+v: each task has its own", config)
		}
	}
	if !ownUsers(Config{WorkingDirectory: "/work/%s", CommandPrefix: []string{"nice"}}) {
		t.Error("tasks share a user, and nobody said so")
	}
	var log strings.Builder
	e := opened(t, Config{User: "nobody"})
	e.log = slog.New(slog.NewTextHandler(&log, nil))
	_, finish := neighbour(t, e, "c1")
	for range 2 {
		if text := newTask(t, "c2", "id -un").output(t, e); text != "nobody\n" {
			t.Errorf("it says %q", text)
		}
	}
	finish()
	if n := strings.Count(log.String(), "run as one user"); n != 1 {
		t.Errorf("it was said %d times: %s", n, log.String())
	}
}

func TestASuccessorKeepsTheUserOfWhatItAdopts(t *testing.T) {
	needsRoot(t)
	dir := openDir(t)
	agent, step := killedRunner(t, dir, false)
	r := recordOf(t, dir, "c1")
	if uid, ok := uidOf(step); !ok || uid != r.UID || !isTaskUser(uid) {
		t.Fatalf("the step is of user %d, the record says %d", uid, r.UID)
	}
	e := opened(t, Config{Dir: dir})
	if claim := e.uids.taken[r.UID]; claim != "c1" {
		t.Errorf("its user is taken by %q", claim)
	}
	e.groups = groups{} // Found by their user alone.
	if err := os.Remove(r.Group); r.Group != "" && err == nil {
		t.Error("its group was empty")
	}
	if err := e.Forget(t.Context(), "c1"); err != nil {
		t.Fatal(err)
	}
	if alive(agent) || alive(step) {
		t.Error("it lives on")
	}
	if _, taken := e.uids.taken[r.UID]; taken {
		t.Error("its user is still taken")
	}
}

// Of what was daemonized nothing but its user, or whose child it became, tells whose it was.
func TestADaemonDiesWithItsTaskWhileAnotherRuns(t *testing.T) {
	for name, config := range map[string]Config{"own users": {}, "one user": {User: "nobody"}} {
		t.Run(name, func(t *testing.T) {
			needsRoot(t)
			e := opened(t, config)
			e.groups = groups{}
			if err := becomeSubreaper(); err != nil {
				t.Fatal(err)
			}
			_, finish := neighbour(t, e, "c1")
			pids := filepath.Join(sharedDir(t), "pid")
			tk := newTask(t, "c2", `( cd /; setsid env -i sh -c 'echo $$ > `+pids+`.partial; mv `+pids+`.partial `+pids+`; exec sleep 300' >/dev/null 2>&1 </dev/null & )
				until [ -e `+pids+` ]; do sleep 0.01; done; kill -KILL $PPID; sleep 300`)
			if result, err := e.Execute(t.Context(), tk.Work); err == nil {
				t.Errorf("ended with %+v", result)
			}
			text, err := os.ReadFile(pids)
			if err != nil {
				t.Fatal(err)
			}
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err != nil || alive(pid) {
				t.Errorf("the daemon %d lives on (%v)", pid, err)
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			if err := e.Forget(t.Context(), "c2"); err != nil {
				t.Error(err)
			}
			finish()
		})
	}
}

// ssh ends at once for a user without an account.
func TestATasksOwnUserHasANameForSSH(t *testing.T) {
	needsRoot(t)
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Skip("needs ssh")
	}
	if err := exec.CommandContext(t.Context(), "unshare", "--mount", "true").Run(); err != nil {
		t.Skip("needs a host where root may mount")
	}
	e := opened(t, Config{})
	text := newTask(t, "c1", `test "$(id -un)" = "remuda-$(id -u)" && test "$USER" = "$(id -un)" && echo named
		ssh -o BatchMode=yes -o ConnectTimeout=2 -p 1 127.0.0.1 2>&1 | grep -o 'Connection refused\|No user exists' || true
		git init -q . && git -c user.name=a -c user.email=b commit -q --allow-empty -m c && echo committed`).output(t, e)
	if text != "named\nConnection refused\ncommitted\n" {
		t.Errorf("it says %q", text)
	}
	if accounts, err := os.ReadFile("/etc/passwd"); err != nil || strings.Contains(string(accounts), "a task") {
		t.Errorf("the machine's own accounts are %q, %v", accounts, err)
	}
}

func TestAKeptWorkingDirectoryIsClosedToTheNextWithThatUser(t *testing.T) {
	needsRoot(t)
	above := sharedDir(t)
	e := opened(t, Config{WorkingDirectory: filepath.Join(above, "of-%s")})
	newTask(t, "c1", "echo x > file; chmod 0777 .").output(t, e)
	var stat unix.Stat_t
	if err := unix.Stat(filepath.Join(above, "of-c1"), &stat); err != nil || stat.Uid != 0 || stat.Mode&0o777 != 0o700 {
		t.Errorf("it is of user %d with mode %o (%v)", stat.Uid, stat.Mode, err)
	}
}
