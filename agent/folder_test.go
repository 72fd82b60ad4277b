package agent_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
	"github.com/remuda-dev/remuda/agent/agenttest"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestAResultIsFoundAsItWasLeft(t *testing.T) {
	folder := agent.Folder(t.TempDir())
	if _, found, err := folder.Result(); found || err != nil {
		t.Fatalf("there is a result in an empty folder (%v)", err)
	}
	want := remuda.Result{State: remuda.Failed, Reason: remuda.ReasonStep, Detail: "step \"a\" ended by SIGSEGV",
		Steps: []remuda.Step{{Name: "a", State: remuda.StepFailed}}}
	if err := agent.WriteResult(folder, want); err != nil {
		t.Fatal(err)
	}
	if got, found, err := folder.Result(); !reflect.DeepEqual(got, want) || !found || err != nil {
		t.Errorf("the result is %+v, %t (%v)", got, found, err)
	}
}

// A runner that is root reads folders in which a step could put anything.
func TestWhatIsNoAgentsResultIsRefused(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "result.json")
	if err := os.WriteFile(outside, []byte(`{"state":"succeeded"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(path string) error{
		"no JSON":  func(path string) error { return os.WriteFile(path, []byte("{"), 0o600) },
		"no state": func(path string) error { return os.WriteFile(path, []byte("{}"), 0o600) },
		"a runner's reason": func(path string) error {
			return os.WriteFile(path, []byte(`{"state":"failed","reason":"lost"}`), 0o600)
		},
		"endless":         func(path string) error { return os.WriteFile(path, make([]byte, 2<<20), 0o600) },
		"a link outwards": func(path string) error { return os.Symlink(outside, path) },
		"a pipe":          mkfifo,
		"a folder":        func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		folder := agent.Folder(t.TempDir())
		if err := put(filepath.Join(string(folder), "result.json")); err != nil {
			t.Fatal(err)
		}
		if result, found, err := folder.Result(); found || err == nil {
			t.Errorf("%s: read as %+v", name, result)
		}
	}
}

func TestALinkInPlaceOfASpoolIsNotFollowed(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "shadow")
	if err := os.WriteFile(secret, []byte("root's own"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"0.out", "0.pipe"} {
		folder, plane := agent.Folder(t.TempDir()), agenttest.NewPlane()
		begun(t, plane)
		if err := os.Mkdir(filepath.Join(string(folder), "steps"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(folder.Spool(0), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(folder.Beside(name))
		if err := os.Symlink(secret, folder.Beside(name)); err != nil {
			t.Fatal(err)
		}
		if err := agent.Ship(t.Context(), plane, folder, nil, quiet()); err == nil {
			t.Errorf("%s: a link was taken for a spool", name)
		}
		if got := plane.Output(0); got != "" {
			t.Errorf("%s: %q was sent", name, got)
		}
	}
}

func TestASpoolThatWasCutShortIsClosedAsItStands(t *testing.T) {
	folder, plane := agent.Folder(t.TempDir()), agenttest.NewPlane()
	begun(t, plane)
	plane.Put(0, agenttest.Stream{Data: []byte("sent before"), Source: 11})
	if err := os.Mkdir(filepath.Join(string(folder), "steps"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder.Spool(0), []byte("cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := agent.Ship(t.Context(), plane, folder, nil, quiet()); err != nil {
		t.Fatal(err)
	}
	wantStream(t, plane, "sent before", false)
}

func TestAHandoffIsOneWholeDocument(t *testing.T) {
	good := `{"claim": {"id": "1", "task": {"implementation": "job"}}, "secrets": {"A": "hunter22"}, "dir": "/c", "newer": 1}`
	h, err := agent.ReadHandoff(strings.NewReader(good))
	if err != nil || h.Secrets["A"] != "hunter22" || h.SocketPath() != "/c/agent.sock" || h.WorkPath() != "/c/work" {
		t.Errorf("read %+v (%v)", h, err)
	}
	for _, bad := range []string{
		"", "{}", good + good, good[:len(good)-1], `{"secrets": {"A": hunter22}}`, `{"secrets": ["hunter22"]}`,
		strings.Replace(good, "/c", "c", 1), strings.Replace(good, `"1"`, `""`, 1), strings.Replace(good, `"job"`, `""`, 1),
		`{"workspace": "here",` + good[1:],
	} {
		if h, err := agent.ReadHandoff(strings.NewReader(bad)); err == nil {
			t.Errorf("%s was read as %+v", bad, h)
		} else if strings.Contains(err.Error(), "hunter22") {
			t.Errorf("the error quotes a secret: %v", err)
		}
	}
	if _, err := agent.ReadHandoff(endless{}); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("an endless handoff: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// The runner, who may be root, makes a filter of what a task says it hides.
func TestMoreMasksThanATaskMayHaveWithholdItsOutput(t *testing.T) {
	many := func(n, length int) string {
		var lines strings.Builder
		for i := range n {
			lines.WriteString(strconv.Quote(fmt.Sprintf("%0*d", length, i)) + "\n")
		}
		return lines.String()
	}
	for name, test := range map[string]struct {
		masks string
		sent  bool
	}{
		"as many as may be":  {many(200, 1300), true},
		"as long as may be":  {many(4, 64<<10), true},
		"too many":           {many(201, 10), false},
		"one that is long":   {many(1, 64<<10+1), false},
		"too long together":  {many(5, 64<<10), false},
		"an endless file":    {strings.Repeat("\n", 3<<20), false},
		"no more than lines": {strings.Repeat("\n", 1<<20), true},
	} {
		folder, plane := agent.Folder(t.TempDir()), agenttest.NewPlane()
		begun(t, plane)
		for file, text := range map[string]string{folder.Spool(0): "output", filepath.Join(string(folder), "masks"): test.masks} {
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := agent.Ship(t.Context(), plane, folder, nil, quiet())
		if sent := plane.Output(0) == "output"; sent != test.sent || (err == nil) != test.sent {
			t.Errorf("%s: sent is %t, %v", name, sent, err)
		}
		if err != nil && !strings.Contains(err.Error(), "is withheld") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyNamesThatStepsHaveAreAskedFor(t *testing.T) {
	folder, plane := agent.Folder(t.TempDir()), agenttest.NewPlane()
	begun(t, plane)
	if err := os.Mkdir(filepath.Join(string(folder), "steps"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{2, 999, 1000, 5000} {
		if err := os.WriteFile(folder.Spool(n), []byte("output"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := agent.Ship(t.Context(), plane, folder, nil, quiet()); err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]string{2: "output", 999: "output", 1000: "", 5000: ""} {
		if got := plane.Output(n); got != want {
			t.Errorf("of step %d %q was sent, want %q", n, got, want)
		}
	}
}
