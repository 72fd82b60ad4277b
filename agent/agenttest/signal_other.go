//go:build !unix

package agenttest

import (
	"os"
	"testing"
)

var stopSignal = os.Interrupt //nolint:gochecknoglobals // a constant that is none here

func alive(int) bool { return false }

func killSession(t testing.TB, pid int) {
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}
