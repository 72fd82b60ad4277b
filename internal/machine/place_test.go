package machine

import (
	"os"
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
