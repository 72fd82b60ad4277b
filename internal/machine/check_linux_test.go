package machine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// refusesTask checks that the executor finds itself unfit, and says why.
func refusesTask(t *testing.T, e *Executor, because string) {
	t.Helper()
	if err := e.Check(t.Context()); err == nil || !strings.Contains(err.Error(), because) {
		t.Errorf("the check says %v, want one with %q", err, because)
	}
}

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(openDir(t), "agent")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAMachineThatIsFitSaysSoAndWritesOnce(t *testing.T) {
	e := open(t, Config{Dir: openDir(t)})
	defer e.Close()
	if err := e.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := e.Left(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("the check left %v, %v", left, err)
	}
	before, err := os.Stat(e.config.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := e.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if after, err := os.Stat(e.config.Dir); err != nil || after.ModTime() != before.ModTime() {
		t.Errorf("later checks wrote to the folder at %s, %v", after.ModTime(), err)
	}
}

func TestAnAgentThatDoesNotStartIsFound(t *testing.T) {
	e := open(t, Config{Dir: openDir(t), Agent: []string{script(t, "echo libc is missing >&2; exit 127")}})
	defer e.Close()
	refusesTask(t, e, "the agent does not start: exit status 127; it says: libc is missing")
	refusesTask(t, e, "exit status 127") // a failure is not remembered as proof
}

func TestAnAgentThatWasProvenIsTriedAgainAfterATaskThatDidNotStart(t *testing.T) {
	dir := openDir(t)
	flag := filepath.Join(dir, "broken")
	e := open(t, Config{Dir: openDir(t), Agent: []string{script(t, "[ ! -e "+flag+" ] || exit 9; [ \"$1\" = --version ] || exit 1")}})
	defer e.Close()
	if err := e.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(flag, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := e.Check(t.Context()); err != nil {
		t.Errorf("the agent was tried without a reason: %v", err)
	}
	if result, err := e.Execute(t.Context(), newTask(t, "c1", "true").Work); err == nil {
		t.Fatalf("ended with %+v", result)
	}
	refusesTask(t, e, "exit status 9")
}

func TestAFolderThatTakesNoFilesIsFound(t *testing.T) {
	e := open(t, Config{Dir: openDir(t)})
	defer e.Close()
	if err := os.Mkdir(filepath.Join(e.config.Dir, "check"), 0o700); err != nil { // in the way, for root as well
		t.Fatal(err)
	}
	refusesTask(t, e, "the runner's folder cannot be written")
}

func TestADiskWithoutRoomIsFound(t *testing.T) {
	e := open(t, Config{Dir: openDir(t), MinFree: 1 << 60})
	defer e.Close()
	refusesTask(t, e, "MiB free, and tasks want 1099511627776 MiB")
	e.config.MinFree = -1
	if err := e.Check(t.Context()); err != nil {
		t.Errorf("a runner that wants nothing free says %v", err)
	}
}

func TestADiskHasRoomByTheLesserOfTwoMeasures(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		room   room
		wanted int64
		lacks  bool
	}{
		{room{free: gib, size: 1000 * gib}, 0, false},
		{room{free: gib - 1, size: 1000 * gib}, 0, true},
		{room{free: gib / 2, size: 10 * gib}, 0, false}, // a twentieth of a small disk
		{room{free: gib/2 - 1, size: 10 * gib}, 0, true},
		{room{free: 5 * gib, size: 1000 * gib}, 6 * gib, true},
		{room{free: 2 * gib, size: 10 * gib, freeFiles: 9_999, mostOfFiles: 1_000_000}, 0, true},
		{room{free: 2 * gib, size: 10 * gib, freeFiles: 10_000, mostOfFiles: 1_000_000}, 0, false},
		{room{free: 2 * gib, size: 10 * gib, freeFiles: 50, mostOfFiles: 1000}, 0, false},
		{room{free: 2 * gib, size: 10 * gib}, 0, false}, // a disk that does not count files
	} {
		if err := c.room.lacks("/work", c.wanted); (err != nil) != c.lacks {
			t.Errorf("%+v with %d wanted: %v", c.room, c.wanted, err)
		}
	}
}

func TestAWorkingDirectoryOfItsOwnIsLookedAtBeforeItIsMade(t *testing.T) {
	e := open(t, Config{Dir: openDir(t), WorkingDirectory: filepath.Join(openDir(t), "not", "yet", "%s")})
	defer e.Close()
	if err := e.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if len(e.disks()) != 2 {
		t.Errorf("looked at %v", e.disks())
	}
}
