package job

import (
	"os"
	"os/exec"
)

// find looks a program up where Windows does.
func find(name, _, _ string) (string, bool) {
	program, err := exec.LookPath(name)
	return program, err == nil
}

// exitOf is the exit code; there are no signals.
func exitOf(state *os.ProcessState) (code int, signal string) { return state.ExitCode(), "" }

func signalName(int) string { return "" }
