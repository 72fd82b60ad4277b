package agenttest

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/remuda-dev/remuda"
	"github.com/remuda-dev/remuda/agent"
)

// want waits for the agent's end and compares how it ended.
func (a *Agent) want(code int, result remuda.Result) {
	a.t.Helper()
	if got := a.Wait(); got != code {
		a.t.Fatalf("the agent ended with %d, not %d", got, code)
	}
	if got := a.Result(); !reflect.DeepEqual(got, result) {
		a.t.Errorf("the result is %+v, not %+v", got, result)
	}
}

// wantGone waits for the end of an agent that has nothing to say.
func (a *Agent) wantGone() {
	a.t.Helper()
	if got := a.Wait(); got != agent.ExitGone {
		a.t.Fatalf("the agent ended with %d, not %d", got, agent.ExitGone)
	}
	if result, found, err := a.Handoff.Folder().Result(); found || err != nil {
		a.t.Errorf("it left the result %+v (%v)", result, err)
	}
}

func (a *Agent) wantStep(n int, state remuda.StepState) {
	a.t.Helper()
	if got := a.Plane.Seen().Steps[n].State; got != state {
		a.t.Errorf("step %d is %s, not %s", n, got, state)
	}
}

// wantDead is that the process whose id is in a file has ended.
func (a *Agent) wantDead(file string) {
	a.t.Helper()
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return // it was ended before it came so far
	}
	if pid := a.number(file); alive(pid) {
		a.t.Errorf("process %d is still there", pid)
	}
}

// untilSaid waits until the first step's output holds text.
func (a *Agent) untilSaid(text string) {
	a.t.Helper()
	a.Plane.Until(a.t, "output "+strconv.Quote(text), func(seen Seen) bool {
		return strings.Contains(string(seen.Streams[0].Data), text)
	})
}

// UntilResult waits until the agent has left a result.
func (a *Agent) UntilResult() {
	a.t.Helper()
	a.until("a result", func() bool {
		_, found, _ := a.Handoff.Folder().Result()
		return found
	})
}

// untilAsked waits until the agent has asked to begin.
func (a *Agent) untilAsked() {
	a.t.Helper()
	a.Plane.Until(a.t, "a Begin", func(seen Seen) bool { return seen.Asked })
}

// until looks again and again: nobody tells when a file appears.
func (a *Agent) until(what string, happened func() bool) {
	a.t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for late := time.After(patience); !happened(); {
		select {
		case <-ticker.C:
		case <-late:
			a.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// number reads a number from the last whole line of a file.
func (a *Agent) number(file string) int {
	a.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		a.t.Fatal(err)
	}
	whole := string(text[:bytes.LastIndexByte(text, '\n')+1])
	lines := strings.Split(strings.TrimSpace(whole), "\n")
	number, err := strconv.Atoi(lines[len(lines)-1])
	if err != nil {
		a.t.Fatal(err)
	}
	return number
}

func (a *Agent) log() *slog.Logger { return slog.New(slog.NewTextHandler(a.stderr, nil)) }
