package machine

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLimitsAreWhatTheKernelReads(t *testing.T) {
	got := Limits{Memory: 1 << 30, CPU: 1.5, Pids: 100}.files()
	want := map[string]string{"memory.max": "1073741824", "cpu.max": "150000 100000", "pids.max": "100"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if none := (Limits{}).files(); len(none) != 0 {
		t.Errorf("no limits are %v", none)
	}
}

func TestControllersAreEnabledWhereTheHostHasThem(t *testing.T) {
	// Files in the place of the kernel's, which is not the same everywhere: that one is asked by the suite.
	group := func(available, enabled string) string {
		dir := t.TempDir()
		for name, text := range map[string]string{"cgroup.controllers": available, "cgroup.subtree_control": enabled} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	limits := Limits{Memory: 1, Pids: 1}.files()
	for _, test := range []struct {
		available, enabled string
		written            string // what enable leaves in cgroup.subtree_control
		refused            string
	}{
		{"cpu memory pids\n", "memory pids\n", "memory pids\n", ""},
		{"cpu memory pids\n", "memory\n", "+pids", ""},
		{"cpu\n", "", "", "no controller memory"},
	} {
		dir := group(test.available, test.enabled)
		err := groups{parent: dir, limits: limits}.enable("/elsewhere")
		if test.refused != "" {
			if err == nil || !strings.Contains(err.Error(), test.refused) {
				t.Errorf("%+v: %v", test, err)
			}
			continue
		}
		got, readErr := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
		if err != nil || readErr != nil || !strings.HasPrefix(string(got), test.written) {
			t.Errorf("%+v: %q, %v, %v", test, got, err, readErr)
		}
	}
}

func TestGroupsThatAreLongEmptyAreRemoved(t *testing.T) {
	parent := t.TempDir()
	long := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{"remuda-old", "remuda-young", "remuda-full", "remuda-full/below", "other", runnersLeaf} {
		if err := os.Mkdir(filepath.Join(parent, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"remuda-old", "remuda-full", "other", runnersLeaf} {
		if err := os.Chtimes(filepath.Join(parent, name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	sweepGroups(parent)
	var left []string
	entries, err := os.ReadDir(parent)
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if err != nil || strings.Join(left, " ") != "other remuda-full remuda-runner remuda-young" {
		t.Errorf("left are %v, %v", left, err)
	}
}

func TestALimitedTaskMayNotHaveMoreProcesses(t *testing.T) {
	e := opened(t, Config{Limits: Limits{Pids: 64}})
	if e.groups.limits == nil {
		t.Skip("this host's cgroup v2 has no controller pids that the tests may enable")
	}
	tk := newTask(t, "c1", "for i in $(seq 200); do sleep 60 & done")
	if result, err := e.Execute(t.Context(), tk.Work); err == nil && result.State == "succeeded" {
		t.Errorf("ended with %+v", result)
	}
}
