package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/remuda-dev/remuda"
)

func TestTablesAreAlignedAndPlainWhereNobodyLooks(t *testing.T) {
	var shown, complaints bytes.Buffer
	p := &program{stdout: &shown, stderr: &complaints, environ: []string{"TERM=xterm-256color"}, env: func(string) (string, bool) { return "", false }}
	tasks := []remuda.Task{
		{ID: "t1", Name: "build", State: remuda.Succeeded, ResourceClass: "acme/linux", Organization: "acme", Project: "app", Total: 1},
		{ID: "t2", Name: "größer\x1b[31m", State: remuda.Failed, Reason: remuda.ReasonLost, ResourceClass: "acme/gpu", Organization: "acme", Project: "app", Index: 1, Total: 3},
	}
	if err := list(p, formatTable, tasks, taskColumns()[:5], ""); err != nil {
		t.Fatal(err)
	}
	want := "ID  NAME            STATE          CLASS       PROJECT\n" +
		"t1  build           succeeded      acme/linux  acme/app\n" +
		"t2  größer[31m 2/3  failed (lost)  acme/gpu    acme/app\n"
	if diff := cmp.Diff(want, shown.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	shown.Reset()
	if err := list(p, formatTable, nil, taskColumns(), "There is none."); err != nil || shown.Len() > 0 || complaints.String() != "There is none.\n" {
		t.Errorf("nothing is shown as %q, %q, %v", shown.String(), complaints.String(), err)
	}
	if err := list[remuda.Task](p, formatJSON, nil, taskColumns(), ""); err != nil || shown.String() != "[]\n" {
		t.Errorf("to programs nothing is %q, %v", shown.String(), err)
	}
}

func TestTimesReadAsPeopleSayThem(t *testing.T) {
	for passed, want := range map[time.Duration]string{
		0: "just now", 3500 * time.Millisecond: "3s ago", 75 * time.Second: "1m15s ago", 3 * time.Hour: "3h00m ago", 80 * time.Hour: "3d ago",
	} {
		if got := ago(time.Now().Add(-passed)); got != want {
			t.Errorf("%s: got %q, want %q", passed, got, want)
		}
	}
	for length, want := range map[time.Duration]string{
		0: "0ms", 12 * time.Millisecond: "12ms", 1500 * time.Millisecond: "1.5s", 42 * time.Second: "42s", 61 * time.Second: "1m01s", 90 * time.Minute: "1h30m",
	} {
		if got := short(length); got != want {
			t.Errorf("%s: got %q, want %q", length, got, want)
		}
	}
}

func TestWordsReachTheShellAsTheyWereTyped(t *testing.T) {
	for want, words := range map[string][]string{
		"make test && make lint":     {"make test && make lint"}, // a script
		"make test":                  {"make", "test"},
		`echo 'one  two' '$HOME' ''`: {"echo", "one  two", "$HOME", ""},
		`echo 'it'\''s' 'A=b' 'b"'`:  {"echo", "it's", "A=b", `b"`},
	} {
		if got := shellWords(words); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
