package machine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheLastWholeLineOfARecordCounts(t *testing.T) {
	p := place{dir: t.TempDir(), id: "claim"}
	if r, err := p.read(); err != nil || r != (record{}) {
		t.Fatalf("without a record: %+v, %v", r, err)
	}
	for pid := range 3 {
		if err := p.write(record{Pid: pid + 1, Started: "now"}); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := p.read(); err != nil || r.Pid != 3 {
		t.Fatalf("after three: %+v, %v", r, err)
	}

	// A runner that is killed, or a disk that is full, leaves part of a line: what was known before holds.
	whole, err := os.ReadFile(p.recordPath())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.recordPath(), append(whole, []byte(`{"pid":7,"star`)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := p.read(); err != nil || r.Pid != 3 {
		t.Errorf("after a line that was cut short: %+v, %v", r, err)
	}
	if err := p.write(record{Pid: 8}); err != nil {
		t.Fatal(err)
	}
	if r, err := p.read(); err != nil || r.Pid != 8 {
		t.Errorf("after the next whole one: %+v, %v", r, err)
	}
}

// A runner can be killed between any two of its calls; its successor knows of a folder elsewhere by the record alone.
func TestAFolderForASocketIsMadeAfterItIsNotedAndRemovedBeforeThatIsForgotten(t *testing.T) {
	p := place{dir: filepath.Join(t.TempDir(), strings.Repeat("long", 30), "claim"), id: "claim"}
	if err := makeAll(p.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	socket, dir := p.socketPlace()
	if _, err := os.Lstat(dir); filepath.Dir(socket) != dir || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it lies in %q, which is there before anybody knows: %v", dir, err)
	}
	r := record{SocketDir: "no folder has this name\x00"}
	if err := p.write(r); err != nil {
		t.Fatal(err)
	}
	if err := p.remove(r); err == nil {
		t.Error("what cannot be removed was")
	}
	if known, err := p.read(); err != nil || known.SocketDir != r.SocketDir {
		t.Errorf("what is left is forgotten: %+v, %v", known, err)
	}
}
