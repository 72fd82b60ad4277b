package machine

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/remuda-dev/remuda"
)

// fewFiles is what a process may have open that removes a tree that is far deeper.
const fewFiles = 64

func TestATreeIsRemovedHoweverDeep(t *testing.T) {
	top := filepath.Join(sharedDir(t), "tree")
	if err := os.Mkdir(top, 0o700); err != nil {
		t.Fatal(err)
	}
	// Made from the bottom up: no name is as long as the way to the last folder.
	for i := range 3000 {
		if err := os.WriteFile(filepath.Join(top, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(top+".above", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(top, filepath.Join(top+".above", "d")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(top+".above", top); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := child(t, "remove with few files", top).Run(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(top); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

func removeWithFewFiles(dir string) error {
	limit := unix.Rlimit{Cur: fewFiles, Max: fewFiles}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	return removeTree(dir)
}

func TestALinkIsRemovedAndNotFollowed(t *testing.T) {
	dir := sharedDir(t)
	kept := filepath.Join(dir, "kept")
	for _, path := range []string{kept, filepath.Join(dir, "tree", "below")} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"tree/link", "tree/below/link", "link"} {
		if err := os.Symlink(kept, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"tree", "link", "absent", "absent/below"} {
		if err := removeTree(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left are %v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(kept, "file")); err != nil {
		t.Error(err)
	}
}

func TestATaskMayNotHoldConnectionsWithoutEnd(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "agent.sock")
	f, err := forward(socket, account{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }))
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if f.server.IdleTimeout == 0 || f.server.ReadTimeout == 0 || f.server.MaxHeaderBytes == 0 {
		t.Errorf("the server waits for ever: %+v", f.server)
	}
	var idle []net.Conn
	dial := func() net.Conn {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	for range mostConnections {
		conn := dial()
		defer conn.Close()
		if answer := ask(t, conn, 10*time.Second); !strings.Contains(answer, "here") {
			t.Fatalf("answered: %q", answer)
		}
		idle = append(idle, conn)
	}
	more := dial()
	defer more.Close()
	if answer := ask(t, more, 100*time.Millisecond); answer != "" {
		t.Errorf("one more was answered: %q", answer)
	}
	_ = idle[0].Close()
	if answer := ask(t, more, 10*time.Second); !strings.Contains(answer, "here") {
		t.Errorf("in place of one that was closed: %q", answer)
	}
}

// ask asks once on a connection and gives what came within a time.
func ask(t *testing.T, conn net.Conn, within time.Duration) string {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	answer := make([]byte, 1000)
	n, _ := conn.Read(answer)
	return string(answer[:n])
}

func TestAResultThatCannotBeWrittenIsStillTheResult(t *testing.T) {
	e, shared := opened(t, Config{}), sharedDir(t)
	tk := newTask(t, "c1", `echo ready; while [ ! -e `+shared+`/go ]; do sleep 0.01; done`)
	during(t, e, tk, "ready", func() { // Fails when Execute does.
		record := filepath.Join(e.config.Dir, "claims", "c1", "record.json")
		if err := os.Remove(record); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{record, filepath.Join(shared, "go")} {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A disk that is full of what the task wrote has room when that is removed.
func TestAResultIsWrittenWhenWhatFilledTheDiskIsGone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := openDir(t)
	if err := unix.Mount("small", dir, "tmpfs", 0, "size=32m,mode=0711"); err != nil {
		t.Skip("needs a host where root may mount")
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	e := open(t, Config{Dir: dir})
	tk := newTask(t, "c1", `dd if=/dev/zero of=full bs=4k 2>/dev/null; true`)
	result, err := e.Execute(t.Context(), tk.Work)
	if err != nil || result.State != remuda.Succeeded {
		t.Logf("ended with %+v, %v", result, err) // The agent had no room for its own result: that is not ours.
	}
	if r := recordOf(t, dir, "c1"); !r.Ended || r.Unclean {
		t.Errorf("the record is %+v", r)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestAFolderThatCannotBeHeldIsSpokenOfOnce(t *testing.T) {
	var log strings.Builder
	a := &attempt{place: place{dir: t.TempDir()}, log: slog.New(slog.NewTextHandler(&log, nil))}
	for range 3 {
		a.hold()
	}
	if n := strings.Count(log.String(), "not as an agent leaves it"); n != 1 {
		t.Errorf("it was said %d times: %s", n, log.String())
	}
}
