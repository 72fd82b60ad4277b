package machine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestAnAgentIsWokenLaterAndItsStepsAreNot(t *testing.T) {
	usual, err := exec.CommandContext(t.Context(), "cat", "/proc/self/timerslack_ns").Output()
	if err != nil {
		t.Skip("this kernel does not tell how late it wakes a process")
	}
	e, shared := opened(t, Config{}), sharedDir(t)
	tk := newTask(t, "c1", `cat /proc/self/timerslack_ns; while [ ! -e `+shared+`/go ]; do sleep 0.01; done`)
	during(t, e, tk, "\n", func() {
		agents, err := os.ReadFile(fmt.Sprintf("/proc/%d/timerslack_ns", recordOf(t, e.config.Dir, "c1").Pid))
		if err != nil || string(agents) == string(usual) {
			t.Errorf("the agent is as punctual as others: %q, %v", agents, err)
		}
		if err := os.WriteFile(filepath.Join(shared, "go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	if text, _ := tk.plane.Output(0); text != string(usual) {
		t.Errorf("the step is woken %q late, others %q", text, usual)
	}
}

func TestASweepTakesAllThatIsUsualAndNothingElsewhere(t *testing.T) {
	dir := sharedDir(t)
	kept := filepath.Join(dir, "kept")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	top := filepath.Join(dir, "claim")
	for _, folder := range []string{"task/steps", "task/home", "task/work/a/b"} {
		if err := os.MkdirAll(filepath.Join(top, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 500 { // more than one reading gives
		if err := os.WriteFile(filepath.Join(top, "task/steps", fmt.Sprintf("a-file-with-a-longer-name-%d", n)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(top, "task/steps/0.pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"task/link", "task/work/a/b/link"} {
		if err := os.Symlink(kept, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	if !sweep(top) {
		t.Error("it gave up")
	}
	if _, err := os.Lstat(top); !os.IsNotExist(err) {
		t.Errorf("something is left: %v", err)
	}
	if _, err := os.Lstat(kept); err != nil {
		t.Errorf("it followed a link: %v", err)
	}
}

func TestASweepLeavesALinkAndWhatIsDeepToTheRemover(t *testing.T) {
	dir := sharedDir(t)
	deep := filepath.Join(dir, "deep")
	if err := os.MkdirAll(filepath.Join(deep, strings.Repeat("d/", deepestSweep+2)), 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(deep, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, deep, filepath.Join(dir, "absent")} {
		if sweep(path) {
			t.Errorf("%s: it says that all is gone", path)
		}
	}
	if _, err := os.Stat(filepath.Join(deep, "d/d")); err != nil {
		t.Errorf("it went through the link, or deeper than it should: %v", err)
	}
}

func TestClaimsLieApartOnAFileSystemWithoutAJournalAlone(t *testing.T) {
	e := opened(t, Config{})
	claims, err := os.Open(filepath.Join(e.config.Dir, "claims"))
	if err != nil {
		t.Fatal(err)
	}
	defer claims.Close()
	flags, err := unix.IoctlGetInt(int(claims.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		t.Skipf("a file system without such marks: %v", err)
	}
	if apart := flags&topOfTrees != 0; apart != withoutJournal(int(claims.Fd())) {
		t.Errorf("apart: %v", apart)
	}
}

func TestAGroupThatWasMadeBeforeARunnerDiedGoesWithItsClaim(t *testing.T) {
	e := opened(t, Config{})
	if !e.groups.found() {
		t.Skip("no cgroup v2 that may be written")
	}
	p, err := e.place("c1")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.make(e.account); err != nil {
		t.Fatal(err)
	}
	group := e.groups.make("c1", e.log)
	if _, err := os.Stat(group); err != nil {
		t.Fatal(err)
	}
	if err := e.Forget(t.Context(), "c1"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(group); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}
